"""SMTP against the real aiosmtpd: nothing in a row becomes a command or a header, and refusals are told apart."""

import email.policy
from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from reverse_etl_house import House, use
from servers.direct import answer, batch, target
from servers.smtp import SIZE, MailServer, text

from reverse_etl import ConfigurationError, check_destination, run_sync
from reverse_etl.delivery import Patience
from reverse_etl.destination import Operation, Outcome
from reverse_etl.destinations.smtp import Smtp
from reverse_etl.errors import RateLimited, Retryable

OPTIONS = {"sender": "Die Läden <news@example.com>", "unsubscribe_mailto": "leave@example.com"}
ANA = {"to": "ana@example.com", "subject": "Hello", "text": "Good morning"}
TEXTS = (
    "O'Brien",
    "ไทย" * 100,
    "😀 family 👨‍👩‍👧",
    "a" * 70 + " é " + "b" * 90,
    "Ünï " * 60 + "x",
    "  two  blanks  ",
    "=?utf-8?q?hidden?= word",
    "É\u0301 ß İ \u2028 x",
    "x" * 500,
)


def start(stack: ExitStack, monkeypatch: pytest.MonkeyPatch, folder: Path, **kind: Any) -> MailServer:
    server: MailServer = stack.enter_context(MailServer(folder, **kind))
    use(monkeypatch, server)
    return server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[MailServer]:
    with ExitStack() as stack:
        yield start(stack, monkeypatch, tmp_path)


def goal(*fields: str, **changes: Any) -> Any:
    values = {"key": "to", "fields": fields or ("to", "subject", "text"), "channel": "email", "options": OPTIONS}
    return target(Smtp, **{**values, **changes})


def outcomes(*rows: dict[str, Any], **row: Any) -> list[Outcome]:
    return answer(Smtp, goal(*rows[0]), batch("to", rows, **row))


def send(*rows: dict[str, Any]) -> list[str | None]:
    """The error class of every row, None for those accepted."""
    return [outcome.error_class for outcome in outcomes(*rows)]


@pytest.mark.parametrize("value", TEXTS)
def test_subject_and_bodies_arrive_as_they_left(server: MailServer, value: str) -> None:
    assert send({**ANA, "subject": value, "text": value, "html": f"<p>{value}</p>"}) == [None]
    ((_, _, data),) = server.mailbox.letters
    (message,) = server.mailbox.messages
    assert message["Subject"] == value
    assert text(message) == value
    html = message.get_body(("html",))
    assert html is not None and html.get_content().strip() == f"<p>{value}</p>"
    assert data.isascii() and max(len(line) for line in data.split(b"\r\n")) <= 78


def test_the_sender_has_a_name_in_any_script(server: MailServer) -> None:
    send(ANA)
    (message,) = server.mailbox.messages
    assert str(message["From"]) == "Die Läden <news@example.com>"
    assert server.mailbox.letters[0][:2] == ("news@example.com", ["ana@example.com"])
    assert message["Date"] and message["To"] == "ana@example.com"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"subject": "Hi\r\nBcc: eve@example.com"}, "unsafe_subject"),
        ({"subject": "Hi\nBcc: eve@example.com"}, "unsafe_subject"),
        ({"subject": "Hi\x00"}, "unsafe_subject"),
        ({"to": "ana@example.com>\r\nRCPT TO:<eve@example.com"}, "invalid_address"),
        ({"to": "ana@example.com, eve@example.com"}, "invalid_address"),
        ({"to": "Ana <ana@example.com>"}, "invalid_address"),
        ({"to": "ana"}, "invalid_address"),
        ({"unsubscribe_url": "https://example.com/\r\nBcc: eve@example.com"}, "invalid_unsubscribe_url"),
        ({"unsubscribe_url": "javascript:alert(1)"}, "invalid_unsubscribe_url"),
        ({"text": ""}, "empty"),
        ({"subject": None}, "empty"),
    ],
)
def test_no_row_adds_a_header_or_a_receiver(server: MailServer, change: dict[str, Any], error: str) -> None:
    assert send({**ANA, **change}) == [error]
    assert server.mailbox.letters == []


@pytest.mark.parametrize("end", ["\r\n.\r\n", "\n.\n", "\r.\r", "\n.\r\n", "\r\n.\r"])
def test_no_text_ends_the_text(server: MailServer, end: str) -> None:
    smuggled = f"one{end}MAIL FROM:<eve@example.com>\r\nRCPT TO:<eve@example.com>\r\nDATA\r\n..two"
    assert send({**ANA, "text": smuggled}, {**ANA, "to": "bo@example.com"}) == [None, None]
    first, second = server.mailbox.messages
    assert text(first) == smuggled.replace("\r\n", "\n").replace("\r", "\n")
    assert second["To"] == "bo@example.com"


def test_control_characters_travel_encoded(server: MailServer) -> None:
    assert send({**ANA, "text": "a\x00b\x1bc"}) == [None]
    ((_, _, data),) = server.mailbox.letters
    assert b"\x00" not in data and text(server.mailbox.messages[0]) == "a\x00b\x1bc"


