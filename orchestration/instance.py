"""Dagster's home: one per warehouse, so that the command line and the UI tell one history."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from kinship.settings import settings

TEMPLATE = Path(__file__).with_name("dagster.yaml")


def prepare_home() -> Path:
    """Make DAGSTER_HOME with the project's `dagster.yaml`, and point this process and its children at it."""
    home = settings().dagster_home
    home.mkdir(parents=True, exist_ok=True)
    target = home / "dagster.yaml"
    if not target.exists() or target.read_text() != TEMPLATE.read_text():
        target.write_text(TEMPLATE.read_text())
    os.environ.update(settings().environment())
    return home


@contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """The instance at DAGSTER_HOME."""
    prepare_home()
    with dg.DagsterInstance.get() as instance:
        yield instance
