"""Tables as the models of either engine hand them over: relations of DuckDB, DataFrames of Spark; Arrow in between."""

from typing import Any

import pyarrow as pa


def take(relation: Any) -> pa.Table:
    """What `dbt.ref` returned, in memory."""
    return relation.toArrow() if hasattr(relation, "toArrow") else relation.to_arrow_table()


def give(session: Any, table: pa.Table) -> Any:
    """A table as a Python model returns it."""
    return session.createDataFrame(table) if hasattr(session, "createDataFrame") else table
