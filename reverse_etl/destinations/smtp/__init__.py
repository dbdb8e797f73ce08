"""E-mail through a mail server (SMTP): one message per row, sent once, texts from the model's columns.

What shapes this package (RFC 5321, 3463, 2047, 2369, 8058; "Email sender guidelines" of Gmail and Yahoo, 2024):

* A message cannot be asked for afterwards: when the connection is lost between the end of a text and its answer,
  nobody knows whether it was taken. That row waits (`unknown_delivery`, a quarter of an hour at first) and is sent
  again. Its Message-ID is the same (a hash of sync, key and content), so that servers and people's mail programs
  which look for copies find this one. A batch is one row: a run that was killed leaves one such message per
  connection at most.
* A refusal with 5xx is the row's, and so is one with 4xx for a receiver (greylisting, a full mailbox): that row waits
  and is tried again, the others go on. 421 and trouble with the connection or the sender are everybody's.
* Marketing needs a way out that mail programs show: `List-Unsubscribe`, with one click where there is a URL. Without
  it nothing is sent, unless the sync says that it is `transactional`, and its purpose is not marketing.
* What bounces later comes as mail to the sender, and who unsubscribes by the link tells your web page: neither comes
  this way.

A message cannot be changed or taken back: a removal only ends the row's place in the ledger.
"""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Mapping
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Any, ClassVar

from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Mode, Outcome, Row, Target
from reverse_etl.destinations.smtp.message import Letter, UnsafeRow, address, message_id, unsubscribe, write
from reverse_etl.destinations.smtp.session import RowRefused, Server, UnknownDelivery, connect, deliver
from reverse_etl.environment import credentials, setting
from reverse_etl.errors import ConfigurationError, DestinationError
from reverse_etl.limits import Limits, Options
from reverse_etl.rendering import for_text

_REQUIRED = ("to", "subject", "text")
_OPTIONAL = ("html", "unsubscribe_url")
_MARKETING = "marketing"
_MOST_UNKNOWN = 3
"""Answers lost in a row with which a run goes on."""


class SmtpOptions(Options):
    """`sender`: `news@example.com` or `The shop <news@example.com>`; bounces go there.

    `unsubscribe_mailto`: an address that takes people off the list. `transactional`: what the person asked for by an
    act of their own (an order, a new password), which needs no way out.
    """

    sender: str | None = None
    reply_to: str | None = None
    unsubscribe_mailto: str | None = None
    transactional: bool = False
    timeout_seconds: float = Field(default=60.0, gt=0)


