"""Next products: the run of the model, and a row per figure of its back-test. Kept while it learns from the same."""

from typing import Any


def model(dbt: Any, session: Any) -> Any:
    """Learn the weights at the earlier cut, and judge them at the later; no rows when what is held still holds."""
    from kinship.predictions import next_products
    from kinship.predictions.frames import give, take

    dbt.config(
        materialized="incremental",
        incremental_strategy="append",
        on_schema_change="append_new_columns",
        packages=[],
    )
    moments = take(dbt.ref("int_predictions__basket_moments"))
    baskets = dbt.ref("int_predictions__next_baskets")
    candidates = dbt.ref("int_predictions__next_product_candidates")
    popular = dbt.ref("int_predictions__popular_products").filter("cut_number = 1")
    purchases = dbt.ref("int_predictions__purchases").filter("cut_number = 1")
    held = take(session.table(str(dbt.this))) if dbt.is_incremental else None
    if held is not None and next_products.holds(held, moments):
        return give(session, next_products.KEPT.empty_table())
    return give(
        session, next_products.kept(moments, *(take(each) for each in (baskets, candidates, popular, purchases)))
    )
