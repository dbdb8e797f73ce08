"""The published copies of the built company, and what tests do to a copy of them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import ROOT

from kinship.published import drafting
from kinship.published.publication import Publication, current
from kinship.published.publishing import publish
from kinship.published.reader import open_publication
from kinship.settings import settings

# what publishing reads nothing of
OTHERS = shutil.ignore_patterns("sources", "truth", "dagster", "dlt", "landing", "data_docs", "great_expectations")


def copy_house(data: Path, to: Path) -> Path:
    """A copy of a data folder to publish from."""
    return Path(shutil.copytree(data, to, ignore=OTHERS, symlinks=True))


def shown() -> Publication:
    """What is published in the folder that the environment names."""
    return current(settings())


@contextmanager
def opened(masked: bool, publication: Publication | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A reader's connection to what is published."""
    with open_publication(publication or shown(), masked) as connection:
        yield connection


@contextmanager
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, to write to."""
    with duckdb.connect(str(settings().warehouse)) as connection:
        yield connection


def rebuild(note: str) -> None:
    """As a run does that built the tables anew and passed its checks."""
    with warehouse() as connection:
        connection.execute("update operations.builds set run_id = ?, finished_at = now()", [note])


def sync_runs(run_id: str) -> None:
    """As a sync does that sent something."""
    with warehouse() as connection:
        connection.execute(
            "insert into reverse_etl.sync_runs (run_id, sync, destination, status, started_at)"
            " values (?, 'sync_file__cart_abandoned', 'file', 'done', timestamp '2026-07-01')",
            [run_id],
        )


def tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Schema and name of everything that a connection sees."""
    return connection.execute("select table_schema, table_name from information_schema.tables order by all").fetchall()


def publish_uncompressed() -> Path:
    """Publish anew, into files that hold texts byte by byte; returns the folder."""
    real = drafting._connection

    @contextmanager
    def plain(*arguments: Any) -> Iterator[duckdb.DuckDBPyConnection]:
        with real(*arguments) as connection:
            connection.execute("set force_compression = 'uncompressed'")
            yield connection

    rebuild("uncompressed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drafting, "_connection", plain)
        publish(settings())
    return shown().folder


def held(path: Path, values: set[str]) -> set[str]:
    """Which of the values stand in a file's bytes, in any case of its letters."""
    content = path.read_bytes().lower()
    return {value for value in values if value.lower().encode() in content}


_READER = """
import json, select, sys, time
from kinship.published.publication import current
from kinship.published.reader import open_publication
from kinship.settings import settings

seen, longest = {}, 0.0
print("ready", flush=True)
stopped = False
while not stopped:
    # told to stop, it looks once more
    stopped = bool(select.select([sys.stdin], [], [], 0)[0])
    started = time.monotonic()
    one = current(settings())
    for masked in (True, False):
        with open_publication(one, masked) as c:
            for key in ("customers.customers", "reverse_etl.sync_runs", "metrics.metric_values"):
                assert c.execute(f"select count(*) from {key}").fetchone() == (one.rows[key],), key
            c.execute("select count(*), sum(amount) from customers.customer_events").fetchall()
    seen[one.run] = seen.get(one.run, 0) + 1
    longest = max(longest, time.monotonic() - started)
    time.sleep(0.2)
print(json.dumps({"seen": seen, "longest": longest}))
"""


class Readers:
    """Readers in processes of their own, which look at what is published again and again until told to stop."""

    def __init__(self, env: Mapping[str, str], number: int = 2) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", _READER], env={**env, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for _ in range(number)
        ]  # fmt: skip
        for process in self._processes:
            assert process.stdout and process.stdout.readline() == "ready\n"

    def __enter__(self) -> "Readers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()

    def stop(self) -> list[dict[str, Any]]:
        """By reader: looks by publication (`seen`) and the longest of them in seconds (`longest`). None has failed."""
        told = []
        for process in self._processes:
            out, err = process.communicate("stop\n")
            assert process.returncode == 0, err
            told.append(json.loads(out))
        return told
