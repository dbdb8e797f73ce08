"""dbt's unit tests: a few hand-checked rows for every model that decides something."""

from pathlib import Path

from conftest import DBT, call, environment


def test_dbt_unit_tests_pass(company: Path) -> None:
    done = call(DBT, "test", "--select", "test_type:unit", env=environment(company))
    assert done.returncode == 0, done.stdout[-3000:]
    assert "ERROR=0" in done.stdout
