"""Churn: what the published model says of everyone now; empty when none is published."""

from typing import Any


def model(dbt: Any, session: Any) -> Any:
    """Work out the predictions from the parameters kept with the run."""
    from kinship.predictions import churn
    from kinship.predictions.frames import give, take

    dbt.config(materialized="table", packages=[])
    fitted = take(dbt.ref("int_predictions__churn_fit"))
    order_features = take(dbt.ref("int_predictions__order_features").filter("model = 'churn' and cut_number = 0"))
    activity_features = take(dbt.ref("int_predictions__activity_features").filter("model = 'churn' and cut_number = 0"))
    return give(session, churn.score(fitted, order_features, activity_features))
