"""How the classifiers of tickets did in cross-validation: `kinship.predictions.backtest.FIT`, two models."""

from typing import Any


def model(dbt: Any, session: Any) -> Any:
    """Train what has not been trained, and say how it was judged."""
    dbt.config(materialized="table", packages=[])
    from kinship.predictions.frames import give, take
    from kinship.predictions.text.tickets import fit

    clock, labels = take(dbt.ref("int_customers__as_of")), take(dbt.ref("ticket_labels"))
    texts = take(dbt.ref("int_predictions__ticket_texts"))
    as_of = clock["as_of"][0].as_py()
    return give(session, fit(labels, texts, as_of.date() if as_of else None))
