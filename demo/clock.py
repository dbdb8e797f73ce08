"""Time in the simulation: whole seconds since 1970 in UTC, days as numbers since 1970-01-01."""

from datetime import date
from functools import cache

DAY = 86_400
HOUR = 3_600
MINUTE = 60

_EPOCH = date(1970, 1, 1).toordinal()
_TIMES = [f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}" for second in range(DAY)]


def day_number(day: date) -> int:
    return day.toordinal() - _EPOCH


def to_date(day: int) -> date:
    return date.fromordinal(day + _EPOCH)


@cache
def date_text(day: int) -> str:
    """`2026-06-30`."""
    return to_date(day).isoformat()


@cache
def week_text(day: int) -> str:
    """`2026_w27`, the ISO week."""
    return to_date(day).strftime("%G_w%V")


def iso(moment: int) -> str:
    """`2026-06-30T12:00:00Z`."""
    return f"{date_text(moment // DAY)}T{_TIMES[moment % DAY]}Z"


def iso_ms(moment: int, millisecond: int) -> str:
    """`2026-06-30T12:00:00.123Z`."""
    return f"{date_text(moment // DAY)}T{_TIMES[moment % DAY]}.{millisecond:03d}Z"


def spaced(moment: int) -> str:
    """`2026-06-30 12:00:00`, as the CRM and the till write it."""
    return f"{date_text(moment // DAY)} {_TIMES[moment % DAY]}"


def time_text(moment: int) -> str:
    """`12:00:00`."""
    return _TIMES[moment % DAY]
