"""Pages of the dashboards without a browser, over the published company."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import ROOT
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from kinship.published.publication import Publication, current
from kinship.published.reader import open_publication
from kinship.settings import Settings

APP = ROOT / "dashboards" / "app.py"

STEWARD = {"is_logged_in": True, "sub": "7", "email": "steward@example.com", "email_verified": True}
"""Claims of somebody who may see personal data under `SIGN_IN`, but for the time they signed in."""

SIGN_IN = {
    "KINSHIP_DASHBOARDS_OIDC_METADATA_URL": "http://127.0.0.1:9/.well-known/openid-configuration",
    "KINSHIP_DASHBOARDS_OIDC_CLIENT_ID": "kinship",
    "KINSHIP_DASHBOARDS_OIDC_CLIENT_SECRET": "secret",
    "KINSHIP_DASHBOARDS_COOKIE_SECRET": "0123456789abcdef0123456789abcdef",
    "KINSHIP_DASHBOARDS_UNMASKED": "steward@example.com, groups=support",
}


def use(monkeypatch: pytest.MonkeyPatch, data: Path, **more: str) -> Publication:
    """Point this process at a data folder, with these settings of the dashboards and no others."""
    for name in [name for name in os.environ if name.startswith("KINSHIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KINSHIP_DEBUG", "1")
    for name, value in {"KINSHIP_DATA": str(data), **more}.items():
        monkeypatch.setenv(name, value)
    return published_in(data)


def apart(published: Path, folder: Path) -> Path:
    """A data folder with the same publications and an access log of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "published").symlink_to(published / "published")
    return folder


def open_page(page: str, user: dict[str, Any] | None = None, **query: str) -> AppTest:
    """Open a page by its name, as nobody in particular or with the claims of a user. Fails when the page does."""
    app = AppTest.from_file(APP, default_timeout=60)
    app.user = user or {}
    for name, value in query.items():
        app.query_params[name] = value
    # as a browser does at a deep link: no other page is run first, which AppTest has no word for
    app._page_hash = calc_hash(page)
    app.run()
    assert not app.exception, app.exception[0].value
    return app


def said(app: AppTest) -> str:
    """Every text on the page, tables left out; Markdown without its escapes."""
    kinds = ("title", "header", "subheader", "caption", "markdown", "text", "info", "warning", "error", "success")
    texts = [str(element.value) for kind in kinds for element in getattr(app, kind)]
    return "\n".join([*texts, *(element.label for element in app.expander)]).replace("\\", "")


def published_in(data: Path) -> Publication:
    """What is published in a data folder, whatever this process points at."""
    return current(Settings(data / "warehouse.duckdb", data / "sources", "duckdb"))


def busiest(tables: duckdb.DuckDBPyConnection) -> str:
    """The person of whom there is most to see: orders, tickets, a name, an address."""
    (customer_id,) = tables.execute(
        """
        select customer_id from customers.customers
        where first_name is not null and email is not null and phone is not null
        order by least(ticket_count, 1) + least(order_count, 1) desc, record_count desc, customer_id limit 1
        """
    ).fetchall()[0]
    return str(customer_id)


def tables(publication: Publication, masked: bool = False) -> duckdb.DuckDBPyConnection:
    """The published tables, to hold a page against."""
    return open_publication(publication, masked)


@pytest.fixture
def shown(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publication:
    """The published company, which this process shows."""
    return use(monkeypatch, apart(published, tmp_path / "data"))


@pytest.fixture
def warehouse(shown: Publication) -> Iterator[duckdb.DuckDBPyConnection]:
    """Its tables, to hold a page against."""
    with tables(shown) as opened:
        yield opened


def one(warehouse: duckdb.DuckDBPyConnection, query: str, *parameters: object) -> Any:
    """The first value of the first row."""
    return warehouse.execute(query, list(parameters)).fetchall()[0][0]
