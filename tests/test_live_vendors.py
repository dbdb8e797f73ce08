"""Each vendor's API end to end: first fetch, change, deletion, and a second run with nothing new."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import vtiger_server
from extract_house import query, raw
from live_house import appearances, differences, latest, live
from servers.ads import AdsServer
from servers.klaviyo_source import KlaviyoSource
from servers.source import Mischief
from servers.vtiger_one import One
from servers.zendesk import ZendeskServer
from vtiger_server import VtigerServer

from orchestration.extract import ExtractError, ExtractResult, extract, sources
from orchestration.extract.check import check_source
from orchestration.extract.live import Patience
from orchestration.sources import ads as ads_source
from orchestration.sources import vtiger as vtiger_source

QUICK = Patience(tries=12, first=0.001, longest=0.01, throttled=5.0)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No source keeps a pace: what is here has none."""
    for source in sources().values():
        if source.api:
            monkeypatch.setattr(source, "api", replace(source.api, rates={}, patience=QUICK))
    for table in sources()["vtiger"].tables.values():
        webservice, one = table.live
        quick = replace(vtiger_source.ONE, rates={}, patience=QUICK)
        monkeypatch.setitem(
            sources()["vtiger"].tables, table.name, replace(table, live=(webservice, replace(one, api=quick)))
        )


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: None) -> Iterator[ZendeskServer]:
    with ZendeskServer() as server:
        live(server, tmp_path, monkeypatch)
        yield server


@pytest.fixture
def klaviyo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: None) -> Iterator[KlaviyoSource]:
    with KlaviyoSource() as server:
        live(server, tmp_path, monkeypatch)
        yield server


@pytest.fixture(params=[VtigerServer, One])
def crm(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: None
) -> Iterator[VtigerServer | One]:
    text = ("string", False, True)
    for module, prefix in (("Leads", "10"), ("Potentials", "13"), ("Events", "18")):
        fields = {"lastname": text, "createdtime": text, "modifiedtime": text, "id": text}
        monkeypatch.setitem(vtiger_server.MODULES, module, (prefix, fields))
    monkeypatch.setitem(vtiger_server.MODULES["Accounts"][1], "modifiedtime", ("datetime", False, False))
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    with request.param() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name.removeprefix("KINSHIP_"), value)
        yield server


def logins(crm: VtigerServer | One) -> int:
    """Calls to log in: a challenge and a login, or none."""
    return 2 if isinstance(crm, VtigerServer) else 0


def nothing_new(source: str, server: Any) -> int:
    """Calls of a run that finds nothing; that it writes nothing is looked at."""
    calls = server.calls
    result = extract(source)
    assert (sum(result.rows.values()), result.files, result.load_ids, result.notes) == (0, 0, [], [])
    return int(server.calls - calls)


def test_zendesk(desk: ZendeskServer) -> None:
    desk.size = 7
    for number in range(1, 31):
        time = f"2026-01-01T10:00:{number // 10:02d}Z"
        desk.put("users", number, updated_at=time, name=f"n{number}", active=True)
        desk.put("tickets", number, updated_at=time, subject="x", status="open", tags=["a"])
        desk.put("satisfaction_ratings", number, updated_at=time, created_at=time, ticket_id=number, score="good")
        desk.comment(number, number, "слово")
    result = extract("zendesk")
    assert result.rows == {"users": 30, "tickets": 30, "comments": 30, "satisfaction_ratings": 30}
    for table in result.rows:
        assert differences(desk, "zendesk", table, "created_at" if table == "comments" else "updated_at") == []
    desk.size = 1000
    assert nothing_new("zendesk", desk) == 4
    desk.delete("tickets", 3)
    desk.delete("users", 4)
    desk.put("tickets", 5, status="solved")
    desk.comment(5, 31, "solved")
    assert extract("zendesk").rows == {"users": 1, "tickets": 2, "comments": 1, "satisfaction_ratings": 0}
    assert set(map(str, range(1, 31))) - latest("zendesk", "tickets").keys() == {"3"}
    assert set(map(str, range(1, 31))) - latest("zendesk", "users").keys() == {"4"}
    assert differences(desk, "zendesk", "comments", "created_at") == []


