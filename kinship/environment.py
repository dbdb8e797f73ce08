"""What a command hands on to dbt, Dagster and its other children."""

import os

from kinship import spark
from kinship.errors import WrongUse
from kinship.settings import settings

TARGETS = ("duckdb", "spark")


def prepare_environment() -> None:
    """Give this process and its children one absolute view of where things lie. Raises WrongUse for another target."""
    target = settings().target
    if target not in TARGETS:
        raise WrongUse(f"KINSHIP_TARGET is {target!r}; the targets are {' and '.join(TARGETS)}")
    if target == "spark":
        spark.require()
    os.environ.update(settings().environment())
    os.environ.setdefault("DO_NOT_TRACK", "1")
