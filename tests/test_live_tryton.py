"""A real Tryton as a source: what its database holds is what the raw tables tell, row for row."""

import json
import os
import random
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from extract_house import query, raw
from live_house import latest
from servers.base import Answer, Faults, Request
from servers.tryton import Crm, running
from switched_on import listed

from orchestration.extract import ExtractError, Span, extract, sources
from orchestration.extract.check import check_source
from orchestration.extract.live import Patience, tryton

# raw table: the statement whose rows (id, time of change, ...) Tryton's own database has, and the columns beside them
TABLES = {
    "parties": ("code, name, active, replaced_by", "party_party"),
    "contact_mechanisms": ("party, type, value, active", "party_contact_mechanism"),
    "addresses": ("party, city, postal_code, active", "party_address"),
    "identifiers": ("party, type, code, active", "party_identifier"),
    "opportunities": ("number, description, state, party", "sale_opportunity"),
    "subscribers": ("email, active", "marketing_email"),
}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crm]:
    with running(tmp_path_factory.mktemp("tryton"), "sale_opportunity") as crm:
        yield crm


@pytest.fixture
def crm(started: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crm]:
    """It keeps what was put into it; the warehouse is each test's own."""
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    for name, value in started.source_environment.items():
        monkeypatch.setenv(name, value)
    listed(monkeypatch, "tryton")
    api = sources()["tryton"].api
    assert api
    quick = Patience(tries=12, first=0.001, longest=0.01, throttled=5.0)
    monkeypatch.setattr(sources()["tryton"], "api", replace(api, patience=quick))
    handle = started.proxy.handle
    yield started
    started.proxy.handle = handle  # type: ignore[method-assign]
    started.proxy.faults = Faults()


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tryton, "PAGE", 10)
    monkeypatch.setattr(tryton, "IDS", 7)


def add(crm: Crm, *names: str) -> list[int]:
    """Parties in one transaction, so that their times tie, each with an address and two contact mechanisms."""

    def party(name: str) -> dict[str, Any]:
        email, skype = {"type": "email", "value": f"{name.lower()}@example.com"}, {"type": "skype", "value": name}
        address = {"street_unstructured": f"{name}weg 1", "city": "Bonn", "postal_code": "53111"}
        return {
            "name": name,
            "contact_mechanisms": [["create", [email, skype]]],
            "addresses": [["create", [address]]],
        }

    return list(crm.call("model.party.party.create", [party(name) for name in names]))


def change(crm: Crm, id: int, **values: Any) -> None:
    crm.call("model.party.party.write", [id], values)


def differences(crm: Crm) -> list[str]:
    """Records that a raw table lacks, has otherwise than Tryton's database, or has beyond it."""
    wrong = []
    with sqlite3.connect(f"file:{crm.database}?mode=ro", uri=True) as database:
        for table, (columns, name) in TABLES.items():
            names = ["id", *columns.split(", ")]
            rows = database.execute(f"select {', '.join(names)}, coalesce(write_date, create_date) from {name}")
            there = {str(row[0]): [*(None if v is None else str(v) for v in row[:-1]), moment(row[-1])] for row in rows}
            held = {
                id: [*(row[column] for column in names), moment(row["last_modified_at"])]
                for id, row in latest("tryton", table, "last_modified_at").items()
            }
            wrong += [f"{table} {id}" for id in there.keys() | held.keys() if there.get(id) != held.get(id)]
    return sorted(wrong)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def appearances() -> int:
    return sum(int(query(f"select count(*) from {raw('tryton', table)} as one")[0][0]) for table in TABLES)


def let(monkeypatch: pytest.MonkeyPatch, **settings: timedelta) -> None:
    """Set how often ids are compared (`every`), or the `overlap`, of all feeds."""
    for name, table in sources()["tryton"].tables.items():
        (feed,) = table.live
        changed = replace(table, live=(replace(feed, **settings),))  # type: ignore[type-var]
        monkeypatch.setitem(sources()["tryton"].tables, name, changed)


def after_each_page(crm: Crm, model: str, act: Callable[[int], None]) -> None:
    """Do something in Tryton between the answer of a page of a model and the next call."""
    answer, pages = crm.proxy.handle, iter(range(10_000))

    def handle(request: Request) -> Answer:
        told = answer(request)
        if request.json()["method"] == f"model.{model}.search_read":
            act(next(pages))
        return told

    crm.proxy.handle = handle  # type: ignore[method-assign]


