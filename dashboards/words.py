"""How figures and moments are written on the pages of operations."""

from datetime import UTC, datetime, timedelta

import pandas as pd


def number(value: object) -> str:
    """A count with separators; a dash where there is none."""
    return "–" if value is None or pd.isna(value) else f"{int(value):,}"  # type: ignore[call-overload]


def percent(part: float, whole: float) -> str:
    """A share with one decimal; a dash of nothing."""
    return f"{part / whole:.1%}" if whole else "–"


def moment(at: datetime | None) -> str:
    """A moment in UTC, to the minute."""
    return "–" if at is None or pd.isna(at) else f"{at:%Y-%m-%d %H:%M}"


def age(at: datetime | None, now: datetime | None = None) -> str:
    """How long ago a moment in UTC was, or how far ahead it is, in its largest unit."""
    if at is None or pd.isna(at):
        return "never"
    passed = (now or datetime.now(UTC).replace(tzinfo=None)) - at.replace(tzinfo=None)
    return f"in {length(-passed)}" if passed < timedelta(0) else f"{length(passed)} ago"


def length(passed: timedelta) -> str:
    """A stretch of time in its largest unit, of which there are two at least."""
    minutes = int(passed.total_seconds() // 60)
    if minutes >= 2 * 1440:
        return f"{minutes // 1440} days"
    return f"{minutes // 60} h" if minutes >= 120 else f"{minutes} min"


def code(text: str) -> str:
    """Text of the data as code within Markdown."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"
