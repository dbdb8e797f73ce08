"""Everything the person did, and everything that was sent to them, newest first."""

from datetime import date, datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboards import data, layout

MOST = 10_000
"""Events that are listed. Who has more is a shared device or a machine, and the page says so."""

PER_PAGE = 40

ICONS = {
    "web": "language",
    "app": "smartphone",
    "email": "mail",
    "sms": "sms",
    "store": "storefront",
    "support": "support_agent",
    "crm": "handshake",
    "phone": "call",
}
"""Material Symbols by channel; Streamlit brings them along."""

_EVENTS = """
    select
        events.event_id, events.occurred_at, events.event_type, events.channel, events.detail, events.amount,
        events.currency, events.campaign, events.page_path, events.device_type, events.order_id, events.ticket_id,
        products.name as product, events.source, events.is_shared_device, count(*) over () as total
    from customers.customer_events as events
    left join customers.products as products on products.product_id = events.product_id
    where events.customer_id = ?
        and (len(?::varchar[]) = 0 or events.channel in (select unnest(?::varchar[])))
        and (len(?::varchar[]) = 0 or events.event_type in (select unnest(?::varchar[])))
        and (?::date is null or events.occurred_at >= ?::date)
        and (?::date is null or events.occurred_at < ?::date + interval 1 day)
    order by events.occurred_at desc, events.event_id
    limit ?
"""


def events(
    customer_id: str, channels: list[str], types: list[str], first: date | None = None, last: date | None = None
) -> pd.DataFrame:
    """The newest `MOST` events, one row each; without channels or types, all of them. `total` counts those left out."""
    days = [day and day.isoformat() for day in (first, first, last, last)]
    return data.frame(_EVENTS, customer_id, channels, channels, types, types, *days, MOST)


@st.fragment
def show(customer_id: str) -> None:
    """The timeline with its filters, a page at a time."""
    kinds = data.frame(
        """
        select channel, event_type, min(occurred_at) as first, max(occurred_at) as last
        from customers.customer_events where customer_id = ? group by all order by all
        """,
        customer_id,
    )
    if kinds.empty:
        layout.missing("Nothing is known of what this person did.")
        return
    channels = st.pills(
        "Channels", sorted(kinds["channel"].dropna().unique()), selection_mode="multi", format_func=_channel,
        key=f"channels_{customer_id}",
    )  # fmt: skip
    offered = kinds if not channels else kinds[kinds["channel"].isin(channels)]
    with st.container(horizontal=True):
        types = st.multiselect(
            "Events", sorted(offered["event_type"].unique()), format_func=layout.words, placeholder="All events",
            key=f"types_{customer_id}",
        )  # fmt: skip
        days = st.date_input(
            "Between", value=(), min_value=kinds["first"].min().date(), max_value=kinds["last"].max().date(),
            key=f"days_{customer_id}", format="YYYY-MM-DD",
        )  # fmt: skip
    between = days if isinstance(days, tuple) else (days,)
    first, last = (*between, None, None)[:2]
    found = events(customer_id, list(channels or ()), list(types), first, last)
    total = 0 if found.empty else int(found["total"].iloc[0])
    st.caption(
        f"{total:,} events" + (f", of which the newest {MOST:,} are listed" if total > MOST else "") + "; times in UTC."
    )
    pages = max(1, -(-len(found) // PER_PAGE))
    page = st.pagination(pages, key=f"page_{customer_id}") if pages > 1 else 1
    shown = found.iloc[(min(page, pages) - 1) * PER_PAGE : min(page, pages) * PER_PAGE]
    for day, of_day in shown.groupby(shown["occurred_at"].dt.date, sort=False):
        st.markdown(f"**{day:%A, %d %B %Y}**")
        st.markdown("  \n".join(_line(event) for event in of_day.to_dict("records")))
    if not found.empty:
        layout.download(found.drop(columns="total"), f"timeline_{customer_id}")


def _line(event: dict[Any, Any]) -> str:
    def has(name: str) -> bool:
        return not pd.isna(event[name]) and event[name] != ""

    occurred: datetime = event["occurred_at"]
    said = [f"{occurred:%H:%M}", _icon(event["channel"]), f"**{layout.plain(layout.words(event['event_type']))}**"]
    named = next((name for name in ("product", "detail", "page_path") if has(name)), None)
    facts = [layout.plain(event[name]) for name in (named, "campaign") if name and has(name)]
    if has("amount"):
        facts.append(layout.plain(f"{event['amount']:,.2f} {event['currency'] if has('currency') else ''}"))
    facts += [layout.plain(event[name]) for name in ("order_id", "ticket_id") if has(name)]
    if event["is_shared_device"] is True:
        facts.append("on a shared device")
    return " ".join(said) + "".join(f" · {fact}" for fact in dict.fromkeys(facts))


def _icon(channel: Any) -> str:
    return f":material/{ICONS.get(channel, 'circle')}:"


def _channel(channel: str) -> str:
    return f"{_icon(channel)} {layout.plain(layout.words(channel))}"
