"""Segments: who is in, since when, who can be written to, and where it is sent."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import charts, data, layout, tones
from dashboards.wording import count, percent, words

SEGMENTS = """
    with latest as (
        select * from reporting.rpt_segment_sizes
        qualify row_number() over (partition by segment order by as_of desc) = 1
    )

    select
        segments.segment,
        segments.what,
        segments.owner,
        segments.purpose,
        segments.syncs,
        latest.member_count,
        latest.share_of_customers,
        latest.entered_count,
        latest.left_count,
        latest.email_reachable_count,
        latest.sms_reachable_count
    from reporting.rpt_segments as segments
    left join latest on segments.segment = latest.segment
    order by segments.segment
"""
SIZES = """
    select as_of, member_count, entered_count, left_count, merged_count, share_of_customers
    from reporting.rpt_segment_sizes
    where segment = ?
    order by as_of
"""
REACH = """
    with members as (
        select memberships.customer_id, customers.email is not null as has_email, customers.phone is not null as has_phone
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
            case consents.channel when 'email' then members.has_email when 'sms' then members.has_phone when 'phone' then members.has_phone else true end
                as has_address
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
OVERLAP = """
    select segment, other_segment, both_count, share_of_segment, jaccard, lift
    from reporting.rpt_segment_overlap
    order by segment, other_segment
"""


def detail(one: pd.Series) -> None:
    """One segment: what it is, how it grew, whom it reaches, and who uses it."""
    st.markdown(f"### {words(one['segment'])}")
    st.markdown(_plain(one["what"][:1].upper() + one["what"][1:]))
    st.caption(f"`models/segments/{one['segment']}.sql` · purpose **{words(one['purpose'])}** · owner {_plain(one['owner'])}")
    if pd.isna(one["member_count"]):
        layout.missing("This segment has not been built yet.", "`kinship run` builds it.")
        return
    with st.container(horizontal=True):
        st.metric("Members", count(one["member_count"]), border=True)
        st.metric("Of all people", percent(one["share_of_customers"]), border=True)
        st.metric("Came in", count(one["entered_count"]), border=True, help="When it was last built.")
        st.metric("Left", count(one["left_count"]), border=True, help="When it was last built.")
    sizes(one["segment"])
    if one["member_count"] == 0:
        layout.missing("Nobody is in it now.")
    else:
        reach(one["segment"], one["purpose"])
    used(one["syncs"])


def _plain(text: str) -> str:
    """Text as it is, where Markdown is read."""
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]()#+-.!|<>$~:" else sign for sign in text)


def sizes(segment: str) -> None:
    """Members at each build, and who came and went."""
    history = data.frame(SIZES, segment)
    if len(history) < 2:
        layout.missing("Counted once so far.", "Its size over time shows from the second run with newer data on.")
        return
    # one figure a day: the last build's size, and all who came and went
    days = history.assign(day=history["as_of"].dt.normalize()).groupby("day", as_index=False)
    days = days.agg(member_count=("member_count", "last"), entered_count=("entered_count", "sum"), left_count=("left_count", "sum"))
    size, moved = st.columns(2)
    with size:
        charts.over_time(days, "day", "member_count", title="Members", unit="~s")
    moves = days.assign(left_count=-days["left_count"]).melt("day", ["entered_count", "left_count"], "kind", "people")
    moves["kind"] = moves["kind"].map({"entered_count": "Came in", "left_count": "Left"})
    colours = alt.Scale(domain=["Came in", "Left"], range=[tones.GOOD, tones.WARN])
    with moved:
        charts.show(
            alt.Chart(moves)
            .mark_bar(width={"band": 0.8})
            .encode(
                x=alt.X("yearmonthdate(day):T", title=None),
                y=alt.Y("people:Q", title="People who came and left", axis=alt.Axis(format="~s", tickCount=5)),
                color=alt.Color("kind:N", title=None, scale=colours, legend=alt.Legend(orient="bottom")),
                tooltip=[alt.Tooltip("day:T", title="Day"), "kind:N", alt.Tooltip("people:Q", format=",")],
            )
        )
    layout.download(history, f"sizes_{segment}")


