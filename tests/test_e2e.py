"""The whole way, as a user goes it: run, run again, let time pass, run again."""

from pathlib import Path

import duckdb
from conftest import KINSHIP, addresses, call, environment

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


def test_the_summary_tells_what_a_person_wants_to_know(built_company: Path) -> None:
    summary = (built_company / "first_run.txt").read_text()
    for word in ("Sources", "in quarantine", "People", "Segments", "Checks", "Syncs", "Steps", "Where to look next"):
        assert word in summary
    assert not addresses(summary)


def test_a_second_run_changes_nothing(company: Path) -> None:
    before, sent = digest(company), outbox(company)
    assert before["customers.customers"][0] > 100
    assert sent
    assert "nothing is new in any source" in run(company), "wherever the data folder lies now"
    assert digest(company) == before
    assert outbox(company) == sent
