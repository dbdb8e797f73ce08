"""The lake's Delta Lake tables as DuckDB sees them: whoever reads needs neither Spark nor a copy."""

import os
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from kinship.errors import KinshipError, WrongUse
from kinship.settings import settings
from kinship.sql import literal, quoted


def locations(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """Every table of the lake: schema, name, where it lies. The connection must `reach` the lake.

    Raises `KinshipError` when it cannot be read.
    """
    try:
        logs = connection.execute(
            """select distinct regexp_extract(file, '^(.*)/_delta_log/[^/]*$', 1) as location
            from glob(?) order by location""",
            [f"{settings().lake}/*/*/_delta_log/*.json"],
        ).fetchall()
    except duckdb.Error as error:  # its text may hold what the store answered, a key's id among it
        raise KinshipError(unreadable(error)) from error
    return [(*location.split("/")[-2:], location) for (location,) in logs]


def show(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Make every table of the lake a view under its own name; returns the names as `<schema>.<table>`.

    A view is read anew with each query: columns and files that a query does not need are passed by. 185 tables take
    0.4 s. The connection must `reach` the lake.
    """
    names = []
    for schema, table, location in locations(connection):
        connection.execute(f"create schema if not exists {quoted(schema)}")
        view = f"{quoted(schema)}.{quoted(table)}"
        connection.execute(f"create or replace view {view} as from delta_scan({literal(location)})")
        names.append(f"{schema}.{table}")
    return names


def reach(connection: duckdb.DuckDBPyConnection) -> None:
    """Let a connection read Delta tables: on Spark the warehouse's views are over them; on DuckDB nothing is needed.

    The signed extensions come from their wheels: nothing is downloaded. Raises `WrongUse` when the Spark extra is not
    installed.
    """
    here = settings()
    if here.target != "spark":
        return
    _load(connection, "delta")
    if here.lake.startswith("s3://"):
        _load(connection, "httpfs")
        known = {"scope": here.lake, **_secret()}
        parameters = ", ".join(f"{name} {literal(value)}" for name, value in known.items())
        connection.execute(f"create or replace secret lake (type s3, {parameters})")


def _load(connection: duckdb.DuckDBPyConnection, extension: str) -> None:
    spec = find_spec(f"duckdb_extension_{extension}")
    if spec is None or spec.origin is None:
        raise WrongUse(f"DuckDB's extension {extension} is not installed: `make spark` installs the Spark extra")
    file = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{extension}.duckdb_extension"
    connection.execute(f"load '{file}'")


def _secret() -> dict[str, str]:
    """What AWS's variables say, as parameters of DuckDB's secret, which is kept in memory only.

    Raises `WrongUse` without a key: what a machine of Amazon's is allowed by its role, DuckDB does not learn.
    """
    if missing := [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if not os.environ.get(name)]:
        raise WrongUse(f"the lake {settings().lake} needs {' and '.join(missing)}")
    names = {
        "key_id": "AWS_ACCESS_KEY_ID",
        "secret": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
        "region": "AWS_REGION",
    }
    found = {name: value for name, variable in names.items() if (value := os.environ.get(variable))}
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        address = urlsplit(endpoint)
        found |= {"endpoint": address.netloc, "url_style": "path", "use_ssl": str(address.scheme == "https").lower()}
    return found


def unreadable(error: Exception) -> str:
    """What to look at when the lake gives this error."""
    return (
        f"the lake {settings().lake} cannot be read ({type(error).__name__}): check KINSHIP_LAKE, "
        "and for an S3 bucket AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL"
    )


def storage_options() -> dict[str, str]:
    """What delta-rs does not take from AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and their like by itself."""
    return {"AWS_ALLOW_HTTP": "true"} if os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://") else {}
