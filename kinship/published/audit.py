"""What a publication must be before anyone sees it: whole in both files, without personal data in the masked one."""

from collections.abc import Iterable

import duckdb

from kinship.errors import KinshipError, StoppedByGuard
from kinship.published.outputs import Output
from kinship.published.publication import Publication
from kinship.published.reader import open_publication
from kinship.published.search import SEARCH
from kinship.published.writing import types_in
from kinship.sql import quoted
from reverse_etl.warehouse import one_row

PERSONAL = {
    "an e-mail address": r"[^\s@<>]+@[^\s@<>]+\.[A-Za-z]{2,}",
    "a phone number": r"(?:^|[^0-9A-Za-z-])(?:\+|\(?0\)?)[0-9](?:[ ()./-]?[0-9]){6,}(?:$|[^0-9A-Za-z-])",
    "an IP address": r"(?:^|[^0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?:$|[^0-9.])"
    r"|(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}",
}
"""Values that are personal by their look, wherever in a text they stand. Days and moments are none."""

_SIGNS = {"an e-mail address": ("@",), "an IP address": (".", ":")}
"""Without one of these no value looks like that: looking for them costs a tenth."""

# what other systems call a thing may be all digits
_KEYS = ("_id", "sku", "order_number")


def check(publication: Publication, outputs: Iterable[Output]) -> None:
    """Read both files as a reader would; `outputs` are the tables written anew.

    Raises `KinshipError` when the files are not whole, `StoppedByGuard` when the masked one holds what looks personal.
    """
    with open_publication(publication, masked=False) as full, open_publication(publication, masked=True) as masked:
        if _columns(full) != _columns(masked):
            raise KinshipError("the masked tables are not those of the full file")
        for connection in (full, masked):
            wrong = [key for key, rows in publication.rows.items() if _count(connection, key) != rows]
            if wrong:
                raise KinshipError(f"not as many rows as were written: {', '.join(wrong)}")
        found = personal_columns(masked, outputs)
    if found:
        raise StoppedByGuard(
            f"{'; '.join(f'{column} seems to hold {kind}' for column, kind in found)}: say which class it is in the"
            " column's `config: {meta: {pii: <class>}}`, or `pii: none` if it is not personal (docs/dashboards.md)"
        )


def personal_columns(connection: duckdb.DuckDBPyConnection, outputs: Iterable[Output]) -> list[tuple[str, str]]:
    """The columns without a class in which a value looks personal, with what it looks like; never the value."""
    known = types_in(connection, one_row(connection, "select current_catalog()")[0])
    found = []
    for output in outputs:
        table = f"{quoted(output.schema)}.{quoted(output.name)}"
        for column, kind in known[output.key].items():
            looks = _looks(column, kind, output.columns.get(column))
            if not looks:
                continue
            # each value once: 94 tables, 6.2 million rows, take 3 processor seconds and not 12
            values = f"select distinct {quoted(column)} from {table}"  # noqa: S608 - our own
            query = ", ".join(f"coalesce(bool_or({test}), false)" for test in looks.values())
            row = one_row(connection, f"select {query} from ({values})")  # noqa: S608 - our own
            found += [(f"{output.key}.{column}", look) for look, is_so in zip(looks, row, strict=True) if is_so]
    return found


def _looks(column: str, kind: str, pii: str | None) -> dict[str, str]:
    """The SQL test by what values may look like; none for a column of numbers, times or booleans, nested or not."""
    # what is masked is masked; what was looked at is known
    if (pii is not None and pii != "group") or not any(word in kind for word in ("CHAR", "JSON", "BLOB")):
        return {}
    name = quoted(column) if kind == "VARCHAR" else f"{quoted(column)}::varchar"
    looks = {}
    for look, pattern in PERSONAL.items():
        if look == "a phone number" and column.endswith(_KEYS):
            continue
        signs = " or ".join(f"contains({name}, '{sign}')" for sign in _SIGNS.get(look, ()))
        test = f"regexp_matches({name}, '{pattern}')"
        looks[look] = f"({signs}) and {test}" if signs else test
    return looks


def _count(connection: duckdb.DuckDBPyConnection, key: str) -> int:
    name = ".".join(quoted(part) for part in key.split("."))
    return int(one_row(connection, f"select count(*) from {name}")[0])  # noqa: S608


def _columns(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return connection.execute(
        "select schema_name, table_name, column_index, column_name, data_type from duckdb_columns()"
        " where not internal and schema_name <> ? order by all",
        [SEARCH],
    ).fetchall()
