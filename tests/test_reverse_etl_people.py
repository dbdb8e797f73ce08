"""People who turn out to be one, or two, and people who must not be sent: carried to the destination."""

import csv
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_house import House, people

from reverse_etl import ConfigurationError, plan_sync, run_sync
from reverse_etl.destination import Batch, Outcome
from reverse_etl.destinations.file import FileDestination
from reverse_etl.ledger import open_ledger
from reverse_etl.suppression import hashes, normal_form, suppress

ROOT = Path(__file__).resolve().parents[1]
EVERYBODY = [(f"c{n}", "granted") for n in range(1, 50)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path, max_change_share=1)
    house.consent(EVERYBODY)
    return house


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def run(house: House) -> Any:
    return run_sync(house.sync, house.settings)


def accepted(house: House) -> dict[str, str]:
    """key -> customer_id, as the ledger has them."""
    return dict(house.query_ledger("select key, customer_id from accepted"))


def operations(house: House) -> list[tuple[str, str]]:
    """Operation and key of everything that was sent, by the files."""
    folder = house.settings.state / "outbox" / house.name
    sent = []
    for path in sorted(folder.glob("*.manifest.json")):
        told = json.loads(path.read_text())
        with (folder / told["file"]).open(newline="", encoding="utf-8") as file:
            sent.extend((row["_operation"], row["email"]) for row in csv.DictReader(file))
    return sent


def made_by_us(house: House, *, ours: bool, **ids: str) -> None:
    """Change what the ledger knows of its rows: who made them, and the destination's ids by person."""
    with open_ledger(house.settings.ledger / f"{house.name}.duckdb", write=True) as connection:
        connection.execute("update accepted set created_by_us = ?", [ours])
        for person, record in ids.items():
            connection.execute("update accepted set destination_id = ? where customer_id = ?", [record, person])


def test_a_merged_person_leaves_no_twin(house: House) -> None:
    house.want(people(1, 2))
    run(house)
    made_by_us(house, ours=True)
    house.redirect({"c2": "c1"})
    house.consent([("c1", "granted")])  # of c2 nothing is known any more
    house.want(people(1))
    plan = plan_sync(house.sync, house.settings)
    assert (plan.removals, plan.merges, plan.reasons, plan.changes) == (1, 1, {"merged": 1}, 0)
    assert run(house).removed == 1
    assert accepted(house) == {"p1@example.com": "c1"}
    assert run(house).run_id is None


def test_a_record_that_was_there_before_is_no_twin_of_ours(house: House) -> None:
    house.want(people(1, 2))
    run(house)
    made_by_us(house, ours=False)
    house.redirect({"c2": "c1"})
    house.want(people(1))
    assert plan_sync(house.sync, house.settings).is_empty
    house.consent([("c1", "withdrawn")])
    assert plan_sync(house.sync, house.settings).reasons == {"withdrawn": 2}, "who they are today has the say"


