"""Buckets and SFTP folders as sources: growing, replaced, late and cut-off files arrive exactly once."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from extract_house import House, current, house, query, user, users
from servers.cutter import Cutter
from servers.s3 import Bucket, bucket
from servers.sftp import USER, SftpServer

from kinship.settings import ROOT
from orchestration.extract import ExtractError, extract

new_house = pytest.fixture(house, name="house")
LONG_AGO = 1_780_000_000


class Remote(Protocol):
    """Where a test's files lie, over there."""

    port: int
    lists: int
    """Calls that a run with nothing new makes."""

    def put(self, file: str, content: str | bytes) -> None: ...

    def remove(self, file: str) -> None: ...

    def url(self, port: int | None = None) -> dict[str, str]: ...


class S3Drop:
    lists = 1

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.port = bucket.port

    def put(self, file: str, content: str | bytes) -> None:
        body = content.encode() if isinstance(content, str) else content
        self.bucket.client.put_object(Bucket=self.bucket.name, Key=f"drop/{file}", Body=body)

    def remove(self, file: str) -> None:
        self.bucket.client.delete_object(Bucket=self.bucket.name, Key=f"drop/{file}")

    def url(self, port: int | None = None) -> dict[str, str]:
        return {
            **self.bucket.environment,
            "KINSHIP_S3_ENDPOINT": f"http://127.0.0.1:{port or self.port}",
            "KINSHIP_ZENDESK_PATH": f"s3://{self.bucket.name}/drop",
        }


class SftpDrop:
    lists = 3  # the login, the folder, and the folder `users` in it

    def __init__(self, server: SftpServer) -> None:
        self.server = server
        self.port = server.port
        self.clock = LONG_AGO

    def put(self, file: str, content: str | bytes) -> None:
        path = self.server.folder / "drop" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.clock += 1
        os.utime(path, (self.clock, self.clock))

    def remove(self, file: str) -> None:
        (self.server.folder / "drop" / file).unlink()

    def url(self, port: int | None = None) -> dict[str, str]:
        address = f"sftp://{USER}@127.0.0.1:{port or self.port}/drop"
        return {**self.server.environment, "KINSHIP_ZENDESK_PATH": address}


@pytest.fixture(params=["s3", "sftp"])
def remote(request: pytest.FixtureRequest, tmp_path: Path, house: House) -> Iterator[Remote]:
    if request.param == "s3":
        with bucket() as server:
            drop: Remote = S3Drop(server)
            os.environ.update(drop.url())
            yield drop
    else:
        (tmp_path / "root").mkdir()
        with SftpServer(tmp_path / "root") as sftp:
            drop = SftpDrop(sftp)
            os.environ.update(drop.url())
            yield drop


def ids() -> list[str]:
    return [id_ for (id_,) in current("zendesk", "users", "id")]


def parts() -> list[tuple[Any, ...]]:
    return query("select file, version, part, rows from raw_zendesk.extracted_files where is_current order by all")


def left(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "arrivals").rglob("*") if path.is_file()]


def test_new_grown_replaced_late_and_removed_files(remote: Remote, tmp_path: Path) -> None:
    remote.put("users/grows.jsonl", users(["g1", "g2"]))
    remote.put("users/deep/zipped.jsonl.gz", gzip.compress(users(["z1"]).encode()))
    remote.put("users/replaced.jsonl", users(["old"]))
    remote.put("users/readme.txt", "not a record")
    result = extract("zendesk")
    assert result.rows["users"] == 4 and result.fetched is not None
    assert [(ignored.file, ignored.reason[:6]) for ignored in result.ignored] == [("users/readme.txt", "its en")]
    assert ids() == ["g1", "g2", "old", "z1"]
    assert left(tmp_path) == [], "copies of what is loaded stay nowhere"

    remote.put("users/grows.jsonl", users(["g1", "g2", "g3"]))
    remote.put("users/replaced.jsonl", users(["new"]))
    remote.put("users/2020-01-01-late.jsonl", users(["late"]))
    remote.remove("users/deep/zipped.jsonl.gz")
    result = extract("zendesk")
    assert result.rows["users"] == 3
    assert ids() == ["g1", "g2", "g3", "late", "new", "z1"], "a file that went away keeps its records"
    assert ("users/grows.jsonl", 1, 2, 1) in parts(), "only the tail of a grown file is read"
    assert ("users/replaced.jsonl", 2, 1, 1) in parts()


def test_a_run_with_nothing_new_lists_and_asks_nothing_else(remote: Remote) -> None:
    for number in range(3):
        remote.put(f"users/{number}.jsonl", users([number]))
    extract("zendesk")
    before = parts()
    result = extract("zendesk")
    assert result.fetched is not None
    assert (result.fetched.calls, result.fetched.bytes, result.load_ids) == (remote.lists, 0, [])
    assert parts() == before


