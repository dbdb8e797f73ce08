"""Salesforce's live API, over real HTTP into a real warehouse: what the CRM holds is what the raw tables tell."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from extract_house import query, raw
from live_house import live
from servers.base import Faults
from servers.salesforce_source import SalesforceSource
from servers.source import Mischief
from switched_on import listed

from orchestration.extract import extract, sources
from orchestration.extract.check import check_source
from orchestration.extract.live import Patience, Span

TABLES = {
    "contacts": "Contact", "leads": "Lead", "accounts": "Account", "opportunities": "Opportunity",
    "opportunity_contact_roles": "OpportunityContactRole", "tasks": "Task", "events": "Event",
}  # fmt: skip
LONG_AGO = "2026-01-01T10:00:00.000+0000"


@pytest.fixture
def org(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SalesforceSource]:
    """An organisation with one currency, without person accounts, and without individuals."""
    listed(monkeypatch, "salesforce")
    api = sources()["salesforce"].api
    assert api
    quick = Patience(tries=12, first=0.001, longest=0.01, throttled=5.0)
    monkeypatch.setattr(sources()["salesforce"], "api", replace(api, patience=quick))
    with SalesforceSource() as server:
        live(server, tmp_path, monkeypatch)
        yield server


def fill(org: SalesforceSource, count: int) -> None:
    for number in range(count):
        org.add("Contact", f"003{number:03d}", LastName=f"n{number}", SystemModstamp=LONG_AGO)


def names() -> dict[str, str]:
    """The last names of the contacts that are there, as staging picks them (the macro `latest_appearances`)."""
    rows = query(
        "select id, last_name from (select *, row_number() over (partition by id order by cast(system_modstamp as "
        f"timestamptz) desc, _extracted_at desc, _file desc) as place from {raw('salesforce', 'contacts')} as r) "
        "where place = 1 and _kinship_deleted_at is null"
    )
    return dict(rows)


def held(org: SalesforceSource) -> dict[str, str]:
    return {id: row["LastName"] for id, row in org.tables["Contact"].items() if not row["IsDeleted"]}


def nothing_new(org: SalesforceSource) -> int:
    """Calls of a run that finds nothing; that it writes nothing is looked at."""
    calls = org.calls
    result = extract("salesforce")
    assert (sum(result.rows.values()), result.files, result.load_ids, result.notes) == (0, 0, [], [])
    return org.calls - calls


def test_what_the_organisation_holds_is_what_the_raw_tables_tell(org: SalesforceSource) -> None:
    fill(org, 50)
    org.size = 20
    for object in set(TABLES.values()) - {"Contact"}:
        org.add(object, "0011", SystemModstamp=LONG_AGO)
    result = extract("salesforce")
    assert (result.notes, result.quarantined) == ([], {})
    assert result.rows == {"contacts": 50, "individuals": 0} | dict.fromkeys(TABLES.keys() - {"contacts"}, 1)
    assert names() == held(org)


def test_a_second_run_makes_a_call_for_each_table_and_writes_nothing(org: SalesforceSource) -> None:
    fill(org, 50)
    extract("salesforce")
    # a token, a query for each object, and the question whether there are individuals by now
    assert nothing_new(org) == 1 + len(TABLES) + 1
    org.add("Contact", "003007", LastName="changed")
    assert sum(extract("salesforce").rows.values()) == 1
    assert nothing_new(org) == 1 + len(TABLES) + 1
    assert names() == held(org)


def test_changes_while_pages_are_turned_and_a_line_that_fails(org: SalesforceSource) -> None:
    """Paging goes by id, so that a record that changes between two pages leaves no gap; all stand in one second."""
    fill(org, 100)
    org.size = 7
    turned = iter(range(1000))
    org.change = lambda: org.add("Contact", f"003{org.mischief.random.randrange(130):03d}", LastName=f"c{next(turned)}")
    org.mischief = Mischief(seed=2, change=0.5, cut=0.1)
    org.faults = Faults(seed=3, drop_before=0.05, drop_after=0.05, unavailable=0.1, too_many=0.1, retry_after=0.01)
    for _ in range(2):
        assert extract("salesforce").notes == []
    org.mischief, org.faults = Mischief(), Faults()
    extract("salesforce")
    assert names() == held(org)
    assert nothing_new(org) >= 1 + len(TABLES) + 1


def test_deleted_restored_and_gone_for_good(org: SalesforceSource) -> None:
    fill(org, 10)
    org.bin("Contact", "003009", SystemModstamp=LONG_AGO)  # before we came
    extract("salesforce")
    for number in (1, 2, 3):
        org.bin("Contact", f"00300{number}", LastName=None)
    assert extract("salesforce").rows["contacts"] == 3
    assert names() == held(org)
    org.add("Contact", "003001", IsDeleted=False, LastName="back")
    assert extract("salesforce").rows["contacts"] == 1
    assert names() == held(org)

    # ids are compared once a day: what left the bin unseen is found there, and what went into it with its time
    org.delete("Contact", "003003")
    org.delete("Contact", "003004")
    org.bin("Contact", "003005", SystemModstamp=LONG_AGO)
    org.ahead = 86_400
    assert extract("salesforce").rows["contacts"] == 3
    assert names() == held(org)
    still = org.tables["Contact"]["003002"]["SystemModstamp"]
    org.add("Contact", "003002", IsDeleted=False, LastName="back too", SystemModstamp=still)
    org.ahead *= 2
    assert extract("salesforce").rows["contacts"] == 1
    assert names() == held(org)
    org.ahead *= 2
    assert sum(extract("salesforce").rows.values()) == 0


def test_who_was_merged_stays_known_when_the_bin_is_emptied(org: SalesforceSource) -> None:
    fill(org, 5)
    extract("salesforce")
    org.merge("Contact", winner="003001", loser="003002")
    assert extract("salesforce").rows["contacts"] == 2
    merged = f"select master_record_id from {raw('salesforce', 'contacts')} as r where is_deleted = 'true'"
    for days in (1, 2, 16):
        org.ahead = 86_400 * days
        if days == 2:
            org.delete("Contact", "003002")
        assert sum(extract("salesforce").rows.values()) == 0
    assert query(merged) == [("003001",)]
    assert names() == held(org) | {"003002": None}


def test_a_session_that_ends_is_begun_again(org: SalesforceSource) -> None:
    fill(org, 60)
    org.size = 20
    org.mischief = Mischief(change=1.0)
    queries = iter(range(1000))
    org.change = lambda: org.end_sessions() if next(queries) in (1, 5) else None
    assert extract("salesforce").notes == []
    assert org.token == "00D!3"
    assert names() == held(org)


def test_fields_that_come_and_go(org: SalesforceSource) -> None:
    """What an organisation switches on later is read of all records; what it takes away fails one run."""
    for number in range(1, 40):
        org.add("Opportunity", f"0060{number:02d}", Name="Two ovens", SystemModstamp=LONG_AGO)
    org.objects["Contact"].remove("HasOptedOutOfEmail")
    extract("salesforce")
    org.objects["Opportunity"].add("CurrencyIsoCode")
    org.objects["Individual"] = {"Id", "IsDeleted", "CreatedDate", "SystemModstamp", "HasOptedOutSolicit"}
    for record in org.tables["Opportunity"].values():
        record["CurrencyIsoCode"] = "BGN"
    org.add("Individual", "0PK1", HasOptedOutSolicit=True, SystemModstamp=LONG_AGO)
    org.ahead = 86_400
    assert extract("salesforce").rows["individuals"] == 1
    anew = extract("salesforce")
    assert (anew.rows["opportunities"], anew.files) == (39, 1)
    currencies = f"select currency_iso_code from {raw('salesforce', 'opportunities')} as r"
    assert set(query(currencies)) == {(None,), ("BGN",)}

    org.objects["Opportunity"].remove("Probability")
    (note,) = extract("salesforce").notes
    assert "table opportunities: the API refuses the request (HTTP 400, INVALID_FIELD)" in note
    org.add("Opportunity", "006100", Name="A pan")
    again = extract("salesforce")
    # the older ones lie in the overlap, and have a field less
    assert (again.notes, again.rows["opportunities"]) == ([], 40)


def test_a_range_is_fetched_again(org: SalesforceSource) -> None:
    fill(org, 10)
    org.add("Contact", "003100", LastName="later", SystemModstamp="2026-02-01T10:00:00.000+0000")
    extract("salesforce")
    for id in ("003004", "003100"):
        org.tables["Contact"][id]["LastName"] = "corrected behind our back"
    assert extract("salesforce", Span.of(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2))).rows["contacts"] == 1
    assert {id for id, name in names().items() if name != "later" and not name.startswith("n")} == {"003004"}


def test_what_is_wrong_is_said_and_how_many_calls_are_left(
    org: SalesforceSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(org, 1)
    told = check_source("salesforce")
    assert told.status == "ok" and "calls left" in told.message, told
    monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", "wrong")
    told = check_source("salesforce")
    assert told.status == "failed" and "refuses the credentials (HTTP 401, invalid_client)" in told.message, told
    assert "wrong" not in told.message
