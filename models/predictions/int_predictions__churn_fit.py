"""Churn: the run of the model, and a row per figure of its back-test."""

from typing import Any


def model(dbt: Any, session: Any) -> Any:
    """Fit the model on all that is known, after judging it at cuts in the past."""
    from kinship.predictions import churn
    from kinship.predictions.frames import give, take

    dbt.config(materialized="table", packages=[])
    moments = take(dbt.ref("int_predictions__moments").filter("model = 'churn'"))
    order_features = take(dbt.ref("int_predictions__order_features").filter("model = 'churn'"))
    activity_features = take(dbt.ref("int_predictions__activity_features").filter("model = 'churn'"))
    order_outcomes = take(dbt.ref("int_predictions__order_outcomes").filter("model = 'churn'"))
    return give(session, churn.fit(moments, order_features, activity_features, order_outcomes).rows())
