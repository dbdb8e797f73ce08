"""The lake's Delta Lake tables as DuckDB sees them: whoever reads needs neither Spark nor a copy."""

from importlib.util import find_spec
from pathlib import Path

import duckdb

from kinship.errors import WrongUse
from kinship.settings import settings


def show(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Make every table of the lake a view under its own name; returns the names as `<schema>.<table>`.

    A view is read anew with each query: columns and files that a query does not need are passed by. 185 tables take
    0.4 s. The connection must `reach` the lake.
    """
    logs = connection.execute(
        "select distinct regexp_extract(file, '^(.*)/_delta_log/[^/]*$', 1) as location from glob(?) order by location",
        [f"{settings().lake}/*/*/_delta_log/*.json"],
    ).fetchall()
    names = []
    for (location,) in logs:
        schema, table = (name.replace('"', '""') for name in location.split("/")[-2:])
        connection.execute(f'create schema if not exists "{schema}"')
        path = location.replace("'", "''")
        connection.execute(f"""create or replace view "{schema}"."{table}" as from delta_scan('{path}')""")
        names.append(f"{schema}.{table}")
    return names


def reach(connection: duckdb.DuckDBPyConnection) -> None:
    """Let a connection read Delta tables: on Spark the warehouse's views are over them; on DuckDB nothing is needed.

    The signed extension comes from its wheel: nothing is downloaded. Raises `WrongUse` when the Spark extra is not
    installed.
    """
    if settings().target != "spark":
        return
    spec = find_spec("duckdb_extension_delta")
    if spec is None or spec.origin is None:
        raise WrongUse("DuckDB's extension delta is not installed: `make spark` installs the Spark extra")
    extension = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / "delta.duckdb_extension"
    connection.execute(f"load '{extension}'")