class Smtp(Destination):
    """Messages from one sender. Columns: `to`, `subject`, `text`, and `html`, `unsubscribe_url` where wanted."""

    options_model = SmtpOptions
    channels = frozenset({"email"})
    modes: ClassVar[frozenset[Mode]] = frozenset({"create"})
    cost = "messages"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        (url,) = credentials("smtp", "KINSHIP_SMTP_URL")
        self._options: SmtpOptions = target.options
        user, password = setting("KINSHIP_SMTP_USER", ""), setting("KINSHIP_SMTP_PASSWORD", "")
        self._server = Server.from_url(url, user, password, self._options.timeout_seconds)
        self._sender = self._checked_sender() if target.sync else Address()
        if target.fields:
            self._check_fields()
        self._idle: list[smtplib.SMTP] = []
        self._unknown = 0
        """Texts in a row whose answer was lost."""

    def _checked_sender(self) -> Address:
        options, sync = self._options, self.target.sync
        for name, value in (("sender", options.sender), ("reply_to", options.reply_to),
                            ("unsubscribe_mailto", options.unsubscribe_mailto)):  # fmt: skip
            if value is None and name != "sender":
                continue
            title, mailbox = parseaddr(value or "")
            try:
                local, domain = address(mailbox)
                if not local.isascii() or not (value or "").isprintable():
                    raise UnsafeRow("invalid_address")
            except UnsafeRow:
                raise ConfigurationError(
                    f"{sync}: the option `{name}` must be an address, such as news@example.com"
                ) from None
        title, mailbox = parseaddr(options.sender or "")
        local, domain = address(mailbox)
        return Address(title, local, domain)

    def _check_fields(self) -> None:
        target, options = self.target, self._options
        if missing := [name for name in _REQUIRED if name not in target.fields]:
            raise ConfigurationError(f"{target.sync}: an e-mail needs the column {missing[0]!r}")
        if unknown := sorted(set(target.fields) - {*_REQUIRED, *_OPTIONAL, target.key}):
            raise ConfigurationError(
                f"{target.sync}: no column {unknown[0]!r} in an e-mail; it takes {', '.join((*_REQUIRED, *_OPTIONAL))} "
                "and the key, which is not sent (begin a column with _ to keep it in the house)"
            )
        if options.transactional and target.purpose == _MARKETING:
            raise ConfigurationError(f"{target.sync}: its purpose is marketing, so it is not `transactional`")
        if not options.transactional and not self._shows_a_way_out:
            raise ConfigurationError(
                f"{target.sync}: people must be able to leave: select a column `unsubscribe_url` (https), or set the "
                "option `unsubscribe_mailto`; for what is no marketing set `transactional`"
            )

    @property
    def _shows_a_way_out(self) -> bool:
        return "unsubscribe_url" in self.target.fields or self._options.unsubscribe_mailto is not None

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        # servers differ; four connections are below what any is known to mind (Postfix allows 50 for a client)
        return Limits(rows=1, concurrency=4)

    @classmethod
    def ignores_case(cls, key: str) -> bool:
        return key == "to"

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        return adds

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        return for_text(column, kind)

    async def check(self) -> CheckResult:
        session = await self._session()
        self._idle.append(session)
        encrypted = "encrypted" if hasattr(session.sock, "version") else "in the clear, on this machine"
        login = "logged in" if self._server.user else "without a login"
        return CheckResult("smtp", "ok", f"the mail server answers, {encrypted}, {login}")

    async def prepare(self) -> None:
        self._idle.append(await self._session())

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        for row, values in batch.records():
            if row.destination_id is not None:
                # sent already: a message is not sent again because its text or the person's address changed
                yield Outcome(row.key, "accepted")
                continue
            try:
                letter = self._letter(row, values)
                await self.target.meter.call()
                await self._deliver(letter)
                self._unknown = 0
                yield Outcome(row.key, "accepted", destination_id=letter.message_id)
            except (UnsafeRow, RowRefused) as refused:
                yield Outcome(row.key, "rejected", error_class=refused.error_class)
            except UnknownDelivery:
                self._unknown += 1
                if self._unknown > _MOST_UNKNOWN:
                    raise ConfigurationError(
                        f"the mail server broke off after each of the last {self._unknown} texts, and whether it took "
                        "them is unknown: nothing more is sent; look at the server before the next run"
                    ) from None
                # to send it again at once would make copies as fast as the server breaks off
                yield Outcome(row.key, "rejected", error_class="unknown_delivery")

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        for row in batch.rows:
            yield Outcome(row.key, "accepted")

    async def close(self) -> None:
        for session in self._idle:
            await asyncio.to_thread(_quit, session)
        self._idle.clear()

    def _letter(self, row: Row, values: Mapping[str, Any]) -> Letter:
        url, mailto = values.get("unsubscribe_url"), self._options.unsubscribe_mailto
        headers = unsubscribe(url, mailto)
        if not headers and not self._options.transactional:
            raise UnsafeRow("no_unsubscribe_url")
        return write(
            sender=self._sender,
            to=values["to"],
            title=values["subject"],
            text=values["text"],
            html=values.get("html"),
            reply_to=self._options.reply_to,
            headers=headers,
            identity=message_id(self.target.sync, row.key, row.payload_hash, self._sender.domain),
        )

    async def _session(self) -> smtplib.SMTP:
        """A connection that is free, or a new one."""
        while self._idle:
            session = self._idle.pop()
            if await asyncio.to_thread(_is_alive, session):
                return session
        return await asyncio.to_thread(connect, self._server)

    async def _deliver(self, letter: Letter) -> None:
        session = await self._session()
        try:
            await asyncio.to_thread(deliver, session, self._sender.addr_spec, letter)
        except RowRefused:
            self._idle.append(session)
            raise
        except (DestinationError, ConfigurationError, UnknownDelivery):
            session.close()
            raise
        self._idle.append(session)


def _is_alive(session: smtplib.SMTP) -> bool:
    """Whether the server still listens: RSET also forgets a message that was refused half way."""
    try:
        code, _ = session.rset()
    except (OSError, smtplib.SMTPException):
        code = 0
    if code != 250:
        session.close()
    return code == 250


def _quit(session: smtplib.SMTP) -> None:
    try:
        session.quit()
    except (OSError, smtplib.SMTPException):
        session.close()
