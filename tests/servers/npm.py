"""Real systems that npm has: installed once into `.cache`, with a Node.js of their own."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kinship.settings import ROOT

NODE = "24.21.0"
"""From npm's package `node`: what the machine has may be too old."""


def cache(name: str, *versions: object) -> Path:
    """The folder of a system in these versions."""
    digest = hashlib.sha256(repr(versions).encode()).hexdigest()[:12]
    return ROOT / ".cache" / f"{name}-{digest}"


def environment() -> dict[str, str]:
    """The environment of this process with our Node.js first; skips the test when it cannot be installed."""
    folder = cache("node", NODE)
    programs = folder / "node_modules" / "node" / "bin"
    if not (programs / "node").exists():
        install(folder, {"node": NODE})
    return {**os.environ, "PATH": os.pathsep.join([str(programs), os.environ["PATH"]])}


def install(folder: Path, packages: dict[str, str], **variables: str) -> None:
    """`npm install` of these packages in `folder`, whole or not at all; skips the test with the reason."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    (draft / "package.json").write_text(json.dumps({"name": "kinship-test", "private": True, "dependencies": packages}))
    command = ["npm", "install", "--no-audit", "--no-fund", "--legacy-peer-deps", "--loglevel=error"]
    done = subprocess.run(command, cwd=draft, env=os.environ | variables, capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(draft)
        pytest.skip(f"npm could not install {', '.join(packages)}: exit code {done.returncode}")
    draft.rename(folder)


def call(command: list[Any], folder: Path, environment: dict[str, str]) -> str:
    """Run to its end; what it printed, which an error shows."""
    done = subprocess.run(list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    return done.stdout
