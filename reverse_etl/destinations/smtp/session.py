"""Connections to a mail server: encrypted, logged in, kept between messages, every refusal told apart.

`smtplib` in threads: it comes with Python, knows every extension used here, and a thread per connection costs nothing
beside the wait for a mail server. It has one call per command, which is what telling the phases of a delivery apart
needs: until the last byte of the text, a lost connection means that nothing was sent; after it, nobody knows.
"""

import contextlib
import ipaddress
import re
import smtplib
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from reverse_etl.destinations.smtp.message import Letter
from reverse_etl.errors import AuthenticationError, ConfigurationError, RateLimited, Retryable

_STATUS = re.compile(rb"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_BY_STATUS = {
    "5.1.1": "invalid_mailbox", "5.1.2": "invalid_domain", "5.1.3": "invalid_address", "5.1.6": "invalid_mailbox",
    "5.1.10": "invalid_domain", "5.2.1": "invalid_mailbox", "5.2.2": "mailbox_full", "5.2.3": "too_large",
    "5.3.4": "too_large",
}  # fmt: skip
"""Enhanced status codes (RFC 3463, RFC 7505) that speak of the receiver or the message."""
_AFTER_TEXT = 600.0
"""Seconds to wait for the answer to a text: who gives up earlier sends copies (RFC 5321, 4.5.3.2.6)."""
_BY_CODE = {552: "too_large", 553: "invalid_address"}


class RowRefused(Exception):
    """The server took the command but not this receiver or this text; nothing was sent."""

    def __init__(self, error_class: str) -> None:
        super().__init__(error_class)
        self.error_class = error_class


class UnknownDelivery(Exception):
    """The connection was lost between the end of a text and the answer to it."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where and as whom: `smtp://` asks for STARTTLS, `smtps://` is encrypted from the first byte."""

    host: str
    port: int
    is_tls: bool
    user: str
    password: str
    timeout: float

    @classmethod
    def from_url(cls, url: str, user: str, password: str, timeout: float) -> "Server":
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ConfigurationError(
                "KINSHIP_SMTP_URL must look like smtp://[user:password@]host[:port] (STARTTLS), or smtps:// for TLS "
                "from the first byte"
            )
        # the variable is that of the alerts, which read the user from it
        user, password = user or unquote(parts.username or ""), password or unquote(parts.password or "")
        if bool(user) != bool(password):
            raise ConfigurationError("of KINSHIP_SMTP_USER and KINSHIP_SMTP_PASSWORD, only one is set")
        is_tls = parts.scheme == "smtps"
        return cls(parts.hostname, port or (465 if is_tls else 25), is_tls, user, password, timeout)

    @property
    def is_here(self) -> bool:
        """Whether it is this machine: then there is no wire to listen on."""
        if self.host == "localhost":
            return True
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return False


def connect(server: Server) -> smtplib.SMTP:
    """An encrypted connection, logged in. Blocks. Raises Retryable, ConfigurationError, AuthenticationError."""
    context = ssl.create_default_context()
    name = socket.gethostname()
    try:
        session = (
            smtplib.SMTP_SSL(server.host, server.port, name, timeout=server.timeout, context=context)
            if server.is_tls
            else smtplib.SMTP(server.host, server.port, name, timeout=server.timeout)
        )
    except ssl.SSLError as error:
        raise _not_encrypted(server, error) from None
    except smtplib.SMTPConnectError as error:
        raise Retryable(f"smtp_{error.smtp_code}", "the mail server does not take connections just now") from None
    except (OSError, smtplib.SMTPServerDisconnected) as error:
        raise Retryable("connection", f"no connection to the mail server ({type(error).__name__})") from None
    try:
        session.ehlo_or_helo_if_needed()
        if not server.is_tls:
            if session.has_extn("starttls"):
                session.starttls(context=context)
                session.ehlo()
            elif not server.is_here:
                raise ConfigurationError(
                    "the mail server does not offer STARTTLS, and nothing is sent in the clear: use smtps://"
                )
        if server.user:
            session.login(server.user, server.password)
    except BaseException as error:
        session.close()
        raise _told(server, error) from None
    return session


