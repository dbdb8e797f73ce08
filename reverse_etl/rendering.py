"""Values on their way out: SQL that turns a column of DuckDB into what JSON carries without loss."""

_TEXT = frozenset({"UUID", "HUGEINT", "UHUGEINT", "INTERVAL", "TIME", "TIME WITH TIME ZONE", "BIT"})


def for_json(column: str, kind: str) -> str:
    """The SQL of a column (quoted already) of DuckDB type `kind`, as a JSON API takes it.

    Times are ISO 8601 in UTC with microseconds and a `Z`, dates `YYYY-MM-DD`, decimals numbers, NaN and infinity NULL;
    text, booleans, integers, lists and structs stay as they are.
    """
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({column} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind.startswith("TIMESTAMP"):
        return f"strftime({column}::timestamp, '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind == "DATE":
        return f"strftime({column}, '%Y-%m-%d')"
    if kind.startswith("DECIMAL") and not kind.endswith("[]"):
        return f"{column}::double"
    if kind in ("FLOAT", "DOUBLE"):
        # NaN and infinity are no JSON
        return f"case when isfinite({column}) then {column} end"
    return f"{column}::varchar" if kind in _TEXT else column


def for_text(column: str, kind: str) -> str:
    """The same as text, for tools whose every value is a string: `true` and `false`, lists joined by `;`."""
    if kind.endswith("[]"):
        return f"array_to_string({column}, ';')"
    if kind.startswith("DECIMAL"):
        return f"{column}::varchar"
    return f"({for_json(column, kind)})::varchar"
