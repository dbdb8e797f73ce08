"""A MariaDB of the tests' own, started once, and a fresh database for each test."""

import atexit
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ports import free_port

PASSWORD = "maria-secret"
_numbers = itertools.count()


@cache
def start() -> int:
    """The port of a MariaDB that is stopped when the tests end; skips the test where none is installed."""
    server, install = shutil.which("mariadbd", path="/usr/sbin:/usr/bin"), shutil.which("mariadb-install-db")
    if server is None or install is None:
        pytest.skip("MariaDB is not installed (Debian: mariadb-server)")
    folder = Path(tempfile.mkdtemp(prefix="kinship-maria-"))
    user = f"--user={'mysql' if os.getuid() == 0 else os.environ.get('USER', '')}"
    if os.getuid() == 0:
        shutil.chown(folder, "mysql", "mysql")
    subprocess.run(
        [
            install, "--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}", user,
            "--auth-root-authentication-method=normal",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    port = free_port()
    arguments = (
        "--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}", user, f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={folder}/socket", f"--pid-file={folder}/pid", "--innodb-flush-log-at-trx-commit=0",
        "--skip-log-bin", "--innodb-buffer-pool-size=32M", "--performance-schema=off",
    )  # fmt: skip
    process = subprocess.Popen([server, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop() -> None:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    deadline = time.monotonic() + 60
    while True:
        try:
            if not (folder / "socket").exists():  # PyMySQL leaves a socket open where there is nobody
                raise pymysql.err.OperationalError
            with pymysql.connect(unix_socket=f"{folder}/socket", user="root") as connection:
                cursor = connection.cursor()
                cursor.execute(f"create user kinship@'127.0.0.1' identified by '{PASSWORD}'")
                cursor.execute("grant all on *.* to kinship@'127.0.0.1' with grant option")
            return port
        except pymysql.err.OperationalError:
            if time.monotonic() > deadline or process.poll() is not None:
                raise
            time.sleep(0.05)


@dataclass
class Database:
    """A fresh database."""

    port: int
    name: str

    @property
    def url(self) -> str:
        return f"mysql://kinship:{PASSWORD}@127.0.0.1:{self.port}/{self.name}"

    def query(self, statement: str, *parameters: Any) -> list[Any]:
        with pymysql.connect(
            host="127.0.0.1", port=self.port, user="kinship", password=PASSWORD, database=self.name or None,
            autocommit=True, charset="utf8mb4",
        ) as connection:  # fmt: skip
            cursor = connection.cursor()
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())


@contextmanager
def database(*statements: str) -> Iterator[Database]:
    """A new database with these statements run in it."""
    port = start()
    name = f"t{next(_numbers)}"
    Database(port, "").query(f"create database {name}")
    fresh = Database(port, name)
    for statement in statements:
        fresh.query(statement)
    try:
        yield fresh
    finally:
        Database(port, "").query(f"drop database {name}")
