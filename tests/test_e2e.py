"""The whole way, as a user goes it: run, run again, let time pass, run again."""

from pathlib import Path

import duckdb
from conftest import KINSHIP, call, environment

Digest = dict[str, tuple[int, int]]


def digest(data: Path) -> Digest:
    """Rows and content of every table people query, and of what syncs have told."""
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as warehouse:
        tables = warehouse.execute(
            "select table_schema, table_name from information_schema.tables where table_schema in"
            " ('identity', 'customers', 'segments', 'activation', 'reporting', 'reverse_etl')"
        ).fetchall()
        found = {}
        for schema, table in tables:
            row = warehouse.execute(
                f'select count(*), coalesce(bit_xor(hash(t)), 0) from "{schema}"."{table}" as t'
            ).fetchone()
            assert row is not None
            found[f"{schema}.{table}"] = row
    return found


def run(data: Path) -> str:
    done = call(KINSHIP, "run", env=environment(data))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def outbox(data: Path) -> set[str]:
    return {str(path) for path in (data / "outbox").rglob("*")}


def test_a_second_run_changes_nothing_and_new_days_change_what_they_touch(company: Path) -> None:
    # the copy's sources lie elsewhere: every file counts as new, and the company stays the same
    first = run(company)
    for word in ("Sources", "in quarantine", "People", "Segments", "Checks", "Syncs", "Steps", "Where to look next"):
        assert word in first
    assert "@" not in first, "no address in the summary"
    before, sent = digest(company), outbox(company)
    assert before["customers.customers"][0] > 100
    assert sent

    second = run(company)
    assert "nothing is new in any source" in second
    assert digest(company) == before
    assert outbox(company) == sent

    extended = call(
        KINSHIP, "demo", "--people", "150", "--days", "40", "--until", "2026-07-03", env=environment(company)
    )
    assert extended.returncode == 0, extended.stderr
    third = run(company)
    assert "staging, identity, customers" in third
    after = digest(company)
    assert after["customers.customer_events"][0] > before["customers.customer_events"][0]
    with duckdb.connect(str(company / "warehouse.duckdb"), read_only=True) as warehouse:
        lost = warehouse.execute("select count(*) from operations.builds where finished_at is null").fetchone()
    assert lost == (0,)