@pytest.mark.usefixtures("short_pages")
def test_what_tryton_holds_is_what_the_raw_tables_tell(crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    """25 records of one time go over three pages; then changes, one to a contact mechanism alone, and deletions."""
    let(monkeypatch, every=timedelta())
    ids = add(crm, *(f"Ана{number}" for number in range(25)))
    (company,) = add(crm, "Ovens")
    crm.call("model.party.identifier.create", [{"party": company, "type": "eu_vat", "code": "BE0428759497"}])
    result = extract("tryton")
    assert (result.notes, result.quarantined) == ([], {})
    assert differences(crm) == [] and result.rows["parties"] >= 26

    change(crm, ids[3], name="Anna")
    (mechanism, _) = crm.call("model.party.party.read", [ids[4]], ["contact_mechanisms"])[0]["contact_mechanisms"]
    crm.call("model.party.contact_mechanism.write", [mechanism], {"value": "new@example.com"})
    change(crm, ids[5], active=False)
    add(crm, "Бора")
    assert extract("tryton").rows == dict.fromkeys(TABLES, 0) | {"parties": 3, "contact_mechanisms": 3, "addresses": 1}
    assert differences(crm) == []

    crm.call("model.party.party.delete", [ids[7], ids[3]])
    # a party, its two contact mechanisms and its address, twice
    assert sum(extract("tryton").rows.values()) == 8
    assert differences(crm) == []


def test_who_is_erased_in_tryton_is_read_again(crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of change stays as it was, and so tells nothing of it."""
    let(monkeypatch, every=timedelta())
    (id,) = add(crm, "Vergessen")
    change(crm, id, active=False)
    extract("tryton")
    before = latest("tryton", "parties", "last_modified_at")[str(id)]
    session = crm.call("wizard.party.erase.create")[0]
    crm.call("wizard.party.erase.execute", session, {"ask": {"party": id}}, "erase")
    extract("tryton")
    after = latest("tryton", "parties", "last_modified_at")[str(id)]
    assert (before["name"], after["name"]) == ("Vergessen", None)
    assert before["last_modified_at"] == after["last_modified_at"]
    assert differences(crm) == []


def test_a_run_with_nothing_new_makes_a_call_for_each_table_and_writes_nothing(crm: Crm) -> None:
    add(crm, *(f"Still{number}" for number in range(12)))
    extract("tryton")
    calls, held = crm.calls, appearances()
    again = extract("tryton")
    assert sum(again.rows.values()) == 0 and again.load_ids == [] and appearances() == held
    assert crm.calls == calls + 1 + len(TABLES), "one to log in, and one for each table"
    assert again.fetched and set(again.fetched.cursors) == set(TABLES)


@pytest.mark.usefixtures("short_pages")
def test_changes_while_pages_are_turned(crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record on a page that is past, one on a page to come, and a new one, after each page; no overlap helps."""
    let(monkeypatch, overlap=timedelta())
    ids = add(crm, *(f"Wend{number}" for number in range(20)))
    last = add(crm, "Ende")[0]

    def act(page: int) -> None:
        change(crm, ids[page % 7], name=f"early {page}")
        change(crm, last, name=f"late {page}")
        if page < 15:
            add(crm, f"Neu{page}")

    handle = crm.proxy.handle
    after_each_page(crm, "party.party", act)
    extract("tryton")
    crm.proxy.handle = handle  # type: ignore[method-assign]
    extract("tryton")
    assert differences(crm) == []


@pytest.mark.usefixtures("short_pages")
@pytest.mark.parametrize("seed", range(2))
def test_a_storm_and_sessions_that_end(crm: Crm, seed: int) -> None:
    """Calls are lost, refused and answered with something else; and each fourth page ends the session."""
    add(crm, *(f"Sturm{seed}{number}" for number in range(12)))

    def act(page: int) -> None:
        if page % 4 == 0:
            end_session(crm)

    after_each_page(crm, "party.party", act)
    crm.proxy.faults = Faults(
        seed=seed, drop_before=0.05, drop_after=0.05, unavailable=0.1, too_many=0.1, not_json=0.05, retry_after=0.01
    )
    calls = crm.calls
    assert extract("tryton").notes == []
    crm.proxy.faults = Faults()
    logins = [one for one in crm.proxy.requests[calls:] if b"common.db.login" in one.body]
    assert len(logins) > 2
    assert differences(crm) == []


def end_session(crm: Crm) -> None:
    """Log out the session of the last call."""
    header = crm.proxy.requests[-1].headers["authorization"]
    content = json.dumps({"id": 1, "method": "common.db.logout", "params": []}).encode()
    headers = {"Content-Type": "application/json", "Authorization": header}
    urllib.request.urlopen(urllib.request.Request(f"{crm.url}/rpc/", content, headers)).close()


def test_a_range_again(crm: Crm) -> None:
    (id,) = add(crm, "Spanne")
    since = datetime.now(UTC) - timedelta(hours=1)
    extract("tryton")
    # a change that a long transaction brought to light too late: older than the cursor and its overlap
    with sqlite3.connect(crm.database, timeout=30) as database:
        database.execute(
            "update party_party set name = 'Late', write_date = ? where id = ?",
            [f"{since - timedelta(hours=1):%Y-%m-%d %H:%M:%S.%f}", id],
        )
    extract("tryton")
    assert differences(crm) == [f"parties {id}"]
    result = extract("tryton", Span.of(since - timedelta(hours=2), since))
    # of two versions the one with the later time counts, so that this one stands beside the newer
    assert result.rows == dict.fromkeys(TABLES, 0) | {"parties": 1}
    change(crm, id, name="Spanne")
    extract("tryton")
    assert differences(crm) == []


def test_a_model_that_is_not_there_has_no_records(crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    table = sources()["tryton"].tables["subscribers"]
    (feed,) = table.live
    elsewhere = replace(table, live=(replace(feed, model="marketing.no.such"),))  # type: ignore[call-arg]
    monkeypatch.setitem(sources()["tryton"].tables, "subscribers", elsewhere)
    add(crm, "Fehlt")
    now = datetime.now(UTC)
    for span in (None, Span.of(now - timedelta(days=1), now)):
        result = extract("tryton", span)
        assert (result.notes, result.rows["subscribers"]) == ([], 0)
        assert result.fetched and set(result.fetched.cursors) == set(TABLES)


def test_what_is_wrong_is_told_in_one_line(crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_source("tryton").status == "ok"
    monkeypatch.setenv("TRYTON_PASSWORD", "wrong-password")
    calls = crm.calls
    told = check_source("tryton")
    assert crm.calls == calls + 1, "Tryton shuts out who tries a wrong password too often"
    assert told.status == "failed" and "check them and what they are allowed to read" in told.message
    assert "wrong-password" not in told.message
    with pytest.raises(ExtractError, match="refuses the credentials"):
        extract("tryton")
    monkeypatch.delenv("TRYTON_PASSWORD")
    with pytest.raises(ExtractError, match="TRYTON_PASSWORD is not set"):
        extract("tryton")


def killed(base: Path, moments: list[float]) -> list[dict[str, Any]]:
    """Extract from a copy of the data folder, kill -9, extract again: what the raw table holds, for each moment."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("live_killed.py")), *map(str, moments)],
        env={**os.environ, "KILL_BASE": str(base), "KILL_SOURCE": "tryton", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def parties(crm: Crm) -> list[list[str]]:
    with sqlite3.connect(f"file:{crm.database}?mode=ro", uri=True) as database:
        rows = database.execute("select id, coalesce(write_date, create_date), name from party_party").fetchall()
    return [[str(id), f"{moment(at):%Y-%m-%dT%H:%M:%S.%fZ}", name] for id, at, name in rows]


@pytest.mark.slow
def test_killed_at_twenty_moments(crm: Crm, tmp_path: Path) -> None:
    """Each appearance of 200 parties once, four pages of them, of which some changed since the first run."""
    base = tmp_path / "base"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINSHIP_DATA", str(base))
        ids = add(crm, *(f"Kill{number}" for number in range(50)))
        extract("tryton")
    before = parties(crm)
    for id in ids[::2]:
        change(crm, id, name=f"killed {id}")
    add(crm, *(f"Mort{number}" for number in range(150)))
    expected = sorted([*row, 1] for row in {tuple(row) for row in (*before, *parties(crm))})

    (counted, whole) = killed(base, [0])
    assert sorted(whole["rows"]) == expected
    chance = random.Random(os.environ.get("KINSHIP_TEST_SEED", "1"))
    at_operations = chance.sample(range(1, counted["operations"]), 12)
    reports = killed(base, [*at_operations, *(0.001 + chance.random() * counted["seconds"] for _ in range(8))])
    for report, after in zip(reports[::2], reports[1::2], strict=True):
        assert sorted(after["rows"]) == expected, report
        assert after["left"] == [], report
    assert sum(report["killed"] for report in reports[::2]) >= 12