def reach(segment: str, purpose: str) -> None:
    """Whom the segment reaches, by what they agreed to; its own purpose first."""
    st.markdown("#### Who can be reached")
    found = data.frame(REACH, segment, purpose)
    if found.empty:
        layout.missing("Nobody's consent is known, so nobody can be reached.", "Sources that know of consents ship them (docs/add-a-source.md).")
        return
    found["not_asked"] = found["members"] - found["reachable"] - found["without_address"] - found["refused"]
    found["what"] = [f"{words(p)}, {words(c).lower() if c != 'sms' else 'SMS'}" for p, c in zip(found["purpose"], found["channel"], strict=True)]
    answers = {"reachable": "Reachable", "without_address": "Agreed, no address", "refused": "Said no", "not_asked": "Never asked"}
    told = found.melt(["what", "members"], list(answers), "answer", "people")
    told["share"] = told["people"] / told["members"]
    told["place"] = told["answer"].map({name: place for place, name in enumerate(answers)})
    told["answer"] = told["answer"].map(answers)
    colours = alt.Scale(domain=list(answers.values()), range=[tones.GOOD, tones.SOFT, tones.WARN, tones.PLAIN])
    chart = (
        alt.Chart(told)
        .mark_bar(height=16)
        .encode(
            y=alt.Y("what:N", sort=None, title=None, axis=alt.Axis(labelLimit=200)),
            x=alt.X("share:Q", title="Share of members", axis=alt.Axis(format=".0%", tickCount=5), scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("answer:N", title=None, sort=None, scale=colours, legend=alt.Legend(orient="bottom", columns=2)),
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
    said = ", ".join(f"{count(n)} by {c if c != 'sms' else 'SMS'}" for n, c in zip(own["reachable"], own["channel"], strict=True))
    st.caption(
        f"For its own purpose, {words(purpose).lower()}: {said or 'nobody'}. Reachable: agreed, and has the address or number."
        " Never asked is no. What leaves the house is checked again on its way out."
    )
    layout.download(found.drop(columns="what"), f"reach_{segment}")


def used(syncs: str) -> None:
    """The syncs that read it."""
    st.markdown("#### Where it is sent")
    if not syncs:
        layout.missing("No sync reads it.", "A file in `models/activation/` that selects from it makes one (docs/reverse-etl.md).")
        return
    with st.container(horizontal=True):
        for sync in syncs.split(", "):
            st.page_link("views/activation.py", label=sync, icon=":material/send:", query_params={"sync": sync})


def everything(found: pd.DataFrame) -> None:
    """All segments beside each other."""
    st.subheader("All segments", anchor=False)
    number = {"format": "localized"}
    st.dataframe(
        found.assign(name=found["segment"].map(words)).sort_values("member_count", ascending=False, na_position="last"),
        hide_index=True,
        height="content",
        placeholder="–",
        column_order=[
            "name", "member_count", "share_of_customers", "entered_count", "left_count",
            "email_reachable_count", "sms_reachable_count", "purpose", "owner", "syncs", "what",
        ],
        column_config={
            "name": st.column_config.TextColumn("Segment", pinned=True),
            "member_count": st.column_config.NumberColumn("Members", **number),
            "share_of_customers": st.column_config.NumberColumn("Of all", format="percent"),
            "entered_count": st.column_config.NumberColumn("Came in", **number),
            "left_count": st.column_config.NumberColumn("Left", **number),
            "email_reachable_count": st.column_config.NumberColumn("By e-mail", help="Agreed to its purpose by e-mail, and has an address.", **number),
            "sms_reachable_count": st.column_config.NumberColumn("By SMS", help="Agreed to its purpose by SMS, and has a number.", **number),
            "purpose": "Purpose",
            "owner": "Owner",
            "syncs": "Sent by",
            "what": st.column_config.TextColumn("Who is in", width="large"),
        },
    )  # fmt: skip
    layout.download(found, "segments")


def overlap(chosen: str) -> None:
    """Which people are in several."""
    st.subheader("Overlap", anchor=False)
    found = data.frame(OVERLAP) if data.has_table("reporting.rpt_segment_overlap") else pd.DataFrame()
    if found.empty:
        layout.missing("Fewer than two segments have members.")
        return
    names = sorted(set(found["segment"]))
    number = {name: place for place, name in enumerate(names, 1)}
    shown = found.assign(
        row=[f"{words(name)}  {number[name]}" for name in found["segment"]],
        column=found["other_segment"].map(number),
        other=found["other_segment"].map(words),
        told=[f"{share * 100:.0f}" if share >= 0.005 else "" for share in found["share_of_segment"]],
    )
    base = alt.Chart(shown).encode(
        y=alt.Y("row:N", sort=[f"{words(name)}  {number[name]}" for name in names], title=None, axis=alt.Axis(labelLimit=220, domain=False, ticks=False)),
        x=alt.X("column:O", title="… who are in segment number", axis=alt.Axis(labelAngle=0, domain=False, ticks=False, orient="top", labelOverlap=True)),
    )
    cells = base.mark_rect(color=tones.GOOD, cornerRadius=2).encode(
        opacity=alt.Opacity("share_of_segment:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[0.04, 0.85])),
        tooltip=[
            alt.Tooltip("row:N", title="Of"),
            alt.Tooltip("other:N", title="are in"),
            alt.Tooltip("share_of_segment:Q", title="Share", format=".1%"),
            alt.Tooltip("both_count:Q", title="People in both", format=","),
            alt.Tooltip("lift:Q", title="Times as many as by chance", format=",.2f"),
        ],
    )
    told = base.mark_text(fontSize=10, color=tones.ink()).encode(text="told:N")
    charts.show((cells + told).properties(height=alt.Step(24)), height=None)
    st.caption("Percent of the row's members who are in the column's segment, too. Tell one from another by their numbers.")
    own = found[found["segment"] == chosen].sort_values("share_of_segment", ascending=False)
    if len(own):
        first = own.iloc[0]
        if first["both_count"]:
            st.caption(
                f"Of {words(chosen)}, most are in {words(first['other_segment'])}: {percent(first['share_of_segment'])},"
                f" {count(first['both_count'])} people."
            )
    layout.download(found, "segment_overlap")


layout.header("Segments", "Who is in, who comes and goes, who can be reached, and where it is sent.")
if data.has_table("reporting.rpt_segments"):
    found = data.frame(SEGMENTS)
    names = found["segment"].to_list()
    asked = st.query_params.get("segment")
    if asked is not None and asked not in names:
        st.warning("The address names a segment that is not published. This is the first one there is.", icon=":material/info:")
    chosen = st.selectbox("Segment", names, format_func=words, key="segment", bind="query-params", width=360)
    detail(found.set_index("segment", drop=False).loc[chosen])
    everything(found)
    overlap(chosen)
else:
    layout.missing("No segment is published.", "A file in `models/segments/` is one (docs/segments.md); `kinship run` builds and publishes it.")
