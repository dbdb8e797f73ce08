"""The benchmarks of docs/scale.md run, on next to nothing."""

import gzip
import re
import sys
from pathlib import Path

import pytest
from conftest import ROOT, call, environment

PYTHON = Path(sys.executable)


def test_a_company_made_by_two_processes_is_one_company(tmp_path: Path) -> None:
    for processes in (1, 2):
        done = call(
            PYTHON, "benchmarks/scale_data.py", "60", "--days", "10", "--out", str(tmp_path / str(processes)),
            "--processes", str(processes), env=environment(tmp_path) | {"PYTHONPATH": str(ROOT)}, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def people(processes: int) -> set[str]:
        files = (tmp_path / str(processes) / "shopify" / "customers").glob("*.jsonl.gz")
        text = "".join(gzip.decompress(file.read_bytes()).decode() for file in files)
        return set(re.findall(r'"email": ?"([^"]+)"', text))

    assert people(1) == people(2) != set()


@pytest.mark.parametrize("step", ["components", "extract"])
def test_a_single_step(step: str, tmp_path: Path) -> None:
    done = call(
        PYTHON, "benchmarks/limit_steps.py", step, "--rows", "6000", "--memory", "1GB", "--folder", str(tmp_path),
        env=environment(tmp_path) | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{step}: ended with 0 after" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_whole_company(tmp_path: Path) -> None:
    done = call(
        PYTHON, "benchmarks/limit.py", "100", "--days", "20", "--memory", "2GB", "--day", "--data", str(tmp_path),
        env=environment(tmp_path) | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100 people," in done.stdout
    assert done.stdout.count("\nall ") == 2
    assert "one more day takes" in done.stdout
    assert [path.name for path in (tmp_path / "100").glob("warehouse*")] == []
