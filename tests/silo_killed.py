"""Kill an extraction from a database or a drop at chosen moments, as live_killed.py does with those from an API.

    python silo_killed.py postgres 17 0.25    kill one at its 17th operation, another after 0.25 s
    python silo_killed.py postgres 0          kill none, and tell how many operations it makes in how many seconds

Before each attempt something changes over there, by seed, and mostly again between the kill and the run that completes
it. An attempt starts from a copy of the data folder KILL_BASE; by the log each goes on from the one before, as the
server's slot does. The driver prints a JSON line with what the raw table of users holds then, and what the silo holds.
"""

import gzip
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from database_house import Database, holds, stands
from drop_house import Remote, S3Drop, SftpDrop
from extract_house import current, query, users
from forked import COMMIT, in_child, killed_at
from servers import mariadb, postgres
from servers.s3 import Bucket
from servers.sftp import SftpServer

from orchestration.extract import extract
from orchestration.extract.silos import copying, database, feed, known, log, s3, sftp

KIND = sys.argv[1]


class Silo(Protocol):
    def change(self, chance: random.Random) -> None:
        """Change something over there."""

    def change_again(self, chance: random.Random) -> None:
        """Take away what the last change brought, or change something else, or nothing."""

    def holds(self) -> list[Any]:
        """The rows of users, by the silo's own client."""

    def stands(self) -> list[Any]:
        """The rows that stand in the raw table."""


class Tables:
    """Of a database: rows come, change (also without a new time), and go."""

    def __init__(self, server: Database) -> None:
        self.server = server
        self.numbers = itertools.count(1)
        self.new: list[int] = []

    def change(self, chance: random.Random) -> None:
        self.new = [1000 + next(self.numbers) for _ in range(chance.choice((0, 1, 40)))]
        if self.new:
            rows = ", ".join(f"({id_}, 'new', current_timestamp(6))" for id_ in self.new)
            self.server.query(f"insert into users values {rows}")
        for _ in range(chance.choice((0, 1, 15))):
            self._change_one(chance)

    def _change_one(self, chance: random.Random) -> None:
        id_, name = chance.randrange(60), f"v{next(self.numbers)}"
        if chance.random() < 0.3:
            self.server.query("update users set name = %s where id = %s", name, id_)  # only a comparison tells
            return
        self.server.query("delete from users where id = %s", id_)
        if chance.random() < 0.7:
            self.server.query("insert into users values (%s, %s, current_timestamp(6))", id_, name)

    def change_again(self, chance: random.Random) -> None:
        if chance.random() < 0.4:
            self.server.query("delete from users where id >= 1000")
        for _ in range(chance.choice((0, 0, 3))):
            self._change_one(chance)

    def holds(self) -> list[Any]:
        return holds(self.server)

    def stands(self) -> list[Any]:
        twice = query(
            "select id, count(*) from raw_zendesk.users where _kinship_deleted_at is null "
            "group by id, name, updated_at having count(*) > 1"
        )
        return [*stands(), *twice]


class Files:
    """Of a drop: files come, grow and are replaced."""

    def __init__(self, drop: Remote) -> None:
        self.drop = drop
        self.numbers = itertools.count(1)

    def change(self, chance: random.Random) -> None:
        there = self.drop.files()
        for _ in range(chance.choice((1, 2, 6))):
            file = f"users/{chance.randrange(12)}.jsonl{chance.choice(('', '.gz'))}"
            content = users(f"{file}-{next(self.numbers)}" for _ in range(chance.choice((1, 20, 400)))).encode()
            if file.endswith(".gz"):
                content = gzip.compress(content)
            elif file in there and chance.random() < 0.6:
                content = there[file] + content
            self.drop.put(file, content)
            there[file] = content

    def change_again(self, chance: random.Random) -> None:
        if chance.random() < 0.5:
            self.change(chance)

    def holds(self) -> list[Any]:
        files = self.drop.files().items()
        texts = [gzip.decompress(data) if name.endswith(".gz") else data for name, data in files]
        return sorted([["gone"], *([json.loads(line)["id"]] for text in texts for line in text.splitlines())])

    def stands(self) -> list[Any]:
        return current("zendesk", "users", "id")


