"""Live extraction, over real HTTP into a real warehouse: what a system holds is what the raw tables tell."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_house import appearances, differences, live
from servers.shopify import ShopifyServer

from orchestration.extract import ExtractError, extract
from orchestration.extract.live import state


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShopifyServer]:
    with ShopifyServer() as server:
        server.leak = 10_000.0
        live(server, tmp_path, monkeypatch)
        yield server


def fill(server: ShopifyServer, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        server.put(
            "customers",
            number,
            updated_at=f"2026-01-{1 + number % 28:02d}T10:00:{number % 3:02d}Z",
            email=f"p{number}@example.com",
            default_address={"city": "София", "zip": str(number)},
            verified_email=number % 2 == 0,
        )


def test_what_the_shop_holds_is_what_the_raw_table_tells(shop: ShopifyServer) -> None:
    fill(shop, 700)
    shop.size = 50
    result = extract("shopify")
    assert result.rows["customers"] == 700 and not result.quarantined
    assert differences(shop, "shopify", "customers") == []
    assert result.fetched and result.fetched.cursors["customers"] == (None, "2026-01-28T10:00:02Z")


def test_a_second_run_makes_one_call_and_writes_nothing(shop: ShopifyServer, tmp_path: Path) -> None:
    fill(shop, 300)
    extract("shopify")
    before = shop.calls
    again = extract("shopify")
    # one for each table, and one for each of the two whose deletions are told
    assert shop.calls == before + 4 + 2
    assert (again.rows["customers"], again.files, again.load_ids) == (0, 0, [])
    assert [path for path in (tmp_path / "arrivals").rglob("*") if path.is_file()] == []
    assert appearances("shopify", "customers") == 300


def test_a_change_comes_with_the_next_run(shop: ShopifyServer) -> None:
    fill(shop, 300)
    extract("shopify")
    shop.put("customers", 7, email="new@example.com", late_key={"a": 1})
    assert extract("shopify").rows["customers"] == 1
    assert differences(shop, "shopify", "customers") == []


def test_ties_at_a_page_border_within_a_second(shop: ShopifyServer) -> None:
    for number in range(40):
        shop.put("customers", number, updated_at="2026-01-01T10:00:00Z", email=None)
    shop.size = 7
    extract("shopify")
    shop.put("customers", 3, updated_at="2026-01-01T10:00:00Z", email="same second")
    shop.put("customers", 99, updated_at="2026-01-01T10:00:00Z", email="late to be seen")
    assert extract("shopify").rows["customers"] == 2
    assert differences(shop, "shopify", "customers") == []
    assert extract("shopify").rows["customers"] == 0


def test_a_fetch_that_is_cut_off_goes_on_where_it_was(shop: ShopifyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(shop, 100)
    shop.size = 10
    write, pages = state.Arrivals._write, []

    def some(arrivals: state.Arrivals, new: Any, *others: Any) -> None:
        pages.extend(new)
        if len(pages) == 50:
            raise KeyboardInterrupt
        write(arrivals, new, *others)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(state.Arrivals, "_write", some)
        extract("shopify")
    asked = len([request for request in shop.requests if "customers" in request.path])
    assert asked == 5
    assert extract("shopify").rows["customers"] == 100
    assert len([request for request in shop.requests if "customers" in request.path]) == 5 + 6
    assert differences(shop, "shopify", "customers") == []


def test_wrong_credentials_say_what_to_do(shop: ShopifyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "wrong")
    with pytest.raises(ExtractError, match=r"shopify, table customers: the API refuses the credentials \(HTTP 401\)"):
        extract("shopify")


def test_two_ways_at_once_are_refused(shop: ShopifyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_SHOPIFY_PATH", str(tmp_path))
    with pytest.raises(ExtractError, match="come in by KINSHIP_SHOPIFY_PATH and by SHOPIFY_URL: unset one"):
        extract("shopify")


def test_half_a_configuration_names_what_is_missing(shop: ShopifyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOPIFY_ACCESS_TOKEN")
    with pytest.raises(ExtractError, match="half configured: SHOPIFY_ACCESS_TOKEN is not set"):
        extract("shopify")


def test_what_the_log_of_events_says_was_deleted_is_gone(shop: ShopifyServer) -> None:
    for number in range(5):
        shop.put("orders", number, created_at="2026-01-01T10:00:00Z", updated_at="2026-01-01T10:00:00Z")
        shop.put("products", number, updated_at="2026-01-01T10:00:00Z")
    shop.put("orders", 9, created_at="2026-01-01T10:00:00Z")
    extract("shopify")
    shop.delete("orders", 3)
    shop.delete("orders", 9)  # perhaps in the second of its last change
    shop.delete("products", 4)
    assert extract("shopify").rows == {"customers": 0, "orders": 2, "checkouts": 0, "products": 1}
    assert differences(shop, "shopify", "orders") == differences(shop, "shopify", "products") == []
    assert sum(extract("shopify").rows.values()) == 0


def test_deleted_customers_are_found_once_a_day_by_comparing_ids(shop: ShopifyServer) -> None:
    fill(shop, 600, first=1)
    extract("shopify")
    shop.delete("customers", 17)
    shop.delete("customers", 600)
    assert extract("shopify").rows["customers"] == 0
    shop.ahead = 86_400
    shop.put("customers", 601, email="new@example.com")
    assert extract("shopify").rows["customers"] == 3
    assert differences(shop, "shopify", "customers") == []
    calls = shop.calls
    assert extract("shopify").rows["customers"] == 0 and shop.calls == calls + 6


def test_a_list_without_most_records_is_not_taken_for_deletions(shop: ShopifyServer) -> None:
    fill(shop, 300, first=1)
    extract("shopify")
    for number in range(1, 200):
        shop.delete("customers", number)
    shop.ahead = 86_400
    result = extract("shopify")
    assert "a list without 199 of 300 records" in "".join(result.notes)
    assert result.rows["customers"] == 0
