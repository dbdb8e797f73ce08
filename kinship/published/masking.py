"""What becomes of personal data in the masked tables, by the class that `meta.pii` of its column names."""

from kinship.errors import StoppedByGuard

KEPT = ("none", "group")
"""`none`: looked at, holds no personal data. `group`: says which of a few large groups a person belongs to."""

HIDDEN = ("name", "email", "phone", "address", "attribute", "url", "text")
"""Text becomes `***`, anything else NULL."""

CLASSES = (*KEPT, *HIDDEN, "identifier", "birth_date", "hash")

MASK = "***"
KEY = "mask_key"
"""The variable of the connection that holds the publication's secret, forgotten with the connection."""


def masked(column: str, kind: str, pii: str | None) -> str:
    """The SQL expression of a column in the masked table, of the same type; NULL stays NULL.

    `column` is quoted, `kind` its type in DuckDB's words. Raises `StoppedByGuard` for a class that is not known.
    """
    if pii is None or pii in KEPT:
        return column
    if pii not in CLASSES:
        raise StoppedByGuard(f"{column} is of the class {pii!r} (meta.pii); there are {', '.join(CLASSES)}")
    if pii == "birth_date" and kind in ("DATE", "TIMESTAMP"):
        return f"cast(date_trunc('year', {column}) as {kind})"
    if pii == "identifier" and kind == "VARCHAR":
        # the same value has the same stand-in throughout one publication, so that tables still join
        return f"'id-' || left(sha256(getvariable('{KEY}') || {column}), 16)"
    if kind == "VARCHAR" and pii != "hash":
        return f"case when {column} is not null then '{MASK}' end"
    return f"cast(null as {kind})"
