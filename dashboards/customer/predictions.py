"""What the models expect of the person, how good they are at it, and what they were not let say."""

from typing import Any

import streamlit as st

from dashboards import data, layout

_SCORES = {
    "expected_value": """
        select expected_orders_12_months, expected_order_value_eur, expected_value_12_months_eur
        from predictions.expected_value where customer_id = ?
    """,
    "churn": "select churn_probability from predictions.churn where customer_id = ?",
    "campaign_propensity": """
        select channel, response_probability from predictions.campaign_propensity
        where customer_id = ? order by response_probability desc
    """,
    "next_products": """
        select
            scores.product_rank, coalesce(products.name, scores.product_id) as product,
            coalesce(reasons.name, scores.reason_product_id) as reason, scores.score
        from predictions.next_products as scores
        left join customers.products as products on products.product_id = scores.product_id
        left join customers.products as reasons on reasons.product_id = scores.reason_product_id
        where scores.customer_id = ? order by scores.product_rank
    """,
    "ticket_topics": """
        select topic, count(*) as tickets from predictions.ticket_topics
        where customer_id = ? and topic is not null group by topic order by tickets desc, topic
    """,
    "ticket_urgency": """
        select urgency, count(*) as tickets from predictions.ticket_topics
        where customer_id = ? and urgency is not null group by urgency order by tickets desc, urgency
    """,
}
"""What each model says of one person."""


def show(customer_id: str) -> None:
    """One block per model, those that publish first."""
    runs = data.rows("select * from predictions.model_runs order by is_published desc, model")
    if not runs:
        layout.missing("No model has run yet.")
    for run in runs:
        with st.container(border=True):
            _model(customer_id, run)


def _model(customer_id: str, run: dict[str, Any]) -> None:
    st.markdown(f"**{layout.plain(layout.words(run['model']))}**")
    if not run["is_published"]:
        st.text(f"Not published, as it is no better than a naive rule or not good enough: {run['reason']}")
        return
    scores = data.rows(_SCORES[run["model"]], customer_id) if run["model"] in _SCORES else []
    if scores:
        for score in scores:
            st.text(_said(run["model"], score))
    else:
        st.text("Says nothing of this person: there is too little to go by.")
    trained = f"version {run['model_version']}, trained on {run['trained_rows']:,} rows as of {run['as_of_date']}"
    st.caption(layout.plain(f"{trained}. How good it is: {run['reason']}"))


def _said(model: str, score: dict[str, Any]) -> str:
    if model == "expected_value":
        return (
            f"{score['expected_orders_12_months']:.2f} orders of {layout.euro(score['expected_order_value_eur'])}"
            f" in twelve months: {layout.euro(score['expected_value_12_months_eur'])}"
        )
    if model == "churn":
        return f"{score['churn_probability']:.0%} likely not to buy again"
    if model == "campaign_propensity":
        return f"{score['response_probability']:.1%} likely to answer by {score['channel']}"
    if model == "next_products":
        because = f", because they bought {score['reason']}" if score["reason"] else ", because many buy it"
        return f"{score['product_rank']}. {score['product']}{because}"
    about = score.get("topic") or score.get("urgency")
    return f"{layout.words(str(about))}: {score['tickets']:,} of their tickets"
