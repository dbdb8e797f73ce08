"""The most frequent ways to an order."""

import streamlit as st

from dashboards import data, layout
from dashboards.layout import words

PATHS = """
    select path_rank, path, orders, order_share, shortened_orders
    from reporting.rpt_paths
    where path_kind = ? and path_rank <= 15
    order by path_rank
"""
KINDS = {"channel": "By what they came", "event_type": "What they did"}


def show() -> None:
    """The fifteen most frequent, by channels or by what people did."""
    st.subheader("Ways to an order", anchor=False)
    if not data.has_table("reporting.rpt_paths"):
        layout.missing("No way to an order is known.", "Orders of people who visited or clicked before show here.")
        return
    kind = st.segmented_control(
        "Ways",
        list(KINDS),
        format_func=KINDS.__getitem__,
        default="channel",
        required=True,
        key="ways",
        label_visibility="collapsed",
    )
    found = data.frame(PATHS, kind)
    if found.empty:
        layout.missing("No order has such a way.")
        return
    found["path"] = [" → ".join(words(step) for step in path.split(" > ")) for path in found["path"]]
    number = st.column_config.NumberColumn
    st.dataframe(
        found,
        hide_index=True,
        height="content",
        column_order=["orders", "order_share", "path"],
        column_config={
            "orders": number("Orders", format="localized", width="small"),
            "order_share": st.column_config.ProgressColumn(
                "Share", format="percent", min_value=0.0, max_value=float(found["order_share"].max())
            ),
            "path": "Way",
        },
    )
    st.caption(
        "The fifteen most frequent of all time. What repeats is one step; of a longer way its last six steps are told."
    )
    layout.download(found, f"paths_{kind}")
