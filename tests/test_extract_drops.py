"""Buckets and SFTP folders as sources: growing, replaced, late and cut-off files arrive exactly once."""

import gzip
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drop_house import Remote, S3Drop, SftpDrop
from extract_house import House, current, house, jump, query, raw, user, users
from servers.cutter import Cutter
from servers.s3 import bucket
from servers.sftp import SftpServer

from orchestration.extract import ExtractError, extract

new_house = pytest.fixture(house, name="house")


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


@pytest.mark.parametrize("hours", [0, 5])
def test_a_file_replaced_within_a_second_by_one_of_the_same_size(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, hours: float
) -> None:
    """Its time in whole seconds is the same then, whatever the time by our clock."""
    jump(monkeypatch, hours)
    now = int(time.time_ns() / 1e9)

    def put(name: str) -> None:
        if isinstance(remote, SftpDrop):
            remote.clock = now - 1
        remote.put("users/same.jsonl", users([name]))

    put("a")
    later = threading.Timer(0.5, put, ["b"])
    later.start()
    extract("zendesk")
    later.join()
    extract("zendesk")
    assert ids() == ["b"]


def test_a_clock_of_ours_that_jumps(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was taken later counts as later, and files come, grow and are replaced as ever."""
    order = "updated_at desc, _extracted_at desc, _file desc"
    latest = f"select name from {raw('zendesk', 'users')} as record where id = 'x' order by {order} limit 1"
    for step, hours in enumerate((0, 5, -5, 0, -30)):
        jump(monkeypatch, hours)
        remote.put(f"users/{9 - step}.jsonl", user("x", name=step))
        remote.put("users/grows.jsonl", users(range(step + 1)))
        remote.put("users/replaced.jsonl", users([f"replaced {step}"]))
        extract("zendesk")
        assert query(latest) == [(str(step),)]
        assert ids() == sorted(
            [*map(str, range(step + 1)), f"replaced {step}", *["x"] * (step + 1)], key=lambda id_: repr((id_,))
        )
        assert extract("zendesk").load_ids == []


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
