"""The access log: each look is put down, by many at once, and where it cannot be, nobody's data is shown."""

import json
import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import KINSHIP, call, environment
from dashboards_house import SIGN_IN, STEWARD, apart, open_page, said, tables, use

from kinship import access
from kinship.access import AccessLogUnwritable, Look
from kinship.settings import settings

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def a_look(number: int = 0, viewer: str = "local") -> Look:
    return Look(NOW + timedelta(seconds=number), viewer, f"c{number}", True, "customer", "run")


def write_many(data: Path, viewer: str) -> None:
    """Several sessions of one server, and several servers, write at once."""
    import os

    os.environ["KINSHIP_DATA"] = str(data)
    for number in range(25):
        access.append(settings(), [a_look(number, viewer), a_look(number, viewer)])


def test_looks_of_many_writers_are_all_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(tmp_path, f"w{n}")) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    looks = list(access.looks(settings()))
    for n in range(3):
        mine = [look.customer_id for look in looks if look.viewer == f"w{n}"]
        assert mine == [f"c{number}" for number in range(25) for _ in range(2)]


def test_a_line_that_a_crash_cut_off_spoils_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    access.append(settings(), [a_look(1)])
    (file,) = access.folder(settings()).glob("*.jsonl")
    with file.open("a") as log:
        log.write('{"at": "2026-07-01T12:00:0')
    access.append(settings(), [a_look(2)])
    assert [look.customer_id for look in access.looks(settings())] == ["c1", "c2"]
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700


def test_a_log_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    (tmp_path / "access").write_text("a file where the folder should be")
    assert not access.is_writable(settings())
    with pytest.raises(AccessLogUnwritable, match="cannot be written"):
        access.append(settings(), [a_look()])


def test_a_look_is_one_row_and_a_list_one_row_each(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = use(monkeypatch, apart(published, tmp_path / "data"))
    with tables(looking) as full:
        (one,) = full.execute("select min(customer_id) from customers.customers").fetchall()[0]
        word, people = full.execute(
            "select term, count(*) from search.terms where kind = 'name' and length(term) > 3"
            " group by 1 having count(*) between 2 and 9 order by all limit 1"
        ).fetchall()[0]
    page = open_page("customer", q=one)
    page.session_state["tab"] = "Timeline"
    page.run()
    assert [
        (look.viewer, look.customer_id, look.is_masked, look.page, look.run) for look in access.looks(settings())
    ] == [("local", one, True, "customer", looking.run)]
    open_page("customer", q=one)
    assert len(list(access.looks(settings()))) == 2, "another session is another look"
    open_page("customer", q="nobody@nowhere.example")
    assert len(list(access.looks(settings()))) == 2
    listed = open_page("customer", q=word)
    searches = [look for look in access.looks(settings()) if look.page == "customer search"]
    assert people <= len(searches) == sum(button.key.startswith("open_") for button in listed.button)


def test_nothing_is_shown_unmasked_when_a_look_cannot_be_put_down(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = apart(published, tmp_path / "data")
    looking = use(monkeypatch, data, **SIGN_IN)
    with tables(looking) as full:
        one, email = full.execute(
            "select customer_id, email from customers.customers where email is not null order by 1 limit 1"
        ).fetchall()[0]
    steward = {**STEWARD, "iat": int(datetime.now(UTC).timestamp())}
    page = open_page("customer", user=steward, q=one)
    assert email in said(page)
    assert [(look.viewer, look.is_masked) for look in access.looks(settings())] == [("steward@example.com", False)]
    for file in (data / "access").iterdir():
        file.unlink()
    (data / "access").rmdir()
    (data / "access").write_text("a file where the folder should be")
    page = open_page("customer", user=steward, q=one)
    assert email not in said(page) and "cannot be written" in said(page) and page.metric


def test_the_command_says_who_looked_at_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    access.append(settings(), [a_look(1, "ann@example.com"), a_look(2, "bob@example.com")])
    env = environment(tmp_path)
    told = json.loads(call(KINSHIP, "access-log", "--json", env=env).stdout)
    assert [row["viewer"] for row in told] == ["bob@example.com", "ann@example.com"], "newest first"
    about = call(KINSHIP, "access-log", "c1", env=env).stdout
    assert "ann@example.com" in about and "bob@example.com" not in about
