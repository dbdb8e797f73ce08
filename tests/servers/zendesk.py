"""Zendesk's ticketing API on loopback.

Facts from https://developer.zendesk.com/api-reference/ticketing/ticket-management/incremental_exports/ and
/documentation/ticketing/managing-tickets/using-the-incremental-export-api: exports of tickets and users by cursor, of
ticket events by time, up to 1,000 records a page; `end_of_stream`; what changed within the last minute is left out;
deleted tickets have the status `deleted`, deleted users `active: false`. Ratings by cursor: /satisfaction_ratings/.
"""

import base64
import time
from datetime import UTC, datetime
from typing import Any

from servers.base import Answer, Request
from servers.source import Record, SourceServer

EMAIL, TOKEN = "ops@example.com", "zd-token"


class ZendeskServer(SourceServer):
    size = 1000
    hides = 0.0
    """Seconds for which a change is left out of the exports: 60 over there."""

    @property
    def environment(self) -> dict[str, str]:
        return {"ZENDESK_URL": self.url, "ZENDESK_EMAIL": EMAIL, "ZENDESK_API_TOKEN": TOKEN}

    def delete(self, table: str, id: object) -> None:
        """Deleted records stay in the exports."""
        values = {"tickets": {"status": "deleted"}, "users": {"active": False}}[table]
        self.put(table, id, **values)
        self.gone.add((table, str(id)))

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[tuple[str, str]] = set()

    def comment(self, ticket: int, id: int, body: str) -> None:
        """A comment: an event of its ticket, with the comment as its child."""
        child = {"id": id, "event_type": "Comment", "type": "Comment", "author_id": 5, "body": body, "public": True}
        self.put(
            "ticket_events", f"e{id}", ticket_id=ticket, created_at=self.now,
            child_events=[{"id": id + 1_000_000, "event_type": "Change", "status": "open"}, child],
        )  # fmt: skip
        self.put("comments", id, ticket_id=ticket, created_at=self.now, author_id=5, body=body, public=True)
        del self.tables["comments"][str(id)]["updated_at"]

    def handle(self, request: Request) -> Answer:
        expected = base64.b64encode(f"{EMAIL}/token:{TOKEN}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return Answer(401, {"error": "Couldn't authenticate you"})
        path, query = request.path.removeprefix("/api/v2/"), request.query
        if path in ("incremental/tickets/cursor.json", "incremental/users/cursor.json"):
            return self._export(path.split("/")[1], query)
        if path == "incremental/ticket_events.json" and query.get("include") == "comment_events":
            return self._events(query)
        if path == "satisfaction_ratings.json":
            since, until = float(query.get("start_time", 0)), float(query.get("end_time", 1e12))
            rows = [row for row in self.rows("satisfaction_ratings") if since <= seconds(row["updated_at"]) < until]
            page = self.page(rows, lambda row: (row["created_at"], row["id"]), self.size, query.get("page[after]"))
            meta = {"has_more": page.token is not None, "after_cursor": page.token or "last"}
            return Answer(200, {"satisfaction_ratings": page.records, "meta": meta, "links": {"next": None}})
        return Answer(404, {"error": "InvalidEndpoint"})

    def _changed(self, table: str) -> list[tuple[float, Any, Record]]:
        before = time.time() + self.ahead - self.hides
        rows = [(seconds(row["updated_at"]), row["id"], row) for row in self.rows(table)]
        return sorted([row for row in rows if row[0] <= before], key=lambda row: (row[0], str(row[1])))

    def _export(self, table: str, query: dict[str, str]) -> Answer:
        if "cursor" in query:
            at, _, id = base64.b64decode(query["cursor"]).decode().partition("|")
            left = [row for row in self._changed(table) if (row[0], str(row[1])) > (float(at), id)]
        elif "start_time" in query:
            left = [row for row in self._changed(table) if row[0] >= float(query["start_time"])]
        else:
            return Answer(400, {"error": "StartTimeMissing"})
        page = left[: self.size]
        after = base64.b64encode(f"{page[-1][0]}|{page[-1][1]}".encode()).decode() if page else query.get("cursor")
        records = [dict(row) for *_, row in page]
        answer = Answer(200, {table: records, "after_cursor": after, "end_of_stream": len(left) <= self.size})
        if self.mischief.draws("change"):
            self.change()
        return answer

    def _events(self, query: dict[str, str]) -> Answer:
        since = float(query["start_time"])
        left = [row for row in self._changed("ticket_events") if row[0] >= since]
        end = left[min(len(left), self.size) - 1][0] if left else None
        page = [row for row in left if end is not None and row[0] <= end]  # a second is never cut
        rows = [dict(row) for *_, row in page]
        return Answer(
            200,
            {
                "ticket_events": rows,
                "end_time": end and int(end),
                "count": len(rows),
                "end_of_stream": len(page) == len(left),
            },
        )


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()
