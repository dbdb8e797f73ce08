# ruff: noqa: S608 - names of our own tables and columns only, quoted
"""Do both engines say the same? Compares a warehouse file with a lake, table by table and row by row."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from kinship import lake

PUBLIC = ("seeds", "identity", "customers", "predictions", "segments", "activation", "reporting")
# when a run said something is told by its own clock, and differs between two runs of one engine, too
WRITTEN = "changed_at"  # wherever a public table has it: when the row was last written
CLOCK = {
    "customers.customer_events": ("extracted_at",),
    "identity.identity_assignments": ("assigned_at",),
    "identity.identity_events": ("occurred_at",),
    "identity.identity_redirects": ("issued_at",),
}
TOLERANCE = 1e-9  # of floats, relative to the larger one where that is above 1


@dataclass(frozen=True)
class Compared:
    """One table. `types` are the columns whose type differs, with both types; rows are counted, never shown."""

    table: str
    rows: int
    missing: int
    """Rows of the warehouse that the lake has not, floats within the tolerance of each other."""
    surplus: int
    """Rows of the lake that the warehouse has not."""
    types: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        return not (self.missing or self.surplus or self.types)


def compare(warehouse: Path) -> Iterator[Compared]:
    """Compare every public table of the file with that of `settings().lake`; the target must be Spark."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        lake.reach(connection)
        in_lake = set(lake.show(connection))
        connection.execute(f"attach '{str(warehouse).replace(chr(39), chr(39) * 2)}' as warehouse (read_only)")
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables where table_catalog = 'warehouse'"
            " and list_contains(?, table_schema) and not starts_with(table_name, 'int_') order by all",
            [list(PUBLIC)],
        ).fetchall()
        for schema, table in tables:
            name = f"{schema}.{table}"
            if name not in in_lake:
                yield Compared(name, 0, 0, 0, ("no such table in the lake",))
                continue
            yield _compare(connection, name)


def _compare(connection: duckdb.DuckDBPyConnection, name: str) -> Compared:
    ours = {column: kind for column, kind, *_ in connection.execute(f"describe warehouse.{name}").fetchall()}
    theirs = {column: kind for column, kind, *_ in connection.execute(f"describe {name}").fetchall()}
    types = tuple(
        f"{column}: {ours.get(column, 'absent')} / {theirs.get(column, 'absent')}"
        for column in dict.fromkeys([*ours, *theirs])
        if ours.get(column) != theirs.get(column)
    )
    # rows are told apart by everything but floats, which are compared within the tolerance, in order
    left_out = {WRITTEN, *CLOCK.get(name, ())}
    common = [column for column in ours if column in theirs and column not in left_out]
    exact = ", ".join(f'"{c}"' for c in common if ours[c] not in ("DOUBLE", "FLOAT")) or "1"
    floats = [f'"{c}"' for c in common if ours[c] in ("DOUBLE", "FLOAT")]
    order = f"row_number() over (partition by {exact} order by {', '.join([*floats, '1'])})"
    near = " and ".join(
        f"(a.{c} is not distinct from b.{c} or abs(a.{c} - b.{c}) <= {TOLERANCE} * greatest(1, abs(a.{c})))"
        for c in floats
    )
    same = f"a.place = b.place and a.key is not distinct from b.key{f' and {near}' if near else ''}"
    sides = ", ".join(
        f"{side} as materialized (select *, row({exact}) as key, {order} as place from {relation})"
        for side, relation in (("ours", f"warehouse.{name}"), ("theirs", name))
    )
    rows, missing, surplus = connection.execute(
        f"with {sides} select (select count(*) from ours),"
        f" (select count(*) from ours as a anti join theirs as b on {same}),"
        f" (select count(*) from theirs as b anti join ours as a on {same})"
    ).fetchone() or (0, 0, 0)
    return Compared(name, rows, missing, surplus, types)
