"""The way to the figures: bound SQL on the current publication, masked unless the viewer may see more.

A publication never changes, so an answer is kept by its name: the next publication starts with an empty cache.
"""

from typing import Any

import duckdb
import pandas as pd
import streamlit as st

from dashboards.signin import Place
from dashboards.viewer import viewer
from kinship import access
from kinship.published import publication as publications
from kinship.published.publication import Publication
from kinship.published.reader import open_publication
from kinship.settings import settings

_FOLLOWED = "kinship_publication"


def follow() -> None:
    """Take up what is published now. Once per run of the script, so that one page never mixes two publications."""
    st.session_state[_FOLLOWED] = publications.current(settings())


def publication() -> Publication:
    """The publication that this run of the script shows. Raises `NothingPublished` when there is none."""
    if _FOLLOWED not in st.session_state:
        follow()
    followed: Publication = st.session_state[_FOLLOWED]
    return followed


def is_unmasked() -> bool:
    """Whether this viewer sees personal data as it is: they may, and a look at it can be put down (access.py)."""
    return viewer().is_allowed and access.is_writable(settings())


def rows(sql: str, *parameters: object) -> list[dict[str, Any]]:
    """The same as Python's own values, by column: for what becomes words rather than a table."""
    shown = publication()
    return _rows(str(shown.folder), not is_unmasked(), sql, parameters, shown)


def may_look_up() -> bool:
    """Whether this viewer may find people by their identifiers: at this machine, or signed in.

    To whoever comes over the network without a name, an answer would say who is a customer.
    """
    return (viewer().is_signed_in or Place.from_environment().is_loopback) and publication().warehouse.exists()


def frame(sql: str, *parameters: object) -> pd.DataFrame:
    """The rows of one statement with bound parameters (`?`), on the tables that this viewer may see."""
    shown = publication()
    return _answer(str(shown.folder), not is_unmasked(), sql, parameters, shown)


def look_up(sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Rows of the full file, to find people by. Only ids of customers may come of it: check `may_look_up` first."""
    shown = publication()
    with _connection(str(shown.folder), not may_look_up(), shown).cursor() as cursor:
        return cursor.execute(sql, list(parameters)).fetchall()


def has_table(name: str) -> bool:
    """Whether `<schema>.<table>` is published and holds rows."""
    return publication().rows.get(name, 0) > 0


@st.cache_data(max_entries=2_000, show_spinner=False)
def _answer(
    folder: str, masked: bool, sql: str, parameters: tuple[object, ...], _publication: Publication
) -> pd.DataFrame:
    # a cursor of its own: sessions ask at the same time, each from its thread
    with _connection(folder, masked, _publication).cursor() as cursor:
        return cursor.execute(sql, list(parameters)).df()


@st.cache_data(max_entries=2_000, show_spinner=False)
def _rows(
    folder: str, masked: bool, sql: str, parameters: tuple[object, ...], _publication: Publication
) -> list[dict[str, Any]]:
    with _connection(folder, masked, _publication).cursor() as cursor:
        found = cursor.execute(sql, list(parameters))
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@st.cache_resource(max_entries=6, show_spinner=False)
def _connection(folder: str, masked: bool, _publication: Publication) -> duckdb.DuckDBPyConnection:
    return open_publication(_publication, masked)
