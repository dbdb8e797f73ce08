"""Sources that are shipped but not listed, switched on as a user does it: the # before their line is taken away."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

from orchestration.extract import sources
from orchestration.extract.tables import _load


def switched_on(copy: Path, *names: str) -> Path:
    """A copy of the project with these sources in its list.

    It runs itself by `call(KINSHIP, ..., env=environment(data, PYTHONPATH=str(copy)), cwd=copy)`.
    """
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    configuration = copy / "dbt_project.yml"
    text = configuration.read_text()
    for name in names:
        text, lines = re.subn(rf"^(    )# ({name}: \[)", r"\1\2", text, flags=re.M)
        assert lines == 1, f"dbt_project.yml has {lines} lines '    # {name}: [...]'"
    configuration.write_text(text)
    return copy


def listed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let extraction of this process know these sources, too."""
    for name in names:
        monkeypatch.setitem(sources(), name, _load(name))