def over_there() -> Silo:
    """The silo that the environment names."""
    if KIND in ("postgres", "log", "mariadb"):
        address = urlsplit(os.environ["KINSHIP_ZENDESK_URL"])
        client = mariadb.Database if KIND == "mariadb" else postgres.Database
        return Tables(client(address.port or 0, address.path[1:]))
    if KIND == "sftp":
        drop = SftpDrop(SftpServer(Path(os.environ["KILL_FOLDER"])))
        drop.clock += 1000
        return Files(drop)
    bucket = urlsplit(os.environ["KINSHIP_ZENDESK_PATH"]).netloc
    port = urlsplit(os.environ["KINSHIP_S3_ENDPOINT"]).port or 0
    return Files(
        S3Drop(Bucket(port, bucket, os.environ["KINSHIP_S3_ACCESS_KEY_ID"], os.environ["KINSHIP_S3_SECRET_ACCESS_KEY"]))
    )


def audited(place: Any, name: str) -> None:
    """Let the hook see where a commit begins and ends whose files Python does not see."""
    function = getattr(place, name)

    def call(*arguments: object, **named: object) -> object:
        sys.audit(COMMIT)
        result = function(*arguments, **named)
        sys.audit(COMMIT)
        return result

    setattr(place, name, call)


def audited_chunks(place: Any) -> None:
    """Let the hook see each chunk of a file that is copied."""
    function = place.read

    async def read(self: object, *arguments: object) -> AsyncIterator[bytes]:
        async for chunk in function(self, *arguments):
            sys.audit(COMMIT)
            yield chunk

    place.read = read


def report(silo: Silo) -> None:
    data = Path(os.environ["KINSHIP_DATA"])
    left = [path for folder in ("arrivals", "landing") for path in (data / folder).rglob("*") if path.is_file()]
    left += (data / "live").rglob("*.part")
    print(json.dumps({"stands": silo.stands(), "holds": silo.holds(), "left": list(map(str, left))}), flush=True)


def attempt(silo: Silo, base: Path, moment: float, chance: random.Random) -> None:
    folder = base.with_name("attempt")
    if KIND != "log" or not folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(base, folder)
    os.environ["KINSHIP_DATA"] = str(folder)
    silo.change(chance)
    code = in_child(killed_at(moment, lambda: extract("zendesk")))
    if moment:
        print(json.dumps({"moment": moment, "killed": code == -signal.SIGKILL}), flush=True)
    silo.change_again(chance)
    if in_child(lambda: (extract("zendesk"), report(silo))[1]) != 0:  # type: ignore[func-returns-value]
        sys.exit(f"could not complete after a kill at {moment}")


def main() -> None:
    base = Path(os.environ["KILL_BASE"])
    silo = over_there()
    with tempfile.TemporaryDirectory() as folder:  # all that is imported late is imported here, not in each child
        path = os.environ.pop("KINSHIP_ZENDESK_PATH", None)  # what reads buckets, once used, does not stand a fork
        url = os.environ.pop("KINSHIP_ZENDESK_URL", None)
        os.environ["KINSHIP_DATA"] = folder
        extract("zendesk")
    os.environ |= {"KINSHIP_ZENDESK_PATH": path} if path else {"KINSHIP_ZENDESK_URL": str(url)}
    for place, name in (
        (known.Known, "_write"),
        (known.Known, "compare"),
        (known._Transaction, "__exit__"),
        (log._Log, "_keep"),
        (log._Log, "_ask"),
    ):
        audited(place, name)
    audited_chunks(s3.Bucket)
    audited_chunks(sftp.Folder)
    database.CHUNK, feed._FILE_ROWS, copying._BLOCK, log._CHANGES = 5, 10, 1 << 10, 20
    s3._CHUNK = sftp._CHUNK = 1 << 12
    chance = random.Random(os.environ.get("KINSHIP_TEST_SEED", "1"))
    for moment in sys.argv[2:]:
        attempt(silo, base, float(moment), chance)


if __name__ == "__main__":
    main()