def test_zendesk_with_changes_between_pages(desk: ZendeskServer) -> None:
    desk.size, desk.hides = 5, 60.0
    for number in range(1, 61):
        desk.put("tickets", number, updated_at=f"2026-01-01T10:00:{number // 10:02d}Z", subject=0)
    desk.mischief = Mischief(seed=3, change=0.7)
    subjects = iter(range(1, 10_000))
    desk.change = lambda: desk.put("tickets", desk.mischief.random.randrange(1, 61), subject=next(subjects)) and None
    for _ in range(3):
        extract("zendesk")
        desk.ahead += 61
    assert next(subjects) > 10
    desk.mischief = Mischief()
    extract("zendesk")
    held = {id: row["subject"] for id, row in latest("zendesk", "tickets").items()}
    assert held == {id: str(row["subject"]) for id, row in desk.tables["tickets"].items()}


def test_klaviyo(klaviyo: KlaviyoSource) -> None:
    klaviyo.size = 9
    for number in range(40):
        klaviyo.put_attributes("profiles", f"p{number:02d}", email="x@example.com", updated="2026-01-01T10:00:00+00:00")
        klaviyo.put_attributes("events", f"e{number:02d}", uuid="u", datetime=f"2026-01-01T10:00:{number:02d}+00:00")
    klaviyo.put_attributes("metrics", "m1", name="Received Email")
    assert extract("klaviyo").rows == {"profiles": 40, "metrics": 1, "events": 40}
    for table in ("profiles", "metrics", "events"):
        assert differences(klaviyo, "klaviyo", table, None) == []
    klaviyo.size = None
    assert nothing_new("klaviyo", klaviyo) == 3
    klaviyo.put_attributes("profiles", "p07", email="new@example.com")
    klaviyo.put_attributes("metrics", "m1", name="Opened Email")
    klaviyo.delete("profiles", "p08")
    assert extract("klaviyo").rows == {"profiles": 1, "metrics": 1, "events": 0}
    klaviyo.ahead = 8 * 86_400
    assert extract("klaviyo").rows == {"profiles": 1, "metrics": 0, "events": 0}
    for table in ("profiles", "metrics", "events"):
        assert differences(klaviyo, "klaviyo", table, None) == []


def test_klaviyo_in_a_storm(klaviyo: KlaviyoSource) -> None:
    klaviyo.size = 8
    for number in range(60):
        klaviyo.put_attributes("profiles", f"p{number:02d}", n=0, updated="2026-01-01T10:00:00+00:00")
    klaviyo.mischief = Mischief(seed=5, repeat=0.1, swap=0.2, shuffle=0.3, change=0.5, cut=0.05)
    numbers = iter(range(1, 10_000))
    klaviyo.change = lambda: klaviyo.put_attributes(
        "profiles", f"p{klaviyo.mischief.random.randrange(60):02d}", n=next(numbers)
    )
    for _ in range(3):
        extract("klaviyo")
    klaviyo.mischief = Mischief()
    extract("klaviyo")
    held = {
        id: n
        for id, n in query(
            "select id, n from (select id, attributes->>'n' as n, row_number() over (partition by id order by "
            "cast(attributes->>'updated' as timestamptz) desc, _file_id desc) as place from raw_klaviyo.profiles) "
            "where place = 1"
        )
    }
    assert held == {id: str(row["attributes"]["n"]) for id, row in klaviyo.tables["profiles"].items()}
    klaviyo.size = None
    assert nothing_new("klaviyo", klaviyo) == 3


def fill_crm(crm: VtigerServer | One, count: int, times: Callable[[int], str]) -> list[str]:
    return [
        crm.crm.add("Contacts", lastname=f"n{number}", email="", modifiedtime=times(number), createdtime=times(number))
        for number in range(count)
    ]


