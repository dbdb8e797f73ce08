"""Runs the normalisation macros on DuckDB, over lists of values and over small tables in place of staging."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
from macros import render, render_text

ROOT = Path(__file__).resolve().parents[1]
SEEDS = ROOT / "seeds"
# DuckDB's own, which Spark has not
FOREIGN = (
    "regexp_full_match",
    "regexp_matches",
    "strip_accents",
    "strlen",
    "qualify",
    "list_",
    "::",
    "arg_max",
    "varchar",
)


@cache
def _select(call: str, engine: str) -> str:
    """Rendering costs a fifth of a second: once per call is enough."""
    return (
        f"select {render(call, engine)}"
        " from (select unnest(?::text[]) as v, generate_subscripts(?::text[], 1) as i) order by i"
    )


def normal(call: str, values: Sequence[str | None], engine: str = "duckdb") -> list[Any]:
    """What the macro call, over the column `v`, makes of each value."""
    with duckdb.connect() as connection:
        rows = connection.execute(_select(call, engine), [list(values), list(values)]).fetchall()
    return [row[0] for row in rows]


def reads_as_spark(call: str) -> None:
    """Spark itself is not here: its parser's grammar is, and the names of functions it has not."""
    rendered = render(call, engine="spark")
    sqlglot.parse_one(f"select {rendered} as x from t", dialect="spark")
    assert [word for word in FOREIGN if word in rendered.lower()] == []


def load_seeds(connection: duckdb.DuckDBPyConnection) -> None:
    """The seeds that normal forms read, as tables."""
    for name in ("email_providers", "country_calling_codes", "countries", "nicknames"):
        connection.execute(
            f"create table {name} as select * from read_csv('{SEEDS / name}.csv', all_varchar = true, header = true)"
        )
    connection.execute("alter table email_providers alter ignores_dots type boolean")
    connection.execute("alter table email_providers alter is_free type boolean")


def model_sql(name: str, engine: str = "duckdb", others: Sequence[str] = ()) -> str:
    """A model of the identity layer over one source, `stg_one__...`."""
    variables: dict[str, Any] = {
        "sources": {"one": ["identifiers", "attributes"]},
        "identity_other_attributes": list(others),
    }
    return render_text(
        (ROOT / "models" / "identity" / f"{name}.sql").read_text(),
        engine,
        ref=lambda relation: relation,
        var=variables.__getitem__,
        config=lambda **_: "",
        is_incremental=lambda: False,
    )
