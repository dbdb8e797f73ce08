"""Dagster's home: one per warehouse, so that the command line and the UI tell one history."""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from kinship.errors import WrongUse
from kinship.settings import settings

TEMPLATE = Path(__file__).with_name("dagster.yaml")
POSTGRES = "KINSHIP_DAGSTER_POSTGRES"
# the address holds a password: the file names the variable, never the value
IN_POSTGRES = f"""
storage:
  postgres:
    postgres_url:
      env: {POSTGRES}
"""


def prepare_home() -> Path:
    """Make DAGSTER_HOME with the project's `dagster.yaml`, and point this process and its children at it."""
    home = settings().dagster_home
    home.mkdir(parents=True, exist_ok=True)
    target = home / "dagster.yaml"
    wanted = TEMPLATE.read_text() + (IN_POSTGRES if os.environ.get(POSTGRES) else "")
    if not target.exists() or target.read_text() != wanted:
        target.write_text(wanted)
    os.environ.update(settings().environment())
    if url := os.environ.get(POSTGRES):
        # SQLAlchemy 2.1 takes psycopg 3 where none is named, which refuses the NOTIFY that dagster-postgres sends
        os.environ[POSTGRES] = re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", url)
    return home


@contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """The instance at DAGSTER_HOME, its history in SQLite there or in the PostgreSQL that `POSTGRES` names.

    Raises WrongUse when that server does not let us in.
    """
    prepare_home()
    event.listen(Engine, "connect", _without_sync)
    try:
        with _instance() as instance:
            yield instance
    finally:
        event.remove(Engine, "connect", _without_sync)


def _instance() -> dg.DagsterInstance:
    try:
        return dg.DagsterInstance.get()
    except (SQLAlchemyError, DagsterPostgresException) as error:
        if not os.environ.get(POSTGRES):
            raise
        # what the driver says quotes the address
        raise WrongUse(
            f"{POSTGRES}: no history can be kept there ({type(error).__name__}); expected"
            " postgresql://user:password@host:5432/database of a server that is up, and a user who may create tables"
        ) from None


def _without_sync(connection: object, _: object) -> None:
    """Spare SQLite the wait for the disk: Dagster opens, commits and closes several files for each of 700 events a run.

    Measured here: 62 ms an event with the wait, 25 ms without, on a busy machine. A killed process still loses nothing;
    a power cut may cost the history of runs, which no table depends on.
    """
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma synchronous = off")
