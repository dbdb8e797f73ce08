"""Medusa's live API, over real HTTP into a real warehouse: what the shop holds is what the raw tables tell."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from live_house import appearances, latest, live
from servers.base import Faults
from servers.medusa_source import MedusaServer
from servers.source import Mischief, Record
from switched_on import listed

from orchestration.extract import extract, sources
from orchestration.extract.live import Patience, Span, state
from orchestration.extract.target import ExtractError

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = ("customers", "orders", "products")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MedusaServer]:
    """A shop of which 7 records make a page."""
    listed(monkeypatch, "medusa")
    source = sources()["medusa"]
    assert source.api
    quick = Patience(tries=12, first=0.001, longest=0.01, throttled=5.0)
    monkeypatch.setattr(source, "api", replace(source.api, patience=quick))
    for name, table in source.tables.items():
        monkeypatch.setitem(source.tables, name, replace(table, live=(replace(table.live[0], size=7),)))
    with MedusaServer() as server:
        live(server, tmp_path, monkeypatch)
        yield server


def fill(shop: MedusaServer, count: int) -> dict[str, list[Record]]:
    """Customers, orders and products, five of each in one second."""
    made: dict[str, list[Record]] = {table: [] for table in TABLES}
    for number in range(count):
        at = {"updated_at": written(BEGIN + timedelta(seconds=number // 5)), "created_at": written(BEGIN)}
        address = {"id": f"cuaddr_{number}", "city": "Лом", "updated_at": at["updated_at"]}
        address_2 = {"id": f"cuaddr_{number}b", "city": "Ion", "updated_at": at["updated_at"]}
        addresses = [address, address_2]
        made["customers"].append(shop.new("customers", email=f"p{number}@example.com", addresses=addresses, **at))
        items = [{"id": f"i{n}", "unit_price": 19.99, "quantity": 2} for n in range(3)]
        made["orders"].append(shop.new("orders", total=59.97, items=items, payment_status="not_paid", **at))
        made["products"].append(shop.new("products", title=f"n{number}", deleted_at=None, variants=[], **at))
    return made


def written(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(value: Any) -> Any:
    """A value as text, JSON in one order."""
    if isinstance(value, str) and value[:1] in "[{":
        value = json.loads(value)
    if isinstance(value, list):
        return sorted(json.dumps(one, sort_keys=True) for one in value)
    return value if value is None or isinstance(value, str) else json.dumps(value)


def differences(shop: MedusaServer, table: str) -> list[str]:
    """Ids of records that the raw table lacks, has otherwise than the shop, or has beyond it."""
    held = latest("medusa", table)
    there = {id: row for id, row in shop.tables.get(table, {}).items() if not row.get("deleted_at")}
    wrong = [
        id
        for id, record in there.items()
        if id not in held or any(plain(held[id].get(key)) != plain(value) for key, value in record.items())
    ]
    return sorted([*wrong, *(held.keys() - there.keys())])


def is_same(shop: MedusaServer) -> bool:
    return [differences(shop, table) for table in TABLES] == [[], [], []]


def test_what_the_shop_holds_is_what_the_raw_tables_tell(shop: MedusaServer) -> None:
    fill(shop, 21)
    result = extract("medusa")
    assert (result.notes, result.quarantined, shop.broken) == ([], {}, [])
    assert result.rows == {"customers": 21, "orders": 21, "products": 21}
    assert is_same(shop)


def test_a_run_with_nothing_new_makes_a_call_a_table_and_one_for_payments(shop: MedusaServer) -> None:
    made = fill(shop, 5)
    shop.pay(made["orders"][1])
    extract("medusa")
    extract("medusa")
    for _ in range(2):
        before = shop.calls
        again = extract("medusa")
        assert (sum(again.rows.values()), again.files, again.load_ids) == (0, 0, [])
        # the five within the overlap come again, on one page
        assert shop.calls == before + 4
    shop.put("customers", made["customers"][3]["id"], first_name="Ана")
    shop.new("orders", total=1)
    assert extract("medusa").rows == {"customers": 1, "orders": 1, "products": 0}
    assert is_same(shop)


def test_an_order_that_was_paid_is_read_again_though_its_time_stays(shop: MedusaServer) -> None:
    made = fill(shop, 10)
    extract("medusa")
    paid = [shop.pay(order) for order in made["orders"][:9]]
    assert {order["updated_at"] for order in paid} == {order["updated_at"] for order in made["orders"][:9]}
    assert extract("medusa").rows == {"customers": 0, "orders": 9, "products": 0}
    assert is_same(shop)
    assert sum(extract("medusa").rows.values()) == 0


def test_what_changes_while_pages_are_turned(shop: MedusaServer) -> None:
    """In the order of ids a record that changes, joins or goes moves no other from page to page."""
    made = fill(shop, 50)
    turned = iter(range(10_000))

    def turn() -> None:
        number = next(turned)
        shop.put("customers", made["customers"][-1 - number % 7]["id"], first_name=f"late {number}")
        shop.put("customers", made["customers"][10 + number % 7]["id"], first_name=f"early {number}")
        shop.put("products", made["products"][10 + number % 7]["id"], title=f"early {number}")
        shop.put("orders", made["orders"][20 + number % 7]["id"], email=f"{number}@example.com")
        shop.new("products", title="new", deleted_at=None)
        if number < 5:
            shop.delete("products", made["products"][number]["id"])
            shop.tables["customers"].pop(made["customers"][number]["id"], None)

    shop.turned = turn
    extract("medusa")
    shop.turned = lambda: None
    extract("medusa")
    shop.ahead = 86_400.0  # customers that went are looked for once a day
    extract("medusa")
    assert is_same(shop)


def test_deletions(shop: MedusaServer) -> None:
    """A product says so itself; a customer is missed the next day, and one that comes back then is there again."""
    made = fill(shop, 10)
    extract("medusa")
    shop.delete("products", made["products"][2]["id"])
    assert extract("medusa").rows == {"customers": 0, "orders": 0, "products": 1}
    assert differences(shop, "products") == []
    shop.delete("customers", made["customers"][2]["id"])
    assert sum(extract("medusa").rows.values()) == 0
    shop.ahead = 86_400.0
    assert extract("medusa").rows == {"customers": 1, "orders": 0, "products": 0}
    assert is_same(shop)
    shop.ahead *= 2
    assert sum(extract("medusa").rows.values()) == 0


def test_what_changes_without_the_records_time_comes_the_next_day(shop: MedusaServer) -> None:
    made = fill(shop, 30)
    for table in TABLES:
        shop.new(table, deleted_at=None)  # of today: the others are not asked for again
    extract("medusa")
    at = {"updated_at": shop.now}
    for customer in made["customers"][:20]:
        moved = [{**customer["addresses"][0], "city": "Рим", **at}, customer["addresses"][1]]
        shop.put("customers", customer["id"], updated_at=customer["updated_at"], addresses=moved)
    variants = [{"id": "variant_1", "prices": [{"id": "price_1", "amount": 18, **at}], **at}]
    product = made["products"][4]
    shop.put("products", product["id"], updated_at=product["updated_at"], variants=variants)
    assert sum(extract("medusa").rows.values()) == 0
    shop.ahead = 86_400.0
    result = extract("medusa")
    assert (result.rows, result.files) == ({"customers": 20, "orders": 0, "products": 1}, 2)
    assert is_same(shop)
    assert sum(extract("medusa").rows.values()) == 0


def test_an_empty_answer_is_not_taken_for_deletions(shop: MedusaServer) -> None:
    for _ in range(150):
        shop.new("customers", email="x@example.com")
    extract("medusa")
    shop.tables["customers"].clear()
    shop.ahead = 86_400.0
    result = extract("medusa")
    assert result.rows["customers"] == 0
    assert "which we do not take for deletions" in result.notes[0]


def test_a_list_that_is_cut_off_goes_on_where_it_was(shop: MedusaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fill(shop, 40)
    write, taken = state.Arrivals._write, []

    def some(arrivals: state.Arrivals, new: Any, *others: Any) -> None:
        if arrivals.folder.name == "products":
            taken.extend(new)
            if len(taken) == 21:
                raise KeyboardInterrupt
        write(arrivals, new, *others)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(state.Arrivals, "_write", some)
        extract("medusa")
    before = shop.calls
    extract("medusa")
    asked = [request.query["offset"] for request in shop.requests[before:] if request.path.endswith("products")]
    assert asked == ["14", "21", "28", "35"]
    assert is_same(shop) and appearances("medusa", "products") == len(made["products"])


@pytest.mark.parametrize("seed", range(2))
def test_a_storm(shop: MedusaServer, seed: int) -> None:
    made = fill(shop, 60)
    shop.faults = Faults(
        seed=seed, drop_before=0.05, drop_after=0.05, unavailable=0.1, too_many=0.1, not_json=0.05, retry_after=0.01
    )
    shop.mischief = Mischief(seed=seed, cut=0.05)
    shop.turned = lambda: shop.put("customers", made["customers"][shop.calls * 7 % 60]["id"], n=shop.calls) and None
    for _ in range(2):
        assert extract("medusa").notes == []
    shop.turned = lambda: None
    extract("medusa")
    assert [differences(shop, table) for table in ("orders", "products")] == [[], []]
    held = {id: row["updated_at"] for id, row in latest("medusa", "customers").items()}
    assert held == {id: row["updated_at"] for id, row in shop.tables["customers"].items()}
    assert sum(extract("medusa").rows.values()) == 0


def test_a_range_is_fetched_again(shop: MedusaServer) -> None:
    made = fill(shop, 50)
    extract("medusa")
    wrong = made["orders"][24]
    shop.put("orders", wrong["id"], updated_at=wrong["updated_at"], email="corrected behind our back")
    since, until = BEGIN + timedelta(seconds=3), BEGIN + timedelta(seconds=6)
    before = shop.calls
    assert extract("medusa", Span.of(since, until)).rows == {"customers": 0, "orders": 1, "products": 0}
    assert shop.calls == before + 3 + 3 + 6  # 15 customers, 15 orders, and 35 products: by number there is no end
    assert is_same(shop)


def test_a_key_that_is_refused_is_told_and_not_shown(shop: MedusaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDUSA_API_KEY", "sk_wrong")
    with pytest.raises(ExtractError) as failed:
        extract("medusa")
    assert "the API refuses the credentials (HTTP 401)" in str(failed.value)
    assert "sk_wrong" not in str(failed.value)
