"""Data Docs are complete in themselves: no page asks another host for anything, and each reads without a script."""

import re
import shutil
from pathlib import Path

import duckdb
import pytest
from browser import SCREENSHOTS, Visit, visit
from playwright.sync_api import Browser

from expectations import customers, suites
from kinship import builds

FETCHED = re.compile(r"<(?:script|link|img|iframe|source|object|embed)\b[^>]*>|@import|url\(", re.IGNORECASE)
ICON = '<link rel="icon" href="data:,">'


@pytest.fixture
def docs(company: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data Docs of every result the company has, and of one in which something failed."""
    monkeypatch.setenv("KINSHIP_DATA", str(company))
    shutil.rmtree(company / "data_docs", ignore_errors=True)
    with duckdb.connect(str(company / "warehouse.duckdb")) as warehouse:
        warehouse.execute("insert into customers.customers select * from customers.customers limit 3")
        suites.run(warehouse, customers.SUITES, builds.baseline(warehouse), "broken")
    suites.context().build_data_docs()
    return company / "data_docs"


def test_no_page_asks_for_anything(docs: Path) -> None:
    pages = sorted(docs.rglob("*.html"))
    assert {path.relative_to(docs).parts[0] for path in pages} == {"index.html", "expectations", "validations"}
    for path in pages:
        assert FETCHED.findall(path.read_text()) == [ICON], path.name


def test_a_failure_is_found_from_the_index(docs: Path, browser: Browser) -> None:
    with visit(browser, docs.as_uri()) as looking:
        page = looking.page
        page.goto(f"{docs.as_uri()}/index.html")
        page.screenshot(path=shot("index"))
        failed = page.get_by_role("row").filter(has_text="broken").filter(has=page.locator(".fa-times"))
        failed.filter(has_text="profiles").get_by_role("link").first.click()
        says = page.get_by_text("customer_id is unique")
        passed = page.get_by_text("customer_id is there")
        assert says.is_visible() and passed.is_visible()
        page.screenshot(path=shot("result"), full_page=True)
        page.get_by_label("Failed only").check()
        assert says.is_visible() and not passed.is_visible()
        assert not page.get_by_role("heading", name="record_count").is_visible()
        page.screenshot(path=shot("failed-only"))
        batch = page.get_by_text("pandas_data_fingerprint")
        assert not batch.is_visible()
        page.get_by_text("Show more info").click()
        assert batch.is_visible()
        page.get_by_role("link", name="profiles", exact=True).click()
        assert page.get_by_text("customer_id is unique").is_visible()
        page.screenshot(path=shot("suite"))
        page.get_by_role("link", name="Data Docs").click()
        assert page.get_by_role("heading", name="Expectation Suites").is_visible()
        assert_quiet(looking)


def shot(name: str) -> Path:
    return SCREENSHOTS / f"data-docs-{name}.png"


def assert_quiet(looking: Visit) -> None:
    assert looking.requests and all(url.startswith("file:") or url == "data:," for url in looking.requests)
    assert not looking.errors
