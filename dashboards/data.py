"""The way to the figures: bound SQL on the current publication, masked unless the viewer may see more.

A publication never changes, so an answer is kept by its name: the next publication starts with an empty cache.
"""

import duckdb
import pandas as pd
import streamlit as st

from dashboards.viewer import viewer
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
    """Whether this viewer sees personal data as it is."""
    return viewer().is_unmasked


def frame(sql: str, *parameters: object) -> pd.DataFrame:
    """The rows of one statement with bound parameters (`?`), on the tables that this viewer may see."""
    shown = publication()
    return _answer(str(shown.folder), not is_unmasked(), sql, parameters, shown)


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


@st.cache_resource(max_entries=6, show_spinner=False)
def _connection(folder: str, masked: bool, _publication: Publication) -> duckdb.DuckDBPyConnection:
    return open_publication(_publication, masked)
