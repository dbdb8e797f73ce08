"""Expected orders and value: the run of the model, and a row per figure of its back-test."""

from typing import Any


def model(dbt: Any, session: Any) -> Any:
    """Fit the model on all that is known, after judging it at cuts in the past."""
    from kinship.predictions import expected_value
    from kinship.predictions.frames import give, take

    dbt.config(materialized="table", packages=[])
    moments = take(dbt.ref("int_predictions__moments").filter("model = 'expected_value'"))
    order_features = take(dbt.ref("int_predictions__order_features").filter("model = 'expected_value'"))
    order_outcomes = take(dbt.ref("int_predictions__order_outcomes").filter("model = 'expected_value'"))
    return give(session, expected_value.fit(moments, order_features, order_outcomes).rows())