def test_a_tool_that_merges_is_asked_to(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    merged: list[tuple[str, str | None]] = []

    async def remove(self: FileDestination, batch: Batch) -> AsyncIterator[Outcome]:
        for row in batch.rows:
            merged.append((row.key, row.merge_into))
            yield Outcome(row.key, "accepted")

    monkeypatch.setattr(FileDestination, "can_merge", True)
    monkeypatch.setattr(FileDestination, "remove", remove)
    house.want(people(1, 2, 3))
    run(house)
    made_by_us(house, ours=False, c1="id-1")
    house.redirect({"c2": "c1", "c3": "c1"})
    house.want(people(1))
    assert run(house).removed == 2
    assert sorted(merged) == [("p2@example.com", "id-1"), ("p3@example.com", "id-1")]
    assert accepted(house) == {"p1@example.com": "c1"}


def test_a_merge_and_a_new_key_at_once(house: House) -> None:
    house.want(people(1, 2))
    run(house)
    made_by_us(house, ours=True, c1="id-1", c2="id-2")
    house.redirect({"c2": "c1"})
    house.want([{"customer_id": "c1", "email": "new@example.com", "firstname": "Ana1"}])
    plan = plan_sync(house.sync, house.settings)
    assert (plan.adds, plan.changes, plan.removals, plan.reasons) == (0, 1, 1, {"merged": 1})
    run(house)
    assert house.query_ledger("select key, destination_id from accepted") == [("new@example.com", "id-1")]


def test_a_split_adds_one_person_and_leaves_the_other(house: House) -> None:
    house.want(people(1))
    run(house)
    # the key was the other one's all along
    house.want([{**people(1)[0], "customer_id": "c9"}, {**people(2)[0], "customer_id": "c1"}])
    plan = plan_sync(house.sync, house.settings)
    assert (plan.adds, plan.changes, plan.removals) == (1, 0, 0)
    run(house)
    assert accepted(house) == {"p1@example.com": "c9", "p2@example.com": "c1"}


def test_people_who_were_parted_again_have_a_record_each(house: House) -> None:
    house.want(people(1, 2))
    run(house)
    made_by_us(house, ours=True)
    house.redirect({"c2": "c1"})
    house.want(people(1))
    run(house)
    house.redirect({})
    house.want(people(1, 2))
    assert run(house).added == 1
    assert accepted(house) == {"p1@example.com": "c1", "p2@example.com": "c2"}


def test_two_people_who_swap_keys_are_changed(house: House) -> None:
    house.want(people(1, 2))
    run(house)
    one, two = people(1, 2)
    house.want([{**one, "email": two["email"]}, {**two, "email": one["email"]}])
    plan = plan_sync(house.sync, house.settings)
    assert (plan.adds, plan.changes, plan.removals) == (0, 2, 0)
    run(house)
    assert accepted(house) == {"p1@example.com": "c2", "p2@example.com": "c1"}


def test_of_a_persons_many_rows_none_is_a_twin(house: House) -> None:
    """One row per order, say: one that went and one that came are not the same."""
    orders = [{"customer_id": "c1", "email": f"order-{n}", "firstname": "x"} for n in range(1, 4)]
    house.want(orders)
    run(house)
    made_by_us(house, ours=True, c1="id")
    house.redirect({"c2": "c1"})
    house.want([*orders[1:], {"customer_id": "c1", "email": "order-4", "firstname": "x"}])
    plan = plan_sync(house.sync, house.settings)
    assert (plan.adds, plan.changes, plan.removals) == (1, 0, 0)


def test_who_is_suppressed_is_withheld_and_taken_back(house: House) -> None:
    house.want(people(1, 2, 3))
    run(house)
    house.want(people(1, 2, 3, 4))
    house.identify([("c3", "phone", "+359888123456")])
    house.suppress([("email", sha256(f"p{n}@example.com"), "suppress") for n in (2, 4)])
    plan = plan_sync(house.sync, house.settings)
    assert (plan.adds, plan.removals, plan.reasons) == (0, 1, {"suppressed": 1})
    assert plan.withheld == {"suppressed": 2}
    run(house)
    house.suppress([("phone", sha256("+359888123456"), "suppress")])
    house.want(people(1, 3))
    assert run(house).removed == 1, "found by an identifier that is not the key"
    assert set(accepted(house)) == {"p1@example.com"}


def test_who_asked_to_be_forgotten_is_erased_first(house: House) -> None:
    house.reload(mode="mirror")
    house.want(people(1, 2, 3))
    run(house)
    house.redirect({"c2": "c7"})
    house.suppress([("customer_id", sha256("c2"), "erase")])
    house.want([{**people(3)[0], "firstname": "Eva"}, *people(4), {**people(2)[0], "customer_id": "c7"}])
    plan = plan_sync(house.sync, house.settings)
    assert (plan.erasures, plan.removals, plan.changes, plan.adds) == (1, 1, 1, 1)
    assert plan.reasons == {"erased": 1, "left": 1} and plan.withheld == {"suppressed": 1}
    result = run(house)
    assert result.erased == 1
    assert [key for _, key in operations(house)[3:]] == [f"p{n}@example.com" for n in (2, 1, 3, 4)]
    assert run(house).run_id is None


def test_a_list_that_cannot_be_meant_stops_everything(house: House) -> None:
    house.want(people(1))
    for row in (("mail", "0" * 64, "erase"), ("email", "p1@example.com", "erase"), ("email", "0" * 64, "forget")):
        house.suppress([("email", "1" * 64, "erase"), row])
        with pytest.raises(ConfigurationError, match=r"suppressions.csv: 1 of 2 rows cannot be meant.*email, phone"):
            run(house)


@pytest.mark.parametrize(
    ("kind", "value", "form"),
    [
        ("email", "  Ann.Lee@Example.COM ", "ann.lee@example.com"),
        ("phone", "+359 (888) 123-456", "+359888123456"),
        ("phone", "00359888123456", "+359888123456"),
        ("customer_id", " c1 ", "c1"),
    ],
)
def test_a_value_has_one_normal_form(kind: Any, value: str, form: str) -> None:
    assert normal_form(kind, value) == form


@pytest.mark.parametrize(("kind", "value"), [("email", "ann"), ("phone", "0888 123456"), ("customer_id", " ")])
def test_a_value_that_cannot_be_one_is_refused_and_not_quoted(kind: Any, value: str) -> None:
    with pytest.raises(ValueError) as told:
        normal_form(kind, value)
    assert not value.strip() or value not in str(told.value)


def test_suppressing_lists_every_form_once(tmp_path: Path) -> None:
    for name in ("suppressions.csv", "email_providers.csv"):
        (tmp_path / name).write_bytes((ROOT / "seeds" / name).read_bytes())
    since = date(2026, 1, 2)
    assert hashes("email", "A.B+c@gmail.com", tmp_path / "email_providers.csv") == [
        sha256("a.b+c@gmail.com"), sha256("ab@gmail.com"),
    ]  # fmt: skip
    for expected in (2, 0):
        assert suppress(tmp_path, "email", "A.B+c@gmail.com", "erase", "asked", since) == expected
    with (tmp_path / "suppressions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [tuple(row.values()) for row in rows] == [
        ("email", sha256(form), "erase", "asked", "2026-01-02") for form in ("a.b+c@gmail.com", "ab@gmail.com")
    ]


def test_who_opted_out_over_there_is_not_sent_by_any_key(house: House) -> None:
    house.want(people(1, 2, 3))
    run(house)
    with open_ledger(house.settings.ledger / f"{house.name}.duckdb", write=True) as connection:
        connection.execute(
            """insert into opt_outs by name
            select unnest(['P1@example.com', 'other@example.com', 'p3@example.com']) as key,
                unnest([null, 'c2', null]) as customer_id, unnest(['any', 'email', 'sms']) as channel,
                now()::timestamp as opted_out_at, now()::timestamp as seen_at, 'poll' as source, false as told"""
        )
    house.reload(channel="email")
    plan = plan_sync(house.sync, house.settings)
    assert plan.withheld == {"opted_out": 2} and plan.reasons == {"opted_out": 2}


def test_short_of_quota_the_order_is_kept(house: House) -> None:
    house.reload(mode="mirror", priority="_value", options={"batch_size": 1})
    types = {"customer_id": "text", "email": "text", "firstname": "text", "_value": "integer"}

    def row(n: int, value: int, name: str = "Ana") -> dict[str, Any]:
        return {"customer_id": f"c{n}", "email": f"p{n}@example.com", "firstname": name, "_value": value}

    house.want([row(n, n) for n in range(1, 6)], types)
    run(house)
    house.suppress([("email", sha256("p5@example.com"), "erase")])
    house.want([row(2, 1, "Eva"), row(3, 7, "Eva"), row(4, 4), row(6, 1), row(7, 9), row(5, 5)], types)
    for allowed, wanted in (
        (1, {"erase": 1}), (2, {"erase": 1, "remove": 1}), (3, {"erase": 1, "remove": 1, "change": 1}),
        (5, {"erase": 1, "remove": 1, "change": 2, "add": 1}),
    ):  # fmt: skip
        house.reload(options={"batch_size": 1, "requests_per_day": 5 + allowed})
        plan = plan_sync(house.sync, house.settings)
        counts = {"erase": plan.erasures, "remove": plan.removals, "change": plan.changes, "add": plan.adds}
        assert {name: count for name, count in counts.items() if count} == wanted
        assert (plan.withheld["quota"], plan.calls, plan.days) == (6 - allowed, allowed, 2)
        assert all("@" not in key for keys in plan.samples.values() for key in keys)
    run(house)
    assert [key for _, key in operations(house)[5:]] == [f"p{n}@example.com" for n in (5, 1, 3, 2, 7)]


def test_a_plan_says_what_the_bill_counts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.want(people(1, 2, 3))
    for cost, units in (("calls", 1), ("messages", 3), ("data_points", 3), ("records", 3)):
        monkeypatch.setattr(FileDestination, "cost", cost)
        plan = plan_sync(house.sync, house.settings)
        assert (plan.cost, plan.units, plan.as_json()["units"]) == (cost, units, units)


def test_the_ledger_takes_over_who_a_key_belongs_to(house: House) -> None:
    house.want(people(1))
    run(house)
    house.redirect({"c1": "c2"})
    house.want([{**people(1)[0], "customer_id": "c2"}])
    assert run(house).calls == 0
    assert accepted(house) == {"p1@example.com": "c2"}