def test_the_same_row_has_the_same_message_id_and_another_text_another(server: MailServer) -> None:
    (first,), (again,) = outcomes(ANA), outcomes(ANA)
    other = batch("to", [ANA])
    other.rows[0].payload_hash = "another"
    answer(Smtp, goal(), other)
    ids = [message["Message-ID"] for message in server.mailbox.messages]
    assert ids[0] == ids[1] == first.destination_id == again.destination_id
    assert ids[2] != ids[0] and ids[0].endswith("@example.com>") and "ana" not in ids[0]


def test_a_lost_answer_lets_the_row_wait_and_the_others_go(server: MailServer) -> None:
    def lose(connection: SMTP) -> str | None:
        if len(server.mailbox.letters) == 1:
            assert connection.transport is not None
            connection.transport.abort()
        return None

    server.mailbox.after = lose
    assert send(ANA, {**ANA, "to": "bo@example.com"}) == ["unknown_delivery", None]
    # it was taken, and what is sent later is known by its id
    assert send(ANA) == [None]
    ids = [message["Message-ID"] for message in server.mailbox.messages]
    assert len(ids) == 3 and ids[0] == ids[2]


def test_a_server_that_breaks_off_after_every_text_gets_few(server: MailServer) -> None:
    def lose(connection: SMTP) -> str | None:
        assert connection.transport is not None
        connection.transport.abort()
        return None

    server.mailbox.after = lose
    with pytest.raises(ConfigurationError, match="is unknown"):
        send(*({**ANA, "to": f"p{n}@example.com"} for n in range(20)))
    assert len(server.mailbox.letters) == 4


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("550 5.1.1 ana@example.com: no such user", "invalid_mailbox"),
        ("550 5.1.10 null MX", "invalid_domain"),
        ("552 5.2.2 over quota", "mailbox_full"),
        ("550 5.7.1 rejected by policy", "blocked_by_policy"),
        ("550 no", "refused_550"),
        ("450 4.2.0 greylisted", "deferred_450"),
        ("452 4.2.2 full", "deferred_452"),
    ],
)
def test_a_refused_receiver_keeps_nobody_back(server: MailServer, reply: str, error: str) -> None:
    server.mailbox.receivers["ana@example.com"] = reply
    assert send(ANA, {**ANA, "to": "bo@example.com"}) == [error, None]
    assert [receivers for _, receivers, _ in server.mailbox.letters] == [["bo@example.com"]]


@pytest.mark.parametrize(
    ("reply", "error"),
    [("554 5.7.1 spam", "blocked_by_policy"), ("451 4.7.1 later", "deferred_451"), ("552 big", "too_large")],
)
def test_a_refused_text_is_the_rows(server: MailServer, reply: str, error: str) -> None:
    server.mailbox.after = lambda _: reply
    assert send(ANA) == [error]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("553 5.7.1 not your address", ConfigurationError),
        ("451 4.3.0 disk full", Retryable),
        ("421 4.3.2 going down", Retryable),
        ("421 4.7.0 too many messages", RateLimited),
    ],
)
def test_trouble_with_the_sender_is_everybodys(server: MailServer, reply: str, expected: type[Exception]) -> None:
    server.mailbox.sender = reply
    with pytest.raises(expected) as told:
        send(ANA)
    assert type(told.value) is expected and server.mailbox.letters == []


def test_a_server_that_goes_down_sends_the_row_back(server: MailServer) -> None:
    server.mailbox.receivers["ana@example.com"] = "421 4.3.2 going down"
    with pytest.raises(Retryable) as told:
        send(ANA)
    assert told.value.error_class == "smtp_421"


def test_one_connection_carries_many(server: MailServer) -> None:
    connections: set[int] = set()

    def count(connection: SMTP) -> str | None:
        connections.add(id(connection))
        return None

    server.mailbox.after = count
    assert send(*({**ANA, "to": f"p{n}@example.com"} for n in range(9))) == [None] * 9
    assert len(connections) == 1


def test_the_address_may_be_of_any_script(server: MailServer) -> None:
    assert send({**ANA, "to": "анна@пример.example"}, {**ANA, "to": "bo@bücher.example"}) == [None, None]
    assert [receivers for _, receivers, _ in server.mailbox.letters] == [
        ["анна@xn--e1afmkfd.example"],
        ["bo@xn--bcher-kva.example"],
    ]


def test_what_the_server_finds_too_large_is_not_sent(server: MailServer) -> None:
    assert send({**ANA, "text": "x" * SIZE}) == ["too_large"]


