"""How names and figures are written on every page."""

import pandas as pd

_ACRONYMS = {"b2b": "B2B", "sms": "SMS", "vip": "VIP"}


def words(name: str) -> str:
    """A technical name as people read it: `paid_search` becomes `Paid search`."""
    first, *others = (_ACRONYMS.get(word, word) for word in name.split("_"))
    return " ".join([first[:1].upper() + first[1:], *others])


def count(value: float | None) -> str:
    """A number of people or things; a dash where there is none."""
    return "–" if pd.isna(value) else f"{value:,.0f}"


def euros(value: float | None) -> str:
    """An amount in euro: to the cent below a thousand, in millions from one on."""
    if pd.isna(value):
        return "–"
    size = abs(value)
    text = f"{size / 1e6:,.2f}M" if size >= 1e6 else f"{size:,.0f}" if size >= 1000 else f"{size:,.2f}"
    return f"{'-' if value < 0 else ''}€{text}"


def percent(value: float | None) -> str:
    """A share (0 to 1) in percent."""
    return "–" if pd.isna(value) else f"{value:.1%}"
