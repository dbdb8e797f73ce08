"""What the person bought, line by line, and the deals and leads with them."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboards import data, layout

PER_PAGE = 10


@st.fragment
def show(customer_id: str) -> None:
    """Orders, newest first, each with its lines; then deals and leads where there are any."""
    orders = data.frame(
        """
        select
            order_id, order_number, source, channel, status, ordered_at, item_count, currency, gross_amount,
            discount_amount, discount_code, refunded_amount, cancelled_amount, net_amount, net_amount_eur
        from customers.customer_orders where customer_id = ? order by ordered_at desc, order_id
        """,
        customer_id,
    )
    if orders.empty:
        layout.missing("This person has not ordered.")
    else:
        _orders(customer_id, orders)
    for title, sql in (
        (
            "Deals",
            "select name, stage, amount, currency, probability, is_open, is_won, expected_close_date, created_at,"
            " closed_at, deal_id from customers.customer_deals where customer_id = ? order by created_at desc",
        ),
        (
            "Leads",
            "select status, lead_source, is_converted, created_at, updated_at, lead_id from customers.customer_leads"
            " where customer_id = ? order by created_at desc",
        ),
    ):
        found = data.frame(sql, customer_id)
        if not found.empty:
            st.subheader(title, anchor=False)
            layout.table(found)


def _orders(customer_id: str, orders: pd.DataFrame) -> None:
    lines = data.frame(
        """
        select
            order_id, sku, product_name, quantity, unit_price, discount_amount, net_amount, currency, is_cancelled
        from customers.customer_order_lines where customer_id = ? order by order_id, order_line_id
        """,
        customer_id,
    )
    cancelled = int(orders["status"].eq("cancelled").sum())
    st.caption(
        f"{len(orders):,} orders{f', {cancelled:,} of them cancelled' if cancelled else ''};"
        f" {layout.euro(orders['net_amount_eur'].sum())} net of refunds."
    )
    pages = -(-len(orders) // PER_PAGE)
    page = st.pagination(pages, key=f"orders_{customer_id}") if pages > 1 else 1
    for order in orders.iloc[(page - 1) * PER_PAGE : page * PER_PAGE].to_dict("records"):
        with st.expander(_title(order)):
            st.text(_summary(order))
            layout.table(
                lines[lines["order_id"] == order["order_id"]].drop(columns=["order_id"]),
                columns={
                    "sku": "SKU",
                    "product_name": "Product",
                    "quantity": "Quantity",
                    "unit_price": st.column_config.NumberColumn("Price", format="%.2f"),
                    "discount_amount": st.column_config.NumberColumn("Discount", format="%.2f"),
                    "net_amount": st.column_config.NumberColumn("Net", format="%.2f"),
                    "currency": "Currency",
                    "is_cancelled": "Cancelled",
                },
                height="content",
            )
    with st.container(horizontal=True):
        layout.download(orders, f"orders_{customer_id}", "Orders as CSV")
        layout.download(lines, f"order_lines_{customer_id}", "Lines as CSV")


def _title(order: dict[Any, Any]) -> str:
    number = order["order_number"] or order["order_id"]
    said = f"{order['ordered_at']:%Y-%m-%d} · {order['channel']} {number} · {_money(order, 'net_amount')}"
    return layout.plain(f"{said} · {layout.words(order['status']).lower()}" if order["status"] != "paid" else said)


def _summary(order: dict[Any, Any]) -> str:
    said = [order["order_id"], f"{order['item_count']} items", f"gross {_money(order, 'gross_amount')}"]
    for name in ("discount", "refunded", "cancelled"):
        if order[f"{name}_amount"]:
            said.append(f"{name} {_money(order, f'{name}_amount')}")
    if not pd.isna(order["discount_code"]):
        said.append(f"code {order['discount_code']}")
    return " · ".join(said)


def _money(order: dict[Any, Any], name: str) -> str:
    return f"{order[name]:,.2f} {order['currency']}"
