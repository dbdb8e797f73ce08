"""One row as an e-mail: headers that nobody can add to, a body that arrives as it left.

Headers are encoded here: the policies of `email` move blanks in a long subject of mixed scripts, let a text that
looks like an encoded word (`=?utf-8?q?...?=`) be read as one, and encode a long URL, which nobody then can follow
(Python 3.11 to 3.13).
"""

import base64
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, formataddr
from typing import Any

_ADDRESS = re.compile(r"(?P<local>[^\s<>()\[\],;:\\\"@]+)@(?P<domain>[^\s<>()\[\],;:\\\"@]+\.[^\s<>()\[\],;:\\\"@.]+)")
"""What we write to: no quoted local parts, no comments, no lists, nothing that ends a command."""
_URL = re.compile(r"https://[!-;=?-~]{1,900}")
_OURS = frozenset({"From", "To", "Reply-To", "Subject", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post"})
"""Headers that are written here; none of them holds a line break that we did not put there."""
_WORD_BYTES = 39
"""Of UTF-8 in an encoded word: with what surrounds it a line of 73 characters; 76 are allowed (RFC 2047)."""


class UnsafeRow(Exception):
    """A row that cannot be written as a message; `error_class` says why."""

    def __init__(self, error_class: str) -> None:
        super().__init__(error_class)
        self.error_class = error_class


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way: envelope and bytes."""

    receiver: str
    data: bytes
    message_id: str
    needs_utf8: bool
    """Whether the receiver's address is not ASCII: the server must know SMTPUTF8."""


class _Wire(EmailPolicy):
    """SMTP's policy: 7 bits, CRLF, and the headers written here as they are."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        return (name, value) if name in _OURS else super().header_store_parse(name, value)

    def header_fetch_parse(self, name: str, value: str) -> Any:
        return value if name in _OURS else super().header_fetch_parse(name, value)

    def fold(self, name: str, value: Any) -> str:
        return f"{name}: {value}\r\n" if name in _OURS else super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        return f"{name}: {value}\r\n".encode() if name in _OURS else super().fold_binary(name, value)


_WIRE = _Wire(linesep="\r\n", cte_type="7bit")


def address(value: str | None) -> tuple[str, str]:
    """Local part and domain (in ASCII) of an address. Raises UnsafeRow."""
    found = _ADDRESS.fullmatch((value or "").strip())
    if found is None or any(unicodedata.category(character) == "Cc" for character in found[0]):
        raise UnsafeRow("invalid_address")
    try:
        return found["local"], found["domain"].encode("idna").decode()
    except UnicodeError:
        raise UnsafeRow("invalid_address") from None


def subject(text: str) -> str:
    """A subject as it goes over the wire. Raises UnsafeRow for a line break or another control character."""
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise UnsafeRow("unsafe_subject")
    if text.isascii() and len(text) <= 66 and "=?" not in text and text == " ".join(text.split()):
        return text
    words, part = [], b""
    for character in text:
        encoded = character.encode()
        if len(part) + len(encoded) > _WORD_BYTES:
            words.append(part)
            part = b""
        part += encoded
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in [*words, part])


def message_id(sync: str, key: str, payload_hash: str | None, domain: str) -> str:
    """The same for the same row with the same content: who gets it twice, can tell."""
    digest = hashlib.sha256(f"{sync}\0{key}\0{payload_hash}".encode()).hexdigest()
    return f"<{digest[:40]}@{domain}>"


def unsubscribe(url: str | None, mailto: str | None) -> dict[str, str]:
    """The headers by which mail programs show a way out (RFC 2369, and RFC 8058 where there is a URL)."""
    if url is not None and not _URL.fullmatch(url):
        raise UnsafeRow("invalid_unsubscribe_url")
    ways = [f"<{way}>" for way in (url, mailto and f"mailto:{mailto}") if way]
    headers = {"List-Unsubscribe": ", ".join(ways)} if ways else {}
    return headers | ({"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} if url else {})


def write(
    *,
    sender: Address,
    to: str | None,
    title: str | None,
    text: str | None,
    html: str | None,
    reply_to: str | None,
    headers: dict[str, str],
    identity: str,
) -> Letter:
    """The letter of one row. Raises UnsafeRow."""
    local, domain = address(to)
    if not text or not title:
        raise UnsafeRow("empty")
    letter = EmailMessage(policy=_WIRE)
    letter["From"] = formataddr((sender.display_name, sender.addr_spec))
    letter["To"] = f"{local}@{domain}"
    if reply_to:
        letter["Reply-To"] = reply_to
    letter["Subject"] = subject(title)
    letter["Date"] = format_datetime(datetime.now(UTC))
    letter["Message-ID"] = identity
    for name, value in headers.items():
        letter[name] = value
    letter.set_content(text, cte=_encoding(text))
    if html:
        letter.add_alternative(html, subtype="html", cte=_encoding(html))
    return Letter(f"{local}@{domain}", letter.as_bytes(), identity, not local.isascii())


def _encoding(text: str) -> str | None:
    """Base64 for a text with control characters, which SMTP does not carry; else whatever is shortest."""
    controls = any(unicodedata.category(character) == "Cc" and character not in "\t\r\n" for character in text)
    return "base64" if controls else None
