"""The case of `ghost`: the real newsletter, from npm, on a MariaDB of the tests. Slow: minutes the first time."""

import atexit
import http.cookiejar
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ports import free_port

from servers import npm
from servers.base import Faults
from servers.case import Case
from servers.proxy import Proxy

VERSION, PNPM = "6.65.0", "10.34.9"
ACCOUNT = {"name": "Owner", "email": "owner@example.com", "password": "a long enough secret 4711", "blogTitle": "News"}


def installed() -> Path:
    """The folder with Ghost in it, made once. Its package holds parts of its own, which npm alone cannot install."""
    folder = npm.cache("ghost", VERSION, PNPM)
    if not folder.exists():
        tools = npm.cache("pnpm", PNPM)
        if not tools.exists():
            npm.install(tools, {"pnpm": PNPM})
        environment = npm.environment() | {"npm_config_manage_package_manager_versions": "false"}
        draft = folder.with_name(f"{folder.name}.{os.getpid()}")
        draft.mkdir(parents=True)
        npm.call(["npm", "pack", "--silent", f"ghost@{VERSION}"], draft, environment)
        shutil.unpack_archive(draft / f"ghost-{VERSION}.tgz", draft, filter="data")
        pnpm = tools / "node_modules" / ".bin" / "pnpm"
        npm.call([pnpm, "install", "--prod", "--ignore-scripts"], draft / "package", environment)
        draft.rename(folder)
    return folder / "package"


@cache
def mariadb() -> tuple[int, Path]:
    """Port and folder of a MariaDB that is stopped when the tests end; skips the test where none is installed."""
    program = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    if program is None:
        pytest.skip("MariaDB is not installed (Debian: mariadb-server)")
    folder = Path(tempfile.mkdtemp(prefix="kinship-mariadb-"))
    user = "root" if os.getuid() == 0 else os.environ.get("USER", "mysql")
    npm.call(
        [
            "mariadb-install-db", "--no-defaults", f"--datadir={folder / 'data'}", f"--user={user}",
            "--auth-root-authentication-method=normal", "--skip-test-db",
        ],
        folder, dict(os.environ),
    )  # fmt: skip
    port = free_port()
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [
                program, "--no-defaults", f"--datadir={folder / 'data'}", f"--user={user}", f"--port={port}",
                f"--socket={folder / 'socket'}", "--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=0",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip

    def stop() -> None:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    deadline = time.monotonic() + 60
    while not (folder / "socket").exists():
        assert time.monotonic() < deadline and server.poll() is None, (folder / "log").read_text()[-2000:]
        time.sleep(0.1)
    sql(
        folder,
        "create database ghost; create user g@'127.0.0.1' identified by 'g'; grant all on ghost.* to g@'127.0.0.1'",
    )
    return port, folder


def sql(folder: Path, statement: str) -> None:
    npm.call(
        ["mariadb", "--no-defaults", f"--socket={folder / 'socket'}", "-uroot", "-e", statement],
        folder,
        dict(os.environ),
    )


class Newsletter:
    """A running Ghost, one for all tests; `call` is its API with the rights of the owner."""

    def __init__(self) -> None:
        home = installed()
        database, self._folder = mariadb()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        content = Path(tempfile.mkdtemp(prefix="kinship-ghost-")) / "content"
        shutil.copytree(home / "content", content, symlinks=True)
        configuration = {
            "url": self.url,
            "server": {"host": "127.0.0.1", "port": port},
            "database": {
                "client": "mysql",
                "connection": {
                    "host": "127.0.0.1",
                    "port": database,
                    "user": "g",
                    "password": "g",
                    "database": "ghost",
                },
            },
            "mail": {"transport": "stub"},
            "logging": {"level": "error", "transports": ["stdout"]},
            "paths": {"contentPath": str(content)},
            "security": {"staffDeviceVerification": False},
            "spam": {"user_login": {"freeRetries": 1000}, "global_block": {"freeRetries": 1000}},
            "privacy": {"useUpdateCheck": False, "useGravatar": False, "useRpcPing": False},
        }
        running = content.parent
        with (running / "log").open("w") as log:
            self._process = subprocess.Popen(
                ["node", "index.js"], cwd=home, env=npm.environment() | variables(configuration), stdout=log, stderr=log
            )  # fmt: skip
        atexit.register(self._process.kill)
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self._wait(running / "log")
        self.call("POST", "authentication/setup/", {"setup": [ACCOUNT]})
        self.call("POST", "session/", {"username": ACCOUNT["email"], "password": ACCOUNT["password"]})
        made = self.call("POST", "integrations/?include=api_keys", {"integrations": [{"name": "Kinship"}]})
        (key,) = [key["secret"] for key in made["integrations"][0]["api_keys"] if key["type"] == "admin"]
        self.key: str = key
        self.proxy = Proxy(self.url)
        self.proxy.__enter__()

    @property
    def environment(self) -> dict[str, str]:
        return {"KINSHIP_GHOST_URL": self.proxy.url, "KINSHIP_GHOST_ADMIN_KEY": self.key}

    @property
    def calls(self) -> int:
        return self.proxy.calls

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json", "Origin": self.url, "Accept-Version": "v6.0"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/ghost/api/admin/{path}", content, headers, method=method)
        with self._opener.open(request) as answer:
            text = answer.read()
        return json.loads(text) if text.startswith(b"{") else None

    def members(self) -> list[dict[str, Any]]:
        found = self.call("GET", "members/?limit=100&include=labels,newsletters")
        assert isinstance(found["members"], list)
        return found["members"]

    def empty(self) -> None:
        """Forget every member and label."""
        for member in self.members():
            self.call("DELETE", f"members/{member['id']}/")
        for label in self.call("GET", "labels/?limit=100")["labels"]:
            self.call("DELETE", f"labels/{label['id']}/")
        self.proxy.faults = Faults()

    def _wait(self, log: Path) -> None:
        deadline = time.monotonic() + 180
        while True:
            try:
                self.call("GET", "site/")
                return
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < deadline and self._process.poll() is None, log.read_text()[-2000:]
                time.sleep(0.3)


