"""`kinship check SOURCE` says in one line what is there, or what is wrong and which variable to look at."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from extract_house import House, house, users
from servers import postgres
from servers.s3 import bucket
from servers.sftp import USER, SftpServer
from typer.testing import CliRunner

from kinship.cli import app

new_house = pytest.fixture(house, name="house")


def told(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout.strip()


def test_files(house: House) -> None:
    code, line = told("zendesk")
    assert code == 2 and line.startswith("source zendesk: not configured: there is no folder")
    house.write("zendesk/users/a.jsonl", users([1]))
    house.write("zendesk/readme.txt", "")
    code, line = told("zendesk")
    assert code == 0 and "users 1, tickets 0" in line and "readme.txt: its ending" in line


def test_a_bucket(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with bucket() as server:
        os.environ.update({**server.environment, "KINSHIP_ZENDESK_PATH": f"s3://{server.name}/drop"})
        assert told("zendesk") == (1, "source zendesk: failed: none of the 0 files there is one of a table")
        server.client.put_object(Bucket=server.name, Key="drop/users/a.jsonl", Body=users([1]).encode())
        assert told("zendesk") == (0, "source zendesk: ok: 1 files of its tables are there (KINSHIP_ZENDESK_PATH)")
        monkeypatch.setenv("KINSHIP_ZENDESK_PATH", "s3://nowhere-at-all/drop")
        code, line = told("zendesk")
        assert code == 1 and "no bucket 'nowhere-at-all'" in line and "KINSHIP_ZENDESK_PATH" in line
        monkeypatch.setenv("KINSHIP_S3_SECRET_ACCESS_KEY", "wrong")
        code, line = told("zendesk")
        assert code == 1 and "KINSHIP_S3_SECRET_ACCESS_KEY" in line and "list and get objects" in line


def test_an_sftp_folder(house: House, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with SftpServer(tmp_path / "root") as server:
        path = f"sftp://{USER}@127.0.0.1:{server.port}/drop"
        os.environ.update({**server.environment, "KINSHIP_ZENDESK_PATH": path})
        code, line = told("zendesk")
        assert code == 1 and "the folder /drop cannot be read by this user" in line


def test_a_database(house: House) -> None:
    tables = (
        "create table users (id int primary key, updated_at timestamptz)",
        "create table tickets (id int primary key, subject text)",
        "create table comments (body text)",
    )
    with postgres.database(*tables) as server:
        os.environ["KINSHIP_ZENDESK_URL"] = server.url
        code, line = told("zendesk")
        assert code == 0
        assert "users by updated_at, tickets by comparing all rows" in line and "comments whole" in line
        assert "no table satisfaction_ratings" in line
        os.environ["KINSHIP_ZENDESK_CDC"] = "1"
        assert "users by the log" in told("zendesk")[1]
        server.query("drop role if exists poor")
        server.query("create role poor login password 'pg-secret'")
        os.environ["KINSHIP_ZENDESK_URL"] = server.url.replace("kinship:", "poor:")
        code, line = told("zendesk")
        assert code == 1 and "with replication" in line
        del os.environ["KINSHIP_ZENDESK_CDC"]
        code, line = told("zendesk")
        assert code == 1 and "table users: this user may not read it: grant select on it" in line
        assert "secret" not in line
        server.query("drop role poor")


def test_an_api_that_refuses(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPIFY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "shpat-secret")
    code, line = told("shopify")
    assert code == 1 and "table customers: no connection" in line and "secret" not in line
    monkeypatch.delenv("SHOPIFY_URL")
    code, line = told("shopify")
    assert code == 1 and "half configured: SHOPIFY_URL" in line


def test_a_name_that_is_both_gives_two_lines(
    house: House, tmp_path: Path, read_project: Callable[[Path], Path]
) -> None:
    read_project(tmp_path)
    code, line = told("klaviyo")
    assert code == 2
    assert [one.split(":")[0] for one in line.splitlines()] == ["source klaviyo", "destination klaviyo"]
