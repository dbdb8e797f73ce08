"""A running system on loopback that hands over its records in pages, and misbehaves by seed as real ones do."""

import json
import random
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

from servers.base import Answer, Request, ToolServer

Record = dict[str, Any]
Key = tuple[Any, ...]


@dataclass
class Mischief:
    """Shares of pages, by seed: `repeat` comes again as the next one, `swap` comes before the one that was due,
    `shuffle` has its records in another order, `change`: a record changes after it, `cut` ends half way."""

    seed: int = 0
    repeat: float = 0.0
    swap: float = 0.0
    shuffle: float = 0.0
    change: float = 0.0
    cut: float = 0.0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def draws(self, share: str) -> bool:
        return self.random.random() < getattr(self, share)


@dataclass(frozen=True)
class Page:
    """`token` asks for the next page, None: there is none."""

    records: list[Record]
    token: str | None


class SourceServer(ToolServer):
    """Keeps records by table and id. A system's own file says how they are asked for."""

    changed = "updated_at"

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, dict[str, Record]] = {}
        self.mischief = Mischief()
        self.change: Callable[[], None] = lambda: None
        """Changes one record; called as often as `mischief.change` says."""
        self.ahead = 0.0
        """Seconds by which the system's clock is ahead of ours."""

    @property
    def now(self) -> str:
        return datetime.fromtimestamp(int(time.time() + self.ahead), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def put(self, table: str, id: object, **values: Any) -> Record:
        """Write a record: what is given changes, its time of change with it unless it is given."""
        with self._lock:
            held = self.tables.setdefault(table, {}).get(str(id), {"id": id})
            record = {**held, self.changed: self.now, **values}
            self.tables[table][str(id)] = record
            return record

    def delete(self, table: str, id: object) -> None:
        with self._lock:
            del self.tables[table][str(id)]

    def rows(self, table: str) -> list[Record]:
        return list(self.tables.get(table, {}).values())

    @staticmethod
    def asked(query: dict[str, str], token: str | None) -> dict[str, str]:
        """What the first page was asked with: a token of a further page carries it."""
        return dict(json.loads(urlsafe_b64decode(token))["asked"]) if token else query

    def page(
        self,
        rows: Sequence[Record],
        key: Callable[[Record], Key],
        size: int,
        token: str | None,
        asked: dict[str, str] | None = None,
    ) -> Page:
        """The page that a token asks for of rows in the order of a key, and the token of the next one.

        A token says after which key to go on (`after`), and which stretch is owed first (`owed`), in case the pages
        were swapped.
        """
        ordered = sorted(rows, key=key)
        state = json.loads(urlsafe_b64decode(token)) if token else {"after": None, "owed": None}
        mischief = self.mischief
        if state["owed"]:
            low, high = state["owed"]
            chosen = [row for row in ordered if (low is None or key(row) > tuple(low)) and key(row) <= tuple(high)]
            following: dict[str, Any] | None = {"after": state["after"], "owed": None}
            more = any(key(row) > tuple(state["after"]) for row in ordered)
        else:
            left = [row for row in ordered if state["after"] is None or key(row) > tuple(state["after"])]
            chosen, beyond = left[:size], left[size:]
            more = bool(beyond)
            following = {"after": key(chosen[-1]), "owed": None} if chosen else None
            if beyond and mischief.draws("swap"):
                owed = (state["after"], key(chosen[-1]))
                chosen = beyond[:size]
                following = {"after": key(chosen[-1]), "owed": owed}
            elif chosen and mischief.draws("repeat"):
                following, more = state, True
        if following:
            following = {**following, "asked": asked or {}}
        if mischief.draws("shuffle"):
            chosen = mischief.random.sample(chosen, len(chosen))
        result = Page(
            [dict(row) for row in chosen],
            urlsafe_b64encode(json.dumps(following).encode()).decode() if more and following else None,
        )
        if mischief.draws("change"):
            self.change()
        return result

    def answer(self, request: Request) -> Answer | None:
        answer = super().answer(request)
        if answer is None:
            return None
        answer.cut = answer.status == 200 and self.mischief.draws("cut")
        answer.headers["Date"] = formatdate(time.time() + self.ahead, usegmt=True)
        return answer
