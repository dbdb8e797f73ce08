"""A DuckDB connection of matching's own, and Splink on it, quiet."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
from splink import Linker
from splink.backends.duckdb import DuckDBAPI

from kinship.limits import matching_memory, spill_folder


@contextmanager
def connection(threads: int, memory: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory database that spills to a folder which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="kinship-matching-", dir=spill_folder()) as folder:
        opened = duckdb.connect(
            ":memory:",
            config={"threads": threads, "memory_limit": memory or matching_memory(), "temp_directory": folder},
        )
        try:
            opened.execute("set enable_progress_bar = false")
            yield opened
        finally:
            opened.close()


@contextmanager
def quiet() -> Iterator[None]:
    """Splink's advice is for a person at a notebook; here a warning is an error and a level not seen is expected."""
    logger = logging.getLogger("splink")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def linker(opened: duckdb.DuckDBPyConnection, settings: dict[str, Any], table: str) -> Any:
    """A Splink linker over a table of the connection."""
    return Linker(DuckDBAPI(opened).register(table), settings, log_level=None, validate_settings=False)
