"""What becomes of personal data in the masked tables, by the class that `meta.pii` of its column names."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import duckdb

from kinship.errors import StoppedByGuard
from kinship.sql import quoted

KEPT = ("none", "group")
"""`none`: looked at, holds no personal data. `group`: says which of a few large groups a person belongs to."""

HIDDEN = ("name", "email", "phone", "address", "attribute", "url", "text")
"""Text becomes `***`, anything else NULL."""

CLASSES = (*KEPT, *HIDDEN, "identifier", "birth_date", "hash")

MASK = "***"
_KEY = "mask_key"
_IDS = "derivable_ids"


def masked(column: str, kind: str, pii: str | None) -> str:
    """The SQL expression of a column in the masked table, of the same type; NULL stays NULL.

    `kind` is the column's type in DuckDB's words. The connection must be prepared (`prepare`). Raises `StoppedByGuard`
    for a class that is not known.
    """
    name = quoted(column)
    if pii is not None and pii not in CLASSES:
        raise StoppedByGuard(f"{column} is of the class {pii!r} (meta.pii); there are {', '.join(CLASSES)}")
    if pii is None and kind == "VARCHAR" and (column == "customer_id" or column.endswith("_customer_id")):
        return f"case when {name} in (select customer_id from {_IDS}) then {_stand_in(name)} else {name} end"  # noqa: S608
    if pii is None or pii in KEPT:
        return name
    if pii == "birth_date" and kind in ("DATE", "TIMESTAMP"):
        return f"cast(date_trunc('year', {name}) as {kind})"
    if pii == "identifier" and kind == "VARCHAR":
        return _stand_in(name)
    if kind == "VARCHAR" and pii != "hash":
        return f"case when {name} is not null then '{MASK}' end"
    return f"cast(null as {kind})"


def _stand_in(name: str) -> str:
    """The same value has the same stand-in in all tables, so that they still join: a hash with the folder's key."""
    return f"left(sha256(getvariable('{_KEY}') || {name}), 32)"


def prepare(connection: duckdb.DuckDBPyConnection, key: str, full: str, sources: Sequence[str]) -> None:
    """Give a connection what the expressions of `masked` need.

    `full` is the catalog with the full tables, `sources` those whose record ids are made of personal data: ids of
    people that were made from such a record are replaced, too.
    """
    connection.execute(f"set variable {_KEY} = ?", [key])
    connection.execute(
        f"""create or replace temp table {_IDS} as
        select distinct customer_id, {_stand_in("customer_id")} as stand_in from {full}.identity.identity_assignments
        where list_contains(?, source) and customer_id = md5(source || ':' || record_id)""",  # noqa: S608
        [list(sources)],
    )


def write_stand_ins(connection: duckdb.DuckDBPyConnection, full: str) -> None:
    """Write `search.stand_ins` into the full file: whoever is found there under an id that the masked file has not."""
    connection.execute(f"create or replace table {full}.search.stand_ins as from {_IDS}")


def read_key(folder: Path) -> str:
    """The key of all stand-ins of a folder of publications, made when there is none. Only its owner may read it.

    Without the key nobody can tell whose stand-in it is by trying values. When the file is removed, the next
    publication has other stand-ins.
    """
    path = folder / "mask.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if len(key := path.read_text(encoding="ascii").strip()) == 64:
            return key
        path.unlink()  # its writer was killed
        return read_key(folder)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        key = secrets.token_hex(32)
        file.write(key)
        file.flush()
        os.fsync(descriptor)
    return key
