"""The cases of `tryton`: the real CRM, from PyPI, on SQLite, started here. Built once (20 s), copied for each test."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

from kinship.settings import ROOT
from servers.base import Faults
from servers.case import Case
from servers.proxy import Proxy

LOCK = Path(__file__).with_suffix(".lock")
PASSWORD = "s3cr3t-of-tryton"
MODULES = ("party", "marketing_email")
CONFIGURATION = """[database]
uri = sqlite://
path = {folder}
[web]
listen = 127.0.0.1:{port}
[password]
length = 0
"""


def installed() -> Path:
    """The folder of an environment with trytond in it and a fresh database, both made once; skips when that fails."""
    digest = hashlib.sha256(LOCK.read_bytes() + repr(MODULES).encode()).hexdigest()[:12]
    folder = ROOT / ".cache" / f"tryton-{digest}"
    if not (folder / "template.sqlite").exists():
        draft = folder.with_name(f"{folder.name}.{os.getpid()}")
        try:
            _install(draft)
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            shutil.rmtree(draft, ignore_errors=True)
            pytest.skip(f"Tryton cannot be installed here: {error}")
        # scripts of an environment name its path, so that only the template moves in when another run was faster
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "environment").write_text(str(draft))
        (draft / "crm.sqlite").replace(folder / "template.sqlite")
    return folder


def template(modules: tuple[str, ...]) -> Path:
    """A fresh database in which more modules are activated, made once (`sale_opportunity`: 30 s)."""
    home = installed()
    made = home / f"{'-'.join(('template', *modules))}.sqlite"
    if not made.exists():
        draft = made.with_suffix(f".{os.getpid()}")
        draft.mkdir()
        shutil.copy(home / "template.sqlite", draft / "crm.sqlite")
        (draft / "trytond.conf").write_text(CONFIGURATION.format(folder=draft, port=0))
        _administer(Path((home / "environment").read_text()), draft, "-u", *modules, "--activate-dependencies")
        (draft / "crm.sqlite").replace(made)
        shutil.rmtree(draft)
    return made


def _administer(environment: Path, folder: Path, *arguments: str) -> None:
    command = [str(environment / "v" / "bin" / "trytond-admin"), "-c", str(folder / "trytond.conf"), "-d", "crm"]
    passwords = {**os.environ, "TRYTONPASSFILE": str(environment / "password")}
    subprocess.run(
        [*command, *arguments], env=passwords, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )


def _install(folder: Path) -> None:
    uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    folder.mkdir(parents=True)
    quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder / "v")], **quiet)
    python = str(folder / "v" / "bin" / "python")
    subprocess.run([uv, "pip", "install", "--quiet", "--require-hashes", "--python", python, "-r", str(LOCK)], **quiet)
    (folder / "trytond.conf").write_text(CONFIGURATION.format(folder=folder, port=0))
    (folder / "password").write_text(PASSWORD + "\n")
    (folder / "crm.sqlite").touch()
    _administer(folder, folder, "--all", "--email", "admin@example.com")
    _administer(folder, folder, "-u", *MODULES, "--activate-dependencies")


class Crm:
    """A running Tryton; `call` is the administrator's JSON-RPC, to look behind the destination's back."""

    def __init__(self, folder: Path, modules: tuple[str, ...] = ()) -> None:
        home = installed()
        port = free_port()
        self.database = folder / "crm.sqlite"
        shutil.copy(template(modules), self.database)
        (folder / "trytond.conf").write_text(CONFIGURATION.format(folder=folder, port=port))
        self.url = f"http://127.0.0.1:{port}/crm"
        self.proxy = Proxy(self.url)
        """The destination talks to it, and it to the CRM."""
        trytond = Path((home / "environment").read_text()) / "v" / "bin" / "trytond"
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(
            [str(trytond), "-c", str(folder / "trytond.conf"), "-d", "crm"], stdout=self._log, stderr=self._log
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                self._session = ""
                uid, token, *_ = self._post("common.db.login", ["admin", {"password": PASSWORD}, "en"])
                break
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.1)
        self._session = "Session " + base64.b64encode(f"admin:{uid}:{token}".encode()).decode()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KINSHIP_TRYTON_URL": f"{self.proxy.url}/crm",
            "KINSHIP_TRYTON_USER": "admin",
            "KINSHIP_TRYTON_PASSWORD": PASSWORD,
        }

    @property
    def source_environment(self) -> dict[str, str]:
        """What extraction reads."""
        return {"TRYTON_URL": f"{self.proxy.url}/crm", "TRYTON_USER": "admin", "TRYTON_PASSWORD": PASSWORD}

    @property
    def calls(self) -> int:
        return self.proxy.calls

    def call(self, method: str, *arguments: Any, context: dict[str, Any] | None = None) -> Any:
        return self._post(method, [*arguments, context or {}])

    def _post(self, method: str, params: list[Any]) -> Any:
        headers = {"Content-Type": "application/json"} | ({"Authorization": self._session} if self._session else {})
        content = json.dumps({"id": 1, "method": method, "params": params}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/rpc/", content, headers)) as answer:
            told = json.load(answer)
        if "result" not in told:
            raise AssertionError(told)
        return told["result"]

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:  # it waits for whoever still holds a connection
            self._process.kill()
            self._process.wait()
        finally:
            self._log.close()


@contextmanager
def running(folder: Path, *modules: str) -> Iterator[Crm]:
    """One that has the modules that syncs go to, and more."""
    crm = Crm(folder, modules)
    try:
        with crm.proxy:
            yield crm
    finally:
        crm.stop()


class Parties(Case):
    """Parties with an e-mail; what changes is the one category they are in."""

    sync = {"object": "party.party", "key": "email"}  # noqa: RUF012
    value = "categories"
    weathers = 1
    types = {"categories": "text[]"}  # noqa: RUF012

    @contextmanager
    def server(self, folder: Path) -> Iterator[Crm]:
        with running(folder) as crm:
            yield crm

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email": self.key(n), "name": f"O'Neil {n}", "categories": [value]}

    def poisoned(self, n: int) -> dict[str, Any]:
        return self.row(n, "no / name")  # a category must not hold what separates a path

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_TRYTON_PASSWORD": "wrong-password"}

    def before(self, server: Crm, n: int) -> None:
        mechanisms = [["create", [{"type": "email", "value": self.key(n).upper()}]]]
        server.call("model.party.party.create", [{"name": "theirs", "contact_mechanisms": mechanisms}])

    def faults(self, server: Crm) -> Faults:
        return server.proxy.faults

    def content(self, server: Crm) -> list[tuple[str, str]]:
        fields = ["email", "categories.name"]
        records = server.call("model.party.party.search_read", [], 0, None, None, fields)
        return sorted((r["email"].lower(), c["name"]) for r in records for c in r["categories."])
