"""Which column a key of the source's records becomes."""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from dlt.common.normalizers.naming.snake_case import NamingConvention

_naming = NamingConvention()
# ours and dlt's: a source's own key of such a name gets a suffix
_RESERVED = frozenset({"_file_id", "_file", "_extracted_at", "_dlt_id", "_dlt_load_id"})
_LETTERS_LOST = re.compile(r"[^\W\d_a-zA-Z]")


@lru_cache(maxsize=4096)
def column_name(key: str) -> str:
    """The snake_case column of a key, the same in every file and every run.

    A key with letters that snake_case cannot keep (Cyrillic, Thai), or none at all, is told apart by a hash.
    """
    name = _naming.normalize_identifier(key) if key.strip() else "unnamed"
    if name in _RESERVED or _LETTERS_LOST.search(key):
        return f"{name}_{_hash(key)}"
    return name


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:6]


def columns_of(keys: Iterable[str], preferred: Sequence[str] = ()) -> dict[str, list[str]]:
    """Column -> the spellings of its key among `keys`, the `preferred` (declared) spelling first."""
    spellings: dict[str, list[str]] = {}
    rank = {key: position for position, key in enumerate(preferred)}
    for key in sorted(set(keys), key=lambda key: (rank.get(key, len(rank)), key)):
        spellings.setdefault(column_name(key), []).append(key)
    return spellings


def projection(
    spellings: Mapping[str, Sequence[str]], value: Mapping[str, str], together: Collection[frozenset[str]] = ()
) -> dict[str, str]:
    """Column -> SQL expression, where `value` gives the SQL expression of each key.

    A column whose key comes in several spellings takes the first that has a value. `together` are the sets of keys
    that records carry: where one record carries two spellings, what the other one says differently stays in a column
    of its own, so that nothing is dropped.
    """
    expressions: dict[str, str] = {}
    for column, keys in spellings.items():
        first, *others = (value[key] for key in keys)
        whole = f"coalesce({first}, {', '.join(others)})" if others else first
        expressions[column] = whole
        if others and any(len(record.intersection(keys)) > 1 for record in together):
            for key, other in zip(keys[1:], others, strict=True):
                expressions[f"{column}_{_hash(key)}"] = f"case when {other} is distinct from {whole} then {other} end"
    return expressions
