"""A real Request Tracker, from Debian's packages, on a SQLite of its own: a support desk that is a source."""

import json
import os
import shutil
import sqlite3
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

import pytest
from ports import free_port

from servers.proxy import Proxy

SERVER = Path("/usr/share/request-tracker5/libexec/rt-server")
SETUP = Path("/usr/sbin/rt-setup-database-5")
# hashing a token costs 0.3 s a call as shipped
CONFIGURATION = """
Set($rtname, 'desk.example');
Set($Organization, 'desk.example');
Set($WebPath, '');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($WebBaseURL, 'http://127.0.0.1:{port}');
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{folder}/rtdb');
Set($MasonDataDir, '{folder}/mason');
Set($MasonSessionDir, '{folder}/sessions');
Set($MailCommand, 'testfile');
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'error');
Set($Timezone, '{zone}');
Set($BcryptCost, 4);
1;
"""
BEGIN = "use lib '/usr/share/request-tracker5/lib'; use RT; RT::LoadConfig(); RT::Init();"
TOKEN = f"""{BEGIN}
my $user = RT::User->new(RT->SystemUser);
$user->Load($ARGV[0]);
my ($done, $said, $token) = RT::AuthToken->new(RT->SystemUser)->Create(Owner => $user->id, Description => 'kinship');
die $said unless $done;
print $token;
"""
RIGHT = f"""{BEGIN}
my $user = RT::User->new(RT->SystemUser);
$user->Load($ARGV[0]);
my ($done, $said) = $user->PrincipalObj->GrantRight(Right => $ARGV[1], Object => RT->System);
die $said unless $done;
"""


class Desk:
    """A running Request Tracker; `call` is its REST 2.0 with the rights of its superuser, `rows` its database."""

    def __init__(self, folder: Path, zone: str = "UTC") -> None:
        if not SERVER.exists() or not SETUP.exists():
            pytest.skip("Request Tracker is not installed (apt: request-tracker5 rt5-db-sqlite rt5-standalone)")
        self._folder = folder
        port = free_port()
        for name in ("conf.d", "mason", "sessions"):
            (folder / name).mkdir(parents=True)
        (folder / "site.pm").write_text("1;\n")
        (folder / "conf.d" / "desk.pm").write_text(CONFIGURATION.format(port=port, folder=folder, zone=zone))
        self._environment = {
            **os.environ,
            "RT_SITE_CONFIG": str(folder / "site.pm"),
            "RT_SITE_CONFIG_DIR": str(folder / "conf.d"),
            "TMPDIR": str(folder),
        }
        self._log = (folder / "log").open("w")
        self._run(str(SETUP), "--action", "init", "--dba", "", "--dba-password", "")
        self.token = self.token_of("root")
        self._process = subprocess.Popen(
            [str(SERVER), "--host", "127.0.0.1", "--port", str(port), "--max-workers", "4"],
            env=self._environment, stdout=self._log, stderr=self._log, start_new_session=True,
        )  # fmt: skip
        self.url = f"http://127.0.0.1:{port}"
        self.proxy = Proxy(self.url)
        """Extraction talks to it, and it to the desk."""
        self._wait()

    @property
    def environment(self) -> dict[str, str]:
        return {"RT_URL": self.proxy.url, "RT_TOKEN": self.token}

    def __enter__(self) -> Self:
        self.proxy.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.proxy.__exit__(*error)
        os.killpg(self._process.pid, 9)  # its workers are in the group, and it has nothing to keep
        self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def call(self, method: str, path: str, body: Any = None, token: str | None = None, **query: str) -> Any:
        address = f"{self.url}/REST/2.0/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        headers = {"Authorization": f"token {token or self.token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(address, content, headers, method=method)) as answer:
            text = answer.read()
        # what it says after a change is in the user's language, and in Latin-1
        return json.loads(text.decode(errors="replace")) if text else None

    def user(self, name: str, **values: Any) -> int:
        """Make a user; returns their number."""
        self.call("POST", "user", {"Name": name, **values})
        return int(self.call("GET", f"user/{name}")["id"])

    def ticket(self, subject: str, *requestors: str, text: str = "", token: str | None = None, **values: Any) -> int:
        """Open a ticket, with a first message where there is a text; returns its number."""
        message = {"Content": text, "ContentType": "text/plain"} if text else {}
        ticket = {"Queue": "General", "Subject": subject, "Requestor": list(requestors), **message, **values}
        return int(self.call("POST", "ticket", ticket, token)["id"])

    def write(self, ticket: int, text: str, kind: str = "correspond", token: str | None = None) -> None:
        """Write on a ticket: `correspond` (all read it) or `comment` (colleagues do)."""
        self.call("POST", f"ticket/{ticket}/{kind}", {"Content": text, "ContentType": "text/plain"}, token)

    def change(self, ticket: int, **values: Any) -> None:
        self.call("PUT", f"ticket/{ticket}", values)

    def token_of(self, name: str) -> str:
        """A new token of a user."""
        return self._run("perl", "-e", TOKEN, name)

    def grant(self, user: int, right: str) -> None:
        """Give a user a right on everything."""
        self._run("perl", "-e", RIGHT, str(user), right)

    def shred(self, what: str) -> None:
        """Take a record (`Ticket-3`) out of the database, as the tool of RT's administrators does."""
        kind, id = what.split("-")
        self._run("/usr/sbin/rt-shredder-5", "--plugin", f"Objects={kind},{id}", "--force")

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What stands in the desk's database; or change it behind RT's back."""
        with sqlite3.connect(self._folder / "rtdb", timeout=30) as connection:
            found = connection.execute(query, values).fetchall()
        connection.close()
        return found

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, cwd=self._folder, env=self._environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.call("GET", "rt")
                return
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError((self._folder / "log").read_text()[-2000:]) from None
                time.sleep(0.05)
