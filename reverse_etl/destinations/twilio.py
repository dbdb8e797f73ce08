"""SMS by Twilio's Programmable Messaging (API 2010-04-01): one message per row, sent once.

What shapes this file (Twilio, Message resource, its OpenAPI of 2010-04-01, and the error dictionary):

* One message per call, and no idempotency key. A batch is one row, so that a run killed at any moment leaves at most
  one message per connection of unknown fate; that one is looked for before it is sent again: by receiver, sender and
  text.
* `DateSent` of a message that waits in the queue (hours, for a long code) is null, and the list's filter by it leaves
  the message out. So the list is read by `To`, the newest first, back to the moment of the call.
* Twilio takes messages faster than the sender may deliver: 1 segment a second for a long code, 3 toll free, 100 for a
  short code; beyond 4 to 10 hours of queue it answers 21611. The pace is the sender's.
* 21610: the person answered STOP. Twilio keeps that list itself and shows it nowhere, but the STOPs are inbound
  messages.
* 429 (20429) was not processed.

A message cannot be changed or taken back: a removal only ends the row's place in the ledger. An erasure deletes
Twilio's record of the message.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Literal

import httpx
from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Mode, OptOut, Outcome, Row, Target
from reverse_etl.environment import credentials, setting
from reverse_etl.errors import AuthenticationError, ConfigurationError, RateLimited, Retryable
from reverse_etl.http import Http, body
from reverse_etl.limits import Limits, Options, Rate
from reverse_etl.rendering import for_text

_FIELDS = frozenset({"To", "Body", "MediaUrl", "ContentSid", "ContentVariables", "ValidityPeriod"})
_LONGEST = 1600
"""Characters of a body; a longer one is refused (21617)."""
_PER_SECOND = {"long_code": 1, "toll_free": 3, "short_code": 100}
_MOST_CONNECTIONS = 20
_CLOCKS = timedelta(minutes=2)
"""How far Twilio's clock and ours may be apart."""
_TRIAL = "Sent from your Twilio trial account - "

_ROW = {
    21211: "invalid_number", 21217: "invalid_number", 21265: "invalid_number", 21614: "not_mobile",
    21408: "region_not_permitted", 21612: "unreachable_from_sender", 21610: "opted_out", 21617: "too_large",
    21619: "empty", 21602: "empty", 21620: "invalid_media", 21656: "invalid_variables",
}  # fmt: skip
"""Codes that speak of one row, in words. Any other code of a 400 is `twilio_<code>`."""
_SENDER = frozenset({21212, 21603, 21606, 21659, 21660, 21661, 21701, 21703, 21704, 21705, 21655})
"""Codes that speak of the sender or the template: every row would get them."""
_ACCOUNT = frozenset({20003, 20005, 20006, 20008, 20010})
_QUEUE_FULL = 21611

_STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"})
_START = frozenset({"START", "YES", "UNSTOP"})


class TwilioOptions(Options):
    """`sender`: a number (`+15550001111`), an alphanumeric sender id, or a messaging service (`MG...`).

    `sender_type` sets the pace; what else was agreed on (10DLC, a service with many numbers) is `requests_per_second`.
    """

    sender: str | None = None
    sender_type: Literal["long_code", "toll_free", "short_code"] = "long_code"
    settle_seconds: float = Field(default=5.0, ge=0)
    timeout_seconds: float = Field(default=30.0, gt=0)


