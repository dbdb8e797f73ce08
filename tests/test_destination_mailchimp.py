"""Mailchimp's traps: what a success hides, whom a status would re-subscribe, what an archive forgets."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from one_destination import One, row
from reverse_etl_house import House, run, use
from servers.base import Answer
from servers.mailchimp import LIST, SEGMENT, MailchimpServer

from reverse_etl import AuthenticationError, ConfigurationError, check_destination
from reverse_etl.destination import Operation
from reverse_etl.destinations.mailchimp.client import Client
from reverse_etl.pace import Meter

FIELDS = ("email_address", "FNAME", "STAGE")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailchimpServer]:
    with MailchimpServer() as server:
        use(monkeypatch, server)
        yield server


def make_house(folder: Path, **block: Any) -> House:
    defaults = {"object": "members", "key": "email_address", "mode": "mirror", "max_change_share": 1}
    options = {"list_id": LIST} | block.pop("options", {})
    house = House(folder, "sync_mailchimp__test", **defaults | {"options": options} | block)
    house.consent([(f"c{n}", "granted") for n in range(2_000)])
    return house


@pytest.fixture
def house(tmp_path: Path, server: MailchimpServer) -> House:
    return make_house(tmp_path)


def people(*numbers: int, stage: str | None = "lead") -> list[dict[str, Any]]:
    return [
        {"customer_id": f"c{n}", "email_address": f"p{n}@example.com", "FNAME": "Zoë", "STAGE": stage} for n in numbers
    ]


def members(**options: Any) -> One:
    return One("mailchimp", "members", "email_address", FIELDS, options={"list_id": LIST, **options})


def labels(object: str, **options: Any) -> One:
    return One("mailchimp", object, "email_address", ("email_address",), options={"list_id": LIST, **options})


def member(n: int, stage: str | None = "lead") -> dict[str, Any]:
    return {"email_address": f"p{n}@example.com", "FNAME": "Zoë", "STAGE": stage}


def test_a_success_with_errors_is_read_row_by_row(server: MailchimpServer) -> None:
    server.add("p2@example.com")
    assert members().erase(row("p2@example.com"))["p2@example.com"].status == "accepted"
    told = members().send(
        (row("p1@example.com"), member(1)),
        (row("p2@example.com"), member(2)),
        (row("nobody"), member(3) | {"email_address": "nobody"}),
        (row("p4@example.com"), member(4, "x" * 300)),
    )
    assert {key: outcome.error_class for key, outcome in told.items()} == {
        "p1@example.com": None,
        "p2@example.com": "erased",  # deleted for good: the person has to sign up
        "nobody": "invalid_email",
        "p4@example.com": "invalid_field",
    }


def test_who_unsubscribed_stays_so_and_is_told_as_an_opt_out(server: MailchimpServer, house: House) -> None:
    server.add("p1@example.com", "unsubscribed")
    server.add("p2@example.com", "cleaned")
    house.want(people(1, 2, 3))
    result = run(house)
    assert (result.added, result.opted_out, result.refused) == (1, 1, {"cleaned": 1})
    told = members().send((row("p1@example.com"), member(1)))  # had nobody asked before
    assert told["p1@example.com"].error_class == "opted_out"
    statuses = {m.email: m.status for m in server.members.values()}
    assert statuses == {
        "p1@example.com": "unsubscribed",
        "p2@example.com": "cleaned",
        "p3@example.com": "subscribed",
    }
    assert server.broken == []


def test_a_proxy_without_json_slows_down_and_refuses_no_credentials(server: MailchimpServer, house: House) -> None:
    html = {"Content-Type": "text/html"}
    server.throttle = [Answer(403, b"<html>", html), Answer(429, b"", html), Answer(403, b"", html)]
    house.want(people(1, 2))
    assert run(house).added == 2


def test_a_403_of_mailchimp_itself_refuses_the_credentials(server: MailchimpServer, house: House) -> None:
    server.throttle = [Answer(403, {"title": "User Disabled", "status": 403, "detail": "of p1@example.com"})]
    house.want(people(1))
    with pytest.raises(AuthenticationError, match="user_disabled"):
        run(house)


def test_members_go_in_hundreds_over_few_connections(server: MailchimpServer, house: House) -> None:
    house.reload(options={"list_id": LIST, "batch_size": 40})
    server.faults.latency = 0.02
    house.want(people(*range(1_000)))
    result = run(house)
    assert (result.added, len(server.members)) == (1_000, 1_000)
    assert 1 < server.most_connections <= 10 and server.broken == []


def test_a_removal_archives_who_we_made_and_empties_our_fields_of_others(server: MailchimpServer, house: House) -> None:
    server.add("p1@example.com", FNAME="Theirs", LNAME="Theirs")
    house.want(people(1, 2, 3))
    run(house)
    server.get("p3@example.com").status = "unsubscribed"
    house.want(people(4))
    assert run(house).removed == 3
    theirs, ours, refused = (server.get(f"p{n}@example.com") for n in (1, 2, 3))
    assert (theirs.status, theirs.fields["STAGE"], theirs.fields["FNAME"]) == ("subscribed", "", "Zoë")
    assert ours.status == "archived"
    assert refused.status == "unsubscribed", "an archive would hide that this person refused"


def test_who_comes_back_is_brought_back_only_if_we_archived_them(server: MailchimpServer, house: House) -> None:
    house.want(people(1, 2, 3))
    run(house)
    house.want(people(3))
    run(house)
    assert server.get("p1@example.com").status == "archived"
    server.add("p5@example.com", "archived")  # by somebody else: who knows what they had said
    house.want(people(1, 2, 3, 5))
    result = run(house)
    assert (result.added, result.refused) == (2, {"archived": 1})
    assert server.get("p1@example.com").status == "subscribed" and server.get("p1@example.com").tags == set()
    assert server.get("p5@example.com").status == "archived"
    house.want(people(3))
    run(house)
    assert server.get("p2@example.com").status == "archived", "still ours"
    assert server.broken == []


def test_who_refused_while_archived_is_not_brought_back(server: MailchimpServer, house: House) -> None:
    house.want(people(1, 2))
    run(house)
    house.want(people(2))
    run(house)
    server.get("p1@example.com").said_no = True
    house.want(people(1, 2))
    assert run(house).refused == {"opted_out": 1}
    assert server.get("p1@example.com").status == "archived"


def test_after_a_lost_answer_nobody_elses_member_counts_as_ours(server: MailchimpServer, house: House) -> None:
    server.add("p1@example.com", FNAME="Theirs")
    server.loses = {("POST", f"/3.0/lists/{LIST}")}
    house.want(people(1))
    assert run(house).status == "incomplete" and server.get("p1@example.com").fields["STAGE"] == "lead"
    server.loses = set()
    assert run(house).added == 1
    house.want(people(2))
    run(house)
    assert server.get("p1@example.com").status == "subscribed"


def test_who_is_mentioned_nowhere_in_the_answer_is_not_accepted(server: MailchimpServer, house: House) -> None:
    server.omit = {"p2@example.com"}
    house.want(people(1, 2, 3))
    result = run(house)
    assert (result.added, result.refused) == (2, {"no_outcome": 1})
    assert len(house.query_ledger("select key from accepted")) == 2


def test_null_clears_or_leaves(server: MailchimpServer, tmp_path: Path) -> None:
    for on_null, kept in (("leave", "lead"), ("clear", "")):
        folder = tmp_path / on_null
        folder.mkdir()
        house = make_house(folder, on_null=on_null)
        house.want(people(1))
        run(house)
        house.want(people(1, stage=None) + people(2))
        run(house)
        assert server.get("p1@example.com").fields["STAGE"] == kept


def test_a_new_address_keeps_the_member_and_its_history(server: MailchimpServer, house: House) -> None:
    house.want(people(1, 2))
    run(house)
    contact = server.get("p1@example.com").contact_id
    moved = people(1)[0] | {"email_address": "new@example.com"}
    house.want([moved, *people(2)])
    result = run(house)
    assert (result.changed, result.refused) == (1, {})
    assert server.get("new@example.com").contact_id == contact and len(server.members) == 2


def test_a_new_address_that_is_a_member_already_leaves_no_twin(server: MailchimpServer, house: House) -> None:
    house.want(people(1, 2))
    run(house)
    server.add("new@example.com", FNAME="Theirs")
    house.want([people(1)[0] | {"email_address": "new@example.com"}, *people(2)])
    assert run(house).refused == {}
    run(house)
    assert server.get("new@example.com").fields["STAGE"] == "lead"
    assert server.get("p1@example.com").status == "archived" or not server.get("p1@example.com").fields["STAGE"]


def test_update_makes_nobody(server: MailchimpServer, tmp_path: Path) -> None:
    server.add("p1@example.com")
    house = make_house(tmp_path, mode="update")
    house.want(people(1, 2))
    result = run(house)
    assert (result.added, result.refused) == (1, {"not_found": 1})
    assert len(server.members) == 1 and server.get("p1@example.com").fields["STAGE"] == "lead"


def test_opt_outs_are_told_page_by_page_since_a_time(server: MailchimpServer) -> None:
    now = datetime.now(UTC)
    for n in range(1_100):
        server.add(f"p{n}@example.com", "unsubscribed").changed = now - timedelta(hours=n)
    server.add("happy@example.com")
    told = members().opt_outs(None)
    assert len(told) == 1_100 and {one.channel for one in told} == {"email"}
    recent = members().opt_outs((now - timedelta(hours=1.5)).replace(tzinfo=None))
    assert {one.key for one in recent} == {"p0@example.com", "p1@example.com"}


def test_what_is_there_can_be_read_back(server: MailchimpServer) -> None:
    server.add("p1@example.com", STAGE="lead", LNAME="not ours")
    server.add("p2@example.com", "archived", STAGE="lead")
    (found,) = members().read(row("p1@example.com"), row("p2@example.com"), row("p3@example.com"))
    assert found.fields == {"email_address": "p1@example.com", "FNAME": "", "STAGE": "lead"}


def test_labels_need_members_and_touch_no_subscription(server: MailchimpServer) -> None:
    server.add("p1@example.com", "unsubscribed")
    server.add("p2@example.com").tags.add("vip")
    for one in (labels("tags", tag="vip"), labels("segments", segment_id=SEGMENT)):
        told = one.send(*((row(f"p{n}@example.com"), {"email_address": f"p{n}@example.com"}) for n in (1, 2, 3)))
        assert {key: outcome.error_class for key, outcome in told.items()} == {
            "p1@example.com": None,
            "p2@example.com": None,  # was in it: the answer mentions it nowhere
            "p3@example.com": "not_found",
        }
        assert server.get("p1@example.com").tags == {"vip"}
        assert [found.key for found in one.read(row("p1@example.com"), row("p3@example.com"))] == ["p1@example.com"]
        leavers = [row(f"p{n}@example.com", Operation.REMOVE) for n in (1, 3)]
        assert {outcome.status for outcome in one.remove(*leavers).values()} == {"accepted"}
        assert server.get("p1@example.com").tags == set()
    assert server.get("p1@example.com").status == "unsubscribed" and server.broken == []


def test_the_data_centre_is_the_end_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KINSHIP_MAILCHIMP_URL", raising=False)
    monkeypatch.setenv("KINSHIP_MAILCHIMP_KEY", "0123456789abcdef-us7")

    async def address() -> str:
        client = Client(LIST, Meter(), 1)
        try:
            return str(client._http._client.base_url)
        finally:
            await client.close()

    assert asyncio.run(address()) == "https://us7.api.mailchimp.com/3.0/"
    monkeypatch.setenv("KINSHIP_MAILCHIMP_KEY", "0123456789abcdef")
    with pytest.raises(ConfigurationError, match="data centre") as told:
        asyncio.run(address())
    assert "0123456789abcdef" not in str(told.value)


@pytest.mark.parametrize(
    ("block", "fields", "message"),
    [
        ({}, {"status": "subscribed"}, "re-subscribe"),
        ({}, {"STAEG": "x"}, "no merge field.*STAGE"),
        ({"key": "STAGE"}, {}, "knows members by email_address"),
        ({"object": "lists"}, {}, "members, tags, segments"),
        ({"object": "tags"}, {}, "need the option tag"),
        ({"object": "segments", "options": {"segment_id": 1}}, {}, "email_address alone"),
        ({"options": {"list_id": ""}}, {}, "need the option list_id"),
    ],
)
def test_wrong_configuration_is_told_before_anything_is_sent(
    server: MailchimpServer, tmp_path: Path, block: dict[str, Any], fields: dict[str, Any], message: str
) -> None:
    house = make_house(tmp_path, **{name: value for name, value in block.items() if value != {"list_id": ""}})
    if block.get("options") == {"list_id": ""}:
        house.reload(options={})
    house.want([one | fields for one in people(1)])
    with pytest.raises(ConfigurationError, match=message):
        run(house)
    assert server.members == {}


def test_check_names_the_audience_the_segment_and_the_field_that_is_asked_for(
    server: MailchimpServer, tmp_path: Path
) -> None:
    house = make_house(tmp_path)
    assert "Readers" in check_destination("mailchimp", house.sync).message
    house.reload(options={"list_id": "other"})
    assert "no audience" in check_destination("mailchimp", house.sync).message
    house.reload(object="segments", options={"list_id": LIST, "segment_id": 1})
    assert "no static segment" in check_destination("mailchimp", house.sync).message
    house.reload(object="members", options={"list_id": LIST})
    server.required = {"LNAME"}
    house.want(people(1))
    with pytest.raises(ConfigurationError, match="asks for LNAME"):
        run(house)
