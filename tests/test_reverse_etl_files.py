"""Delta files: formats, manifest, names, and what is neutralised for people."""

import csv
import hashlib
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from reverse_etl_house import House, people

from reverse_etl import ConfigurationError, RunResult, run_sync
from reverse_etl.delivery import Patience
from reverse_etl.destination import Batch, Operation, Row
from reverse_etl.files import Feed, FeedOptions

FORMULAS = [
    "=1+1", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠x",
]  # fmt: skip
HARMLESS = ["O'Brien", "a=1", " =1", "'=1", "1-1", "p@example.com", "", '"=1"', "ไทย", "a\n=1", "a\tb", "٣"]


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path, max_change_share=1, mode="mirror")
    house.consent([(f"c{n}", "granted") for n in range(100)])
    return house


def run(house: House) -> RunResult:
    return run_sync(house.sync, house.settings, patience=Patience(attempts=2, first_wait=0.001))


def files(house: House, pattern: str) -> list[Path]:
    return sorted((house.settings.state / "outbox").rglob(pattern))


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_every_format_holds_the_rows_that_its_manifest_counts(house: House, format: str) -> None:
    house.reload(options={"format": format})
    types = {
        "customer_id": "text", "email": "text", "firstname": "text", "day": "date", "at": "timestamp",
        "price": "decimal(10,2)", "tags": "text[]", "spent": "struct(eur decimal(10,2))", "ratio": "double",
    }  # fmt: skip
    row = {
        "customer_id": "c1", "email": "p1@example.com", "firstname": 'O\'Br"ien,\r\n=1 ไทย', "day": date(2026, 2, 28),
        "at": datetime(2026, 1, 2, 3, 4, 5, 678), "price": Decimal("1.10"), "tags": ["a", "b;c"],
        "spent": {"eur": Decimal("2.50")}, "ratio": float("inf"),
    }  # fmt: skip
    empty = {name: None for name in types} | {"customer_id": "c2", "email": "p2@example.com"}
    house.want([row, empty], types)
    assert run(house).added == 2
    house.want([row], types)
    assert run(house).removed == 1
    added, removed = (json.loads(path.read_text()) for path in files(house, "*.manifest.json"))
    data = files(house, f"*.{format}")
    assert [path.name for path in data] == [added["file"], removed["file"]]
    assert (added["rows"], added["operation"], removed["rows"], removed["operation"]) == (2, "upsert", 1, "remove")
    assert added["sha256"] == hashlib.sha256(data[0].read_bytes()).hexdigest()
    assert removed["columns"] == ["_operation", "email"]
    reader = {"csv": "read_csv", "jsonl": "read_json", "parquet": "read_parquet"}[format]
    options = ", all_varchar = true" if format == "csv" else ""
    told = duckdb.sql(f"from {reader}('{data[0]}'{options}) where email = 'p1@example.com'").fetchone()
    assert told is not None and told[:3] == ("upsert", "p1@example.com", row["firstname"])
    assert (str(told[3]), str(told[4]), str(told[5])) == ("2026-02-28", "2026-01-02 03:04:05.000678", "1.10") or (
        format == "jsonl" and told[5] == 1.1
    )
    assert told[8] is None


@pytest.mark.parametrize("for_people", [False, True])
def test_a_feed_leaves_values_as_they_are_and_a_file_for_people_neutralises_formulas(
    house: House, for_people: bool
) -> None:
    types = {"customer_id": "text", "email": "text", "firstname": "text", "balance": "integer", "tags": "text[]"}
    values = dict(enumerate(FORMULAS + HARMLESS))
    house.reload(options={"for_people": for_people})
    house.want([{**people(n)[0], "firstname": v, "balance": -5, "tags": ["=1"]} for n, v in values.items()], types)
    assert run(house).added == len(values)
    (path,) = files(house, "*.csv")
    with path.open(newline="", encoding="utf-8") as file:
        told = {row["email"]: row for row in csv.DictReader(file)}
    for n, value in values.items():
        row = told[f"p{n}@example.com"]
        assert row["firstname"] == ("'" + value if for_people and value in FORMULAS else value)
        # a number is a number, also below zero
        assert (row["balance"], row["tags"]) == ("-5", '["=1"]')


def test_a_batch_goes_where_the_template_says(house: House) -> None:
    house.reload(options={"path": "crm/{sync}/{date}/part-{batch}"})
    house.want(people(1))
    run(house)
    (path,) = files(house, "*.csv")
    folder = house.settings.state / "outbox" / "crm" / house.name / datetime.now(UTC).strftime("%Y-%m-%d")
    assert path.parent == folder and path.name.startswith("part-0000000001-")
    assert path.with_suffix(".manifest.json").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"path": "{sync}"}, "must hold {batch}"),
        ({"path": "{batch}/{customer}"}, "must hold {batch}"),
        ({"path": "{batch"}, "must hold {batch}"),
        ({"path": "../{batch}"}, "relative path"),
        ({"path": "/tmp/{batch}"}, "relative path"),
        ({"path": "a\n{batch}"}, "relative path"),
        ({"format": "xlsx"}, "options.format"),
        ({"format": "parquet", "for_people": True}, "format csv"),
    ],
)
def test_options_that_cannot_be_name_themselves(house: House, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as problem:
        house.reload(options=options)
    assert told in str(problem.value) and "sync_file__people" in str(problem.value)


def test_files_of_others_stay(house: House) -> None:
    folder = house.settings.state / "outbox" / house.name
    folder.mkdir(parents=True)
    (folder / "theirs.csv").write_text("x")
    house.want(people(1))
    run(house)
    house.want([])
    run(house)
    assert (folder / "theirs.csv").read_text() == "x" and len(files(house, "*.csv")) == 3
    assert files(house, ".*") == []


def test_an_erasure_is_told_as_one(house: House, tmp_path: Path) -> None:
    from servers.direct import target

    kind = house.sync.destination_class
    feed = Feed(target(kind, key="email"), FeedOptions())
    delta = feed.write(Batch("1-a", [Row("p1@example.com", None, None, Operation.ERASE)]), tmp_path / "x.csv")
    assert delta.data.read_text() == "_operation,email\nerase,p1@example.com\n"
    assert json.loads(delta.manifest)["operation"] == "erase"


def test_a_disk_that_is_full_leaves_the_rows_due(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    house.want(people(1, 2))
    with monkeypatch.context() as patch:
        patch.setattr(Feed, "_dump", full)
        assert run(house).status == "incomplete"
    assert run(house).added == 2
