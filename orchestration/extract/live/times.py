"""Moments as whole microseconds since 1970, from and to what vendors write."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any

from requests import Response

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def moment(value: Any, zone: tzinfo = UTC) -> int | None:
    """The moment that a value names: ISO 8601 (in `zone` where it names none) or seconds since 1970; else None."""
    try:
        if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit() and len(value) >= 9):
            return int(float(value) * 1_000_000)
        parsed = datetime.fromisoformat(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=zone)
    return round(parsed.timestamp() * 1_000_000)


def text(moment: int, format: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """A moment as a vendor wants it, in UTC. `%s` is whole seconds since 1970. Fractions are cut off."""
    if format == "%s":
        return str(moment // 1_000_000)
    return (_EPOCH + moment * MICROSECOND).strftime(format)


def answered_at(response: Response) -> int:
    """When the vendor answered, by its own clock (ours may be wrong, or jump); by ours where it does not say."""
    try:
        return int(parsedate_to_datetime(response.headers["Date"]).timestamp() * 1_000_000)
    except (KeyError, TypeError, ValueError):
        return time.time_ns() // 1000
