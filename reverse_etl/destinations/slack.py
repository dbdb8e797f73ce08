"""Slack: digests and alerts into channels, one message per row, by the Web API.

What shapes this file (Slack, methods `chat.postMessage`, `chat.update`, `chat.delete`, `conversations.history`, "Rate
limits", "Formatting text for app surfaces", "Using message metadata"):

* HTTP 200 says nothing: the answer is `{"ok": false, "error": ...}` or `{"ok": true, "ts": ...}`.
* One message a second and channel; 429 has Retry-After.
* No idempotency key. But a message carries metadata that people do not see: ours names the row by a hash, and after a
  call whose answer was lost the channel's history is read for it before the message is posted again.
* `&`, `<` and `>` are control characters: unescaped, a customer's name can be `<!channel>` and wake everybody. They
  are escaped, names are not linked, links are not unfurled, and the marks of formatting (`*bold*`) stay what they
  are, unless the option `formatting` lets them work.
* Beyond 40,000 characters Slack cuts a text: such a row is refused.

In mode `create` a row is posted once and left alone; in `upsert` and `mirror` its message is edited when the text
changes. A removal deletes the message.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Mode, Outcome, Row, Target
from reverse_etl.environment import credentials, setting
from reverse_etl.errors import AuthenticationError, ConfigurationError, RateLimited, Retryable
from reverse_etl.http import Http, body, retry_after
from reverse_etl.limits import Limits, Options, Rate
from reverse_etl.rendering import for_text

_LONGEST = 40_000
_EVENT = "kinship_row"
_CLOCKS = timedelta(minutes=2)
"""How far Slack's clock and ours may be apart."""
_LOGGED_OUT = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"})
_FORBIDDEN = frozenset(
    {"missing_scope", "not_allowed_token_type", "no_permission", "access_denied", "ekm_access_denied"}
)
_NO_CHANNEL = frozenset({"channel_not_found", "not_in_channel", "is_archived", "restricted_action"})
_TRANSIENT = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})
_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")


class SlackOptions(Options):
    """`formatting`: let Slack's marks (`*bold*`, `_italic_`, lists) in the text work."""

    formatting: bool = False
    settle_seconds: float = Field(default=5.0, ge=0)
    timeout_seconds: float = Field(default=30.0, gt=0)