def test_a_file_replaced_within_a_second_by_one_of_the_same_size(remote: Remote) -> None:
    if isinstance(remote, SftpDrop):
        remote.clock = int(time.time())  # nothing but the content tells them apart
    remote.put("users/same.jsonl", users(["a"]))
    if isinstance(remote, SftpDrop):
        remote.clock -= 1
    extract("zendesk")
    remote.put("users/same.jsonl", users(["b"]))
    extract("zendesk")
    assert ids() == ["b"]


def test_a_single_file(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    remote.put("till.csv", "invoice_no,invoice_ts\n1,2026-01-01\n")
    remote.put("till.csv.bak", "")
    monkeypatch.setenv("KINSHIP_ERP_PATH", os.environ["KINSHIP_ZENDESK_PATH"] + "/till.csv")
    assert extract("erp").rows["invoice_lines"] == 1
    result = extract("erp")
    assert result.load_ids == [] and result.ignored == []


def test_a_deleted_warehouse_is_filled_again(remote: Remote, tmp_path: Path) -> None:
    remote.put("users/a.jsonl", users(["a"]))
    extract("zendesk")
    (tmp_path / "warehouse.duckdb").unlink()
    shutil.rmtree(tmp_path / "dlt")
    extract("zendesk")
    assert ids() == ["a"]


def test_another_address_is_another_folder(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    remote.put("users/a.jsonl", users(["a"]))
    remote.put("other/users/a.jsonl", users(["b"]))
    here = os.environ["KINSHIP_ZENDESK_PATH"]
    monkeypatch.setenv("KINSHIP_ZENDESK_PATH", f"{here}/users")
    extract("zendesk")
    monkeypatch.setenv("KINSHIP_ZENDESK_PATH", f"{here}/other")
    extract("zendesk")
    assert ids() == ["b"]


@pytest.mark.parametrize("seed", range(2))
def test_connections_that_break(remote: Remote, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    for number in range(6):
        remote.put(f"users/{number}.jsonl", "".join(user(f"{number}-{n}", name="x" * 200) for n in range(200)))
    with Cutter(remote.port, share=0.9, most=60_000, seed=seed) as cutter:
        for name, value in remote.url(cutter.port).items():
            monkeypatch.setenv(name, value)
        for _ in range(20):
            try:
                extract("zendesk")
            except ExtractError as error:
                assert "no answer" in str(error) or "sftp failed" in str(error) or "does not answer" in str(error)
            else:
                break
        cutter.share = 0
        extract("zendesk")
        assert cutter.cuts >= 2
    assert len(ids()) == 1200 and len(set(ids())) == 1200


@pytest.mark.parametrize("seed", range(3))
def test_killed_while_copying(remote: Remote, seed: int) -> None:
    for number in range(8):
        remote.put(f"users/{number}.jsonl", "".join(user(f"{number}-{n}", name="x" * 500) for n in range(1000)))
    moment = 12 + 17 * seed
    script = (
        "import os, signal, sys, threading\n"
        "from orchestration.extract import extract\n"
        "seen = 0\n"
        "def hook(event, arguments):\n"
        "    global seen\n"
        "    if event in ('open', 'os.rename', 'os.utime', 'os.mkdir'):\n"
        "        seen += 'arrivals' in str(arguments) or '/live/' in str(arguments)\n"
        f"        if seen == {moment}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(hook)\n"
        "extract('zendesk')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == -signal.SIGKILL
    extract("zendesk")
    assert len(ids()) == 8000 and len(set(ids())) == 8000
    assert [version for _, version, *_ in parts()] == [1] * 8


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("KINSHIP_ZENDESK_PATH", "ftp://host/x", "s3://bucket/prefix"),
        ("KINSHIP_S3_ACCESS_KEY_ID", "AKIAUNKNOWN", "KINSHIP_S3_ACCESS_KEY_ID"),
        ("KINSHIP_SFTP_PASSWORD", "wrong", "KINSHIP_SFTP_PASSWORD"),
        ("KINSHIP_SFTP_HOST_KEY", "", "KINSHIP_SFTP_HOST_KEY"),
    ],
)
def test_what_is_wrong_is_named(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    kind = "S3" if isinstance(remote, S3Drop) else "SFTP"
    if kind not in variable and "ZENDESK" not in variable:
        pytest.skip("of the other kind")
    monkeypatch.setenv(variable, value)
    with pytest.raises(ExtractError) as problem:
        extract("zendesk")
    assert told in str(problem.value) and "secret" not in str(problem.value)


def test_names_that_lead_out_of_the_folder(house: House, tmp_path: Path) -> None:
    with bucket() as server:
        drop = S3Drop(server)
        os.environ.update(drop.url())
        drop.put("users/a.jsonl", users(["a"]))
        drop.put("users/a.jsonl/b.jsonl", users(["b"]))
        result = extract("zendesk")
    assert ids() in (["a"], ["b"])
    assert len(result.ignored) == 1 and "name" in result.ignored[0].reason
    assert json.dumps(left(tmp_path)) == "[]"
