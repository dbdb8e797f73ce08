"""One row per two records compared and found alike, and one per record that has been compared (with itself, weight 0).

A row holds for what the two records said then (`left_hash`, `right_hash`) and for the model that judged them; it is
never changed.
"""

from typing import Any


def model(dbt: Any, session: Any) -> Any:
    """Compare the records that are new, or say something new, with all records."""
    dbt.config(materialized="incremental", incremental_strategy="append", packages=[])
    attributes = dbt.ref("int_identity__record_attributes")
    nodes = dbt.ref("int_identity__nodes")
    scored = session.table(str(dbt.this)) if dbt.is_incremental else None
    if hasattr(session, "createDataFrame"):
        from kinship.spark.likeness import compare
    else:
        from kinship.identity.likeness import compare
    return compare(attributes, nodes, scored)
