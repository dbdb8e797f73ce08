"""dbt's unit tests: a few hand-checked rows for every model that decides something."""

from pathlib import Path

from conftest import call_dbt


def test_dbt_unit_tests_pass(company: Path) -> None:
    done = call_dbt("test", "--select", "test_type:unit", data=company)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "ERROR=0" in done.stdout
