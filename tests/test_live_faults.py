"""Whatever a system does to those who turn its pages: afterwards the raw tables tell what it holds, row for row."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from live_house import differences, live
from servers.base import Faults
from servers.shopify import ShopifyServer
from servers.source import Mischief

from orchestration.extract import ExtractError, extract, sources
from orchestration.extract.live import Patience


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShopifyServer]:
    with ShopifyServer() as server:
        server.leak = 10_000.0
        live(server, tmp_path, monkeypatch)
        source = sources()["shopify"]
        assert source.api
        quick = Patience(tries=12, first=0.001, longest=0.01, throttled=5.0)
        monkeypatch.setattr(source, "api", replace(source.api, rates={}, patience=quick))
        yield server


def stormy(server: ShopifyServer, seed: int) -> None:
    """A shop of 150 customers and 60 orders, of which some change while their pages are turned."""
    for number in range(1, 151):
        server.put("customers", number, updated_at=f"2026-01-01T10:00:{number // 40:02d}Z", note=0)
    for number in range(1, 61):
        server.put("orders", number, created_at="2026-01-01T10:00:00Z", updated_at="2026-01-01T10:00:00Z", note=0)
    server.size = 10
    server.faults = Faults(
        seed=seed, drop_before=0.05, drop_after=0.05, unavailable=0.1, too_many=0.1, not_json=0.05, retry_after=0.01
    )
    server.mischief = Mischief(seed=seed, repeat=0.1, swap=0.2, shuffle=0.3, change=0.5, cut=0.05)
    chance = server.mischief.random
    notes = iter(range(1, 10_000))

    def change() -> None:
        table = chance.choice(["customers", "orders"])
        id = chance.choice(list(server.tables[table]))
        server.put(table, id, note=next(notes))
        if chance.random() < 0.1:
            server.put("customers", 1000 + next(notes), note="new")

    server.change = change


@pytest.mark.parametrize("seed", range(6))
def test_a_storm(shop: ShopifyServer, seed: int) -> None:
    stormy(shop, seed)
    for _ in range(2):
        assert extract("shopify").notes == []
    shop.mischief = Mischief()  # it comes to rest, so that there is one content to compare with
    extract("shopify")
    assert differences(shop, "shopify", "customers") == differences(shop, "shopify", "orders") == []
    assert sum(extract("shopify").rows.values()) == 0


def test_a_clock_of_ours_that_jumps(shop: ShopifyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the system's clock counts: a year ahead or behind, ours changes nothing."""
    import time

    stormy(shop, 7)
    true = time.time
    for jump in (0, 365 * 86_400, -365 * 86_400, 3600):
        monkeypatch.setattr(time, "time", lambda jump=jump: true() + jump)
        monkeypatch.setattr(shop, "ahead", -jump)  # the server runs in this process
        extract("shopify")
    shop.mischief = Mischief()
    extract("shopify")
    assert differences(shop, "shopify", "customers") == differences(shop, "shopify", "orders") == []


def test_throttling_costs_no_tries_and_is_told(shop: ShopifyServer) -> None:
    stormy(shop, 1)
    shop.mischief = Mischief()
    shop.faults = Faults(seed=1, too_many=0.9, retry_after=0.005)
    result = extract("shopify")
    assert result.fetched and not result.fetched.failures and result.fetched.throttled > 0
    assert differences(shop, "shopify", "customers") == []


def test_one_table_that_fails_stops_no_other_and_is_named(shop: ShopifyServer) -> None:
    stormy(shop, 1)
    shop.faults, shop.mischief = Faults(), Mischief()
    handle = shop.handle
    shop.handle = lambda r: type(handle(r))(503, b"x") if "customers" in r.path else handle(r)  # type: ignore[method-assign]
    result = extract("shopify")
    assert result.fetched and list(result.fetched.failures) == ["customers"]
    assert result.notes == [
        "shopify, table customers: HTTP 503; what was fetched is kept, and the next run goes on there"
    ]
    assert differences(shop, "shopify", "orders") == []
    shop.handle = handle  # type: ignore[method-assign]
    assert extract("shopify").rows["customers"] == 150


def test_when_nothing_can_be_fetched_it_is_an_error(shop: ShopifyServer) -> None:
    shop.faults = Faults(unavailable=1.0)
    with pytest.raises(ExtractError, match="shopify, table customers: HTTP 503"):
        extract("shopify")


def test_a_page_elsewhere_does_not_get_our_key(shop: ShopifyServer) -> None:
    stormy(shop, 1)
    shop.faults, shop.mischief = Faults(), Mischief()
    with ShopifyServer() as other:
        url, shop.url = shop.url, other.url
        try:
            result = extract("shopify")
        finally:
            shop.url = url
    assert "its next page lies at another address" in "".join(result.notes) and other.requests == []
