"""Propensity to answer a campaign: what the published model says of everyone now; empty when none is published."""

from typing import Any


def model(dbt: Any, session: Any) -> Any:
    """Work out the predictions from the parameters kept with the run."""
    from kinship.predictions import campaign_propensity
    from kinship.predictions.frames import give, take

    dbt.config(materialized="table", packages=[])
    fitted = take(dbt.ref("int_predictions__campaign_propensity_fit"))
    campaign_features = take(dbt.ref("int_predictions__campaign_features").filter("cut_number = 0"))
    return give(session, campaign_propensity.score(fitted, campaign_features))
