"""Klaviyo's JSON:API as a source, on loopback.

Facts from its specification, revision 2026-07-15 (paths /api/profiles, /api/events, /api/metrics): page sizes, sorts,
operators of each filter; `links.next` is a whole address; 429 with Retry-After; errors as `errors[].code`.
"""

import re
from urllib.parse import quote

from servers.base import Answer, Request
from servers.source import Record, SourceServer

KEY = "pk_0123456789abcdef"
TIMES = {"profiles": "updated", "events": "datetime"}
MOST = {"profiles": 100, "events": 1000, "metrics": 200}
OPERATORS = {"profiles": {"greater-than", "less-than"}, "events": {"greater-or-equal", "less-than", "greater-than"}}


class KlaviyoSource(SourceServer):
    size: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {"KLAVIYO_API_KEY": KEY, "KLAVIYO_URL": self.url}

    def put_attributes(self, table: str, id: str, **attributes: object) -> None:
        """A record of JSON:API; its time of change is among its attributes."""
        time = TIMES.get(table)
        held = self.tables.get(table, {}).get(id, {}).get("attributes", {})
        now = {time: self.now.replace("Z", "+00:00")} if time else {}
        self.put(table, id, type=table.removesuffix("s"), attributes={**held, **now, **attributes})
        del self.tables[table][id]["updated_at"]

    def handle(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Klaviyo-API-Key {KEY}":
            return error(401, "not_authenticated")
        if request.headers.get("revision") != "2026-07-15":
            return error(400, "invalid")
        table = request.path.removeprefix("/api/")
        if table not in MOST:
            return error(404, "not_found")
        token = request.query.get("page[cursor]")
        asked = self.asked(request.query, token)
        size = int(asked.get("page[size]", 20))
        if size > MOST[table] or (table == "metrics" and "page[size]" in asked):
            return error(400, "invalid")
        rows = self.rows(table)
        for operator, field, value in re.findall(r"([a-z-]+)\((\w+),([^)]+)\)", asked.get("filter", "")):
            if operator not in OPERATORS[table] or field != TIMES[table]:
                return error(400, "invalid")
            rows = [row for row in rows if holds(operator, row["attributes"][field], value)]
        sort = asked.get("sort", "id")

        def key(row: Record) -> tuple[str, ...]:
            return (row["id"],) if sort == "id" else (row["attributes"][sort], row["id"])

        page = self.page(rows, key, min(size, self.size or size), token, asked)
        records = page.records
        if "fields[profile]" in asked:
            records = [{"type": row["type"], "id": row["id"], "attributes": {}} for row in records]
        following = f"{self.url}{request.path}?page%5Bcursor%5D={quote(page.token)}" if page.token else None
        return Answer(200, {"data": records, "links": {"self": self.url, "next": following}})


def holds(operator: str, time: str, value: str) -> bool:
    time, value = time[:19], value[:19]
    return {"greater-than": time > value, "greater-or-equal": time >= value, "less-than": time < value}[operator]


def error(status: int, code: str) -> Answer:
    return Answer(status, {"errors": [{"id": "x", "status": status, "code": code, "detail": "ann@example.com"}]})
