"""Syncs to a real Tryton: contacts, categories that are ours alone, a mailing list nobody is put back on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_house import House, use
from servers.tryton import Crm, running

from reverse_etl import ConfigurationError, RunResult, check_destination, run_sync
from reverse_etl.delivery import Patience

HASTE = Patience(attempts=3, first_wait=0.001, longest_wait=0.005, rate_limit_wait=0.01)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crm]:
    with running(tmp_path_factory.mktemp("tryton")) as crm:
        yield crm


@pytest.fixture
def crm(started: Crm, monkeypatch: pytest.MonkeyPatch) -> Crm:
    """The CRM with nobody in it."""
    use(monkeypatch, started)
    for model in ("marketing.email", "party.party"):
        found = started.call(f"model.{model}.search", [], 0, None, None, context={"active_test": False})
        started.call(f"model.{model}.delete", found)
    return started


@pytest.fixture
def house(tmp_path: Path, crm: Crm) -> House:
    house = House(tmp_path, "sync_tryton__parties", object="party.party", mode="mirror", max_change_share=1)
    house.consent([(f"c{n}", "granted") for n in range(20)])
    return house


def want(house: House, *rows: dict[str, Any]) -> None:
    types = {"customer_id": "text", "email": "text", "name": "text", "phone": "text", "categories": "text[]"}
    house.want([dict.fromkeys(types) | row for row in rows], types)


def person(n: int, *categories: str, **more: Any) -> dict[str, Any]:
    base = {"customer_id": f"c{n}", "email": f"p{n}@example.com", "name": f"N{n}", "categories": list(categories)}
    return base | more


def run(house: House) -> RunResult:
    return run_sync(house.sync, house.settings, patience=HASTE)


def parties(crm: Crm, **context: Any) -> list[dict[str, Any]]:
    fields = ["name", "email", "phone", "active", "categories.name", "contact_mechanisms.value"]
    found = crm.call("model.party.party.search_read", [], 0, None, [["id", "ASC"]], fields, context=context)
    assert isinstance(found, list)
    return found


def test_a_contact_is_changed_where_it_lies(house: House, crm: Crm) -> None:
    want(house, person(1, phone="+4411"))
    run(house)
    want(house, person(1, phone="+4422"))
    assert run(house).changed == 1
    (party,) = parties(crm)
    assert party["phone"] == "+4422"
    assert sorted(m["value"] for m in party["contact_mechanisms."]) == ["+4422", "p1@example.com"]


def test_only_our_categories_are_ours_to_take(house: House, crm: Crm) -> None:
    (theirs,) = crm.call("model.party.category.create", [{"name": "vip of the boss"}])
    mechanisms = [["create", [{"type": "email", "value": "P1@Example.com"}]]]
    crm.call(
        "model.party.party.create",
        [{"name": "Boss", "contact_mechanisms": mechanisms, "categories": [["add", [theirs]]]}],
    )
    want(house, person(1, "loyal", "at_risk"))
    run(house)
    want(house, person(1, "loyal"))
    run(house)
    (party,) = parties(crm)
    assert sorted(c["name"] for c in party["categories."]) == ["loyal", "vip of the boss"]
    want(house)
    assert run(house).removed == 1
    (party,) = parties(crm)
    assert [c["name"] for c in party["categories."]] == ["vip of the boss"], "kept, and out of our categories"


def test_null_leaves_or_clears(house: House, crm: Crm) -> None:
    want(house, person(1, phone="+4411"))
    run(house)
    want(house, person(1, name="Other"))
    run(house)
    assert parties(crm)[0]["phone"] == "+4411"
    house.reload(on_null="clear")
    want(house, person(1, name="Third"))
    run(house)
    assert parties(crm)[0]["phone"] == ""


def test_a_party_that_was_deleted_over_there_is_made_again_when_its_row_changes(house: House, crm: Crm) -> None:
    want(house, person(1), person(2))
    run(house)
    crm.call("model.party.party.delete", [parties(crm)[0]["id"]])
    want(house, person(1, name="Back"), person(2))
    result = run(house)
    assert result.refused == {}
    assert sorted(party["name"] for party in parties(crm)) == ["Back", "N2"]


def test_a_column_that_is_no_field_is_named(house: House, crm: Crm) -> None:
    house.want([{"customer_id": "c1", "email": "p1@example.com", "shoe_size": "44"}])
    with pytest.raises(ConfigurationError, match=r"'shoe_size' is not a field of tryton's party\.party"):
        run(house)


def test_check_names_an_unknown_database(house: House, crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_TRYTON_URL", crm.environment["KINSHIP_TRYTON_URL"].replace("/crm", "/nowhere"))
    result = check_destination("tryton", house.sync)
    assert result.status == "failed" and "KINSHIP_TRYTON_URL is <server>/<database>" in result.message


@pytest.fixture
def newsletter(tmp_path: Path, crm: Crm) -> House:
    crm.call("model.marketing.email.list.delete", crm.call("model.marketing.email.list.search", [], 0, None, None))
    crm.call("model.marketing.email.list.create", [{"name": "News"}])
    house = House(
        tmp_path, "sync_tryton__newsletter", object="marketing.email", mode="mirror", channel="email",
        max_change_share=1, options={"list_name": "News"},
    )  # fmt: skip
    house.consent([(f"c{n}", "granted") for n in range(20)])
    return house


def subscribe(house: House, *numbers: int) -> None:
    types = {"customer_id": "text", "email": "text"}
    house.want([{"customer_id": f"c{n}", "email": f"p{n}@example.com"} for n in numbers], types)


def members(crm: Crm) -> dict[str, bool]:
    found = crm.call(
        "model.marketing.email.search_read", [], 0, None, None, ["email", "active"], context={"active_test": False}
    )
    return {member["email"]: member["active"] for member in found}


def test_members_come_and_go(newsletter: House, crm: Crm) -> None:
    subscribe(newsletter, 1, 2, 3)
    run(newsletter)
    subscribe(newsletter, 2, 3, 4)
    result = run(newsletter)
    assert (result.added, result.removed, result.refused) == (1, 1, {})
    assert members(crm) == {f"p{n}@example.com": True for n in (2, 3, 4)}
    assert run(newsletter).calls == 0


def test_who_unsubscribed_is_not_put_back(newsletter: House, crm: Crm) -> None:
    (news,) = crm.call("model.marketing.email.list.search", [], 0, None, None)
    member = crm.call("model.marketing.email.create", [{"email": "p1@example.com", "list_": news}])
    crm.call("model.marketing.email.write", member, {"active": False})
    subscribe(newsletter, 1, 2)
    result = run(newsletter)
    assert result.added == 1
    assert members(crm) == {"p1@example.com": False, "p2@example.com": True}


def test_a_list_that_does_not_exist_is_named(newsletter: House, crm: Crm) -> None:
    newsletter.reload(options={"list_name": "Olds"})
    subscribe(newsletter, 1)
    with pytest.raises(ConfigurationError, match="0 mailing lists of the name 'Olds'"):
        run(newsletter)