def held(crm: VtigerServer | One) -> bool:
    rows = {id: row["lastname"] for id, row in latest("vtiger", "contacts", "modifiedtime").items()}
    return rows == {row["id"]: row["lastname"] for row in crm.crm.live()}


def test_vtiger_with_ties_at_page_borders(crm: VtigerServer | One) -> None:
    ids = fill_crm(crm, 350, lambda number: f"2026-01-01 10:00:{number // 90:02d}")
    crm.crm.add("Leads", lastname="lead")
    result = extract("vtiger")
    assert result.rows == {"contacts": 350, "leads": 1, "accounts": 0, "potentials": 0, "events": 0}
    assert held(crm)
    # a query for each of the five; contacts fill one page from the overlap on, and one more
    assert nothing_new("vtiger", crm) <= logins(crm) + 4 + 6
    crm.crm.records[ids[7]] |= {"lastname": "O'Neil", "modifiedtime": "2026-03-01 10:00:00"}
    crm.crm.records[ids[8]] |= {"lastname": "later", "modifiedtime": "2026-03-01 10:00:00"}
    assert extract("vtiger").rows["contacts"] == 2 and held(crm)
    assert nothing_new("vtiger", crm) == logins(crm) + 5


def test_vtiger_when_an_import_gave_all_one_second(crm: VtigerServer | One) -> None:
    fill_crm(crm, 430, lambda _: "2026-01-01 10:00:00")
    assert extract("vtiger").rows["contacts"] == 430 and held(crm)


def test_vtiger_sessions_end_and_records_move_while_pages_are_turned(crm: VtigerServer | One) -> None:
    ids = fill_crm(crm, 430, lambda _: "2026-01-01 10:00:00")
    crm.crm.session_calls = 3
    handle, moved = crm.handle, iter(ids)

    def move(request: Any) -> Any:
        answer = handle(request)
        if "Contacts" in request.query.get("query", "") and (id := next(moved, None)):
            crm.crm.records[id] |= {"lastname": "moved", "modifiedtime": "2026-01-02 10:00:00"}
        return answer

    crm.handle = move  # type: ignore[method-assign]
    extract("vtiger")
    crm.handle = handle  # type: ignore[method-assign]
    extract("vtiger")
    assert held(crm)


def test_vtiger_deletions_are_found_by_comparing_ids(crm: VtigerServer | One) -> None:
    ids = fill_crm(crm, 250, lambda number: f"2026-01-01 10:{number // 60:02d}:{number % 60:02d}")
    extract("vtiger")
    crm.crm.deleted |= {ids[0], ids[120], ids[249]}
    assert extract("vtiger").rows["contacts"] == 0
    query_state(age_days=2)
    assert extract("vtiger").rows["contacts"] == 3 and held(crm)
    assert appearances("vtiger", "contacts") == 253


def query_state(age_days: int) -> None:
    """Let the last comparison of ids have been some days ago."""
    import json
    import os
    import sqlite3

    for path in Path(os.environ["KINSHIP_DATA"], "live").rglob("contacts.sqlite"):
        with sqlite3.connect(path) as connection:
            [(value,)] = connection.execute("select value from progress where name = 'compared'").fetchall()
            older = json.dumps(int(value) - age_days * 86_400_000_000)
            connection.execute("update progress set value = ? where name = 'compared'", [older])
        connection.close()


