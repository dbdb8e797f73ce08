"""The graph functions of the identity layer inside Spark: the same functions over lists as in DuckDB."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa

from kinship.identity.functions import FUNCTIONS, Function

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def register(session: "SparkSession") -> None:
    """Make the functions known to the session. Doing it again does no harm."""
    from pyspark.sql.functions import arrow_udf

    for function in FUNCTIONS:
        called = arrow_udf(_over_arrays(function), spark_type(function.returns))
        session.udf.register(function.name, called)


def _over_arrays(function: Function) -> Callable[..., pa.Array]:
    """Spark hands over plain arrays, DuckDB chunked ones."""
    call = function.call

    def over_arrays(*columns: pa.Array) -> pa.Array:
        return call(*(pa.chunked_array([column]) for column in columns))

    return over_arrays


def spark_type(duckdb_type: str) -> str:
    """The type in Spark's words: `struct(node_id bigint)[]` -> `array<struct<node_id bigint>>`."""
    kind = duckdb_type.strip()
    if kind.endswith("[]"):
        return f"array<{spark_type(kind[:-2])}>"
    if kind.startswith("struct("):
        return f"struct<{kind[len('struct(') : -1].replace('varchar', 'string')}>"
    return kind.replace("varchar", "string")
