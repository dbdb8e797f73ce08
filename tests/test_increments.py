"""Days that come one after the other leave the tables that a rebuild of everything makes, ids included."""

import random
import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from conftest import KINSHIP, call, environment

LAST_DAY = date(2026, 6, 30)  # of the company that is built once for all tests
SCHEMAS = ("identity", "customers", "predictions", "segments", "activation", "reporting")
# when a run said something is told by its own clock
CLOCK = {"assigned_at", "issued_at", "occurred_at"}
HAVE_CLOCK = {"identity_assignments", "identity_events", "identity_redirects"}
WRITTEN = "changed_at"  # when an incremental model last wrote the row


def run(data: Path, *arguments: str) -> None:
    done = call(KINSHIP, *arguments, env=environment(data), timeout=1500)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def differences(ours: Path, theirs: Path) -> dict[str, tuple[int, int]]:
    """Tables of which one warehouse has rows (counted, never shown) that the other has not; doubles to nine digits."""
    found = {}
    with duckdb.connect(str(ours / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute(f"attach '{theirs / 'warehouse.duckdb'}' as theirs (read_only)")
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables"
            " where table_catalog = 'warehouse' and list_contains(?, table_schema)"
            " and not starts_with(table_name, 'int_') order by all",
            [list(SCHEMAS)],
        ).fetchall()
        assert len(tables) > 40
        for schema, table in tables:
            columns = [
                f'round("{name}", 9)' if kind == "DOUBLE" else f'"{name}"'
                for name, kind, *_ in connection.execute(f'describe {schema}."{table}"').fetchall()
                if not (table in HAVE_CLOCK and name in CLOCK) and name != WRITTEN
            ]
            here, there = (
                f'select {", ".join(columns)} from {catalog}.{schema}."{table}"' for catalog in ("warehouse", "theirs")
            )
            missing, surplus = (
                connection.execute(f"select count(*) from ({a} except all {b})").fetchone()
                for a, b in ((there, here), (here, there))
            )
            if missing != (0,) or surplus != (0,):
                found[f"{schema}.{table}"] = (missing[0], surplus[0]) if missing and surplus else (0, 0)
    return found


def grow_and_rebuild(company: Path, ends: list[date]) -> None:
    """Let the company live to each of these days and run; rebuild it from scratch where it lies; compare."""
    for end in ends:
        run(company, "demo", "--until", f"{end}")
        run(company, "run")
    grown = Path(shutil.copytree(company, company.with_name("grown")))
    run(company, "run", "--rebuild")
    assert differences(grown, company) == {}


@pytest.mark.timeout(2400)
def test_an_increment_equals_a_rebuild(built_company: Path, company: Path) -> None:
    grow_and_rebuild(company, [LAST_DAY + timedelta(days=5)])
    with duckdb.connect(str(company.with_name("grown") / "warehouse.duckdb"), read_only=True) as warehouse:
        warehouse.execute(f"attach '{built_company / 'warehouse.duckdb'}' as earlier (read_only)")
        more = warehouse.execute(
            "select (select count(*) from customers.customer_events)"
            " - (select count(*) from earlier.customers.customer_events)"
        ).fetchall()
        unfinished = warehouse.execute("select count(*) from operations.builds where finished_at is null").fetchall()
        stays = warehouse.execute(
            "select count(*) from earlier.segments.int_segments__stays as told"
            " anti join segments.int_segments__stays using (segment, customer_id, entered_at)"
        ).fetchall()
    assert more > [(0,)] and unfinished == [(0,)]
    assert stays == [(0,)], "what was told of the past stays told"


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(3))
def test_many_increments_equal_a_rebuild(company: Path, seed: int) -> None:
    days = random.Random(seed)
    ends = sorted({LAST_DAY + timedelta(days=days.randint(1, 20)) for _ in range(4)})
    grow_and_rebuild(company, ends)
