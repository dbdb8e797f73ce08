"""The small parts of live extraction: moments, waits, error codes, and what is kept of a file that tore."""

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests import Response

from orchestration.extract.live.line import Meter, Pace, Rate, error_code, retry_after
from orchestration.extract.live.state import Arrivals, item
from orchestration.extract.live.times import moment, text


@given(
    st.datetimes(datetime(1971, 1, 2), datetime(2099, 12, 30)).map(lambda at: at.replace(microsecond=0)),
    st.integers(-14 * 60, 14 * 60),
)
def test_a_moment_is_the_same_in_every_zone(at: datetime, minutes: int) -> None:
    here = at.replace(tzinfo=UTC)
    there = here.astimezone(timezone(timedelta(minutes=minutes)))
    found = moment(there.isoformat())
    assert found == moment(at.isoformat(sep=" ")) == moment(int(here.timestamp()))
    assert found is not None and text(found) == at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert text(found, "%s") == str(int(here.timestamp()))


@pytest.mark.parametrize("value", [None, "", "soon", [], {}, "2026-13-01"])
def test_what_is_no_moment_is_none(value: Any) -> None:
    assert moment(value) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2.0", 2.0), ("7", 7.0), ("Mon, 30 Nov 2026 00:00:30 GMT", 30.0), ("", None), ("soon", None), ("-3", 0.0)],
)
def test_retry_after_is_read_by_the_vendors_clock(value: str, seconds: float | None) -> None:
    response = Response()
    response.headers.update({"Retry-After": value, "Date": "Mon, 30 Nov 2026 00:00:00 GMT"})
    assert retry_after(response) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Reset": "1795996812.5"}, 12.5),
        ({"Reset": "1795996700"}, 0.0),
        ({"Reset": "soon"}, None),
        ({}, None),
        ({"Retry-After": "3", "Reset": "1795996812"}, 3.0),
    ],
)
def test_a_moment_of_reset_is_waited_for(headers: dict[str, str], seconds: float | None) -> None:
    response = Response()
    response.headers.update({"Date": "Mon, 30 Nov 2026 00:00:00 GMT", **headers})
    assert retry_after(response, "Reset") == seconds


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"errors": [{"code": "not_authenticated", "detail": "ann@example.com"}]}, "not_authenticated"),
        ([{"message": "x", "errorCode": "INVALID_SESSION_ID"}], "INVALID_SESSION_ID"),
        ({"error": {"message": "ann@example.com", "code": 190}}, "190"),
        ({"errors": "ann@example.com is taken"}, None),
        ({"error": "ann@example.com"}, None),
        ("text", None),
        (None, None),
    ],
)
def test_an_error_tells_its_code_and_no_text(answer: Any, code: str | None) -> None:
    assert error_code(answer) == code


def test_a_pace_holds_for_all_who_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    now, calls = [100.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    meter = Meter()
    pace = Pace((Rate(3, 1.0), Rate(5, 10.0)), meter)
    for _ in range(12):
        pace.wait()
        calls.append(now[0])
    for rate, seconds in ((3, 1.0), (5, 10.0)):
        assert all(later - earlier >= seconds - 1e-9 for earlier, later in zip(calls, calls[rate:], strict=False))
    assert meter.throttled == pytest.approx(calls[-1] - 100.0)


def pages(arrivals: Arrivals, numbers: range) -> None:
    for number in numbers:
        arrivals.add([item(str(number), number, {"id": number, "v": "ж"})], since=number)


def test_what_a_file_has_beyond_the_last_page_is_cut_off(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path / "files", tmp_path / "work", "t")
    pages(arrivals, range(1, 4))
    arrivals.close()
    with (tmp_path / "work" / "t.part").open("ab") as stream:
        stream.write(b"\x1f\x8b half a page")
    again = Arrivals(tmp_path / "files", tmp_path / "work", "t")
    pages(again, range(3, 6))
    again.finish_file()
    assert again.get("since") == 5 and again.rows == 2
    import gzip

    [file] = (tmp_path / "files" / "t").iterdir()
    assert len(gzip.decompress(file.read_bytes()).splitlines()) == 5
    again.close()


@pytest.mark.parametrize("damage", ["shorter", "other bytes"])
def test_a_file_that_a_power_cut_tore_voids_the_progress(tmp_path: Path, damage: str) -> None:
    arrivals = Arrivals(tmp_path / "files", tmp_path / "work", "t")
    pages(arrivals, range(1, 4))
    arrivals.close()
    part = tmp_path / "work" / "t.part"
    if damage == "shorter":
        os.truncate(part, part.stat().st_size - 3)
    else:
        part.write_bytes(part.read_bytes()[:-20] + bytes(20))
    again = Arrivals(tmp_path / "files", tmp_path / "work", "t")
    assert again.get("since") is None
    pages(again, range(1, 4))
    assert again.rows == 3
    again.close()
