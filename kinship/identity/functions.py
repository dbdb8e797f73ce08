"""The graph functions of the identity layer inside DuckDB: pure functions over lists, one answer per row.

A list that is NULL counts as empty. An end, a type or a value that is NULL inside a list is an error, never skipped.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb.func import FunctionNullHandling, PythonUDFType

from kinship.identity.admission import Aparts, Claims, Links, admit
from kinship.identity.components import connected_components, spanning_forest
from kinship.limits import limit

ANY_SIZE = 2**31 - 1


class Function(NamedTuple):
    """A function in SQL: over columns of Arrow, one entry per row, to such a column."""

    name: str
    call: Callable[..., pa.Array]
    parameters: list[str]
    returns: str


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the functions known to the database, and so to all its connections. Doing it again does no harm."""
    for function in FUNCTIONS:
        try:
            connection.create_function(
                function.name,
                function.call,
                list(function.parameters),
                function.returns,
                type=PythonUDFType.ARROW,
                null_handling=FunctionNullHandling.SPECIAL,
            )
        except (duckdb.NotImplementedException, duckdb.CatalogException) as error:
            # registered before, through this connection or another one
            if "already" not in str(error):
                raise


class Plugin(BasePlugin):
    """What dbt-duckdb looks for in this module (profiles.yml)."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Called once for every database that dbt opens."""
        limit(conn)
        register(conn)


def _connected_components(lefts: pa.ChunkedArray, rights: pa.ChunkedArray) -> pa.Array:
    solved = [
        connected_components(_numbers(left, "left"), _numbers(right, "right"))
        for left, right in zip(_lists(lefts), _lists(rights), strict=True)
    ]
    return _list_column(
        [len(nodes) for nodes, _ in solved],
        pa.StructArray.from_arrays(
            [
                _joined([nodes for nodes, _ in solved], pa.int64()),
                _joined([components for _, components in solved], pa.int64()),
            ],
            ["node_id", "component_id"],
        ),
    )


def _spanning_forest(lefts: pa.ChunkedArray, rights: pa.ChunkedArray) -> pa.Array:
    kept = [
        spanning_forest(_numbers(left, "left"), _numbers(right, "right"))
        for left, right in zip(_lists(lefts), _lists(rights), strict=True)
    ]
    return _list_column([len(flags) for flags in kept], _joined(kept, pa.bool_()))


def _admit_evidence(
    links: pa.ChunkedArray, claims: pa.ChunkedArray, aparts: pa.ChunkedArray, largest: pa.ChunkedArray
) -> pa.Array:
    refusals = [
        _refused(*row) for row in zip(_lists(links), _lists(claims), _lists(aparts), largest.to_pylist(), strict=True)
    ]
    return pa.array(refusals, pa.list_(pa.struct([("edge_id", pa.string()), ("reason", pa.string())])))


def _refused(
    links: pa.StructArray, claims: pa.StructArray, aparts: pa.StructArray, largest: int | None
) -> list[dict[str, str | None]]:
    is_probabilistic = _flags(_field(links, "is_probabilistic"))
    refused = admit(
        Links(
            _ids(links, "left_id"),
            _ids(links, "right_id"),
            _weights(links, is_probabilistic),
            is_probabilistic,
            _flags(_field(links, "is_decided")),
        ),
        _claims(claims),
        Aparts(_ids(aparts, "left_id"), _ids(aparts, "right_id")),
        ANY_SIZE if largest is None else largest,
    )
    edges = links.field("edge_id").take(pa.array([place for place, _ in refused], pa.int64())).to_pylist()
    return [{"edge_id": edge, "reason": reason} for edge, (_, reason) in zip(edges, refused, strict=True)]


def _claims(claims: pa.StructArray) -> Claims:
    """Claims without a limit are left out."""
    claims = claims.filter(claims.field("most").is_valid())
    named = _field(claims, "claim_type").dictionary_encode()
    types = sorted(named.dictionary.to_pylist())
    code = np.array([types.index(name) for name in named.dictionary.to_pylist()], dtype=np.int64)
    return Claims(
        _ids(claims, "node_id"),
        code[_numbers(named.indices, "claim_type")],
        _numbers(_field(claims, "value_hash").dictionary_encode().indices, "value_hash").astype(np.int64),
        np.maximum(_numbers(claims.field("most"), "most").astype(np.int64), 0),
        types,
    )


def _weights(links: pa.StructArray, is_probabilistic: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Bits; evidence that is certain may come without, and is stronger than any other."""
    weights = links.field("weight")
    if weights.null_count:
        if is_probabilistic[weights.is_null().to_numpy(zero_copy_only=False)].any():
            raise ValueError("links: a probabilistic link has no weight")
        weights = pc.fill_null(weights, float("inf"))
    return np.asarray(weights.to_numpy(zero_copy_only=True))


def _ids(rows: pa.StructArray, field: str) -> npt.NDArray[np.int64]:
    return _numbers(_field(rows, field), field)


def _field(rows: pa.StructArray, field: str) -> pa.Array:
    """A field that every row has."""
    values = rows.field(field)
    if values.null_count or rows.null_count:
        raise ValueError(f"{field} is NULL in {max(values.null_count, rows.null_count)} rows of {len(rows)}")
    return values


def _numbers(values: pa.Array, what: str) -> npt.NDArray[np.int64]:
    """The same memory as an array of numpy."""
    if values.null_count:
        raise ValueError(f"{what} is NULL in {values.null_count} entries of {len(values)}")
    return np.asarray(values.to_numpy(zero_copy_only=True))


def _flags(values: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _lists(column: pa.ChunkedArray) -> Iterator[pa.Array]:
    """The values of each row's list, without a copy."""
    for chunk in column.chunks:
        offsets = chunk.offsets.to_pylist()
        for row, is_valid in enumerate(chunk.is_valid().to_pylist()):
            yield chunk.values.slice(offsets[row], offsets[row + 1] - offsets[row] if is_valid else 0)


def _joined(parts: list[npt.NDArray[Any]], kind: pa.DataType) -> pa.Array:
    """The parts of all rows, one after the other; the same memory when there is but one row."""
    return pa.array(parts[0] if len(parts) == 1 else np.concatenate(parts), kind)


def _list_column(lengths: list[int], values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(np.cumsum([0, *lengths]), pa.int32()), values)


FUNCTIONS = [
    Function(
        "connected_components",
        _connected_components,
        ["bigint[]", "bigint[]"],
        "struct(node_id bigint, component_id bigint)[]",
    ),
    Function("spanning_forest", _spanning_forest, ["bigint[]", "bigint[]"], "boolean[]"),
    Function(
        "admit_evidence",
        _admit_evidence,
        [
            "struct(edge_id varchar, left_id bigint, right_id bigint, weight double, is_probabilistic boolean,"
            " is_decided boolean)[]",
            "struct(node_id bigint, claim_type varchar, value_hash varchar, most integer)[]",
            "struct(left_id bigint, right_id bigint)[]",
            "integer",
        ],
        "struct(edge_id varchar, reason varchar)[]",
    ),
]
