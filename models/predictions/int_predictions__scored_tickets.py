"""One row per different text and version of the model: what it is about and how urgent it is. Never changed."""

from typing import Any


def model(dbt: Any, session: Any) -> Any:
    """Classify the texts that are new to the model."""
    dbt.config(materialized="incremental", incremental_strategy="append", packages=[])
    from kinship.predictions.frames import give, take
    from kinship.predictions.text.tickets import score

    fitted, labels = take(dbt.ref("int_predictions__tickets_fit")), take(dbt.ref("ticket_labels"))
    texts = take(dbt.ref("int_predictions__ticket_texts"))
    scored = None
    if dbt.is_incremental:
        scored = take(session.table(str(dbt.this)).select("text_hash", "model_version"))
    return give(session, score(fitted, labels, texts, scored))
