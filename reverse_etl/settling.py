"""Rows of unknown fate: look at the destination before anything is sent again."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime

from reverse_etl.destination import Batch, Destination, Operation, Outcome
from reverse_etl.ledger import utcnow


class Uncertain:
    """Keys whose last call may have taken effect, or may still be running over there.

    How long to wait is measured on a clock that only goes forward: what an earlier process sent (`claimed`, with the
    time of its claim), was sent before this one began.
    """

    def __init__(self, claimed: Mapping[str, datetime]) -> None:
        now = asyncio.get_running_loop().time()
        self._first = dict(claimed)
        self._last = dict.fromkeys(claimed, now)

    def __contains__(self, key: object) -> bool:
        return key in self._first

    def __bool__(self) -> bool:
        return bool(self._first)

    def since(self, key: str) -> datetime | None:
        """When the first of the calls of unknown effect was made (UTC, no zone); None when there is none."""
        return self._first.get(key)

    def add(self, keys: Collection[str]) -> None:
        """The call with these rows ended without an answer, just now."""
        now, at = asyncio.get_running_loop().time(), utcnow()
        for key in keys:
            self._last[key] = now
            self._first.setdefault(key, at)

    def discard(self, keys: Collection[str]) -> None:
        """It is known what became of them."""
        if not self._first:
            return
        for key in keys:
            self._first.pop(key, None)
            self._last.pop(key, None)

    def wait(self, keys: Collection[str], settle_seconds: float) -> float:
        """Seconds until no call with these rows can be running any more."""
        last = [self._last[key] for key in keys if key in self._last]
        if not last:
            return 0.0
        return max(0.0, max(last) + settle_seconds - asyncio.get_running_loop().time())


async def settle(destination: Destination, batch: Batch, uncertain: Uncertain) -> list[Outcome]:
    """Look up the rows whose id is not known, give them the id that was found, and the outcomes that decides."""
    if not destination.can_look_up:
        return []
    unknown = [row for row in batch.rows if row.destination_id is None or row.moved_from is not None]
    if not unknown:
        return []
    keys = [row.key for row in unknown]
    await asyncio.sleep(uncertain.wait(keys, destination.settle_seconds))
    found = await destination.lookup(keys)
    mode = destination.target.mode
    decided = []
    for row in unknown:
        ids = found.get(row.key, ())
        if len(ids) > 1:
            decided.append(Outcome(row.key, "rejected", error_class="ambiguous_match"))
        elif ids:
            if row.moved_from is not None and row.destination_id != ids[0]:
                # the new key has a record of its own: that one is meant, and the old one has to go
                row.supersedes = row.moved_from if row.moved_from != row.key else None
                row.created_by_us, row.moved_from = False, None
            row.destination_id = ids[0]
            if mode == "create" and not row.created_by_us and row.operation is Operation.ADD:
                decided.append(Outcome(row.key, "rejected", error_class="already_exists"))
        elif row.moved_from is not None:
            continue
        elif row.operation in (Operation.REMOVE, Operation.ERASE):
            decided.append(Outcome(row.key, "accepted"))
        else:
            uncertain.discard([row.key])
            if mode == "update":
                decided.append(Outcome(row.key, "rejected", error_class="not_found"))
            else:
                row.created_by_us = True
    return decided