def _told(server: Server, error: BaseException) -> BaseException:
    """What a failure before the first message means."""
    if isinstance(error, ssl.SSLError):
        return _not_encrypted(server, error)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return ConfigurationError("the mail server offers no login that we know: leave out KINSHIP_SMTP_USER")
    if isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= 500:
        return AuthenticationError(
            f"the mail server refuses the login ({error.smtp_code}): check KINSHIP_SMTP_USER and KINSHIP_SMTP_PASSWORD"
        )
    if isinstance(error, smtplib.SMTPResponseException):
        return Retryable(f"smtp_{error.smtp_code}", "the mail server does not take messages just now")
    if isinstance(error, (OSError, smtplib.SMTPException)):
        return Retryable("connection", f"the mail server broke off ({type(error).__name__})")
    return error


def _not_encrypted(server: Server, error: ssl.SSLError) -> ConfigurationError:
    reason = getattr(error, "verify_message", None) or error.reason or type(error).__name__
    return ConfigurationError(
        f"no encrypted connection to the mail server {server.host} ({reason}): its certificate must be valid for this "
        "name; authorities of your own go into SSL_CERT_FILE"
    )


def deliver(session: smtplib.SMTP, sender: str, letter: Letter) -> None:
    """Hand over one message. Blocks.

    Raises RowRefused, Retryable, RateLimited, ConfigurationError: nothing was sent; UnknownDelivery: it may have been.
    """
    options = [f"SIZE={len(letter.data)}"] if session.has_extn("size") else []
    limit = session.esmtp_features.get("size", "")
    if limit.isdecimal() and 0 < int(limit) < len(letter.data):
        raise RowRefused("too_large")
    if letter.needs_utf8:
        if not session.has_extn("smtputf8"):
            raise RowRefused("unsupported_address")
        options += ["SMTPUTF8", "BODY=8BITMIME"]
    try:
        code, reply = session.mail(sender, options)
        if code != 250:
            raise _sender_refused(code, reply)
        code, reply = session.rcpt(letter.receiver)
        if code not in (250, 251):
            raise _refused(code, reply)
        code, reply = session.docmd("data")
        if code != 354:
            raise _refused(code, reply)
    except (OSError, smtplib.SMTPServerDisconnected, UnicodeError) as error:
        raise Retryable("connection", f"the mail server broke off ({type(error).__name__}); nothing was sent") from None
    try:
        session.send(_dotted(letter.data))
        if session.sock is not None:
            session.sock.settimeout(max(_AFTER_TEXT, session.timeout))
        code, reply = session.getreply()
    except (OSError, smtplib.SMTPServerDisconnected):
        raise UnknownDelivery from None
    finally:
        if session.sock is not None:
            session.sock.settimeout(session.timeout)
    if code != 250:
        raise _refused(code, reply)


def _dotted(data: bytes) -> bytes:
    """A text as DATA carries it (RFC 5321, 4.5.2): CRLF alone ends a line, one that begins with a dot gets another."""
    text = re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    text = re.sub(rb"(?m)^\.", b"..", text)
    return text + (b"" if text.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def _sender_refused(code: int, reply: bytes) -> Exception:
    """MAIL FROM is about us, not about the row."""
    if code == 552:
        return RowRefused("too_large")
    if code in (530, 535):
        return AuthenticationError(f"the mail server wants a login ({code}): set KINSHIP_SMTP_USER")
    if code >= 500:
        return ConfigurationError(f"the mail server refuses the sender ({code}): check the option `sender`")
    return _later(code, reply)


def _refused(code: int, reply: bytes) -> Exception:
    """What RCPT, DATA or the text itself was answered. A server's words may quote the address: codes only."""
    found = _STATUS.match(reply)
    status = found[1].decode() if found else ""
    if code == 421 or status.startswith("4.3."):
        return _later(code, reply)
    if 400 <= code < 500:
        # greylisting and full mailboxes: this receiver waits, the others do not
        return RowRefused(f"deferred_{code}")
    if status.startswith("5.7."):
        return RowRefused("blocked_by_policy")
    return RowRefused(_BY_STATUS.get(status) or _BY_CODE.get(code) or f"refused_{code}")


def _later(code: int, reply: bytes) -> Retryable:
    # 4.7.0 and 4.4.5 after MAIL: too many connections or messages from here
    return RateLimited(None) if b"4.7.0" in reply or b"4.4.5" in reply else Retryable(f"smtp_{code}")
