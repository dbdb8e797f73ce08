"""A small company, built once for all tests that only look at a finished warehouse or work on a copy of one."""

import atexit
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[1]
KINSHIP = Path(sys.executable).with_name("kinship")
DBT = Path(sys.executable).with_name("dbt")
# Minutes long: two processes share the suite by files, and one that begins with such a file at the end leaves the other
# idle. The first needs no built company, so it goes on while that is built.
LONG = ("destinations", "increments", "e2e", "recipes", "segments", "production", "survivorship", "published", "docs")
PARSED = "partial_parse.msgpack"  # what dbt keeps of the project it has read


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # begun in a background of a script: Dagster hands that on to SIGTERM, and what is begun here inherits both
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    rank = {f"test_{name}": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


def environment(data: Path, **more: str) -> dict[str, str]:
    """The environment of a user whose data lies in `data`, and who has set nothing else of Kinship's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KINSHIP_", "DAGSTER_"))}
    return inherited | {"KINSHIP_DATA": str(data)} | more


def call(
    program: Path, *arguments: str, env: Mapping[str, str], cwd: Path = ROOT, timeout: float = 500
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever its exit code."""
    return subprocess.run([program, *arguments], env=env, cwd=cwd, capture_output=True, text=True, timeout=timeout)


@cache
def _own_folder() -> Path:
    """A folder of this process, gone with it."""
    folder = tempfile.mkdtemp(prefix="kinship-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def place() -> Path:
    """An empty folder, the same one each time, so for one user at a time.

    For a warehouse at another path dbt reads the whole project anew: 24 processor seconds.
    """
    folder = _own_folder() / "place"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def dbt_target() -> Path:
    """Where `call_dbt` keeps what it read of the project, for the next call."""
    return _own_folder() / "target"


def call_dbt(*arguments: str, data: Path, cwd: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    """Run dbt on the warehouse in `data` to its end, whatever its exit code.

    Unless DBT_WRITE_JSON is "true" it writes no manifest and no results: 4 processor seconds in place of 6.
    """
    own = {"DBT_TARGET_PATH": str(dbt_target()), "DBT_LOG_PATH": str(_own_folder()), "DBT_WRITE_JSON": "false"}
    # as Kinship calls it, so that what either has read serves both
    where = {"KINSHIP_WAREHOUSE": str(data / "warehouse.duckdb"), "KINSHIP_EXPOSURES": str(data / "dbt" / "exposures")}
    return call(DBT, *arguments, env=environment(data, **own | where | {"KINSHIP_TARGET": "duckdb"} | more), cwd=cwd)


def addresses(printed: str) -> set[str]:
    """The mail addresses in what was printed, but for those of the owners that our own files name."""
    return set(re.findall(r"[^\s@]+@[^\s@]+", printed)) - {
        f"{team}@example.com" for team in ("crm", "growth", "sales", "service")
    }


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """Put the environment back after each test: Dagster's home and dbt are given theirs by way of it.

    And the main module, whose place Streamlit takes for its page: a new process of `multiprocessing` begins with it.
    """
    before, main = dict(os.environ), sys.modules["__main__"]
    yield
    os.environ.clear()
    os.environ.update(before)
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def built_company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a company of 150 people and 40 days after one `kinship run`, which printed `first_run.txt`.

    Do not write to it: copy it. KINSHIP_TEST_COMPANY names one built before, for whoever works on what only reads.
    """
    if built := os.environ.get("KINSHIP_TEST_COMPANY"):
        return Path(built)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return _build(tmp_path_factory.mktemp("company"))
    # built once for all workers; each has a copy, as what it starts may write locks and logs
    shared = tmp_path_factory.getbasetemp().parent / "company"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            _build(shared.with_name("company_in_work")).rename(shared)
    return Path(shutil.copytree(shared, tmp_path_factory.mktemp("company") / "data", symlinks=True))


def _build(data: Path) -> Path:
    for arguments in (("demo", "--people", "150", "--days", "40"), ("run",)):
        done = call(KINSHIP, *arguments, env=environment(data), timeout=1500)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    (data / "first_run.txt").write_text(done.stdout)
    return data


@pytest.fixture(scope="session")
def read_project(built_company: Path) -> Callable[[Path], Path]:
    """Puts the project as read for the built company into a data folder: to read it takes 30 processor seconds."""

    def put(data: Path) -> Path:
        for part in ("manifest", "exposures"):
            shutil.copytree(built_company / "dbt" / part, data / "dbt" / part)
        return data

    return put


@pytest.fixture
def company(built_company: Path) -> Iterator[Path]:
    """A copy of the built company to write to, where this process has read the project for, once it has."""
    data = Path(shutil.copytree(built_company, place() / "data", symlinks=True))
    read = dbt_target() / PARSED
    if read.exists():
        shutil.copy(read, data / "dbt" / "manifest")
    yield data
    if parses := list((data / "dbt").glob(f"*/{PARSED}")):
        dbt_target().mkdir(exist_ok=True)
        shutil.copy(max(parses, key=lambda parse: parse.stat().st_mtime), read)


@pytest.fixture(scope="session")
def published(built_company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the built company with its tables published. Do not write to it."""
    if "KINSHIP_TEST_COMPANY" not in os.environ:
        return built_company  # its run published them; one built before may be of other code
    data = Path(shutil.copytree(built_company, tmp_path_factory.mktemp("published") / "data"))
    done = call(KINSHIP, "publish", env=environment(data))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return data


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium without a window. For a module: while Playwright is there, no other event loop can run."""
    from browser import chromium

    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def dashboards(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The dashboards of the published company as anybody at this machine sees them, for tests that only look."""
    from browser import served
    from dashboards_house import apart

    folder = tmp_path_factory.mktemp("dashboards")
    with served(apart(published, folder / "data"), folder / "dashboards.log") as server:
        yield server


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Spark of this machine with the graph functions, for tests marked `spark`."""
    from pyspark.sql import SparkSession

    from kinship.spark import functions

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)

    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.timestampType", "TIMESTAMP_NTZ")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("spark")))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    functions.register(session)
    yield session
    session.stop()
