"""The dashboards in Chromium: a search clicked through to a profile, and that nothing leaves the machine."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser import LAPTOP, PHONE, Served, visit
from dashboards_house import busiest, published_in, tables
from playwright.sync_api import Browser

from dashboards.menu import PAGES


@pytest.fixture(scope="module")
def person(published: Path) -> tuple[str, str]:
    """Somebody of whom there is much to see: their id and e-mail address."""
    with tables(published_in(published)) as full:
        one = busiest(full)
        (email,) = full.execute("select email from customers.customers where customer_id = ?", [one]).fetchall()[0]
    return one, str(email)


def test_a_search_leads_to_a_profile(browser: Browser, dashboards: Served, person: tuple[str, str]) -> None:
    customer_id, email = person
    with visit(browser, dashboards.url) as looking:
        looking.open("/customer")
        looking.find(email)
        looking.page.get_by_text(customer_id, exact=True).wait_for()
        assert f"q={customer_id}" in looking.page.url and email not in looking.page.url
        for tab in ("Timeline", "Orders", "Tickets", "Identity", "Predictions", "Segments", "Consents", "Sent"):
            looking.page.get_by_role("tab", name=tab, exact=True).click()
            looking.page.wait_for_url(f"**tab={tab}*")
            looking.settle()
            assert looking.page.locator(".stException").count() == 0
            looking.screenshot(f"customer-{tab.lower()}")
        looking.find("nobody@nowhere.example")
        assert "Nobody is known by that." in looking.text()
        looking.find("<script>window.alert(1)</script>")
        assert "Nobody is known by that." in looking.text()
        assert not looking.errors and not looking.strangers()


@pytest.mark.parametrize("page", [file for file, _, _ in PAGES])
def test_a_page_reads_on_a_laptop_and_a_phone_by_day_and_by_night(
    browser: Browser, dashboards: Served, person: tuple[str, str], page: str
) -> None:
    # the first page of the menu is the one at the root
    path = {PAGES[0][0]: "/", "customer": f"/customer?q={person[0]}"}.get(page, f"/{page}")
    for name, size in (("laptop", LAPTOP), ("phone", PHONE)):
        with visit(browser, dashboards.url, size) as looking:
            looking.open(path)
            assert looking.page.locator(".stException").count() == 0
            looking.screenshot(f"{page}-{name}-light")
            wide = looking.page.evaluate("document.querySelector('.stMain').scrollWidth")
            assert wide <= size[0], "nothing makes the page itself scroll sideways"
            looking.page.emulate_media(color_scheme="dark")
            looking.settle()
            looking.screenshot(f"{page}-{name}-dark")
            assert not looking.errors and not looking.strangers()


def test_a_page_of_another_name_that_leads_here_gets_nothing(dashboards: Served) -> None:
    status = {}
    for host in ("127.0.0.1", "evil.example"):
        with socket.create_connection(("127.0.0.1", urlsplit(dashboards.url).port or 0), timeout=30) as wire:
            asked = f"""
                GET /_stcore/stream HTTP/1.1
                Host: {host}
                Origin: http://{host}
                Connection: Upgrade
                Upgrade: websocket
                Sec-WebSocket-Version: 13
                Sec-WebSocket-Key: {"A" * 22}==
            """
            wire.sendall(("\r\n".join(line.strip() for line in asked.strip().splitlines()) + "\r\n\r\n").encode())
            status[host] = wire.recv(1024).split()[1]
    assert status == {"127.0.0.1": b"101", "evil.example": b"403"}
