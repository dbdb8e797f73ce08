"""One row per channel: the share of orders that would be lost without it (kinship/attribution.py)."""

from typing import Any


def model(dbt: Any, session: Any) -> Any:
    """The removal effects of the channels, out of the transitions between them."""
    dbt.config(materialized="table", packages=[])
    from kinship.attribution import removal_effects
    from kinship.predictions.frames import give, take

    return give(session, removal_effects(take(dbt.ref("int_customers__channel_transitions"))))
