"""The case of `smtp`: the real aiosmtpd, with STARTTLS, a login, and a size it minds."""

import datetime
import ipaddress
import logging
import ssl
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from ports import free_port

from servers.case import Case

USER, PASSWORD = "kinship", "right"
SIZE = 100_000


@dataclass
class Mailbox:
    """aiosmtpd's handler: keeps what came in, answers as it is told."""

    letters: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    """Sender, receivers, text."""
    receivers: dict[str, str] = field(default_factory=dict)
    """Answers to RCPT, by address."""
    sender: str | None = None
    """The answer to MAIL."""
    after: Callable[[SMTP], str | None] = lambda server: None
    """What happens when a text has come in, before it is answered; an answer, or None for the usual one."""

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.sender is not None:
            return self.sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.receivers:
            return self.receivers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.letters.append((str(envelope.mail_from), list(envelope.rcpt_tos), content))
        return self.after(server) or "250 OK"

    @property
    def messages(self) -> list[EmailMessage]:
        return [message_from_bytes(text, policy=policy.default) for _, _, text in self.letters]


class MailServer:
    """Context manager. `folder` takes the certificate; `tls` is `starttls`, `tls` (from the first byte) or `none`."""

    def __init__(self, folder: Path, tls: str = "starttls", host: str = "127.0.0.1") -> None:
        self.mailbox = Mailbox()
        self.tls = tls
        self.certificate = folder / "certificate.pem"
        self._context: ssl.SSLContext | None = None
        if tls != "none":
            key = folder / "key.pem"
            _certificate(self.certificate, key, host)
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(self.certificate, key)
        self.port = free_port()

    @property
    def environment(self) -> dict[str, str]:
        scheme = "smtps" if self.tls == "tls" else "smtp"
        return {
            "KINSHIP_SMTP_URL": f"{scheme}://127.0.0.1:{self.port}",
            "KINSHIP_SMTP_USER": USER,
            "KINSHIP_SMTP_PASSWORD": PASSWORD,
        } | ({"SSL_CERT_FILE": str(self.certificate)} if self._context else {})

    def __enter__(self) -> "MailServer":
        # aiosmtpd logs every command, addresses included
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        logging.getLogger("mail.debug").setLevel(logging.CRITICAL)
        # it warns of logins in the clear: there is a test of just that; pytest puts the filters back
        warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
        self._controller = Controller(
            self.mailbox, hostname="127.0.0.1", port=self.port, authenticator=_log_in, auth_required=True,
            auth_require_tls=self.tls == "starttls", data_size_limit=SIZE, enable_SMTPUTF8=True,
            ssl_context=self._context if self.tls == "tls" else None,
            tls_context=self._context if self.tls == "starttls" else None,
        )  # fmt: skip
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


def _log_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=right)


def _certificate(path: Path, key_path: Path, host: str) -> None:
    """A certificate that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail server of a test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def text(message: EmailMessage) -> str:
    """The plain text of a message, as it was given."""
    part = message.get_body(("plain",))
    assert part is not None
    content: str = part.get_content()
    return content.replace("\r\n", "\n").removesuffix("\n")


class Letters(Case):
    sync = {  # noqa: RUF012
        "object": "messages",
        "key": "to",
        "channel": "email",
        "options": {"sender": "The shop <news@example.com>", "unsubscribe_mailto": "leave@example.com"},
    }
    value = "text"
    keeps_state = False
    # between the end of a text and its answer, a lost connection leaves unknown whether it was taken
    exact_once = False

    def server(self, folder: Path) -> MailServer:
        return MailServer(folder)

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"to": self.key(n), "subject": f"Hello {n}", "text": value}

    def poisoned(self, n: int) -> dict[str, Any]:
        return self.row(n, "x" * SIZE)

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_SMTP_PASSWORD": "wrong"}

    def content(self, server: Any) -> list[tuple[str, str]]:
        letters = zip(server.mailbox.letters, server.mailbox.messages, strict=True)
        return sorted((receivers[0], text(message)) for (_, receivers, _), message in letters)
