"""Propensity to answer a campaign: the run of the model, and a row per figure of its back-test."""

from typing import Any


def model(dbt: Any, session: Any) -> Any:
    """Fit the model on all that is known, after judging it at cuts in the past."""
    from kinship.predictions import campaign_propensity
    from kinship.predictions.frames import give, take

    dbt.config(materialized="table", packages=[])
    moments = take(dbt.ref("int_predictions__moments").filter("model = 'campaign_propensity'"))
    campaign_features = take(dbt.ref("int_predictions__campaign_features"))
    campaign_outcomes = take(dbt.ref("int_predictions__campaign_outcomes"))
    return give(session, campaign_propensity.fit(moments, campaign_features, campaign_outcomes).rows())
