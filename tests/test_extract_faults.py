"""What cannot be taken is kept, with its file, line and reason; the rest goes on; every line is accounted for."""

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from extract_house import House, current, everything, house, quarantined, query, user, users

from kinship.tables import print_extracts
from orchestration.extract import extract
from orchestration.extract.faults import UNFINISHED
from orchestration.extract.landing import Landing, Outcome
from orchestration.extract.readers import Input, Reader

new_house = pytest.fixture(house, name="house")

NOT_JSON = "the line is not JSON"
NO_ID = "the required field id is missing"
NO_TIME = "the required field updated_at is not a timestamp"


def test_each_kind_of_malformed_json_line(house: House) -> None:
    lines: list[tuple[bytes, str | None]] = [
        (b"\xef\xbb\xbf" + user("after a byte order mark").encode().strip(), None),
        (b'{"id": 1, "updated_at": "2026-01-01"', NOT_JSON),
        (b"", None),
        (b"   ", None),
        (b"[1, 2]", "the line is not a JSON object"),
        (b'"text"', "the line is not a JSON object"),
        (b"null", "the line is not a JSON object"),
        (b"{}", NO_ID),
        (b'{"id": "  ", "updated_at": "2026-01-01"}', NO_ID),
        (b'{"id": null, "updated_at": "2026-01-01"}', NO_ID),
        (b'{"id": 2}', "the required field updated_at is missing"),
        (b'{"id": 3, "updated_at": "yesterday"}', NO_TIME),
        (b'{"id": 4, "updated_at": "2026-02-30"}', NO_TIME),
        (b'{"id": 5, "updated_at": "infinity"}', NO_TIME),
        (b'{"id": 6, "updated_at": "2026-01-01"} {"id": 7}', NOT_JSON),
        (b'{"id": 8, "id": 9, "updated_at": "2026-01-01"}', "a key appears twice"),
        (b'{"id": "\xff\xfe", "updated_at": "2026-01-01"}', "the line is not UTF-8"),
        (b'{"id": "\x00", "updated_at": "2026-01-01"}', NOT_JSON),
        (b'{"id": "\\ud800", "updated_at": "2026-01-01"}', NOT_JSON),
        (b'{"id": "windows", "updated_at": "2026-01-01T10:00:00+02:00"}\r', None),
        (b'{"id": "last", "updated_at": "2026-01-01", "seenOnlyHere": 1}', None),
    ]
    house.write("zendesk/users/bad.jsonl", b"\n".join(line for line, _ in lines))
    house.write("zendesk/users/bad.jsonl.gz", b"\n".join(line for line, _ in lines))
    house.write("zendesk/users/good.jsonl", users(["good"]))
    result = extract("zendesk")
    expected = [(number, reason) for number, (_, reason) in enumerate(lines, 1) if reason]
    for file in ("users/bad.jsonl", "users/bad.jsonl.gz"):
        assert [(line, reason) for f, line, reason in quarantined("zendesk") if f == file] == sorted(expected, key=repr)
    sound = ["after a byte order mark", "good", "last", "windows"]
    assert {id_ for (id_,) in current("zendesk", "users", "id")} == set(sound)
    assert result.rows["users"] == 7 and sum(result.quarantined["users"].values()) == 2 * len(expected)
    assert query("select count(*) from raw_zendesk.users where seen_only_here = '1'") == [(2,)]
    [(record,)] = query("select record from raw_zendesk.quarantine where line = 2 and file = 'users/bad.jsonl'")
    assert record == '{"id": 1, "updated_at": "2026-01-01"'
    accounted = query("select file, rows + quarantined from raw_zendesk.extracted_files")
    assert dict(accounted) == {
        "users/bad.jsonl": len(lines) - 2,
        "users/bad.jsonl.gz": len(lines) - 2,
        "users/good.jsonl": 1,
    }


