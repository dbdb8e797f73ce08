"""Medusa's Admin API on loopback: its lists, with the traps of the real one (orchestration/extract/live/medusa.py).

Shapes and refusals as Medusa 2.21 answered the tests of tests/test_live_medusa_shop.py.
"""

import itertools
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from servers.base import Answer, Request
from servers.source import Record, SourceServer

KEY = "sk_0123456789abcdef"
LISTS = ("customers", "orders", "products", "payments")
# what a list is asked by; anything else is refused (customers, products) or, worse, passed over
KNOWN = {"fields", "offset", "limit", "order", "with_deleted", "updated_at[$gte]", "updated_at[$lt]", "id[]"}


class MedusaServer(SourceServer):
    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)
        self.turned: Callable[[], None] = lambda: None
        """Called after each page."""

    @property
    def environment(self) -> dict[str, str]:
        return {"MEDUSA_URL": self.url, "MEDUSA_API_KEY": KEY}

    @property
    def now(self) -> str:
        moment = datetime.fromtimestamp(time.time() + self.ahead, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def new(self, table: str, **values: Any) -> Record:
        """A record with the next id; as with ULIDs, later ones are greater."""
        prefix = {"customers": "cus", "orders": "order", "products": "prod", "payments": "pay"}[table]
        return self.put(table, f"{prefix}_{next(self._numbers):06d}", **{"created_at": self.now, **values})

    def delete(self, table: str, id: object) -> None:
        """A product stays in the list for whoever asks for deleted ones, a customer does not."""
        if table == "products":
            self.put(table, id, deleted_at=self.now)
        else:
            super().delete(table, id)

    def pay(self, order: Record) -> Record:
        """A payment of an order, which is not `updated_at` by it."""
        link = {"id": f"pay_col_{order['id']}", "order": {"id": order["id"]}}
        payment = self.new("payments", amount=order["total"], payment_collection=link)
        paid = {"id": payment["id"], "amount": order["total"], "updated_at": payment["updated_at"], "refunds": []}
        collection = {"id": link["id"], "updated_at": payment["updated_at"], "payments": [paid]}
        order = self.tables["orders"][order["id"]]
        return self.put(
            "orders", order["id"], updated_at=order["updated_at"], payment_status="captured",
            payment_collections=[collection],
        )  # fmt: skip

    def handle(self, request: Request) -> Answer:
        expected = "Basic " + b64encode(f"{KEY}:".encode()).decode()
        if request.headers.get("authorization") != expected:
            return Answer(401, {"message": "Unauthorized"})
        name = request.path.removeprefix("/admin/")
        if name not in LISTS:
            return Answer(404, b"<pre>Cannot GET</pre>")
        query = request.query
        by_id = {"id[$gt]"} if name in ("customers", "orders") else set()
        if unknown := set(query) - KNOWN - by_id:
            self.broken.append(f"{name} asked by {sorted(unknown)}")
            return Answer(400, {"type": "invalid_data", "message": "Invalid request: Unrecognized fields"})
        if query.get("order") not in (None, "id"):
            return Answer(500, {"code": "unknown_error", "type": "unknown_error", "message": "An unknown error"})
        rows = [row for row in self.rows(name) if self._is_asked(row, request)]
        rows.sort(key=lambda row: row["id"])
        offset = int(query.get("offset", 0))
        size = int(query.get("limit", 15))
        page = [self._shuffled(row) for row in rows[offset : offset + size]]
        self.turned()
        return Answer(200, {name: page, "count": len(rows), "offset": offset, "limit": size})

    def _is_asked(self, row: Record, request: Request) -> bool:
        query = request.query
        if row.get("deleted_at") and query.get("with_deleted") != "true":
            return False
        if wanted := request.all("id[]"):
            return row["id"] in wanted
        since, until = query.get("updated_at[$gte]", "0001-01-01"), query.get("updated_at[$lt]", "9999-01-01")
        at = _moment(row["updated_at"])
        return bool(query.get("id[$gt]", "") < row["id"] and _moment(since) <= at < _moment(until))

    def _shuffled(self, row: Record) -> Record:
        """Lists in a record come in any order."""
        return {
            key: self.mischief.random.sample(value, len(value)) if isinstance(value, list) else value
            for key, value in row.items()
        }


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00Z")
