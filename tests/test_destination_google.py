"""Google Customer Match: results that come later, members refused by position, and consent that is said."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_house import House, use
from servers.direct import answer, batch, target
from servers.google import ACCOUNT, CANNOT, LIST, WILL_NOT, GoogleServer, key_file

from reverse_etl import AuthenticationError, ConfigurationError, check_destination, run_sync
from reverse_etl.delivery import Patience
from reverse_etl.destination import Operation
from reverse_etl.destinations.google import Google
from reverse_etl.errors import Rejected, Retryable
from reverse_etl.hashing import for_google

OPTIONS = {"account": ACCOUNT, "accept_terms": True, "first_look_seconds": 0.001, "longest_look_seconds": 0.002}
FIELDS = ("email_address", "given_name", "family_name", "region_code", "postal_code")
ONCE = Patience(attempts=1, first_wait=0.001)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleServer]:
    with GoogleServer() as server:
        use(monkeypatch, server)
        yield server


@pytest.fixture
def house(server: GoogleServer, tmp_path: Path) -> House:
    return audience(tmp_path)


def audience(folder: Path, **options: Any) -> House:
    house = House(folder, "sync_google__vips", object=LIST, key="email_address", mode="mirror", max_change_share=1,
                  options={**OPTIONS, **options})  # fmt: skip
    house.consent([("c1", "granted"), ("c2", "granted")])
    house.want([{"customer_id": f"c{n}", "email_address": f"p{n}@example.com"} for n in (1, 2)])
    return house


def goal(folder: Path, *fields: str, **changes: Any) -> Any:
    values = {"object": LIST, "key": fields[0], "fields": fields, "options": OPTIONS, "state": folder, **changes}
    return target(Google, **values)


def send(folder: Path, rows: list[dict[str, Any]], operation: Operation = Operation.ADD) -> dict[str, str | None]:
    """The error class of every row, None for those accepted."""
    fields = tuple(rows[0])
    outcomes = answer(Google, goal(folder, *fields), batch(fields[0], rows, operation))
    return {outcome.key: outcome.error_class for outcome in outcomes}


def people(count: int, bad: dict[int, str]) -> list[dict[str, Any]]:
    return [
        {"email_address": f"p{n}@example.com", "given_name": "Ana", "family_name": "O'Neil", "region_code": "DE",
         "postal_code": bad.get(n, "10115")}
        for n in range(count)
    ]  # fmt: skip


def asked(server: GoogleServer, method: str) -> list[dict[str, Any]]:
    return [request.json() for request in server.requests if request.path.endswith(f":{method}")]


def test_members_that_are_refused_by_position_do_not_cost_a_search(server: GoogleServer, tmp_path: Path) -> None:
    outcomes = send(tmp_path, people(1000, {3: CANNOT, 500: CANNOT, 999: CANNOT}))
    assert {key for key, error in outcomes.items() if error == "invalid_postal_code"} == {
        "p3@example.com", "p500@example.com", "p999@example.com"}  # fmt: skip
    assert len(outcomes) == 1000 and len(server.members) == 997
    assert len(asked(server, "ingest")) == 2


def test_members_that_fail_later_are_found(server: GoogleServer, tmp_path: Path) -> None:
    outcomes = send(tmp_path, people(64, {5: WILL_NOT, 40: WILL_NOT}))
    assert {key: error for key, error in outcomes.items() if error} == {
        "p5@example.com": "denied_consent", "p40@example.com": "denied_consent"}  # fmt: skip
    assert len(outcomes) == 64 and len(server.members) == 62


def test_rows_are_accepted_when_google_says_so_and_not_sent_twice(server: GoogleServer, tmp_path: Path) -> None:
    house = audience(tmp_path, wait_seconds=0)
    server.looks = 2
    first = run_sync(house.sync, house.settings, patience=ONCE)
    assert (first.status, first.added) == ("incomplete", 0)
    note = tmp_path / "requests" / "sync_google__vips.json"
    assert b"example.com" not in note.read_bytes()
    second = run_sync(house.sync, house.settings, patience=ONCE)
    assert (second.status, second.added) == ("incomplete", 0)
    third = run_sync(house.sync, house.settings, patience=ONCE)
    assert (third.status, third.added) == ("done", 2)
    assert len(asked(server, "ingest")) == 1 and not note.exists()


def test_a_removal_waits_for_what_is_still_worked_on(server: GoogleServer, tmp_path: Path) -> None:
    house = audience(tmp_path, wait_seconds=0)
    server.looks = 2
    run_sync(house.sync, house.settings, patience=ONCE)
    house.consent([("c1", "withdrawn"), ("c2", "granted")])
    assert run_sync(house.sync, house.settings, patience=ONCE).status == "incomplete"
    assert asked(server, "remove") == []
    server.looks = 0
    result = run_sync(house.sync, house.settings, patience=ONCE)
    assert (result.status, result.removed, result.added) == ("done", 1, 1)
    assert set(server.members) == {for_google("email_address", "p2@example.com")}


def test_a_request_that_google_forgot_is_made_again(server: GoogleServer, tmp_path: Path) -> None:
    house = audience(tmp_path, wait_seconds=0)
    server.looks = 2
    run_sync(house.sync, house.settings, patience=ONCE)
    server.forgets = True
    run_sync(house.sync, house.settings, patience=ONCE)
    server.forgets, server.looks = False, 0
    assert run_sync(house.sync, house.settings, patience=ONCE).status == "done"
    assert len(server.members) == 2


def test_a_note_that_is_damaged_is_told(server: GoogleServer, tmp_path: Path) -> None:
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "sync_google__vips.json").write_text("{")
    house = audience(tmp_path)
    with pytest.raises(ConfigurationError, match="is damaged"):
        run_sync(house.sync, house.settings)


def test_without_confirmation_the_answer_is_enough(server: GoogleServer, tmp_path: Path) -> None:
    house = audience(tmp_path, confirm=False)
    server.looks = 1000
    assert run_sync(house.sync, house.settings).added == 2
    assert not (tmp_path / "requests").exists()


def test_the_request_says_what_the_gate_has_checked(server: GoogleServer, house: House) -> None:
    run_sync(house.sync, house.settings)
    house.want([{"customer_id": "c1", "email_address": "p1@example.com"}])
    run_sync(house.sync, house.settings)
    (ingest,), (remove,) = asked(server, "ingest"), asked(server, "remove")
    assert ingest["consent"] == {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"}
    assert ingest["termsOfService"] == {"customerMatchTermsOfServiceStatus": "ACCEPTED"}
    assert (ingest["encoding"], ingest["validateOnly"]) == ("HEX", False)
    assert set(remove) == {"destinations", "audienceMembers", "encoding", "validateOnly"}
    assert ingest["destinations"] == [
        {"operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": ACCOUNT}, "productDestinationId": LIST}
    ]


def test_identifiers_are_many_each_once_and_an_address_whole(server: GoogleServer, tmp_path: Path) -> None:
    row = {
        "email_address": "A.B+x@gmail.com",
        "phone_number": ["+49 170 1234567", "0049 170 1234567", "0170 1234567", None],
        "given_name": "Ana", "family_name": "Brown", "region_code": "us", "postal_code": None,
    }  # fmt: skip
    whole = {**row, "email_address": "c@example.com", "postal_code": " 94303 "}
    assert set(send(tmp_path, [row, whole]).values()) == {None}
    first, second = (member["userData"]["userIdentifiers"] for member in asked(server, "ingest")[0]["audienceMembers"])
    assert first == [
        {"emailAddress": for_google("email_address", "ab@gmail.com")},
        {"phoneNumber": for_google("phone_number", "+491701234567")},
    ]
    assert second[-1]["address"] == {
        "givenName": for_google("given_name", "ana"), "familyName": for_google("family_name", "brown"),
        "regionCode": "US", "postalCode": "94303"}  # fmt: skip


def test_more_than_ten_identifiers_are_refused(server: GoogleServer, tmp_path: Path) -> None:
    row = {"email_address": "a@example.com", "phone_number": [f"+4917012345{n:02}" for n in range(10)]}
    assert send(tmp_path, [row]) == {"a@example.com": "too_many_identifiers"}


@pytest.mark.parametrize(("key", "value"), [("email_address", "no address"), ("phone_number", "0170 1234567")])
def test_a_key_that_cannot_be_hashed_is_refused_and_never_taken_back(
    server: GoogleServer, tmp_path: Path, key: str, value: str
) -> None:
    assert send(tmp_path, [{key: value}]) == {value: f"invalid_{key}"}
    assert send(tmp_path, [{key: value}], Operation.REMOVE) == {value: None}
    assert server.calls == 0


def test_a_token_that_is_not_good_any_more_is_renewed_once(server: GoogleServer, house: House) -> None:
    handle = server.handle

    def expire(request: Any) -> Any:
        told = handle(request)
        if request.path.endswith(":ingest") and len(server.tokens) == 1:
            server.tokens = {"ya29.another"}
        return told

    server.handle = expire  # type: ignore[method-assign]
    assert run_sync(house.sync, house.settings).added == 2
    assert [request.path for request in server.requests].count("/token") == 2


def test_a_token_of_the_environment_is_taken(
    server: GoogleServer, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KINSHIP_GOOGLE_SERVICE_ACCOUNT")
    monkeypatch.setenv("KINSHIP_GOOGLE_ACCESS_TOKEN", "ya29.given")
    with pytest.raises(AuthenticationError):
        run_sync(house.sync, house.settings)
    server.tokens.add("ya29.given")
    assert run_sync(house.sync, house.settings).added == 2


@pytest.mark.parametrize("content", ["/nowhere.json", "{", '{"client_email": "a"}', json.dumps({
    "client_email": "a", "private_key": "secret", "token_uri": "b"})])  # fmt: skip
def test_a_key_file_that_is_none_is_told_without_its_content(
    server: GoogleServer, house: House, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setenv("KINSHIP_GOOGLE_SERVICE_ACCOUNT", content)
    with pytest.raises(ConfigurationError, match="no key of a service account") as told:
        run_sync(house.sync, house.settings)
    assert "secret" not in str(told.value)


def test_a_key_file_may_lie_in_a_file(
    server: GoogleServer, house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key.json").write_text(key_file(server.url, 0))
    monkeypatch.setenv("KINSHIP_GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "key.json"))
    assert check_destination("google", house.sync).status == "ok"
    assert asked(server, "ingest")[0]["validateOnly"] is True and server.members == {}
    assert server.broken == []


@pytest.mark.parametrize(
    ("status", "name", "reason", "expected"),
    [
        (403, "PERMISSION_DENIED", "PERMISSION_DENIED", AuthenticationError),
        (400, "INVALID_ARGUMENT", "TERMS_AND_CONDITIONS_NOT_SIGNED", ConfigurationError),
        (400, "INVALID_ARGUMENT", "EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED", ConfigurationError),
        (404, "NOT_FOUND", "NOT_FOUND", ConfigurationError),
        (500, "INTERNAL", "INTERNAL_ERROR", Retryable),
        (400, "INVALID_ARGUMENT", "INVALID_FORMAT", Rejected),
    ],
)
def test_errors_say_what_to_do_next(
    server: GoogleServer, tmp_path: Path, status: int, name: str, reason: str, expected: type[Exception]
) -> None:
    server.error = (status, {"code": status, "status": name, "message": "quotes somebody", "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]})  # fmt: skip
    with pytest.raises(expected) as told:
        send(tmp_path, people(1, {}))
    assert type(told.value) is expected and "somebody" not in str(told.value)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"object": "vips"}, "in digits"),
        ({"options": {"accept_terms": True}}, "`account` is missing"),
        ({"options": {"account": ACCOUNT}}, "accept_terms"),
        ({"key": "given_name"}, "one email_address or one phone_number"),
        ({"kinds": {"email_address": "VARCHAR[]"}}, "one email_address or one phone_number"),
        ({"fields": ("email_address", "EMAIL")}, "no identifier 'EMAIL'"),
    ],
)
def test_a_sync_that_cannot_work_says_why(
    server: GoogleServer, tmp_path: Path, changes: dict[str, Any], word: str
) -> None:
    with pytest.raises(ConfigurationError, match=word):
        Google(goal(tmp_path, *FIELDS, **changes))
