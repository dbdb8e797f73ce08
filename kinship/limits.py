"""How much memory DuckDB may take, and where it puts what does not fit (docs/scale.md)."""

import os
import re
from pathlib import Path

import duckdb

from kinship.errors import WrongUse
from kinship.settings import settings

# Of the machine's memory. The rest is for matching, which has a database of its own while the warehouse's is open, and
# for what is neither's: Python, Arrow tables on their way from one to the other.
WAREHOUSE_SHARE = 0.5
MATCHING_SHARE = 0.25
READER_SHARE = 0.125  # a reader of the published tables runs beside a run
_LIMIT = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>%|[KMGT]i?B)", re.IGNORECASE)


def warehouse_memory() -> str:
    """What the warehouse's buffers may take, in DuckDB's notation: KINSHIP_MEMORY_LIMIT, or half of the machine's."""
    return _memory(WAREHOUSE_SHARE)


def matching_memory() -> str:
    """What matching's own database may take: half as much."""
    return _memory(MATCHING_SHARE)


def reader_memory() -> str:
    """What a reader of the published tables may take: a quarter as much."""
    return _memory(READER_SHARE)


def _memory(share: float) -> str:
    """`share` of the machine's memory; scaled when KINSHIP_MEMORY_LIMIT says what the warehouse may take."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if not (value := os.environ.get("KINSHIP_MEMORY_LIMIT")):
        return f"{int(share * machine / 2**20)}MiB"
    limit = _LIMIT.fullmatch(value.strip())
    if limit is None:
        raise WrongUse(f"KINSHIP_MEMORY_LIMIT must be like 12GB or 50%, got {value!r}")
    number = float(limit["number"]) * share / WAREHOUSE_SHARE
    return f"{int(number * machine / 100 / 2**20)}MiB" if limit["unit"] == "%" else f"{number:g}{limit['unit']}"


def spill_folder() -> Path | None:
    """Where temporary files go: KINSHIP_TEMP_DIR, or beside the warehouse; None when there is no such folder yet."""
    value = os.environ.get("KINSHIP_TEMP_DIR")
    folder = Path(value).expanduser().resolve() if value else settings().state
    if value:
        folder.mkdir(parents=True, exist_ok=True)
    return folder if folder.is_dir() else None


def limit(connection: duckdb.DuckDBPyConnection) -> None:
    """Hold a connection to the warehouse, before its first query, to what the environment allows.

    Unless KINSHIP_TEMP_DIR names another folder, DuckDB spills to `<file>.tmp`.
    """
    connection.execute(f"set memory_limit = '{warehouse_memory()}'")
    if os.environ.get("KINSHIP_TEMP_DIR"):
        folder = str(spill_folder() / f"{settings().warehouse.name}.tmp")  # type: ignore[operator]
        # it cannot be changed any more when another connection of this process has spilled
        known = connection.execute("select current_setting('temp_directory')").fetchone()
        if known != (folder,):
            connection.execute(f"set temp_directory = '{folder}'")