class Twilio(Destination):
    """Messages from one sender. A row's columns are named as Twilio names its parameters (`To`, `Body` ...)."""

    options_model = TwilioOptions
    channels = frozenset({"sms"})
    modes: ClassVar[frozenset[Mode]] = frozenset({"create"})
    cost = "messages"
    has_opt_outs: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        account, secret = credentials("twilio", "KINSHIP_TWILIO_ACCOUNT_SID", "KINSHIP_TWILIO_AUTH_TOKEN")
        self._options: TwilioOptions = target.options
        self.settle_seconds = self._options.settle_seconds
        if target.sync:
            self._check_target()
        self._messages = f"/2010-04-01/Accounts/{account}/Messages"
        self._account = f"/2010-04-01/Accounts/{account}.json"
        self._http = Http(
            "twilio",
            setting("KINSHIP_TWILIO_URL", "https://api.twilio.com"),
            target.meter,
            auth=(setting("KINSHIP_TWILIO_API_KEY", account), secret),
            timeout=self._options.timeout_seconds,
        )

    def _check_target(self) -> None:
        target = self.target
        if target.channel != "sms":
            raise ConfigurationError(
                f"{target.sync}: a sync to twilio has channel 'sms': without it, consent to e-mail would be enough"
            )
        if not self._options.sender:
            raise ConfigurationError(
                f"{target.sync}: the option `sender` is missing: a number, a sender id, or a messaging service (MG...)"
            )
        if not target.fields:
            return
        if unknown := sorted(set(target.fields) - _FIELDS - {target.key}):
            raise ConfigurationError(
                f"{target.sync}: twilio has no parameter {unknown[0]!r} for us; it takes {', '.join(sorted(_FIELDS))} "
                "(begin a column with _ to keep it in the house)"
            )
        if "To" not in target.fields or not {"Body", "MediaUrl", "ContentSid"} & set(target.fields):
            raise ConfigurationError(f"{target.sync}: a message needs `To`, and `Body`, `MediaUrl` or `ContentSid`")

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        # "Understanding Twilio rate limits and message queues"
        per_second = _PER_SECOND[options.sender_type] if isinstance(options, TwilioOptions) else 1
        return Limits(rows=1, concurrency=min(per_second, _MOST_CONNECTIONS), rates=(Rate(per_second, 1.0),))

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        return adds

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        return column if kind == "VARCHAR[]" else for_text(column, kind)

    async def check(self) -> CheckResult:
        answer = body(await self._http.request("GET", self._account))
        if answer.get("status") != "active":
            return CheckResult("twilio", "failed", f"the account is {answer.get('status')}, it cannot send")
        return CheckResult("twilio", "ok", "the account is active", {"type": str(answer.get("type"))})

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        for row, values in batch.records():
            if row.destination_id is not None:
                # sent already: a message is not sent again because its text or the person's number changed
                yield Outcome(row.key, "accepted")
                continue
            message = self._message(values)
            if len(message.get("Body", "")) > _LONGEST:
                yield Outcome(row.key, "rejected", error_class="too_large")
                continue
            sent = await self._find(row, message) if row.unsettled_since is not None else None
            yield Outcome(row.key, "accepted", destination_id=sent) if sent else await self._create(row, message)

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        for row in batch.rows:
            yield Outcome(row.key, "accepted")

    async def erase(self, batch: Batch) -> AsyncIterator[Outcome]:
        for row in batch.rows:
            if row.destination_id is not None:
                await self._http.request("DELETE", f"{self._messages}/{row.destination_id}.json", expect=(404,))
            yield Outcome(row.key, "accepted")

    async def opt_outs(self, since: datetime | None) -> AsyncIterator[OptOut]:
        """Numbers whose last word was STOP. They are keys of a sync whose key is `To`; of another, nothing is told."""
        if self.target.key != "To":
            return
        sender = self._options.sender or ""
        query = {"PageSize": "1000"} | ({"To": sender} if sender.startswith("+") else {})
        if since is not None:
            query["DateSent>"] = since.strftime("%Y-%m-%d")
        last_words: dict[str, tuple[datetime, str]] = {}
        async for message in self._list(query):
            if message["direction"] != "inbound" or not message["date_sent"]:
                continue
            word = re.sub(r"\W", "", message["body"] or "").upper()
            at = _time(message["date_sent"])
            if word in _STOP | _START and at >= last_words.get(message["from"], (at,))[0]:
                last_words[message["from"]] = (at, word)
        for number, (at, word) in last_words.items():
            if word in _STOP and (since is None or at >= since):
                yield OptOut(number, "sms", at)

    async def close(self) -> None:
        await self._http.close()

    def _message(self, values: Mapping[str, Any]) -> dict[str, Any]:
        sender = self._options.sender or ""
        message: dict[str, Any] = {"MessagingServiceSid" if sender.startswith("MG") else "From": sender}
        return message | {
            name: value
            for name, value in values.items()
            if name in _FIELDS and value is not None and value != "" and value != []
        }

    async def _create(self, row: Row, message: Mapping[str, Any]) -> Outcome:
        response = await self._http.request("POST", f"{self._messages}.json", data=dict(message), expect=(400, 403))
        answer = body(response)
        if response.is_success:
            if not answer.get("sid"):
                raise Retryable("no_sid", "twilio said yes without giving the message")
            return Outcome(row.key, "accepted", destination_id=answer["sid"])
        return self._refused(row, response, answer)

    def _refused(self, row: Row, response: httpx.Response, answer: Any) -> Outcome:
        code = answer.get("code") if isinstance(answer, dict) else None
        if code == _QUEUE_FULL:
            raise RateLimited(60.0)
        if code in _ACCOUNT or response.status_code == 403:
            raise AuthenticationError(f"twilio refuses the account (code {code}): look at its status in the console")
        if code in _SENDER:
            raise ConfigurationError(
                f"{self.target.sync}: twilio refuses the sender or the template (code {code}): check the option "
                "`sender`, and that it belongs to the account and can send SMS"
            )
        return Outcome(row.key, "rejected", error_class=_ROW.get(code or 0, f"twilio_{code}"))

    async def _find(self, row: Row, message: Mapping[str, Any]) -> str | None:
        """The message that the call of unknown effect may have made; None when there is none."""
        since = row.unsettled_since or datetime.now(UTC).replace(tzinfo=None)
        still = self.settle_seconds - (datetime.now(UTC).replace(tzinfo=None) - since).total_seconds()
        await asyncio.sleep(min(max(0.0, still), self.settle_seconds))
        # within a run, the moment known is that of giving up
        earliest = since - _CLOCKS - timedelta(seconds=self._options.timeout_seconds)
        sender = self._options.sender
        async for found in self._list({"To": message["To"], "PageSize": "50"}):
            if _time(found["date_created"]) < earliest:
                break
            if found["direction"] == "inbound" or found["status"] == "canceled":
                continue
            if sender not in (found["from"], found["messaging_service_sid"]):
                continue
            # of a template, Twilio writes the text
            text = message.get("Body")
            if text is None or (found["body"] or "").removeprefix(_TRIAL).strip() == text.strip():
                return str(found["sid"])
        return None

    async def _list(self, query: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        """Messages, the newest first, page by page."""
        page = body(await self._http.request("GET", f"{self._messages}.json", params=dict(query)))
        while True:
            for message in page["messages"]:
                yield message
            if not page.get("next_page_uri"):
                return
            page = body(await self._http.request("GET", page["next_page_uri"]))


def _time(value: str) -> datetime:
    """A time as Twilio writes it (RFC 2822), in UTC without zone."""
    return parsedate_to_datetime(value).astimezone(UTC).replace(tzinfo=None)
