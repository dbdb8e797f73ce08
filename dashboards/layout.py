"""What every page has: its head, figures in a row, tables, and downloads."""

import json
import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import streamlit as st

from dashboards import data
from dashboards.viewer import sign_in, viewer
from reverse_etl.files import is_formula

_ACRONYMS = {"b2b": "B2B", "sms": "SMS", "vip": "VIP"}
_MARKDOWN = re.compile(r"([!-/:-@\[-`{-~])")


def header(title: str, about: str) -> None:
    """The head of a page: its title, what it shows, how old the figures are, and who looks."""
    shown = data.publication()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(title, anchor=False)
        _account()
    state = "personal data shown" if data.is_unmasked() else "personal data masked"
    st.caption(f"{about}  \nAs of {shown.as_of:%Y-%m-%d %H:%M} UTC · run {shown.run} · {state}")


def _account() -> None:
    """The way in and out, where a sign-in is configured."""
    if sign_in() is None:
        return
    who = viewer()
    if not who.is_signed_in:
        st.button("Sign in", icon=":material/login:", on_click=st.login)
        return
    with st.popover(who.subject, icon=":material/account_circle:"):
        st.text("You see personal data." if who.is_allowed else "You see masked data.")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)


def plain(text: object) -> str:
    """A value from the data inside Markdown: it shows as it is, whatever it holds. No picture, link or icon of its own
    making reaches the browser."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))


def words(name: str) -> str:
    """A name in the tables as people read it: `cart_viewed` is "Cart viewed"."""
    said = " ".join(_ACRONYMS.get(word, word) for word in name.split("_")).strip()
    return said[:1].upper() + said[1:]


def euro(amount: Any) -> str:
    """An amount in euro; nothing where there is none."""
    return "" if amount is None else f"€{amount:,.2f}"


def missing(what: str, remedy: str = "") -> None:
    """Say what a page cannot show, and what would bring it."""
    st.info(f"{what} {remedy}".strip(), icon=":material/inbox:")


def figures(labelled: Sequence[tuple[str, str] | tuple[str, str, str]]) -> None:
    """Figures in a row that wraps on a phone: label, value as text, and what it means."""
    with st.container(horizontal=True):
        for label, value, *about in labelled:
            st.metric(label, value, help=about[0] if about else None, border=True, width=158)


def table(
    frame: pd.DataFrame, *, columns: dict[str, Any] | None = None, height: int | Literal["auto", "content"] = "auto"
) -> None:
    """A table as wide as the page. Its own export is off: `download` gives one that a spreadsheet opens safely."""
    st.dataframe(frame, hide_index=True, column_config=columns, height=height)


def download(frame: pd.DataFrame, name: str, label: str = "Download CSV") -> None:
    """A button that gives the rows as `<name>.csv`, safe to open in a spreadsheet."""
    st.download_button(
        label,
        lambda: csv_for_people(frame),
        file_name=f"{name}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=f"download_{name}",
    )


def csv_for_people(frame: pd.DataFrame) -> bytes:
    """A frame as CSV in UTF-8 with a mark that spreadsheets know it by; lists and structs as JSON.

    Text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection).
    """
    safe = frame.map(_cell)
    safe.columns = pd.Index([_cell(str(name)) for name in frame.columns])
    return safe.to_csv(index=False).encode("utf-8-sig")


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if is_formula(value) else value
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else value
