"""Klaviyo's traps: jobs that end without their rows, NULL that clears here and not there, consent that comes back."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from one_destination import One, row, rows
from openapi import document
from reverse_etl_house import House, run, use
from servers.base import Answer, Request
from servers.klaviyo import LIST, KlaviyoServer

from reverse_etl import AuthenticationError, ConfigurationError, check_destination
from reverse_etl.destination import Operation, Row

JOBS = {"bulk_from": 1, "poll_seconds": 0.001}
FIELDS = ("email", "first_name", "phone_number", "stage")
PAST = "2026-01-02T03:04:05.000000Z"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[KlaviyoServer]:
    with KlaviyoServer() as server:
        use(monkeypatch, server)
        yield server


def make_house(folder: Path, object: str = "profiles", **block: Any) -> House:
    defaults = {"object": object, "key": "email", "mode": "mirror", "max_change_share": 1}
    house = House(folder, f"sync_klaviyo__{object}", **defaults | block)
    house.consent([(f"c{n}", "granted") for n in range(2_000)], channel=block.get("channel") or "email")
    return house


def people(*numbers: int, **more: Any) -> list[dict[str, Any]]:
    return [{"customer_id": f"c{n}", "email": f"p{n}@example.com", "stage": "lead"} | more for n in numbers]


def profiles(**options: Any) -> One:
    more = {"on_null": options.pop("on_null")} if "on_null" in options else {}
    return One("klaviyo", "profiles", "email", FIELDS, options=options, **more)


def consent(channel: str = "email", **options: Any) -> One:
    fields = ("email", "phone_number", "consented_at")
    return One("klaviyo", "consent", "email", fields, channel=channel, options={"list_id": LIST} | options)


def agreed(n: int, at: str | None = PAST, **more: Any) -> tuple[Row, dict[str, Any]]:
    return row(f"p{n}@example.com"), {"email": f"p{n}@example.com", "consented_at": at} | more


def posts(server: KlaviyoServer, path: str) -> list[Request]:
    return [request for request in server.requests if request.path == f"/api/{path}" and request.method == "POST"]


def classes(outcomes: dict[str, Any]) -> dict[str, str | None]:
    return {key.partition("@")[0]: outcome.error_class for key, outcome in outcomes.items()}


@pytest.mark.parametrize("names", ["place", "payload", "nothing"])
def test_the_errors_of_a_job_find_their_rows(server: KlaviyoServer, tmp_path: Path, names: str) -> None:
    server.pointers, server.nameless = names == "place", names == "nothing"
    house = make_house(tmp_path, options=JOBS)
    wanted = [one | {"phone_number": f"+49170123456{n}"} for n, one in enumerate(people(*range(12)), start=10)]
    wanted[3]["phone_number"] = wanted[8]["phone_number"] = "0170 12345678"
    house.want(wanted)
    result = run(house)
    refused = {"invalid": 2} if names != "nothing" else {"import_error": 2}
    assert (result.added, result.refused) == (10, refused)
    assert server.find(email="p3@example.com") is None and server.find(email="p4@example.com") is not None
    if names != "nothing":
        assert len(server.jobs) == 1


def test_a_job_that_tells_fewer_errors_than_it_counts_is_halved(server: KlaviyoServer, tmp_path: Path) -> None:
    server.tells = 1
    house = make_house(tmp_path, options=JOBS)
    wanted = [one | {"phone_number": None} for one in people(*range(4))]
    wanted[0]["phone_number"] = wanted[3]["phone_number"] = "0170"
    house.want(wanted)
    result = run(house)
    assert (result.added, result.refused) == (2, {"invalid": 2})


def test_many_errors_are_read_page_by_page(server: KlaviyoServer) -> None:
    bad = {"phone_number": "1"}
    records = [(row(f"p{n}@example.com"), {"email": f"p{n}@example.com"} | bad) for n in range(250)]
    good = (row("good@example.com"), {"email": "good@example.com", "phone_number": None})
    told = profiles(**JOBS).send(*records, good)
    assert sum(outcome.error_class == "invalid" for outcome in told.values()) == 250
    assert told["good@example.com"].status == "accepted"


def test_a_job_that_did_nothing_is_no_success(server: KlaviyoServer, tmp_path: Path) -> None:
    server.lazy_jobs = 1
    house = make_house(tmp_path, options=JOBS)
    house.want(people(1, 2))
    assert run(house).added == 2
    assert len(server.jobs) == 2 and len(server.profiles) == 2


def test_a_job_goes_on_while_nobody_can_look(server: KlaviyoServer, tmp_path: Path) -> None:
    busy = [Answer(429, {}, {"Retry-After": "0.001"})] * 8
    server.poll_answers = [Answer(503, b""), *busy, Answer(502, b"")]
    house = make_house(tmp_path, options=JOBS)
    house.want(people(1, 2))
    assert run(house).added == 2
    assert len(server.jobs) == 1, "to ask again is no reason to import again"


def test_a_job_that_never_ends_is_left_to_the_next_run(server: KlaviyoServer, tmp_path: Path) -> None:
    server.polls = 1_000_000
    house = make_house(tmp_path, options=JOBS | {"job_seconds": 0.02})
    house.want(people(1))
    result = run(house)
    assert result.status == "incomplete" and "job_unfinished" in str(result.message)


@pytest.mark.parametrize("options", [{}, JOBS])
def test_null_leaves_or_clears(server: KlaviyoServer, options: dict[str, Any]) -> None:
    """A job cannot clear: the server leaves what is NULL in one, as Klaviyo does."""
    person = server.add(email="p1@example.com", first_name="Zoë")
    person.properties = {"stage": "lead", "theirs": "kept"}
    empty = {"email": "p1@example.com", "first_name": None, "stage": None}
    known = row("p1@example.com", Operation.CHANGE, destination_id=person.id)
    assert profiles(**options).send((known, empty))["p1@example.com"].status == "accepted"
    assert (person.attributes["first_name"], person.properties["stage"]) == ("Zoë", "lead")
    profiles(**options, on_null="clear").send((known, empty))
    assert "first_name" not in person.attributes and person.properties == {"theirs": "kept"}


def test_a_big_batch_goes_in_jobs_of_five_megabytes(server: KlaviyoServer) -> None:
    stage = "é" * 1_500
    records = [(row(f"p{n}@example.com"), {"email": f"p{n}@example.com", "stage": stage}) for n in range(3_000)]
    told = profiles(poll_seconds=0.001).send(*records)
    sizes = [len(request.body) for request in posts(server, "profile-bulk-import-jobs")]
    assert len(told) == 3_000 and {outcome.status for outcome in told.values()} == {"accepted"}
    assert len(sizes) == 2 and max(sizes) <= 5_000_000 and server.broken == []


def test_a_profile_of_more_than_100_kilobytes_is_not_sent(server: KlaviyoServer) -> None:
    large = {"email": "p1@example.com", "stage": "x" * 100_000}
    assert classes(profiles().send((row("p1@example.com"), large))) == {"p1": "too_large"}
    assert server.requests == []


def test_few_go_one_by_one_and_many_in_a_job(server: KlaviyoServer, tmp_path: Path) -> None:
    house = make_house(tmp_path, options={"bulk_from": 10, "poll_seconds": 0.001})
    house.want(people(*range(9)))
    run(house)
    assert (len(posts(server, "profile-import")), len(server.jobs)) == (9, 0)
    house.want(people(*range(30)))
    assert run(house).added == 21
    assert (len(posts(server, "profile-import")), len(server.jobs)) == (9, 1)


def test_an_address_that_was_corrected_over_there_stays(server: KlaviyoServer, tmp_path: Path) -> None:
    house = make_house(tmp_path)
    house.want(people(1))
    run(house)
    (person,) = server.profiles.values()
    person.attributes["email"] = "correct@example.com"
    house.want(people(1, stage="customer"))
    assert run(house).changed == 1
    assert (person.attributes["email"], person.properties["stage"]) == ("correct@example.com", "customer")


def test_who_was_deleted_over_there_is_made_again(server: KlaviyoServer, tmp_path: Path) -> None:
    house = make_house(tmp_path)
    house.want(people(1))
    run(house)
    server.profiles.clear()
    house.want(people(1, stage="customer"))
    result = run(house)
    assert result.refused == {} and [p.properties["stage"] for p in server.profiles.values()] == ["customer"]


def test_a_new_address_keeps_the_profile(server: KlaviyoServer, tmp_path: Path) -> None:
    house = make_house(tmp_path)
    house.want(people(1, 2))
    run(house)
    before = server.find(email="p1@example.com")
    house.want(people(2) + people(1, email="new@example.com"))
    assert run(house).changed == 1
    assert server.find(email="new@example.com") is before and len(server.profiles) == 2


def test_a_removal_empties_our_properties_and_deletes_nobody(server: KlaviyoServer, tmp_path: Path) -> None:
    server.add(email="p1@example.com").properties["theirs"] = "kept"
    house = make_house(tmp_path)
    house.want(people(1, 2, 3))
    run(house)
    house.want(people(3))
    assert run(house).removed == 2
    assert [p.properties for p in server.profiles.values()] == [{"theirs": "kept"}, {}, {"stage": "lead"}]
    assert server.erased == []


def test_an_erasure_names_one_identifier_at_the_pace_of_its_endpoint(server: KlaviyoServer) -> None:
    server.keeps_rates = True
    people = [server.add(email=f"p{n}@example.com", phone_number=f"+491701234567{n}") for n in range(5)]
    keys = [str(person.attributes["email"]) for person in people]
    began = time.monotonic()
    told = profiles().erase(*rows(keys, Operation.ERASE, destination_id="whatever"))
    assert {outcome.status for outcome in told.values()} == {"accepted"}
    assert sorted(server.erased) == sorted(person.id for person in people)
    assert time.monotonic() - began >= 1, "3 calls a second"
    assert server.broken == []


def test_by_an_id_of_ours_the_erasure_looks_for_theirs(server: KlaviyoServer) -> None:
    person = server.add(external_id="X1", email="p1@example.com")
    one = One("klaviyo", "profiles", "external_id", ("external_id", "stage"))
    told = one.erase(row("X1", Operation.ERASE), row("X2", Operation.ERASE))
    assert {outcome.status for outcome in told.values()} == {"accepted"} and server.erased == [person.id]
    assert server.broken == []


@pytest.mark.parametrize("by", ["id", "key"])
def test_a_merge_keeps_one_profile(server: KlaviyoServer, by: str) -> None:
    old, kept = server.add(email="p1@example.com"), server.add(email="p2@example.com")
    old.suppression.append({"reason": "UNSUBSCRIBE", "timestamp": PAST})
    into = kept.id if by == "id" else "p2@example.com"
    leaver = row("p1@example.com", Operation.REMOVE, destination_id=old.id, merge_into=into)
    assert profiles().remove(leaver)["p1@example.com"].status == "accepted"
    assert list(server.profiles.values()) == [kept] and kept.suppression, "a refusal outlives a merge"


def test_a_list_touches_membership_alone(server: KlaviyoServer, tmp_path: Path) -> None:
    subscribed, refused = server.add(email="p1@example.com"), server.add(email="p2@example.com")
    subscribed.consent["email"], refused.consent["email"] = "SUBSCRIBED", "UNSUBSCRIBED"
    member = server.add(email="p3@example.com")
    server.lists[LIST].add(member.id)
    house = make_house(tmp_path, "lists", options={"list_id": LIST})
    house.want([{"customer_id": f"c{n}", "email": f"p{n}@example.com"} for n in (1, 2, 3, 4)])
    result = run(house)
    assert (result.added, result.refused) == (3, {"not_found": 1})
    house.want([{"customer_id": "c1", "email": "p1@example.com"}])
    run(house)
    assert server.lists[LIST] == {subscribed.id, member.id}, "p3 was a member before us"
    assert (subscribed.consent["email"], refused.consent["email"]) == ("SUBSCRIBED", "UNSUBSCRIBED")
    assert posts(server, "profile-subscription-bulk-create-jobs") == []


def test_a_member_with_a_new_address_is_followed(server: KlaviyoServer, tmp_path: Path) -> None:
    old, new = server.add(email="p1@example.com"), server.add(email="new@example.com")
    house = make_house(tmp_path, "lists", options={"list_id": LIST})
    house.want([{"customer_id": "c1", "email": "p1@example.com"}])
    run(house)
    assert server.lists[LIST] == {old.id}
    house.want([{"customer_id": "c1", "email": "new@example.com"}])
    assert run(house).refused == {}
    assert server.lists[LIST] == {new.id}


def test_calls_keep_to_the_rate_of_their_endpoint(server: KlaviyoServer, tmp_path: Path) -> None:
    server.keeps_rates = True
    for n in range(13):
        server.add(email=f"p{n}@example.com")
    house = make_house(tmp_path, "lists", options={"list_id": LIST, "batch_size": 1})
    house.want([{"customer_id": f"c{n}", "email": f"p{n}@example.com"} for n in range(13)])
    assert run(house).added == 13
    assert server.broken == []


def test_nobody_who_refused_is_subscribed_again(server: KlaviyoServer) -> None:
    """The subscribe job would lift each of these."""
    for n, reason in enumerate(("UNSUBSCRIBE", "SPAM_COMPLAINT", "USER_SUPPRESSED", "HARD_BOUNCE"), start=1):
        server.add(email=f"p{n}@example.com").suppression.append({"reason": reason, "timestamp": PAST})
    server.add(email="p5@example.com").consent["email"] = "UNSUBSCRIBED"
    entry = {"list_id": LIST, "reason": "USER_SUPPRESSED", "timestamp": PAST}
    server.add(email="p6@example.com").list_suppressions.append(entry)
    server.add(email="p7@example.com").list_suppressions.append(entry | {"list_id": "another"})
    told = consent().send(*(agreed(n) for n in range(1, 9)))
    assert classes(told) == {
        **{f"p{n}": "opted_out" for n in (1, 2, 3, 5, 6)},
        "p4": "undeliverable",
        "p7": None,
        "p8": None,
    }
    assert server.broken == []
    subscribed = {p.attributes["email"] for p in server.profiles.values() if p.consent.get("email") == "SUBSCRIBED"}
    assert subscribed == {"p7@example.com", "p8@example.com"}


def test_consent_has_a_date_in_the_past_and_sends_no_mail(server: KlaviyoServer) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    told = consent().send(agreed(1), agreed(2, None), agreed(3, tomorrow))
    assert classes(told) == {"p1": None, "p2": "no_consented_at", "p3": "consented_at_in_future"}
    (person,) = server.profiles.values()
    assert datetime.fromisoformat(person.consented_at["email"]) == datetime.fromisoformat(PAST)
    assert server.opt_in_mails == [] and person.id in server.lists[LIST]


def test_consent_is_for_the_channel_it_was_given_for(server: KlaviyoServer) -> None:
    number = "+4917012345678"
    told = consent("sms").send(agreed(1, phone_number=number), agreed(2), agreed(3, phone_number="0170"))
    assert classes(told) == {"p1": None, "p2": "no_phone_number", "p3": "invalid"}
    (person,) = server.profiles.values()
    assert person.consent == {"sms": "SUBSCRIBED"} and person.attributes["phone_number"] == number


def test_a_withdrawal_unsubscribes_from_the_list_and_nobody_from_everything(
    server: KlaviyoServer, tmp_path: Path
) -> None:
    house = make_house(tmp_path, "consent", mode="upsert", channel="email", options={"list_id": LIST})
    wanted = [{"customer_id": f"c{n}", "email": f"p{n}@example.com", "consented_at": PAST} for n in (1, 2, 3)]
    house.want(wanted)
    run(house)
    one, two, three = (server.find(email=f"p{n}@example.com") for n in (1, 2, 3))
    assert one is not None and two is not None and three is not None
    server.lists[LIST].discard(two.id)  # somebody took them off the list: the job would unsubscribe them everywhere
    house.consent([("c1", "withdrawn"), ("c2", "withdrawn"), ("c3", "granted")], channel="email")
    assert run(house).removed == 2
    assert [entry["list_id"] for entry in one.list_suppressions] == [LIST] and one.suppression == []
    assert (two.consent["email"], two.suppression, two.list_suppressions) == ("SUBSCRIBED", [], [])
    assert three.consent["email"] == "SUBSCRIBED"


def test_who_leaves_the_model_has_withdrawn_nothing(server: KlaviyoServer, tmp_path: Path) -> None:
    house = make_house(tmp_path, "consent", mode="upsert", channel="email", options={"list_id": LIST})
    house.want([{"customer_id": "c1", "email": "p1@example.com", "consented_at": PAST}])
    run(house)
    house.want([{"customer_id": "c2", "email": "p2@example.com", "consented_at": PAST}])
    run(house)
    assert posts(server, "profile-subscription-bulk-delete-jobs") == []


def test_everywhere_is_said_in_so_many_words_and_makes_no_profiles(server: KlaviyoServer) -> None:
    person = server.add(email="p1@example.com")
    person.consent["email"] = "SUBSCRIBED"
    everywhere = consent(unsubscribe="everywhere")
    leavers = [row(f"p{n}@example.com", Operation.REMOVE, destination_id="x") for n in (1, 2)]
    assert len(everywhere.remove(*leavers)) == 2
    assert person.consent["email"] == "UNSUBSCRIBED" and list(server.profiles.values()) == [person]


def test_an_event_is_there_once_whatever_happens_to_the_answer(server: KlaviyoServer, tmp_path: Path) -> None:
    house = make_house(tmp_path, "events", key="order_id", mode="create", options={"metric": "Ordered"})
    same = {"email": "p1@example.com", "time": "2026-03-01T10:00:00Z", "value": 9.5}
    house.want([{"customer_id": "c1", "order_id": f"o{n}", **same} for n in range(5)])
    server.faults.drop_after = 1.0
    assert run(house).status == "incomplete"
    server.faults.drop_after = 0.0
    assert run(house).added == 5
    assert len(server.events) == 5 and len({event["unique_id"] for event in server.events}) == 5
    assert server.broken == []


def test_one_bad_event_keeps_no_other_back(server: KlaviyoServer) -> None:
    one = One(
        "klaviyo", "events", "order_id", ("order_id", "email", "time"), mode="create", options={"metric": "Ordered"}
    )
    event = {"email": "p1@example.com", "time": "2026-03-01T10:00:00Z"}
    told = one.send(
        (row("o1"), event | {"order_id": "o1"}),
        (row("o2"), event | {"order_id": "o2", "time": "yesterday"}),
        (row("o3"), event | {"order_id": "o3", "email": None}),
        (row("o4"), event | {"order_id": "o4"}),
    )
    assert classes(told) == {"o1": None, "o2": "invalid", "o3": "no_profile", "o4": None}
    assert [event["properties"]["order_id"] for event in server.events] == ["o1", "o4"]


def test_opt_outs_are_refusals_since_a_time(server: KlaviyoServer) -> None:
    now = datetime.now(UTC)
    old, fresh = (now - timedelta(days=3)).isoformat(), (now - timedelta(hours=1)).isoformat()
    for n, (reason, at) in enumerate(
        [("UNSUBSCRIBE", fresh), ("UNSUBSCRIBE", old), ("HARD_BOUNCE", fresh), ("SPAM_COMPLAINT", fresh)]
    ):
        server.add(email=f"p{n}@example.com").suppression.append({"reason": reason, "timestamp": at})
    entry = {"list_id": LIST, "reason": "USER_SUPPRESSED", "timestamp": fresh}
    server.add(email="p8@example.com").list_suppressions.append(entry)
    server.add(email="p9@example.com").list_suppressions.append(entry | {"list_id": "another"})
    since = (now - timedelta(days=1)).replace(tzinfo=None)
    keys = {one.key for one in profiles().opt_outs(since)}
    assert keys == {"p0@example.com", "p3@example.com"}
    assert {one.key for one in consent().opt_outs(since)} == keys | {"p8@example.com"}
    assert {one.key for one in profiles().opt_outs()} == keys | {"p1@example.com"}


def test_opt_outs_by_sms_are_found_among_who_changed(server: KlaviyoServer) -> None:
    now = datetime.now(UTC)
    person = server.add(email="p1@example.com")
    person.consent["sms"], person.consented_at["sms"] = "UNSUBSCRIBED", now.isoformat()
    server.add(email="p2@example.com")
    (told,) = consent("sms").opt_outs((now - timedelta(hours=1)).replace(tzinfo=None))
    assert (told.key, told.channel) == ("p1@example.com", "sms")


def test_what_is_there_can_be_read_back(server: KlaviyoServer) -> None:
    person = server.add(email="P1@example.com", first_name="Zoë")
    person.properties = {"stage": "lead", "theirs": 1}
    (found,) = profiles().read(row("p1@example.com"), row("p2@example.com"))
    assert (found.key, found.destination_id) == ("p1@example.com", person.id)
    assert found.fields == {"email": "P1@example.com", "first_name": "Zoë", "phone_number": None, "stage": "lead"}
    person.consent["email"] = "SUBSCRIBED"
    assert [found.key for found in consent().read(row("p1@example.com"))] == ["p1@example.com"]


def test_a_look_up_asks_for_a_hundred_at_once(server: KlaviyoServer, tmp_path: Path) -> None:
    for n in range(250):
        server.add(email=f"P{n}@example.com")
    house = make_house(tmp_path, mode="update", options=JOBS)
    house.want(people(*range(251)))
    result = run(house)
    assert (result.added, result.refused) == (250, {"not_found": 1})
    asked = [r for r in server.requests if "any(" in r.query.get("filter", "")]
    assert len(asked) == 3 and len(server.profiles) == 250 and server.broken == []


@pytest.mark.parametrize(
    ("object", "block", "fields", "message"),
    [
        ("people", {}, {}, "profiles, lists, consent, events"),
        ("profiles", {"key": "stage"}, {}, "email or phone_number or external_id"),
        ("lists", {}, {}, "option list_id"),
        ("lists", {"options": {"list_id": LIST}}, {"stage": "x"}, "take email alone"),
        ("consent", {"mode": "mirror", "channel": "email"}, {}, "go by mode upsert"),
        ("consent", {"mode": "upsert"}, {}, "set channel"),
        ("consent", {"mode": "upsert", "channel": "email"}, {}, "unsubscribes from everything"),
        ("consent", {"mode": "upsert", "channel": "email", "options": {"list_id": LIST}}, {}, "consented_at"),
        ("events", {"mode": "create"}, {"time": PAST}, "column metric"),
        ("events", {"mode": "upsert"}, {}, "go by mode create"),
    ],
)
def test_wrong_configuration_is_told_before_anything_is_sent(
    server: KlaviyoServer, tmp_path: Path, object: str, block: dict[str, Any], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        house = make_house(tmp_path, object, **block)
        house.want([{"customer_id": "c1", "email": "p1@example.com"} | fields])
        run(house)
    assert server.requests == []


def test_a_key_without_a_scope_is_told_which_call_it_may_not_make(server: KlaviyoServer, tmp_path: Path) -> None:
    server.denied = {"profile-import"}
    house = make_house(tmp_path)
    house.want(people(1))
    with pytest.raises(AuthenticationError, match=r"no right to POST profile-import.*KINSHIP_KLAVIYO_KEY"):
        run(house)


def test_check_names_the_list(server: KlaviyoServer, tmp_path: Path) -> None:
    house = make_house(tmp_path, "lists", options={"list_id": "gone"})
    assert "no list" in check_destination("klaviyo", house.sync).message
    house.reload(options={"list_id": LIST})
    assert check_destination("klaviyo", house.sync).status == "ok"
    assert check_destination("klaviyo").status == "ok"


def test_every_request_and_every_answer_fits_the_vendors_document(server: KlaviyoServer) -> None:
    document("klaviyo/stable.json")  # or skip before the work
    some = [server.add(email=f"p{n}@example.com") for n in range(4)]
    location = {"city": "Lyon", "zip": "69001"}
    full = {"email": "p8@example.com", "first_name": "Zoë", "location": location, "stage": "lead", "tags": ["a", "b"]}
    fields = (*full, "phone_number")
    for options in ({}, JOBS):
        for on_null in ("leave", "clear"):
            one = One("klaviyo", "profiles", "email", fields, options=options, on_null=on_null)
            emptied = full | {"email": "p0@example.com", "location": None, "stage": None, "phone_number": None}
            known = row("p0@example.com", Operation.CHANGE, destination_id=some[0].id)
            told = one.send((row("p8@example.com"), full | {"phone_number": None}), (known, emptied))
            assert {outcome.status for outcome in told.values()} == {"accepted"}
    one.read(known)
    one.opt_outs(datetime(2026, 1, 1))
    one.remove(row("p0@example.com", Operation.REMOVE, destination_id=some[0].id))
    one.remove(row("p1@example.com", Operation.REMOVE, destination_id=some[1].id, merge_into=some[2].id))
    one.erase(row("p3@example.com", Operation.ERASE))
    lists = One("klaviyo", "lists", "email", ("email",), options={"list_id": LIST})
    lists.send((row("p2@example.com"), {"email": "p2@example.com"}))
    lists.read(row("p2@example.com"))
    leaver = row("p2@example.com", Operation.REMOVE, destination_id=some[2].id, created_by_us=True)
    for kind in (consent(custom_source="Till"), consent("sms", list_id=None, unsubscribe="everywhere")):
        kind.send(agreed(2, phone_number="+4917012345678"), agreed(9, phone_number="+4917012345679"))
        kind.opt_outs(datetime(2026, 1, 1))
        kind.remove(leaver)
    lists.remove(leaver)
    order = {"order_id": "o1", "email": "p0@example.com", "time": PAST, "value": 9.5, "value_currency": "EUR", "n": 1}
    events = One("klaviyo", "events", "order_id", tuple(order), mode="create", options={"metric": "Ordered"})
    events.send((row("o1"), order))
    for tool in ("lists", "profiles"):
        check = One("klaviyo", tool, "email", ("email",), options={"list_id": LIST} if tool == "lists" else {})
        check.check()
    told = document("klaviyo/stable.json")
    assert [fault for request in server.requests for fault in told.faults(request)] == []
    assert [fault for request, answer in server.answers for fault in told.faults_of_answer(request, answer)] == []
    assert len({(request.method, request.path.split("/")[2]) for request in server.requests}) == 13, "all endpoints"
    assert server.broken == []


def test_the_document_would_find_a_misspelt_request() -> None:
    content = {"data": {"type": "profile", "attributes": {"email": "p1@example.com", "stage": "x"}}}
    headers = {"content-type": "application/vnd.api+json", "revision": "2026-07-15"}
    wrong = Request("POST", "/api/profile-import", {"sort": "email"}, headers, json.dumps(content).encode())
    faults = document("klaviyo/stable.json").faults(wrong)
    assert len(faults) == 2 and "sort" in faults[0] and "data/attributes" in faults[1]
    assert document("klaviyo/stable.json").faults(Request("GET", "/api/nothing", {}, headers, b""))
