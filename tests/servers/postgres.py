"""The cases of `postgres`: a server of its own, started once for all tests, a fresh database for each."""

import atexit
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from ports import free_port
from psycopg import sql

from servers.case import Case

PASSWORD = "pg-secret"
TABLE = """
create schema crm;
create table crm."Peo""ple" (
    email text primary key,
    firstname text not null default 'x',
    "Stage" varchar(60),
    others text
);
"""
_numbers = itertools.count()


@cache
def start(wal_level: str) -> int:
    """The port of a PostgreSQL that is stopped when the tests end; skips the test where none is installed."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if not programs:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="kinship-pg-"))
    user: dict[str, Any] = {}
    if os.getuid() == 0:
        # the server refuses to run as root
        user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(folder, "postgres", "postgres")
    port = free_port()
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)

    def call(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs[-1] / program, "-D", folder / "data", *arguments],
            capture_output=True, text=True, cwd=folder, **user,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    # no --no-sync on the server: only the files of a test may be lost
    call(
        "initdb", "--auth=scram-sha-256", f"--pwfile={secret}", "--username=kinship", "--encoding=UTF8", "--no-sync",
        "--locale=C",
    )  # fmt: skip
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
    options += f" -c wal_level={wal_level}"
    call("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")

    def stop() -> None:
        call("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return port


@dataclass
class Database:
    """A fresh database and what is in its table."""

    port: int
    name: str

    @property
    def url(self) -> str:
        return f"postgresql://kinship:{PASSWORD}@127.0.0.1:{self.port}/{self.name}"

    @property
    def environment(self) -> dict[str, str]:
        return {"KINSHIP_POSTGRES_URL": self.url}

    def query(self, statement: str, *parameters: Any) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []


@contextmanager
def database(*statements: str, wal_level: str = "logical") -> Iterator[Database]:
    """A new database with these statements run in it."""
    port = start(wal_level)
    server = Database(port, "postgres")
    name = f"t{next(_numbers)}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    fresh = Database(port, name)
    for statement in statements:
        fresh.query(statement)
    try:
        yield fresh
    finally:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


class Table(Case):
    sync: ClassVar[dict[str, Any]] = {
        "object": 'crm.Peo"ple',
        "key": "email",
        "options": {"clear_fields": "Stage"},
    }
    value = "Stage"

    @contextmanager
    def server(self, folder: Path) -> Iterator[Database]:
        with database(TABLE) as fresh:
            yield fresh

    def content(self, server: Any) -> list[tuple[str, str]]:
        return sorted(server.query('select email, "Stage" from crm."Peo""ple" where "Stage" is not null'))

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email": self.key(n), "firstname": "O'Neil", "Stage": value}

    def poisoned(self, n: int) -> dict[str, Any]:
        return self.row(n, "a" * 61)

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return {name: value.replace(PASSWORD, "wrong-secret") for name, value in environment.items()}

    def before(self, server: Any, n: int) -> None:
        server.query("insert into crm.\"Peo\"\"ple\" values (%s, 'theirs', null, 'theirs')", self.key(n))
