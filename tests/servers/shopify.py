"""Shopify's Admin REST API on loopback.

Facts from https://shopify.dev/docs/api/admin-rest: pages of 250 at most by the header Link, whose `page_info` stands
alone with `limit` (/usage/pagination); a bucket of 40 calls that leaks 2 a second, told in
X-Shopify-Shop-Api-Call-Limit, beyond it 429 with `Retry-After: 2.0` (/usage/rate-limits).
"""

import time
from dataclasses import replace
from urllib.parse import urlencode

from servers.base import Answer, Request
from servers.source import SourceServer

TOKEN = "shpat_0123456789abcdef"


class ShopifyServer(SourceServer):
    path = "/admin/api/2025-10/"
    bucket = 40
    leak = 2.0

    def __init__(self) -> None:
        super().__init__()
        self._filled, self._seen = 0.0, time.monotonic()
        self.size: int | None = None
        """Records on a page at most; None: as many as are asked for."""

    @property
    def environment(self) -> dict[str, str]:
        return {"SHOPIFY_URL": self.url, "SHOPIFY_ACCESS_TOKEN": TOKEN}

    def delete(self, table: str, id: object) -> None:
        """Deletes of orders and products are in the log of events, those of customers are not."""
        super().delete(table, id)
        subject = {"orders": "Order", "products": "Product"}.get(table)
        if subject:
            number = len(self.tables.get("events", {})) + 1
            event = {"subject_id": id, "subject_type": subject, "verb": "destroy", "created_at": self.now}
            self.put("events", number, **event)

    def handle(self, request: Request) -> Answer:
        if request.headers.get("x-shopify-access-token") != TOKEN:
            return Answer(
                401, {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
            )
        if not self._pours():
            return Answer(429, {"errors": "Exceeded 2 calls per second for api client."}, {"Retry-After": "2.0"})
        name = request.path.removeprefix(self.path).removesuffix(".json")
        if name not in ("customers", "orders", "checkouts", "products", "events"):
            return Answer(404, {"errors": "Not Found"})
        query = request.query
        token = query.get("page_info")
        if token and set(query) - {"page_info", "limit", "fields"}:
            return Answer(400, {"errors": {"page_info": "Invalid value."}})
        size = min(int(query.get("limit", 50)), 250)
        if self.size:
            size = min(size, self.size)
        asked = self.asked(query, token)
        rows = self.rows(name)
        if "since_id" in asked:
            rows = [row for row in rows if row["id"] > int(asked["since_id"])]
        field = "created_at" if name == "events" else "updated_at"
        since, until = asked.get(f"{field}_min", ""), asked.get(f"{field}_max", "9")
        rows = [row for row in rows if since <= row[field] < until]
        if name == "events":
            rows = [row for row in rows if (row["subject_type"], row["verb"]) == (asked["filter"], asked["verb"])]
        by_id = "since_id" in asked
        page = self.page(rows, lambda row: (row["id"],) if by_id else (row[field], row["id"]), size, token, asked)
        if "fields" in asked:
            page = replace(page, records=[{"id": row["id"]} for row in page.records])
        headers = {"X-Shopify-Shop-Api-Call-Limit": f"{int(self._filled)}/{self.bucket}"}
        if page.token:
            following = urlencode({"limit": size, "page_info": page.token})
            headers["Link"] = f'<{self.url}{request.path}?{following}>; rel="next"'
        return Answer(200, {name: page.records}, headers)

    def _pours(self) -> bool:
        now = time.monotonic()
        self._filled = max(0.0, self._filled - (now - self._seen) * self.leak)
        self._seen = now
        if self._filled + 1 > self.bucket:
            return False
        self._filled += 1
        return True