def test_each_kind_of_malformed_csv_line(house: House) -> None:
    lines: list[tuple[str, str | None]] = [
        ("date,campaign,channel,cost", None),
        ('2026-01-01,"one, ""quoted""",google,1', None),
        ("2026-01-01,too few,google", "3 fields where the header has 4"),
        ("2026-01-01,too,many,1,2", "5 fields where the header has 4"),
        ("", None),
        ('2026-01-01,"two', None),
        ('lines",google,1', None),
        ('2026-01-01,"never closed,google,1', "a quote is opened and not closed"),
        ("2026-01-01,after it,google,1", None),
        ('2026-01-01,5" screen,google,1', None),
        ("2026-13-01,x,google,1", "the required field date is not a date"),
        (",x,google,1", "the required field date is missing"),
        ("2026-01-01,,google,1", "the required field campaign is missing"),
        ("2026-01-01,last,google,1", None),
    ]
    text = "\r\n".join(line for line, _ in lines)
    house.write("ads/bad.csv", text)
    house.write("ads/bad.csv.gz", "\ufeff" + text)
    house.write("ads/good.csv", "date,campaign,channel,cost\n2026-01-01,good,google,1\n")
    extract("ads")
    expected = sorted(((number, reason) for number, (_, reason) in enumerate(lines, 1) if reason), key=repr)
    for file in ("bad.csv", "bad.csv.gz"):
        assert [(line, reason) for f, line, reason in quarantined("ads") if f == file] == expected
        campaigns = {c for c, f in current("ads", "campaign_costs", "campaign", "_file") if f == file}
        assert {c.replace("\r\n", "\n") for c in campaigns} == {
            'one, "quoted"',
            "two\nlines",
            "after it",
            '5" screen',
            "last",
        }
    assert len(current("ads", "campaign_costs", "campaign")) == 11


def test_parquet_rows_without_what_is_required(house: House) -> None:
    table = pa.table(
        {
            "email": ["a@example.com", None, " ", "b@example.com"],
            "updated_at": ["2026-01-01", "2026-01-01", "2026-01-01", "x"],
        }
    )
    pq.write_table(table, house.path("enrichment/people/a.parquet"))
    house.write("enrichment/people/broken.parquet", b"PAR1 and nothing more")
    pq.write_table(table.slice(0, 1), house.path("enrichment/people/cut.parquet"))
    cut = house.path("enrichment/people/cut.parquet")
    cut.write_bytes(cut.read_bytes()[:-20])
    extract("enrichment")
    assert current("enrichment", "people", "email") == [("a@example.com",)]
    assert [(file, line) for file, line, _ in quarantined("enrichment")] == [
        ("people/a.parquet", 2),
        ("people/a.parquet", 3),
        ("people/a.parquet", 4),
        ("people/broken.parquet", None),
        ("people/cut.parquet", None),
    ]
    [(record,)] = query("select record from raw_enrichment.quarantine where line = 4")
    assert json.loads(record) == {"email": "b@example.com", "updated_at": "x"}
    pq.write_table(table.slice(0, 1), cut)
    assert extract("enrichment").rows["people"] == 1
    assert [file for file, line, _ in quarantined("enrichment") if line is None] == ["people/broken.parquet"]