class _Refused(Exception):
    """`ok: false`, for a reason that lies in the row."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Slack(Destination):
    """Messages in one channel: the sync's `object` is its id (`C0123456789`); a column `channel` goes before it.

    The key may be any column; it names the row and is not posted.
    """

    options_model = SlackOptions
    modes: ClassVar[frozenset[Mode]] = frozenset({"create", "upsert", "mirror"})
    cost = "messages"
    takes_rows_about_nobody: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        (token,) = credentials("slack", "KINSHIP_SLACK_BOT_TOKEN")
        self._options: SlackOptions = target.options
        self.settle_seconds = self._options.settle_seconds
        if target.fields:
            self._check_target()
        self._http = Http(
            "slack",
            f"{setting('KINSHIP_SLACK_URL', 'https://slack.com/api').rstrip('/')}/",
            target.meter,
            headers={"Authorization": f"Bearer {token}"},
            timeout=self._options.timeout_seconds,
        )

    def _check_target(self) -> None:
        target = self.target
        if "text" not in target.fields:
            raise ConfigurationError(f"{target.sync}: a message needs the column `text`")
        if unknown := sorted(set(target.fields) - {"text", "channel", target.key}):
            raise ConfigurationError(
                f"{target.sync}: a message at slack has no {unknown[0]!r}; it takes text, channel, and the key, which "
                "is not posted (begin a column with _ to keep it in the house)"
            )

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        # "Rate limits": posting messages, one a second and channel. A batch is one row: of a run that was killed, at
        # most one message is of unknown fate
        return Limits(rows=1, rates=(Rate(1, 1.0),))

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        return for_text(column, kind)

    async def check(self) -> CheckResult:
        team = await self._log_in()
        return CheckResult("slack", "ok", "the token is valid and has the scopes it needs", {"team": team})

    async def prepare(self) -> None:
        await self._log_in()

    async def _log_in(self) -> str:
        response = await self._http.request("POST", "auth.test")
        answer = self._read(body(response), retry_after(response))
        scopes = {scope.strip() for scope in response.headers.get("X-OAuth-Scopes", "").split(",")}
        if "" not in scopes and not ("chat:write" in scopes and scopes & set(_HISTORY)):
            raise ConfigurationError(
                "the app at slack needs chat:write, and channels:history (for private channels groups:history) "
                f"to know its own message after a call whose answer was lost; it has {', '.join(sorted(scopes))}"
            )
        return str(answer.get("team", ""))

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        for row, values in batch.records():
            if row.destination_id is not None and self.target.mode == "create":
                yield Outcome(row.key, "accepted")
                continue
            text = _escaped(values["text"] or "")
            if len(text) > _LONGEST:
                yield Outcome(row.key, "rejected", error_class="too_large")
                continue
            try:
                yield await self._post(row, values.get("channel") or self.target.object, text)
            except _Refused as refused:
                yield _outcome(row, refused)

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        for row in batch.rows:
            try:
                if row.destination_id is not None:
                    channel, ts = row.destination_id.split(":")
                    await self._call("chat.delete", {"channel": channel, "ts": ts})
                yield Outcome(row.key, "accepted")
            except _Refused as refused:
                yield _outcome(row, refused)

    async def close(self) -> None:
        await self._http.close()

    async def _post(self, row: Row, channel: str, text: str) -> Outcome:
        """Post the message of a row, or edit the one that is there."""
        there = row.destination_id
        if there is None and row.unsettled_since is not None:
            there = await self._find(row, channel)
            if there is not None and self.target.mode == "create":
                return Outcome(row.key, "accepted", destination_id=there)
        message = {"text": text, "metadata": {"event_type": _EVENT, "event_payload": {"row": self._mark(row)}}}
        quiet = {"parse": "none", "link_names": False}
        if there is not None:
            channel, ts = there.split(":")
            answer = await self._call("chat.update", {"channel": channel, "ts": ts, **message, **quiet})
        else:
            still = {"mrkdwn": self._options.formatting, "unfurl_links": False, "unfurl_media": False}
            answer = await self._call("chat.postMessage", {"channel": channel, **message, **quiet, **still})
        if not answer.get("ts"):
            raise Retryable("no_ts", "slack said yes without giving the message")
        return Outcome(row.key, "accepted", destination_id=f"{answer.get('channel', channel)}:{answer['ts']}")

    def _mark(self, row: Row) -> str:
        """What names the row in its message's metadata: a hash, which tells nobody the key."""
        return hashlib.sha256(f"{self.target.sync}\0{row.key}".encode()).hexdigest()

    async def _find(self, row: Row, channel: str) -> str | None:
        """The message that the call of unknown effect may have posted; None when there is none."""
        now = datetime.now(UTC).replace(tzinfo=None)
        since = row.unsettled_since or now
        still = self.settle_seconds - (now - since).total_seconds()
        await asyncio.sleep(min(max(0.0, still), self.settle_seconds))
        # within a run, the moment known is that of giving up
        oldest = since - _CLOCKS - timedelta(seconds=self._options.timeout_seconds)
        query = {"channel": channel, "oldest": f"{oldest.replace(tzinfo=UTC).timestamp():.6f}", "limit": "200",
                 "include_all_metadata": "true"}  # fmt: skip
        while True:
            response = await self._http.request("GET", "conversations.history", params=query)
            answer = self._read(body(response), retry_after(response))
            for message in answer["messages"]:
                metadata = message.get("metadata") or {}
                if metadata.get("event_type") == _EVENT and metadata["event_payload"].get("row") == self._mark(row):
                    return f"{channel}:{message['ts']}"
            query["cursor"] = (answer.get("response_metadata") or {}).get("next_cursor", "")
            if not query["cursor"]:
                return None

    async def _call(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        response = await self._http.request("POST", method, json=dict(arguments))
        return self._read(body(response), retry_after(response))

    def _read(self, answer: Any, wait: float | None) -> dict[str, Any]:
        """An answer that says `ok`. Raises the error of any other; _Refused when it speaks of the row."""
        if isinstance(answer, dict) and answer.get("ok"):
            return answer
        code = str(answer.get("error")) if isinstance(answer, dict) else "no_answer"
        if code in ("ratelimited", "rate_limited"):
            raise RateLimited(wait)
        if code in _LOGGED_OUT:
            raise AuthenticationError(f"slack refuses the token ({code}): renew KINSHIP_SLACK_BOT_TOKEN")
        if code in _FORBIDDEN:
            raise AuthenticationError(
                f"slack forbids this to the token ({code}): the app needs chat:write and channels:history"
            )
        if code in _TRANSIENT or code == "no_answer":
            raise Retryable(code)
        if code in _NO_CHANNEL and "channel" not in self.target.fields:
            raise ConfigurationError(
                f"{self.target.sync}: slack has no channel {self.target.object!r} for the app ({code}): "
                "give its id (C...) as the sync's object, and invite the app into it"
            )
        raise _Refused(code)


def _outcome(row: Row, refused: _Refused) -> Outcome:
    gone = refused.code == "message_not_found"
    return Outcome(row.key, "gone" if gone else "rejected", error_class=refused.code)


def _escaped(text: str) -> str:
    """Slack's control characters as text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
