"""Braze's traps: refusals inside a success, values cut without a word, windows on the clock, ids that live on."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from one_destination import One, row, rows
from reverse_etl_house import House, run, use
from servers.braze import GROUP, BrazeServer

from reverse_etl import ConfigurationError, check_destination
from reverse_etl.destination import Operation

FIELDS = ("external_id", "email", "stage")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BrazeServer]:
    with BrazeServer() as server:
        use(monkeypatch, server)
        yield server


def make_house(folder: Path, object: str = "users", **block: Any) -> House:
    defaults = {"object": object, "key": "external_id", "mode": "mirror", "max_change_share": 1}
    house = House(folder, f"sync_braze__{object}", **defaults | block)
    house.consent([(f"c{n}", "granted") for n in range(2_000)])
    return house


@pytest.fixture
def house(tmp_path: Path, server: BrazeServer) -> House:
    return make_house(tmp_path)


def people(*numbers: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"customer_id": f"c{n}", "external_id": f"u{n}", "email": f"p{n}@example.com", "stage": "lead"} | more
        for n in numbers
    ]


def users(**more: Any) -> One:
    return One("braze", "users", "external_id", FIELDS, **more)


def group() -> One:
    options = {"subscription_group_id": GROUP}
    return One("braze", "subscription_groups", "external_id", ("external_id",), options=options)


def user(n: int, **more: Any) -> dict[str, Any]:
    return {"external_id": f"u{n}", "email": f"p{n}@example.com", "stage": "lead"} | more


def calls(server: BrazeServer, path: str) -> int:
    return sum(request.path == path for request in server.requests)


def test_refusals_inside_a_success_find_their_rows(server: BrazeServer) -> None:
    records = [(row(f"u{n}"), user(n)) for n in range(5)]
    records[1][1]["stage"] = "x" * 256  # not sent at all: the places of the others move up
    records[3][1]["email"] = "nobody"
    told = users().send(*records)
    assert {key: outcome.error_class for key, outcome in told.items()} == {
        "u0": None,
        "u1": "too_long",
        "u2": None,
        "u3": "invalid_email",
        "u4": None,
    }
    assert sorted(server.users) == ["u0", "u2", "u4"]
    assert "nobody" not in str(told)


def test_when_all_are_refused_the_status_is_400_and_each_is_told(server: BrazeServer, house: House) -> None:
    house.want(people(1, 2, email="nobody"))
    assert run(house).refused == {"invalid_email": 2}
    assert calls(server, "/users/track") == 1, "no halving: the answer names the rows"


def test_who_is_neither_processed_nor_mentioned_is_found(server: BrazeServer, house: House) -> None:
    server.forgetful = {"u5"}
    house.want(people(*range(9)))
    result = run(house)
    assert (result.added, result.refused) == (8, {"not_processed": 1})


def test_75_objects_a_call_and_fewer_where_the_plan_says_so(server: BrazeServer, tmp_path: Path) -> None:
    for size, expected in ((None, [75, 75, 10]), (50, [50, 50, 50, 10])):
        (folder := tmp_path / str(size)).mkdir()
        house = make_house(folder, options={"batch_size": size} if size else {})
        house.want(people(*range(160)))
        server.requests.clear()
        assert run(house).added == 160
        sent = [len(r.json()["attributes"]) for r in server.requests if r.path == "/users/track"]
        assert sorted(sent, reverse=True) == expected
    assert server.broken == []


@pytest.mark.parametrize("value", ["x" * 256, ["ok", "x" * 256], {"a": {"b": "x" * 256}}])
def test_a_text_of_256_characters_is_refused_because_it_would_be_cut(server: BrazeServer, value: Any) -> None:
    (outcome,) = users().send((row("u1"), user(1, stage=value))).values()
    assert outcome.error_class == "too_long" and server.requests == []


def test_255_characters_are_kept(server: BrazeServer) -> None:
    users().send((row("u1"), user(1, stage="é" * 255)))
    assert server.users["u1"]["stage"] == "é" * 255


def test_a_null_inside_a_nested_attribute_does_not_cost_the_attribute(server: BrazeServer) -> None:
    users().send((row("u1"), user(1, stage={"level": "gold", "since": None})))
    assert server.users["u1"]["stage"] == {"level": "gold"}


def test_null_clears_or_leaves(server: BrazeServer) -> None:
    server.users["u1"] = {"stage": "lead"}
    users().send((row("u1"), user(1, stage=None)))
    assert server.users["u1"]["stage"] == "lead"
    users(on_null="clear").send((row("u1"), user(1, stage=None)))
    assert "stage" not in server.users["u1"]


def test_a_429_waits_for_the_end_of_the_window_on_the_clock(server: BrazeServer, house: House) -> None:
    server.window = (2, 1)
    house.reload(options={"batch_size": 1})
    house.want(people(*range(5)))
    result = run(house)
    assert (result.status, result.added) == ("done", 5)
    refused = len(server.requests) - result.added
    assert refused <= 10, "the pause holds for everybody: no storm of calls against a closed window"


def test_only_rows_that_changed_cost_data_points(server: BrazeServer, house: House) -> None:
    house.want(people(*range(10)))
    run(house)
    assert server.data_points == 20
    house.want(people(*range(9)) + people(9, stage="customer"))
    run(house)
    assert server.data_points == 22, "the row that changed, whole: two attributes"


def test_update_makes_nobody(server: BrazeServer, tmp_path: Path) -> None:
    server.users["u1"] = {}
    house = make_house(tmp_path, mode="update")
    house.want(people(1, 2))
    result = run(house)
    assert (result.added, result.refused, sorted(server.users)) == (1, {"not_found": 1}, ["u1"])


def test_a_removal_empties_our_attributes_and_makes_nobody_again(server: BrazeServer, house: House) -> None:
    server.users["u1"] = {"first_name": "Theirs"}
    house.want(people(1, 2, 3))
    run(house)
    del server.users["u2"]
    house.want(people(3))
    assert run(house).removed == 2
    assert server.users["u1"] == {"first_name": "Theirs", "email": "p1@example.com"}
    assert sorted(server.users) == ["u1", "u3"] and server.deleted == set()


def test_who_we_made_is_deleted_only_where_the_sync_says_so(server: BrazeServer, tmp_path: Path) -> None:
    server.users["u1"] = {"first_name": "Theirs"}
    house = make_house(tmp_path, options={"delete_created": True})
    house.want(people(1, 2, 3))
    run(house)
    house.want(people(3))
    run(house)
    assert server.deleted == {"u2"} and "stage" not in server.users["u1"]


def test_after_a_lost_answer_nobody_elses_user_is_deleted(server: BrazeServer, tmp_path: Path) -> None:
    server.users["u1"] = {"first_name": "Theirs"}
    house = make_house(tmp_path, options={"delete_created": True})
    server.loses = {("POST", "/users/track")}
    house.want(people(1))
    assert run(house).status == "incomplete" and server.users["u1"]["stage"] == "lead"
    server.loses = set()
    run(house)
    house.want(people(2))
    run(house)
    assert server.deleted == set() and server.users["u1"] == {"first_name": "Theirs", "email": "p1@example.com"}


def test_a_new_id_renames_the_user(server: BrazeServer, house: House) -> None:
    house.want(people(1, 2))
    run(house)
    server.users["u1"]["from_the_app"] = "kept"
    house.want(people(2) + people(1, external_id="new"))
    result = run(house)
    assert (result.changed, result.refused) == (1, {})
    assert server.users["new"]["from_the_app"] == "kept" and sorted(server.users) == ["new", "u2"]
    assert run(house).calls == 0


def test_a_rename_whose_answer_was_lost_is_no_second_person(server: BrazeServer, house: House) -> None:
    house.want(people(1))
    run(house)
    house.want(people(1, external_id="new"))
    server.loses = {("POST", "/users/external_ids/rename")}
    assert run(house).status == "incomplete" and list(server.users) == ["new"]
    server.loses = set()
    run(house)
    run(house)
    assert server.users == {"new": {"email": "p1@example.com", "stage": "lead"}}, "nothing emptied through the old id"


def test_a_new_id_that_is_taken_takes_the_old_user_in(server: BrazeServer, house: House) -> None:
    house.want(people(1))
    run(house)
    server.users["u1"]["from_the_app"] = "kept"
    server.users["new"] = {"first_name": "Zoë"}
    house.want(people(1, external_id="new"))
    assert run(house).refused == {}
    run(house)
    assert server.users["new"]["stage"] == "lead" and server.users["new"]["first_name"] == "Zoë"
    assert server.users.get("u1", {}).get("stage") is None


def test_a_merge_leaves_one_user(server: BrazeServer) -> None:
    server.users = {"u1": {"from_the_app": "kept"}, "u2": {"stage": "lead"}}
    told = users().remove(row("u1", Operation.REMOVE, merge_into="u2"))
    assert told["u1"].status == "accepted" and server.users == {"u2": {"from_the_app": "kept", "stage": "lead"}}


def test_an_erasure_deletes_whoever_made_the_user_50_at_a_time(server: BrazeServer) -> None:
    server.users = {f"u{n}": {} for n in range(120)}
    told = users().erase(*rows([f"u{n}" for n in range(119)], Operation.ERASE))
    assert len(told) == 119 and list(server.users) == ["u119"]
    assert calls(server, "/users/delete") == 3 and server.broken == []


def test_nobody_who_unsubscribed_is_subscribed_again(server: BrazeServer) -> None:
    server.users = {f"u{n}": {} for n in range(1, 5)}
    server.users["u2"]["email_subscribe"] = "unsubscribed"
    server.group = {"u1": "unsubscribed", "u3": "subscribed"}
    told = group().send(*((row(f"u{n}"), {"external_id": f"u{n}"}) for n in range(1, 6)))
    assert {key: outcome.error_class for key, outcome in told.items()} == {
        "u1": "opted_out",
        "u2": "opted_out",  # from all mail, whatever the group says
        "u3": None,
        "u4": None,
        "u5": "not_found",
    }
    assert server.group == {"u1": "unsubscribed", "u3": "subscribed", "u4": "subscribed"} and server.broken == []


def test_who_withdraws_is_unsubscribed_and_who_is_merged_is_not(server: BrazeServer) -> None:
    server.group = {"u1": "subscribed", "u2": "subscribed"}
    told = group().remove(*rows(["u1", "u3"], Operation.REMOVE), row("u2", Operation.REMOVE, merge_into="u9"))
    assert {outcome.status for outcome in told.values()} == {"accepted"}
    assert server.group == {"u1": "unsubscribed", "u2": "subscribed"}, "the state goes with the address, not the user"


def test_no_attribute_subscribes(server: BrazeServer, house: House) -> None:
    house.want(people(1, email_subscribe="subscribed"))
    with pytest.raises(ConfigurationError, match="would subscribe"):
        run(house)
    assert server.requests == []


def test_an_event_carries_its_key_because_it_may_come_twice(server: BrazeServer, tmp_path: Path) -> None:
    house = make_house(tmp_path, "events", key="event_id", mode="create", options={"event": "ordered"})
    event = {"customer_id": "c1", "event_id": "e1", "external_id": "u1", "time": "2026-03-01T10:00:00Z", "total": "9"}
    house.want([event])
    server.faults.drop_after = 1.0
    assert run(house).status == "incomplete"
    server.faults.drop_after = 0.0
    assert run(house).added == 1
    assert {str(e["properties"]) for e in server.events} == {str({"event_id": "e1", "total": "9"})}
    assert len(server.events) > 1, "Braze has no idempotency key"


def test_opt_outs_come_back_under_the_key_of_the_sync(server: BrazeServer) -> None:
    now = datetime.now(UTC)
    server.users = {
        "u1": {"email": "a@example.com"},
        "u2": {"email": "a@example.com"},
        "u3": {"email": "b@example.com"},
    }
    for email, days in (("a@example.com", 1), ("b@example.com", 3), ("old@example.com", 40)):
        at = (now - timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S +0000")
        server.unsubscribes.append((email, at))
    since = (now - timedelta(days=2)).replace(tzinfo=None)
    assert [(one.key, one.channel) for one in users().opt_outs(since)] == [("u1", "email"), ("u2", "email")]
    assert {one.key for one in users().opt_outs()} == {"u1", "u2", "u3"}
    assert calls(server, "/users/export/ids") == 3, "one for each address; the oldest lies before the first look"


def test_many_unsubscribes_are_read_page_by_page(server: BrazeServer) -> None:
    at = (datetime.now(UTC) - timedelta(hours=30)).strftime("%Y-%m-%d %H:%M:%S +0000")
    server.unsubscribes = [(f"p{n}@example.com", at) for n in range(501)]
    assert users(options={"exports_per_minute": 10_000}).opt_outs() == []
    assert calls(server, "/email/unsubscribes") == 2 and server.broken == []


def test_what_is_there_is_read_back_50_at_a_time(server: BrazeServer) -> None:
    server.users = {f"u{n}": {"stage": "lead", "theirs": 1} for n in range(120)}
    one = users()
    found = one.read(*rows([f"u{n}" for n in range(130)]))
    assert (len(found), one.calls) == (120, 3)
    assert found[0].fields == {"email": None, "stage": "lead"}


def test_maintenance_queues_and_that_is_a_yes(server: BrazeServer, house: House) -> None:
    server.queued = True
    house.want(people(1))
    assert run(house).added == 1


@pytest.mark.parametrize(
    ("object", "block", "message"),
    [
        ("people", {}, "users, events, subscription_groups"),
        ("users", {"key": "email"}, "known by external_id"),
        ("users", {"mode": "create"}, "go by mode upsert or update or mirror"),
        ("events", {"mode": "create"}, "need the column name, time"),
        ("subscription_groups", {"mode": "upsert"}, "subscription_group_id"),
        ("subscription_groups", {"mode": "upsert", "options": {"subscription_group_id": GROUP}}, "external_id alone"),
    ],
)
def test_wrong_configuration_is_told_before_anything_is_sent(
    server: BrazeServer, tmp_path: Path, object: str, block: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        house = make_house(tmp_path, object, **block)
        house.want(people(1))
        run(house)
    assert server.requests == []


def test_check_writes_nothing_and_names_the_group(server: BrazeServer, tmp_path: Path) -> None:
    assert check_destination("braze").status == "ok" and server.users == {}
    options = {"subscription_group_id": "gone"}
    house = make_house(tmp_path, "subscription_groups", mode="upsert", options=options)
    result = check_destination("braze", house.sync)
    assert result.status == "failed" and "subscription_group_id" in result.message
