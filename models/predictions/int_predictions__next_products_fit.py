"""Next products: the run of the model, and a row per figure of its back-test."""

from typing import Any


def model(dbt: Any, session: Any) -> Any:
    """Learn the weights at the earlier cut, and judge them at the later."""
    from kinship.predictions import next_products
    from kinship.predictions.frames import give, take

    dbt.config(materialized="table", packages=[])
    moments = take(dbt.ref("int_predictions__basket_moments"))
    baskets = take(dbt.ref("int_predictions__next_baskets"))
    candidates = take(dbt.ref("int_predictions__next_product_candidates").filter("cut_number > 0"))
    popular = take(dbt.ref("int_predictions__popular_products").filter("cut_number = 1"))
    purchases = take(dbt.ref("int_predictions__purchases").filter("cut_number = 1"))
    return give(session, next_products.fit(moments, baskets, candidates, popular, purchases).rows())
