"""What an unforeseen error says stays out of the log and off the page: it may quote a person's data."""

from pathlib import Path

import pytest
from browser import served, visit
from dashboards_house import busiest, published_in, tables
from insights_house import changed
from playwright.sync_api import Browser

SECRET = "jane.planted@example.com"


@pytest.fixture
def broken(published: Path, tmp_path: Path) -> tuple[Path, str]:
    """A data folder in which every order's number is an error that quotes a value; and a person who has orders."""
    publication = published_in(published)
    with tables(publication) as full:
        person = busiest(full)
    statements = [
        "alter table customers.customer_orders rename to kept",
        f"create view customers.customer_orders as select * replace (error('{SECRET}') as order_number)"
        " from customers.kept",
    ]
    return changed(publication, tmp_path / "data", statements), person


def test_an_error_within_a_fragment_is_named_and_not_quoted(
    browser: Browser, broken: tuple[Path, str], tmp_path: Path
) -> None:
    data, person = broken
    log = tmp_path / "log"
    for debug in ("", "1"):
        with served(data, log, KINSHIP_DEBUG=debug) as dashboards, visit(browser, dashboards.url) as looking:
            looking.open(f"/customer?q={person}&tab=Orders")
            looking.page.get_by_text("error").first.wait_for()
            page = looking.page.content()
        written = log.read_text()
        assert SECRET not in page
        assert "InvalidInputException" in written
        # with KINSHIP_DEBUG the log says all, and where
        assert (SECRET in written, "dashboards/customer/orders.py" in written) == (bool(debug), bool(debug))
        assert debug or "unexpected InvalidInputException" in page
