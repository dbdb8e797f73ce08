"""The case of `slack`: a channel whose messages can be edited and deleted."""

import hashlib
import re
from pathlib import Path
from typing import Any

from servers.base import Answer, Request, ToolServer
from servers.case import Case

TOKEN = "xoxb-right"
CHANNEL = "C0123456789"


class SlackServer(ToolServer):
    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[str, dict[str, Any]] = {}
        """By `ts`, as they were sent."""
        self.woken: list[str] = []
        """What was taken for a mention."""
        self.scopes = "chat:write,channels:history"
        self.error: str | None = None
        """The answer to every call but auth.test."""
        self._clock = 1_700_000_000.0

    @property
    def environment(self) -> dict[str, str]:
        return {"KINSHIP_SLACK_URL": f"{self.url}/api", "KINSHIP_SLACK_BOT_TOKEN": TOKEN}

    @property
    def texts(self) -> list[str]:
        """What people read."""
        return [shown(message["text"]) for message in self.messages.values()]

    def handle(self, request: Request) -> Answer:
        method = request.path.removeprefix("/api/")
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return self.no("invalid_auth")
        if method == "auth.test":
            return Answer(body={"ok": True, "team": "Kinship"}, headers={"X-OAuth-Scopes": self.scopes})
        if self.error is not None:
            return self.no(self.error)
        asked: dict[str, Any] = request.query if request.method == "GET" else request.json()
        if asked.get("channel") != CHANNEL:
            return self.no("channel_not_found")
        match method:
            case "chat.postMessage":
                return self._post(asked)
            case "conversations.history":
                return self._history(asked)
            case "chat.update" | "chat.delete":
                if asked["ts"] not in self.messages:
                    return self.no("message_not_found")
                if method == "chat.delete":
                    del self.messages[asked["ts"]]
                else:
                    self.messages[asked["ts"]].update(asked)
                return Answer(body={"ok": True, "channel": CHANNEL, "ts": asked["ts"]})
        return self.no("unknown_method")

    @staticmethod
    def no(error: str) -> Answer:
        return Answer(body={"ok": False, "error": error})

    def _post(self, asked: dict[str, Any]) -> Answer:
        text = asked.get("text") or ""
        if not text.strip():
            return self.no("no_text")
        if len(text) > 40_000:
            self.broken.append("a text that Slack cuts")
        self.woken += re.findall(r"<[!@#][^>]*>", text)
        if asked.get("link_names") or asked.get("parse") == "full":
            self.woken += re.findall(r"@\w+", text)
        self._clock += 0.001
        ts = f"{self._clock:.6f}"
        if not self.is_silent:
            self.messages[ts] = asked
        return Answer(body={"ok": True, "channel": CHANNEL, "ts": ts, "message": {"text": text}})

    def _history(self, asked: dict[str, Any]) -> Answer:
        start = int(asked.get("cursor") or 0)
        size = min(int(asked.get("limit", 100)), 50)
        newest = sorted(self.messages.items(), reverse=True)
        shows = asked.get("include_all_metadata") == "true"
        page = [
            {"ts": ts, "text": message["text"], **({"metadata": message["metadata"]} if shows else {})}
            for ts, message in newest[start : start + size]
        ]
        more = start + size < len(newest)
        cursor = str(start + size) if more else ""
        return Answer(
            body={"ok": True, "messages": page, "has_more": more, "response_metadata": {"next_cursor": cursor}}
        )


def shown(text: str) -> str:
    """A text as Slack shows it."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def mark(sync: str, key: str) -> str:
    """The name of a row in its message's metadata."""
    return hashlib.sha256(f"{sync}\0{key}".encode()).hexdigest()


class Messages(Case):
    sync = {  # noqa: RUF012
        "object": CHANNEL,
        "key": "digest",
        "options": {"requests_per_second": 10_000, "settle_seconds": 0.01},
    }
    value = "text"

    def server(self, folder: Path) -> SlackServer:
        return SlackServer()

    def key(self, n: int) -> str:
        return f"digest-{n}"

    def poisoned(self, n: int) -> dict[str, Any]:
        return self.row(n, " ")

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_SLACK_BOT_TOKEN": "xoxb-wrong"}

    def content(self, server: Any) -> list[tuple[str, str]]:
        rows = {mark("sync_slack__test", self.key(n)): self.key(n) for n in range(200)}
        return sorted(
            (rows[message["metadata"]["event_payload"]["row"]], shown(message["text"]))
            for message in server.messages.values()
        )
