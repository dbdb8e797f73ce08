"""The page of syncs: its figures are those of the books, and a refused row is there by its hash alone."""

import hashlib
import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dashboards_house import open_page, said, use
from operations_house import own, plant, reading
from streamlit.testing.v1 import AppTest

from reverse_etl.ledger import utcnow
from reverse_etl.ledger_file import open_ledger

SYNC = "sync_file__cart_abandoned"
KEY = "nobody@example.com"
SCRIPT = """<script>alert("x'x")</script> *bold* ![](http://x.example/y)"""


def run(at: datetime, status: str, accepted: int, refused: int, left: int, message: str | None = None) -> list[Any]:
    withheld = json.dumps({"no_consent": 5, "quota": left})
    return [f"run {at}", SYNC, "file", status, at, at, accepted, 0, 0, refused, left, withheld, 3, 2.5, message, 0, 0]


@pytest.fixture
def data(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A company whose sync broke off twice and had rows refused."""
    data = own(published, tmp_path / "data", "ledger", "dbt/manifest")
    now = utcnow()
    runs = [
        run(now - timedelta(days=3), "done", 40, 0, 0),
        run(now - timedelta(days=2), "done", 7, 2, 0),
        run(now - timedelta(hours=1), "incomplete", 3, 4, 11, SCRIPT),
    ]
    rejected = [
        (f"run {now}", SYNC, None, f"c{n}", "add", "rejected", ("invalid", "http_500")[n % 2], now) for n in range(7)
    ]

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("delete from reverse_etl.sync_runs; delete from reverse_etl.sync_results")
        connection.executemany(f"insert into reverse_etl.sync_runs values ({', '.join('?' * 17)})", runs)
        connection.executemany("insert into reverse_etl.sync_results values (?, ?, ?, ?, ?, ?, ?, ?)", rejected)

    plant(data, change)
    with open_ledger(data / "ledger" / f"{SYNC}.duckdb", write=True) as ledger:
        for number in range(5):
            key = KEY if number == 0 else f"{number}@example.com"
            ledger.execute(
                "insert into rejected values (?, null, 'add', ?, ?, ?, ?)",
                [key, "invalid" if number < 3 else "http_500", number + 1, now + timedelta(hours=number + 2), now],
            )
    use(monkeypatch, data)
    return data


def figures(app: AppTest) -> dict[str, str]:
    """The figures of the sync that is shown, below those of all syncs."""
    return {metric.label: metric.value for metric in app.metric}


def frames(app: AppTest, column: str) -> list[Any]:
    return [table.value for table in app.dataframe if column in table.value.columns]


def test_the_figures_are_those_of_the_books(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("activation", sync=SYNC)
    with reading(use(monkeypatch, data)) as connection:
        runs = connection.execute("select * from reverse_etl.sync_runs order by started_at").df()
    last = runs.iloc[-1]
    shown = figures(app)
    assert shown["Sent"] == str(last["added"] + last["changed"] + last["removed"] + last["refused"]) == "7"
    assert shown["Accepted"] == "3" and shown["Refused"] == "4" and shown["Left"] == "11"
    assert shown["Withheld"] == str(sum(json.loads(last["withheld"]).values())) == "16"
    assert shown["Since last success"] == "2 days", "a run that broke off is no success"
    (history,) = frames(app, "left_over")
    assert list(history["sent"]) == [7, 9, 40], "the last one first"
    (reasons,) = frames(app, "meaning")
    assert dict(zip(reasons["reason"], reasons["rows"], strict=True)) == {"quota": 11, "no_consent": 5}
    (so_far,) = frames(app, "answers")
    assert dict(zip(so_far["error_class"], so_far["answers"], strict=True)) == {"invalid": 4, "http_500": 3}
    assert "11 rows that the last run did not come to" in said(app)


def test_every_sync_of_the_project_is_there_with_its_state(data: Path) -> None:
    app = open_page("activation")
    table = app.dataframe[0].value.set_index("sync")
    assert set(table.index) == {SYNC, "sync_vtiger__contacts"}
    assert table.loc["sync_vtiger__contacts", "state"] == "never"
    assert table.loc[SYNC, ["destination", "refused", "left"]].to_list() == ["file", 5, 11]


def test_a_refused_row_is_there_by_its_hash_alone(data: Path) -> None:
    app = open_page("activation", sync=SYNC)
    (rows,) = frames(app, "key_hash")
    assert Counter(rows["error_class"]) == {"invalid": 3, "http_500": 2}
    assert hashlib.sha256(KEY.encode()).hexdigest()[:12] in set(rows["key_hash"])
    shown = said(app) + "".join(table.value.to_csv() for table in app.dataframe)
    assert "@example.com" not in shown.replace("growth@example.com", "")

    app.multiselect[0].select("http_500").run()
    (rows,) = frames(app, "key_hash")
    assert set(rows["error_class"]) == {"http_500"}


def test_a_deep_link_opens_a_sync_and_a_wrong_one_does_not_fail(data: Path) -> None:
    assert open_page("activation", sync="sync_vtiger__contacts").selectbox[0].value == "sync_vtiger__contacts"
    assert open_page("activation", sync="'; drop table x --<script>").selectbox[0].value == SYNC


def test_what_a_destination_said_cannot_become_part_of_the_page(data: Path) -> None:
    app = open_page("activation", sync=SYNC)
    (warning,) = [one.value for one in app.warning if "The last run said" in one.value]
    assert "\\<script\\>" in warning and "\\!\\[\\]" in warning, "every sign stands for itself"


def test_a_sync_that_is_running_says_so(data: Path) -> None:
    with open_ledger(data / "ledger" / f"{SYNC}.duckdb", write=True):
        app = open_page("activation", sync=SYNC)
    assert figures(app)["State"] == "running"
    assert "its ledger" in said(app) or "in use" in said(app)


def test_without_a_run_it_is_said_what_to_do(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = own(published, tmp_path / "data", "dbt/manifest")
    plant(data, lambda connection: connection.execute("delete from reverse_etl.sync_runs"))
    use(monkeypatch, data)
    app = open_page("activation", sync=SYNC)
    assert "has sent nothing yet" in said(app)

    bare = own(published, tmp_path / "bare")
    plant(bare, lambda connection: connection.execute("delete from reverse_etl.sync_runs"))
    use(monkeypatch, bare)
    assert "There are no syncs" in said(open_page("activation"))
