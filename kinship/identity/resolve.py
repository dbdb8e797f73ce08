"""Any table of person records through the same models: the same rows come out with `customer_id` and `confidence`."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from kinship.errors import KinshipError, WrongUse
from kinship.identity.column_types import IGNORE, guess, numbered
from kinship.identity.matching.columns import TYPES
from kinship.identity.matching.levels import BROAD, DEFAULT, STRICT, WEIGHTS
from kinship.manifest import dbt_executable
from kinship.settings import ROOT
from kinship.sql import quoted

SAMPLE = 1_000  # rows that a column's type is guessed from
ADDED = ("customer_id", "confidence")
# Written together when several columns have the type; of an e-mail address or number each stands for itself.
_TOGETHER = ("given_name", "family_name", "full_name", "street")
# 999 is no country's calling code (ITU-T E.164): numbers of no known country stay comparable with each other.
_NO_COUNTRY = "+999"


@dataclass(frozen=True)
class Resolved:
    """What became of a file."""

    rows: int
    people: int
    largest: int
    stated: dict[str, str]
    guessed: dict[str, str]


def resolve(source: Path, key: str, stated: Mapping[str, str], out: Path, *, level: str = "default") -> Resolved:
    """Resolve a CSV or Parquet file and write it back with `customer_id` and `confidence`, by the endings of the names.

    `stated` maps columns to types; of the others the type is guessed. Raises `WrongUse` for a file, column or type that
    will not do.
    """
    types = dict(stated)
    for column, kind in types.items():
        if kind not in (*TYPES, IGNORE):
            raise WrongUse(
                f"--columns {column}={kind}: there is no type {kind!r}; there are {', '.join(TYPES)}, {IGNORE}"
            )
    with tempfile.TemporaryDirectory(prefix="kinship-resolve-") as folder:
        warehouse = Path(folder) / "warehouse.duckdb"
        with duckdb.connect(str(warehouse)) as connection:
            columns = _read(connection, source, key, types)
            guessed = _guess(connection, key, [column for column in columns if column not in (key, *types)])
            types |= guessed
            # in the order of the file: columns of one name or street are written together
            ordered = numbered({column: types[column] for column in columns if column in types})
            is_anything_said = _load(connection, key, ordered)
        if is_anything_said:
            _build(warehouse, Path(folder))
        with duckdb.connect(str(warehouse)) as connection:
            if not is_anything_said:
                _know_nobody(connection)
            return _write(connection, key, out, level, dict(stated), guessed)


def _read(connection: duckdb.DuckDBPyConnection, source: Path, key: str, types: Mapping[str, str]) -> list[str]:
    """The file as table `input`, with `_row` to keep the order; returns its columns."""
    if not source.is_file():
        raise WrongUse(f"{source}: there is no such file")
    readers = {".csv": "read_csv(?, all_varchar = true, header = true)", ".parquet": "read_parquet(?)"}
    reader = readers.get(source.suffix.lower())
    if reader is None:
        raise WrongUse(f"{source}: expected a file that ends in {' or '.join(readers)}")
    try:
        connection.execute(
            f"create table input as select row_number() over () as _row, * from {reader}",  # noqa: S608 - one of two
            [str(source)],
        )
    except duckdb.Error as error:
        line = f" near line {found}" if (found := _line(str(error))) else ""
        raise KinshipError(f"{source}: cannot be read as {source.suffix[1:].upper()}{line}") from error
    columns = [row[0] for row in connection.execute("describe input").fetchall() if row[0] != "_row"]
    for wanted in (key, *types):
        if wanted not in columns:
            raise WrongUse(f"{source}: there is no column {wanted!r}; there are {', '.join(columns)}")
    for added in ADDED:
        if added in columns:
            raise WrongUse(f"{source}: the column {added!r} is one this command adds; rename it first")
    named = f"nullif(trim({quoted(key)}::varchar), '')"
    row = connection.execute(
        f"select count(*), count({named}), count(distinct {named}) from input"  # noqa: S608 - quoted
    ).fetchone()
    rows, keyed, distinct = row or (0, 0, 0)
    if keyed < rows:
        raise WrongUse(f"{source}: {rows - keyed:,} of {rows:,} rows have no {key}; every row needs an id of its own")
    if distinct < rows:
        raise WrongUse(
            f"{source}: {rows - distinct:,} of {rows:,} rows repeat the {key} of another; ids must be unique"
        )
    return columns


def _line(message: str) -> str | None:
    _, found, rest = message.partition("Line: ")
    return rest.split()[0] if found else None


def _guess(connection: duckdb.DuckDBPyConnection, key: str, columns: Sequence[str]) -> dict[str, str]:
    """The types of columns, by their names and by values of rows chosen without regard to the order of rows."""
    guessed: dict[str, str] = {}
    for column in columns:
        values = connection.execute(
            f"select {quoted(column)}::varchar from input order by md5({quoted(key)}::varchar) limit {SAMPLE}"  # noqa: S608
        ).fetchall()
        guessed[column] = guess(column, [value or "" for (value,) in values])
    return guessed


def _load(connection: duckdb.DuckDBPyConnection, key: str, types: Mapping[str, str]) -> bool:
    """The values as `raw_resolve.records`: record_id, type, value; returns whether there are any."""
    connection.execute("create schema raw_resolve")
    connection.execute("create table raw_resolve.records (record_id varchar, type varchar, value varchar)")
    for kind in dict.fromkeys(types.values()):
        if kind == IGNORE:
            continue
        columns = [f"nullif(trim({quoted(column)}::varchar), '')" for column, of in types.items() if of == kind]
        values = [f"concat_ws(' ', {', '.join(columns)})"] if kind in _TOGETHER else columns
        for value in values:
            connection.execute(
                f"insert into raw_resolve.records select {quoted(key)}::varchar, ?, {value} from input"  # noqa: S608
                f" where nullif({value}, '') is not null",
                [kind],
            )
    if "country" not in types.values():
        connection.execute(
            "update raw_resolve.records set value = ? || regexp_replace(value, '[^0-9]', '', 'g')"
            " where type = 'phone' and not regexp_matches(value, '^ *([+]|00)')",
            [_NO_COUNTRY],
        )
    return connection.execute("from raw_resolve.records limit 1").fetchone() is not None


def _know_nobody(connection: duckdb.DuckDBPyConnection) -> None:
    """What the models would build of nothing."""
    connection.execute("create schema identity")
    connection.execute(
        "create table identity.identity_levels"
        " (record_id varchar, strict_group_id varchar, customer_id varchar, broad_group_id varchar)"
    )
    connection.execute("create table identity.identity_graph (record_id varchar, confidence double)")


def _build(warehouse: Path, folder: Path) -> None:
    """The identity models over that one table."""
    variables: dict[str, Any] = {
        "resolve": True,
        "sources": {"resolve": ["identifiers", "attributes"]},
        # systems share identifiers and may ask more of likeness (dbt_project.yml); one table has little else
        "identity_levels": {"strict": WEIGHTS[STRICT], "default": WEIGHTS[DEFAULT], "broad": WEIGHTS[BROAD]},
    }
    others = _count_of_others(warehouse)
    if others:
        variables["identity_other_attributes"] = [f"other_{number}" for number in range(1, others + 1)]
    command = [
        dbt_executable(), "--quiet", "build", "--select", "+identity_levels",
        "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test",
        "--vars", json.dumps(variables), "--project-dir", str(ROOT), "--profiles-dir", str(ROOT),
        "--log-level-file", "none",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "KINSHIP_WAREHOUSE": str(warehouse),
        "KINSHIP_TARGET": "duckdb",
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        if os.environ.get("KINSHIP_DEBUG"):
            raise KinshipError(f"the identity models failed:\n{(done.stdout + done.stderr).strip()}")
        # dbt's words may quote a value
        raise KinshipError("the identity models failed on this file; the same command with --debug shows where")


def _count_of_others(warehouse: Path) -> int:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        row = connection.execute(
            "select coalesce(max(try_cast(replace(type, 'other_', '') as integer)), 0) from raw_resolve.records"
            " where starts_with(type, 'other_')"
        ).fetchone()
    return int(row[0]) if row else 0


def _write(
    connection: duckdb.DuckDBPyConnection,
    key: str,
    out: Path,
    level: str,
    stated: dict[str, str],
    guessed: dict[str, str],
) -> Resolved:
    group = {"strict": "strict_group_id", "default": "customer_id", "broad": "broad_group_id"}[level]
    connection.execute(
        f"""
        create temp table resolved as
        select
            input.* exclude (_row),
            -- a row that says nothing about anybody is somebody of its own
            coalesce(levels.{group}, md5('resolve:' || input.{quoted(key)}::varchar)) as customer_id,
            coalesce(graph.confidence, 1)::double as confidence
        from input
        left join identity.identity_levels as levels on levels.record_id = input.{quoted(key)}::varchar
        left join identity.identity_graph as graph on graph.record_id = input.{quoted(key)}::varchar
        order by input._row
        """  # noqa: S608 - quoted
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    form = "parquet" if out.suffix.lower() == ".parquet" else "csv"
    part = out.with_name(out.name + ".part")
    connection.execute(f"copy resolved to '{str(part).replace(chr(39), chr(39) * 2)}' (format {form})")
    part.replace(out)
    row = connection.execute(
        "select count(*), count(distinct customer_id), coalesce((select max(n) from (select count(*) as n from resolved"
        " group by customer_id)), 0) from resolved"
    ).fetchone()
    rows, people, largest = row or (0, 0, 0)
    return Resolved(rows, people, largest, stated, guessed)