def test_marketing_shows_a_way_out(server: MailServer) -> None:
    long = "https://example.com/leave?token=" + "a" * 300
    send({**ANA, "unsubscribe_url": long})
    send({**ANA, "unsubscribe_url": None})
    first, second = (message_from_bytes(data, policy=email.policy.compat32) for _, _, data in server.mailbox.letters)
    assert first["List-Unsubscribe"] == f"<{long}>, <mailto:leave@example.com>"
    assert first["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (second["List-Unsubscribe"], second["List-Unsubscribe-Post"]) == ("<mailto:leave@example.com>", None)
    without = goal("to", "subject", "text", "unsubscribe_url", options={"sender": "news@example.com"})
    (outcome,) = answer(Smtp, without, batch("to", [{**ANA, "unsubscribe_url": None}]))
    assert outcome.error_class == "no_unsubscribe_url"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"options": {}}, "option `sender`"),
        ({"options": {**OPTIONS, "sender": "news@example.com\nBcc: eve@example.com"}}, "option `sender`"),
        ({"options": {**OPTIONS, "reply_to": "nobody"}}, "option `reply_to`"),
        ({"options": {"sender": "news@example.com"}}, "must be able to leave"),
        ({"options": {"sender": "news@example.com", "transactional": True}}, "its purpose is marketing"),
        ({"fields": ("to", "subject")}, "needs the column 'text'"),
        ({"fields": ("to", "subject", "text", "bcc")}, "no column 'bcc'"),
    ],
)
def test_a_sync_that_cannot_work_says_why(server: MailServer, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        Smtp(goal(**changes))


def test_what_is_no_marketing_needs_no_way_out(server: MailServer) -> None:
    service = goal(purpose="service", options={"sender": "orders@example.com", "transactional": True})
    (outcome,) = answer(Smtp, service, batch("to", [ANA]))
    assert outcome.status == "accepted" and server.mailbox.messages[0]["List-Unsubscribe"] is None


def test_a_message_is_sent_once_whatever_changes(server: MailServer) -> None:
    changed = outcomes(ANA, operation=Operation.CHANGE, destination_id="<1@example.com>", moved_from="old@example.com")
    assert changed[0].status == "accepted" and server.mailbox.letters == []


def run(folder: Path) -> Any:
    house = House(folder, "sync_smtp__news", object="messages", key="to", mode="create", channel="email",
                  options=OPTIONS)  # fmt: skip
    house.consent([("c1", "granted")])
    house.want([{"customer_id": "c1", **ANA}])
    return house


@pytest.mark.parametrize("tls", ["tls", "none"])
def test_encrypted_from_the_first_byte_or_on_this_machine_in_the_clear(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tls: str
) -> None:
    with ExitStack() as stack:
        server = start(stack, monkeypatch, tmp_path, tls=tls)
        house = run(tmp_path)
        told = check_destination("smtp", house.sync)
        assert told.status == "ok" and ("encrypted" in told.message) == (tls == "tls"), told.message
        assert run_sync(house.sync, house.settings).added == 1
        assert len(server.mailbox.letters) == 1


def test_the_user_may_be_in_the_address_as_for_alerts(
    server: MailServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("KINSHIP_SMTP_USER", "KINSHIP_SMTP_PASSWORD"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("KINSHIP_SMTP_URL", f"smtp://kinship:r%69ght@127.0.0.1:{server.port}")
    assert check_destination("smtp", run(tmp_path).sync).status == "ok"


def test_nothing_goes_over_a_wire_in_the_clear(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = start(stack, monkeypatch, tmp_path, tls="none")
        # this machine, by a name that does not say so
        monkeypatch.setenv("KINSHIP_SMTP_URL", f"smtp://0x7f000001:{server.port}")
        house = run(tmp_path)
        assert "does not offer STARTTLS" in check_destination("smtp", house.sync).message
        with pytest.raises(ConfigurationError):
            run_sync(house.sync, house.settings)
        assert server.mailbox.letters == []


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tls: str
) -> None:
    with ExitStack() as stack:
        start(stack, monkeypatch, tmp_path, tls=tls)
        monkeypatch.delenv("SSL_CERT_FILE")
        assert "certificate" in check_destination("smtp", run(tmp_path).sync).message


def test_a_certificate_for_another_name_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with ExitStack() as stack:
        start(stack, monkeypatch, tmp_path, host="127.0.0.2")
        assert "certificate" in check_destination("smtp", run(tmp_path).sync).message


@pytest.mark.parametrize(
    "url", ["mail.example.com:587", "https://user:secret@mail.example.com", "smtp://:587", "smtp://mail.example.com:x"]
)
def test_an_address_that_is_none_says_what_it_has_to_be(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("KINSHIP_SMTP_URL", url)
    with pytest.raises(ConfigurationError, match="must look like") as told:
        Smtp(goal())
    assert "secret" not in str(told.value)


def test_a_server_that_is_not_there_leaves_the_rows_due(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KINSHIP_SMTP_URL", "smtp://127.0.0.1:1")
    house = run(tmp_path)
    result = run_sync(house.sync, house.settings, patience=Patience(attempts=2, first_wait=0.001))
    assert (result.status, result.left) == ("incomplete", 1)
