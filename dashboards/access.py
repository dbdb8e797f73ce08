"""Puts down each look at a person before the page shows them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboards import data
from dashboards.viewer import viewer
from kinship import access
from kinship.access import AccessLogUnwritable, Look
from kinship.settings import settings

_LOOKED = "kinship_looked"
# every click runs the page again; that is one look, for so long
ONE_LOOK = timedelta(minutes=15)


def look(customers: Sequence[str], page: str) -> None:
    """Say that this page is about to show these people. Raises `AccessLogUnwritable` when what it would show unmasked
    cannot be put down; a masked page goes on, and says so."""
    now, masked, run = datetime.now(UTC), not data.is_unmasked(), data.publication().run
    who = viewer().subject
    looked: dict[tuple[object, ...], datetime] = st.session_state.setdefault(_LOOKED, {})
    new = [
        customer for customer in dict.fromkeys(customers)
        if now - looked.get((customer, page, masked, who, run), now - 2 * ONE_LOOK) > ONE_LOOK
    ]  # fmt: skip
    if not new:
        return
    try:
        access.append(settings(), [Look(now, who, customer, masked, page, run) for customer in new])
    except AccessLogUnwritable as error:
        if not masked:
            raise
        st.warning(str(error))
        return
    looked.update({(customer, page, masked, who, run): now for customer in new})
