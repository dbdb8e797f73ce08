"""The case of `twilio`: messages that wait in a queue, no idempotency key, people who answered STOP."""

import base64
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from servers.base import Answer, Request, ToolServer
from servers.case import Case

ACCOUNT = "AC" + "0" * 32
SERVICE = "MG" + "0" * 32
NUMBER = "+15550009999"
TOKEN = "right"
CODES = {20003: 401, 20404: 404}


@dataclass
class Message:
    """As the list shows it; `date_sent` is None while it waits in the queue."""

    to: str
    body: str
    sid: str
    from_: str | None = NUMBER
    service: str | None = None
    direction: str = "outbound-api"
    status: str = "queued"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    sent: datetime | None = None

    def resource(self) -> dict[str, Any]:
        return {
            "sid": self.sid, "account_sid": ACCOUNT, "api_version": "2010-04-01", "body": self.body, "to": self.to,
            "from": self.from_, "messaging_service_sid": self.service, "direction": self.direction,
            "status": self.status, "num_media": "0", "num_segments": "1", "price": None, "price_unit": "USD",
            "error_code": None, "error_message": None,
            "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{self.sid}.json",
            "date_created": format_datetime(self.created), "date_updated": format_datetime(self.created),
            "date_sent": format_datetime(self.sent) if self.sent else None, "subresource_uris": {},
        }  # fmt: skip


class TwilioServer(ToolServer):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []
        self.stopped: set[str] = set()
        self.code: int | None = None
        """The answer to every message."""
        self.page = 50

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KINSHIP_TWILIO_URL": self.url,
            "KINSHIP_TWILIO_ACCOUNT_SID": ACCOUNT,
            "KINSHIP_TWILIO_AUTH_TOKEN": TOKEN,
        }

    def add(self, **fields: Any) -> Message:
        message = Message(sid=f"SM{len(self.messages):032x}", **fields)
        self.messages.append(message)
        return message

    @staticmethod
    def refusal(code: int) -> Answer:
        status = CODES.get(code, 400)
        return Answer(status, {"code": code, "message": "'+1555...' is quoted here", "status": status,
                               "more_info": f"https://www.twilio.com/docs/errors/{code}"})  # fmt: skip

    def too_many(self) -> Answer:
        answer = self.refusal(20429)
        wait = self.faults.retry_after
        return Answer(429, answer.body, {} if wait is None else {"Retry-After": str(wait)})

    def handle(self, request: Request) -> Answer:
        expected = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return self.refusal(20003)
        base = f"/2010-04-01/Accounts/{ACCOUNT}"
        if request.path == f"{base}.json":
            return Answer(body={"sid": ACCOUNT, "status": "active", "type": "Full"})
        if request.path == f"{base}/Messages.json":
            return self._create(request.form()) if request.method == "POST" else self._list(request.query)
        if request.method == "DELETE":
            before = len(self.messages)
            self.messages = [message for message in self.messages if f"/{message.sid}.json" not in request.path]
            return Answer(204) if len(self.messages) < before else self.refusal(20404)
        return self.refusal(20404)

    def _create(self, form: dict[str, str]) -> Answer:
        if self.code is not None:
            return self.refusal(self.code)
        to, body = form.get("To", ""), form.get("Body", "")
        if not re.fullmatch(r"\+[1-9]\d{6,14}", to):
            return self.refusal(21211)
        if form.get("From") != NUMBER and form.get("MessagingServiceSid") != SERVICE:
            return self.refusal(21606)
        if not body and "MediaUrl" not in form and "ContentSid" not in form:
            return self.refusal(21602)
        if len(body) > 1600:
            return self.refusal(21617)
        if "MediaUrl" in form and not form["MediaUrl"].startswith("https://"):
            return self.refusal(21620)
        if to in self.stopped:
            return self.refusal(21610)
        message = self.add(to=to, body=body, from_=form.get("From"), service=form.get("MessagingServiceSid"))
        return Answer(201, message.resource())

    def _list(self, query: dict[str, str]) -> Answer:
        if unknown := set(query) - {
            "To",
            "From",
            "DateSent",
            "DateSent<",
            "DateSent>",
            "PageSize",
            "Page",
            "PageToken",
        }:
            self.broken.append(f"unknown parameters {sorted(unknown)}")
        found = [
            message
            for message in reversed(self.messages)
            if query.get("To") in (None, message.to) and query.get("From") in (None, message.from_)
        ]
        for name, keeps in (("DateSent>", "__ge__"), ("DateSent", "__eq__"), ("DateSent<", "__le__")):
            if name in query:
                # who waits in the queue has no date yet, and is not in
                day = query[name]
                found = [one for one in found if one.sent and getattr(one.sent.strftime("%Y-%m-%d"), keeps)(day)]
        size = min(int(query.get("PageSize", self.page)), self.page)
        page = int(query.get("Page", 0))
        rest = found[(page + 1) * size :]
        following = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json?{urlencode({**query, 'Page': page + 1})}"
        return Answer(body={"messages": [message.resource() for message in found[page * size : (page + 1) * size]],
                            "page": page, "page_size": size, "next_page_uri": following if rest else None})  # fmt: skip


class Messages(Case):
    sync = {  # noqa: RUF012
        "object": "messages",
        "key": "To",
        "channel": "sms",
        "options": {"sender": NUMBER, "requests_per_second": 10_000, "settle_seconds": 0.01},
    }
    value = "Body"
    keeps_state = False

    def server(self, folder: Path) -> TwilioServer:
        return TwilioServer()

    def key(self, n: int) -> str:
        return f"+1555{n:07d}"

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"To": self.key(n), "Body": value, "MediaUrl": None}

    def poisoned(self, n: int) -> dict[str, Any]:
        return {**self.row(n, "x"), "MediaUrl": "ftp://example.com/picture"}

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_TWILIO_AUTH_TOKEN": "wrong"}

    def content(self, server: Any) -> list[tuple[str, str]]:
        return sorted((message.to, message.body) for message in server.messages)


def ago(**span: float) -> datetime:
    """A moment that long ago."""
    return datetime.now(UTC) - timedelta(**span)
