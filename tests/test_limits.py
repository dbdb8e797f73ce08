"""Memory and spilling are bounded by the environment, for the warehouse, for dbt and for matching."""

import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest
from conftest import DBT, ROOT

from kinship.errors import WrongUse
from kinship.identity.matching import engine
from kinship.limits import matching_memory, warehouse_memory
from kinship.warehouse import connect


def said(connection: duckdb.DuckDBPyConnection) -> tuple[str, str]:
    """The memory limit and the temporary folder that a connection goes by."""
    row = connection.execute("select current_setting('memory_limit'), current_setting('temp_directory')").fetchone()
    assert row is not None
    return row[0], row[1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    for variable in ("KINSHIP_WAREHOUSE", "KINSHIP_MEMORY_LIMIT", "KINSHIP_TEMP_DIR"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def test_the_warehouse_spills_beside_itself_unless_told_otherwise(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(read_only=False) as warehouse:
        assert Path(said(warehouse)[1]) == home / "warehouse.duckdb.tmp"
    monkeypatch.setenv("KINSHIP_TEMP_DIR", str(home / "elsewhere"))
    monkeypatch.setenv("KINSHIP_MEMORY_LIMIT", "300MiB")
    with connect(read_only=False) as warehouse, connect(read_only=False) as second:
        assert said(warehouse) == said(second) == ("300.0 MiB", str(home / "elsewhere" / "warehouse.duckdb.tmp"))
        # three times what the memory holds
        warehouse.execute("create temp table wide as select range as id, repeat('x', 100) as text from range(9000000)")
        assert warehouse.execute("select count(*) from duckdb_temporary_files()").fetchone() != (0,)


def test_matching_spills_there_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_TEMP_DIR", str(home / "elsewhere"))
    monkeypatch.setenv("KINSHIP_MEMORY_LIMIT", "2GiB")
    with engine.connection(threads=1) as opened:
        memory, folder = said(opened)
        assert memory == "1.0 GiB"
        assert Path(folder).parent == home / "elsewhere"
    assert not Path(folder).exists()


def test_the_limit_is_half_of_the_machine_by_default(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default = warehouse_memory(), matching_memory()
    monkeypatch.setenv("KINSHIP_MEMORY_LIMIT", "50 %")
    assert (warehouse_memory(), matching_memory()) == default


def test_a_limit_that_is_none_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_MEMORY_LIMIT", "much")
    with pytest.raises(WrongUse, match="like 12GB or 50%, got 'much'"):
        warehouse_memory()


def test_dbt_obeys_as_well(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_TEMP_DIR", str(home / "elsewhere"))
    monkeypatch.setenv("KINSHIP_MEMORY_LIMIT", "700MiB")
    # the project's profile is what counts; to read its models takes 20 seconds
    shutil.copy(ROOT / "profiles.yml", home)
    (home / "dbt_project.yml").write_text("{name: kinship, profile: kinship}")
    query = "select current_setting('memory_limit') as memory, current_setting('temp_directory') as folder"
    done = subprocess.run(
        [DBT, "show", "--inline", query, "--target-path", str(home / "target"), "--log-path", str(home / "logs"),
         "--output", "json", "--quiet"],
        cwd=home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "700.0 MiB" in done.stdout
    assert str(home / "elsewhere" / "warehouse.duckdb.tmp") in done.stdout