def variables(configuration: dict[str, Any], *place: str) -> dict[str, str]:
    """Ghost's configuration as environment variables: names of nested keys are joined by two underscores."""
    flat = {"NODE_ENV": "production"} if not place else {}
    for name, value in configuration.items():
        if isinstance(value, dict):
            flat |= variables(value, *place, name)
        else:
            flat["__".join([*place, name])] = value if isinstance(value, str) else json.dumps(value)
    return flat


@cache
def newsletter() -> Newsletter:
    """The one of this process, started at the first call."""
    return Newsletter()


class Members(Case):
    sync: ClassVar[dict[str, Any]] = {"object": "members", "key": "email"}
    value = "note"
    weathers = 2
    is_slow = True

    @contextmanager
    def server(self, folder: Path) -> Iterator[Newsletter]:
        running = newsletter()
        running.empty()
        yield running

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email": self.key(n), "name": f"O'Neil {n}", "note": value}

    def poisoned(self, n: int) -> dict[str, Any]:
        return {**self.row(n, "lead"), "email": "no address"}

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        key, _, _ = environment.get("KINSHIP_GHOST_ADMIN_KEY", "").partition(":")
        return environment | {"KINSHIP_GHOST_ADMIN_KEY": f"{key}:{'0123456789abcdef' * 4}"}

    def before(self, server: Newsletter, n: int) -> None:
        server.call("POST", "members/", {"members": [{"email": self.key(n), "name": "theirs"}]})

    def faults(self, server: Newsletter) -> Faults:
        return server.proxy.faults

    def content(self, server: Newsletter) -> list[tuple[str, str]]:
        return sorted((member["email"], member["note"]) for member in server.members() if member["note"])