def test_a_broken_gzip_file_is_set_aside_whole_and_tried_again_when_it_changes(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = gzip.compress(users(range(1000)).encode())
    house.path("zendesk/users/a.jsonl.gz").write_bytes(whole[:-30])
    house.write("zendesk/users/b.jsonl.gz", users(["b"]))
    house.write("ads/a.csv.gz", "")
    house.path("ads/b.csv.gz").write_bytes(b"no gzip at all")
    found = extract("zendesk")
    assert found.rows["users"] == 1
    assert quarantined("zendesk") == [("users/a.jsonl.gz", None, "the file cannot be read (EOFError)")]
    print_extracts([found])
    assert "the file cannot be read (EOFError) (1): see raw_zendesk.quarantine" in capsys.readouterr().out
    assert extract("zendesk").files == 0
    house.path("zendesk/users/a.jsonl.gz").write_bytes(whole)
    assert extract("zendesk").rows["users"] == 1000
    assert quarantined("zendesk") == []
    extract("ads")
    assert [(file, line) for file, line, _ in quarantined("ads")] == [("b.csv.gz", None)]


def test_a_grown_file_is_read_from_where_it_grew(house: House) -> None:
    file = "zendesk/users/a.jsonl"
    house.write(file, users([1, 2]))
    extract("zendesk")
    house.append(file, users([3]) + "\nbroken\n" + users([4]).strip())
    second = extract("zendesk")
    assert (second.rows["users"], second.bytes) == (2, len(users([3]) + "\nbroken\n" + users([4]).strip()))
    assert quarantined("zendesk") == [("users/a.jsonl", 5, NOT_JSON)]
    house.append(file, "\nbroken again\n" + users([5]))
    extract("zendesk")
    assert current("zendesk", "users", "id") == [(str(number),) for number in range(1, 6)]
    assert quarantined("zendesk") == [("users/a.jsonl", 5, NOT_JSON), ("users/a.jsonl", 7, NOT_JSON)]
    assert query(
        "select version, part, first_line, rows, is_current from raw_zendesk.extracted_files order by part"
    ) == [
        (1, 1, 1, 2, True),
        (1, 2, 3, 2, True),
        (1, 3, 6, 1, True),
    ]


def test_a_grown_csv_keeps_its_header_and_line_numbers(house: House) -> None:
    house.write("ads/a.csv", "date;campaign;cost\n2026-01-01;a;1\n")
    extract("ads")
    house.append("ads/a.csv", "2026-01-02;b;2\n2026-01-02;b\n")
    assert extract("ads").rows["campaign_costs"] == 1
    assert current("ads", "campaign_costs", "campaign", "cost") == [("a", "1"), ("b", "2")]
    assert quarantined("ads") == [("a.csv", 4, "2 fields where the header has 3")]


@pytest.mark.parametrize("cut", [1, 20, 40])
def test_a_half_written_last_line_is_neither_lost_nor_in_quarantine_for_ever(house: House, cut: int) -> None:
    file = "zendesk/users/a.jsonl"
    house.write(file, user(1) + user(2)[:cut])
    extract("zendesk")
    assert quarantined("zendesk") == [("users/a.jsonl", 2, UNFINISHED)]
    assert extract("zendesk").files == 0
    house.append(file, user(2)[cut : cut + 3])
    extract("zendesk")
    assert quarantined("zendesk") == [("users/a.jsonl", 2, UNFINISHED)]
    house.append(file, user(2)[cut + 3 :] + user(3) + "broken\n")
    extract("zendesk")
    assert current("zendesk", "users", "id") == [("1",), ("2",), ("3",)]
    assert quarantined("zendesk") == [("users/a.jsonl", 4, NOT_JSON)]


def test_a_last_csv_line_that_looked_whole_but_was_not_is_read_again(house: House) -> None:
    house.write("ads/a.csv", "date,campaign,cost\n2026-01-01,a,1\n2026-01-01,b,12")
    extract("ads")
    assert current("ads", "campaign_costs", "campaign", "cost") == [("a", "1"), ("b", "12")]
    house.append("ads/a.csv", "3\n")
    extract("ads")
    assert current("ads", "campaign_costs", "campaign", "cost") == [("a", "1"), ("b", "123")]
    assert query("select max(version) from raw_ads.extracted_files") == [(2,)]


def test_a_replaced_file_is_a_new_version(house: House) -> None:
    house.write("zendesk/users/a.jsonl", users([1, 2]))
    house.write("zendesk/users/b.jsonl.gz", users([3]))
    extract("zendesk")
    house.write("zendesk/users/a.jsonl", users([9, 2, 4]))
    house.write("zendesk/users/b.jsonl.gz", users([3, 5]))
    house.path("zendesk/users/c.jsonl").touch()
    assert extract("zendesk").rows["users"] == 5
    assert {id_ for (id_,) in current("zendesk", "users", "id")} == {"9", "2", "4", "3", "5"}
    assert query("select count(*) from raw_zendesk.users") == [(8,)]


def test_a_file_that_is_touched_is_not_read_again(house: House) -> None:
    path = house.write("zendesk/users/a.jsonl", users([1, 2]))
    extract("zendesk")
    before = everything("zendesk")["users"]
    path.touch()
    assert extract("zendesk").rows["users"] == 0
    assert everything("zendesk")["users"] == before
    assert not extract("zendesk").load_ids


def test_a_file_that_vanishes_keeps_its_records(house: House) -> None:
    """Systems rotate their files."""
    path = house.write("zendesk/users/a.jsonl", users([1, 2]))
    extract("zendesk")
    path.unlink()
    house.write("zendesk/users/b.jsonl", users([3]))
    extract("zendesk")
    assert current("zendesk", "users", "id") == [("1",), ("2",), ("3",)]


def test_a_file_with_nothing_but_faults(house: House) -> None:
    house.write("zendesk/users/a.jsonl", "broken\n" * 3)
    house.write("zendesk/comments/empty.jsonl", "")
    house.write("ads/header.csv", "date,campaign\n")
    result = extract("zendesk")
    assert result.quarantined == {"users": {NOT_JSON: 3}} and result.rows["users"] == 0
    assert extract("ads").rows == {"campaign_costs": 0}
    assert extract("ads").files == 0


def test_copies_of_faulty_files_are_gone_before_there_are_many(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"id {number}" for number in range(6)]
    for id_ in ids:
        house.write(f"zendesk/users/{id_}.jsonl", users([id_]) + "no JSON\n")
    most: list[int] = []
    landed = Landing._land

    def counting(landing: Landing, reader: Reader, inputs: Sequence[Input]) -> Outcome:
        most.append(len(inputs))
        outcome = landed(landing, reader, inputs)
        assert not list(landing.folder.glob("*clean*"))
        return outcome

    monkeypatch.setattr(Landing, "_land", counting)
    monkeypatch.setattr("orchestration.extract.landing._BYTES_AT_ONCE", 2 * len(users(["id 0"]) + "no JSON\n"))
    assert extract("zendesk").rows["users"] == 6
    assert most == [2, 2, 2]
    assert current("zendesk", "users", "id") == [(id_,) for id_ in ids]
    assert [line for _, line, _ in quarantined("zendesk")] == [2] * 6


def test_the_error_of_a_broken_file_tells_nothing_of_its_content(house: House, tmp_path: Path) -> None:
    house.write("ads/secret.csv", 'date,campaign\n2026-01-01,"secret@example.com\n')
    result = extract("ads")
    assert "secret" not in str(result.quarantined)


def test_line_numbers_hold_in_a_long_file(house: House) -> None:
    """The slow path works through the file in chunks."""
    lines = [user(number, filler="x" * 300) if number % 10_000 else "broken\n" for number in range(1, 60_001)]
    house.write("zendesk/users/a.jsonl", "".join(lines))
    extract("zendesk")
    assert [line for _, line, _ in quarantined("zendesk")] == [10_000, 20_000, 30_000, 40_000, 50_000, 60_000]
    assert query("select count(*) from raw_zendesk.users") == [(59_994,)]


def meanwhile(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Make a change to the files after they were read for the first time, before the run is done with them."""
    land = Landing._land
    changes = iter([change])

    def changing(self: Landing, reader: Reader, inputs: Sequence[Input]) -> Outcome:
        outcome = land(self, reader, inputs)
        next(changes, lambda: None)()
        return outcome

    monkeypatch.setattr(Landing, "_land", changing)


def test_a_file_that_grows_while_it_is_read_is_read_as_it_was(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    file = "zendesk/users/a.jsonl"
    house.write(file, users([1, 2]) + "broken\n")
    meanwhile(monkeypatch, lambda: house.append(file, users([3])))
    assert extract("zendesk").rows["users"] == 2
    assert extract("zendesk").rows["users"] == 1
    assert current("zendesk", "users", "id") == [("1",), ("2",), ("3",)]
    assert quarantined("zendesk") == [("users/a.jsonl", 3, NOT_JSON)]


def test_a_file_that_is_replaced_or_goes_away_while_it_is_read_is_left_for_the_next_run(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.write("zendesk/users/a.jsonl", users(["old"]))
    gone = house.write("zendesk/users/b.jsonl.gz", users(["gone"]))
    house.write("zendesk/users/c.jsonl", users(["c"]))
    meanwhile(monkeypatch, lambda: (house.write("zendesk/users/a.jsonl", users(["new"])), gone.unlink()))
    first = extract("zendesk")
    assert first.rows["users"] == 1 and len(first.notes) == 2
    assert extract("zendesk").rows["users"] == 1
    assert current("zendesk", "users", "id") == [("c",), ("new",)] and quarantined("zendesk") == []
