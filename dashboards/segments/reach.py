"""Whom a segment reaches: by purpose and channel, who agreed, who said no, and who was never asked."""

import altair as alt
import streamlit as st

from dashboards import charts, data, layout, tones
from dashboards.layout import words
from dashboards.wording import count

REACH = """
    with members as (
        select
            memberships.customer_id,
            customers.email is not null as has_email,
            customers.phone is not null as has_phone
        from segments.segment_memberships as memberships
        inner join customers.customers on memberships.customer_id = customers.customer_id
        where memberships.segment = ? and memberships.left_at is null
    ),

    asked as (
        select distinct purpose, channel from customers.customer_consents
    ),

    answers as (
        select
            consents.purpose,
            consents.channel,
            consents.is_allowed,
            consents.status in ('denied', 'withdrawn') as is_refused,
            case
                when consents.channel = 'email' then members.has_email
                when consents.channel in ('sms', 'phone') then members.has_phone
                else true
            end as has_address
        from customers.customer_consents as consents
        inner join members on consents.customer_id = members.customer_id
    )

    select
        asked.purpose,
        asked.channel,
        (select count(*) from members) as members,
        count(*) filter (answers.is_allowed and answers.has_address) as reachable,
        count(*) filter (answers.is_allowed and not answers.has_address) as without_address,
        count(*) filter (answers.is_refused) as refused
    from asked
    left join answers on asked.purpose = answers.purpose and asked.channel = answers.channel
    group by asked.purpose, asked.channel
    order by asked.purpose <> ?, asked.purpose, reachable desc, asked.channel
"""
ANSWERS = {
    "reachable": ("Reachable", tones.GOOD),
    "without_address": ("Agreed, no address", tones.SOFT),
    "refused": ("Said no", tones.WARN),
    "not_asked": ("Never asked", tones.PLAIN),
}


def show(segment: str, purpose: str) -> None:
    """Whom the segment reaches; its own purpose first."""
    st.subheader("Who can be reached", anchor=False)
    found = data.frame(REACH, segment, purpose)
    if found.empty:
        layout.missing("Nobody's consent is known, so nobody can be reached.")
        return
    found["not_asked"] = found["members"] - found["reachable"] - found["without_address"] - found["refused"]
    told = found.assign(what=[f"{words(p)}, {_channel(c)}" for p, c in found[["purpose", "channel"]].to_numpy()])
    told = told.melt(["what", "members"], list(ANSWERS), "answer", "people")
    told["share"] = told["people"] / told["members"]
    told["place"] = told["answer"].map(list(ANSWERS).index)
    told["answer"] = told["answer"].map(lambda answer: ANSWERS[answer][0])
    colours = alt.Scale(domain=[name for name, _ in ANSWERS.values()], range=[tone for _, tone in ANSWERS.values()])
    share = alt.Axis(format=".0%", tickCount=5)
    chart = (
        alt.Chart(told)
        .mark_bar(height=16)
        .encode(
            y=alt.Y("what:N", sort=None, title=None, axis=alt.Axis(labelLimit=200, labelFlush=False)),
            x=alt.X("share:Q", title="Share of members", axis=share, scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("answer:N", title=None, scale=colours, legend=alt.Legend(orient="bottom", columns=2)),
            order="place:Q",
            tooltip=[
                alt.Tooltip("what:N", title="For"),
                alt.Tooltip("answer:N", title="Answer"),
                alt.Tooltip("people:Q", title="People", format=","),
                alt.Tooltip("share:Q", title="Share of members", format=".1%"),
            ],
        )
        .properties(height=alt.Step(30))
    )
    charts.show(chart, height=None)
    own = found[found["purpose"] == purpose]
    said = ", ".join(f"{count(n)} by {_channel(c)}" for n, c in own[["reachable", "channel"]].to_numpy())
    st.caption(
        f"For its own purpose, {words(purpose).lower()}: {said or 'nobody'}. Reachable: agreed, and has the address or"
        " number. Never asked is no. Consent is checked again on the way out."
    )
    layout.download(found, f"reach_{segment}")


def _channel(channel: str) -> str:
    return "SMS" if channel == "sms" else channel