def test_a_module_that_the_user_may_not_read_stops_no_other(
    crm: VtigerServer | One, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_crm(crm, 3, lambda _: "2026-01-01 10:00:00")
    monkeypatch.delitem(vtiger_server.MODULES, "Leads")
    told = "HTTP 200, ACCESS_DENIED" if isinstance(crm, VtigerServer) else "HTTP 400"
    result: ExtractResult = extract("vtiger")
    assert result.fetched and result.fetched.failures == {
        "leads": f"vtiger, table leads: the API refuses the request ({told}): see its documentation for the code"
    }
    assert result.rows["contacts"] == 3


def test_two_editions_of_vtiger_are_one_too_many(crm: VtigerServer | One, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("VTIGER", "VTIGER_ONE"):
        for name in ("URL", "USER", "ACCESS_KEY"):
            monkeypatch.setenv(f"{variable}_{name}", crm.url)
    with pytest.raises(ExtractError, match="vtiger is told to come in by VTIGER_ONE_URL and by VTIGER_URL: unset one"):
        extract("vtiger")


@pytest.mark.parametrize("crm", [One], indirect=True)
def test_vtiger_one_says_what_is_left_of_the_day_and_bears_a_full_minute(
    crm: One, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_crm(crm, 250, lambda _: "2026-01-01 10:00:00")
    crm.day_limit, crm.minute = 1000, (4, 0.5)
    result = extract("vtiger")
    assert result.fetched and result.fetched.failures == {} and result.rows["contacts"] == 250 and held(crm)
    assert result.fetched.quota_left == 1000 - crm.calls and result.fetched.throttled > 0
    checked = check_source("vtiger")
    assert checked.status == "ok" and "calls left (VTIGER_ONE_URL)" in checked.message
    monkeypatch.setenv("VTIGER_ONE_ACCESS_KEY", "wr0ng")
    checked = check_source("vtiger")
    assert checked.status == "failed" and "refuses the credentials" in checked.message
    assert "wr0ng" not in checked.message


@pytest.fixture
def ads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AdsServer]:
    for api in (ads_source.GOOGLE, ads_source.META):
        object.__setattr__(api, "patience", QUICK)  # frozen; the same for every test
    with AdsServer() as server:
        live(server, tmp_path, monkeypatch)
        yield server


def costs() -> list[tuple[str, str, str, str, int]]:
    """The latest figures of each channel, campaign and day."""
    return sorted(
        query(
            "select channel, campaign, date, currency, cast(round(cast(cost as decimal(18, 2)) * 100) as int) from "
            "(select *, row_number() over (partition by channel, campaign, date order by _extracted_at desc, "
            f"_file desc) as place from {raw('ads', 'campaign_costs')} as r) where place = 1"
        )
    )


def there(server: AdsServer) -> list[tuple[str, str, str, str, int]]:
    return sorted((channel, f"c{name}", day, "EUR", cents) for (channel, name, day), cents in server.costs.items())


def test_ads_of_two_vendors_and_figures_that_are_restated(ads: AdsServer) -> None:
    today = date.today()
    for ago in range(0, 400, 3):
        for campaign in ("1", "2"):
            ads.costs["google", campaign, str(today - timedelta(days=ago))] = 1234
            ads.costs["meta", campaign, str(today - timedelta(days=ago))] = 99
    ads.throttled = 3
    result = extract("ads")
    assert result.notes == [] and result.rows == {"campaign_costs": len(ads.costs)}
    assert costs() == there(ads)
    assert nothing_new("ads", ads) == 3  # a token, and the last month of each
    ads.costs["google", "1", str(today - timedelta(days=15))] = 1300
    ads.costs["meta", "3", str(today)] = 5
    assert extract("ads").rows == {"campaign_costs": 2} and costs() == there(ads)


def test_an_access_token_that_ends_is_got_again(ads: AdsServer) -> None:
    ads.expires_in = 0
    ads.costs["google", "1", str(date.today())] = 1
    assert extract("ads").rows == {"campaign_costs": 1}
    assert ads.tokens == len([request for request in ads.requests if "googleAds" in request.path])


def test_a_refresh_token_that_was_withdrawn_is_told(ads: AdsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_ADS_REFRESH_TOKEN", "withdrawn")
    result = extract("ads")
    assert result.notes == [
        "ads, table campaign_costs_google_ads: the API refuses the credentials (HTTP 401, invalid_grant): "
        "check them and what they are allowed to read"
    ]
