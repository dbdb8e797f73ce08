"""A real Medusa as a source: the raw tables hold what its database holds, and its customers become people."""

import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import DBT, KINSHIP, ROOT, call, environment
from live_house import appearances, latest
from servers.base import Faults
from servers.medusa import Shop, shop
from switched_on import listed, switched_on

from orchestration.extract import extract, sources
from orchestration.extract.live import Patience

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
SOLD = """
    select o.id, o.email, o.status::text, o.canceled_at is not null, o.updated_at,
        (select sum(i.quantity * l.unit_price) from order_item i join order_line_item l on l.id = i.item_id
            where i.order_id = o.id and i.version = o.version and i.deleted_at is null),
        (select coalesce(sum(p.captured_amount), 0) from order_payment_collection c
            join payment_collection p on p.id = c.payment_collection_id where c.order_id = o.id),
        (select coalesce(sum(p.refunded_amount), 0) from order_payment_collection c
            join payment_collection p on p.id = c.payment_collection_id where c.order_id = o.id)
    from "order" o where o.deleted_at is null and not o.is_draft_order
"""

# so unlike that nobody could take two of them for one
PEOPLE = [
    {
        "first_name": first, "last_name": last, "phone": phone, "address_1": street, "city": city, "postal_code": code,
        "country_code": "de",
    }
    for first, last, phone, street, city, code in (
        ("Ana", "O'Neil", "+49 30 901821", "Lindenweg 1", "Berlin", "10115"),
        ("Xaver", "Quittenbaum", "+49 89 233011", "Isartor 20", "Passau", "94032"),
        ("Yorick", "Schweiger", "+49 40 428311", "Deich 3", "Husum", "25813"),
        ("Mechthild", "Zwiebel", "+49 221 22144", "Domgasse 44", "Trier", "54290"),
        ("Hjalmar", "Fjord", "+49 711 21655", "Neckarufer 5", "Ulm", "89073"),
        ("Božena", "Krk", "+49 351 48866", "Elbhang 66", "Pirna", "01796"),
    )
]  # fmt: skip


@pytest.fixture
def medusa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """An empty shop, of which 3 records make a page."""
    running = shop()
    running.empty()
    listed(monkeypatch, "medusa")
    source = sources()["medusa"]
    assert source.api
    quick = Patience(tries=12, first=0.001, longest=0.01, throttled=5.0)
    monkeypatch.setattr(source, "api", replace(source.api, patience=quick))
    for name, table in source.tables.items():
        monkeypatch.setitem(source.tables, name, replace(table, live=(replace(table.live[0], size=3),)))
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    for name, value in variables(running).items():
        monkeypatch.setenv(name, value)
    yield running
    running.empty()


def variables(shop: Shop) -> dict[str, str]:
    return {"MEDUSA_URL": shop.proxy.url, "MEDUSA_API_KEY": shop.key}


def text(value: Any) -> str | None:
    """A value of the database as the API writes it: times in milliseconds."""
    if hasattr(value, "astimezone"):
        return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"
    return None if value is None else f"{value:.4f}" if isinstance(value, (int, float)) else str(value)


def customers_there(shop: Shop) -> set[tuple[Any, ...]]:
    found = shop.database.query(
        """select c.id, c.email, c.first_name, c.has_account::text, c.updated_at,
            (select string_agg(a.city, ',' order by a.city) from customer_address a
                where a.customer_id = c.id and a.deleted_at is null)
        from customer c where c.deleted_at is null"""
    )
    return {tuple(map(text, row)) for row in found}


def customers_here() -> set[tuple[Any, ...]]:
    return {
        (
            id, row["email"], row["first_name"], row["has_account"], row["updated_at"],
            ",".join(sorted(address["city"] for address in json.loads(row["addresses"]))) or None,
        )
        for id, row in latest("medusa", "customers").items()
    }  # fmt: skip


def orders_there(shop: Shop) -> set[tuple[Any, ...]]:
    return {
        (*map(text, row[:3]), row[3], text(row[4]), *(f"{float(amount):.4f}" for amount in row[5:]))
        for row in shop.database.query(SOLD)
    }


def orders_here() -> set[tuple[Any, ...]]:
    found = set()
    for id, row in latest("medusa", "orders").items():
        collections = json.loads(row["payment_collections"] or "[]")
        payments = [payment for one in collections for payment in one["payments"]]
        amounts = (
            sum(item["quantity"] * item["unit_price"] for item in json.loads(row["items"])),
            sum(capture["amount"] for payment in payments for capture in payment["captures"]),
            sum(refund["amount"] for payment in payments for refund in payment["refunds"]),
        )
        cancelled = row["canceled_at"] is not None
        found.add((id, row["email"], row["status"], cancelled, row["updated_at"], *(f"{one:.4f}" for one in amounts)))
    return found


def products_there(shop: Shop) -> set[tuple[Any, ...]]:
    found = shop.database.query(
        """select p.id, p.title, v.id, v.sku, price.amount
        from product p join product_variant v on v.product_id = p.id and v.deleted_at is null
        join product_variant_price_set s on s.variant_id = v.id
        join price on price.price_set_id = s.price_set_id and price.currency_code = 'eur' and price.deleted_at is null
        where p.deleted_at is null"""
    )
    return {(*map(text, row[:4]), f"{float(row[4]):.4f}") for row in found}


def products_here() -> set[tuple[Any, ...]]:
    return {
        (id, row["title"], variant["id"], variant["sku"], f"{price['amount']:.4f}")
        for id, row in latest("medusa", "products").items()
        for variant in json.loads(row["variants"])
        for price in variant["prices"]
        if price["currency_code"] == "eur"
    }


def is_same(shop: Shop) -> bool:
    assert customers_here() == customers_there(shop)
    assert orders_here() == orders_there(shop)
    assert products_here() == products_there(shop)
    return True


def next_day(data: Path) -> None:
    """Let the last comparison have been yesterday."""
    for path in (data / "live").rglob("*.sqlite"):
        with sqlite3.connect(path) as connection:
            connection.execute("update progress set value = value - 86400000000 where name = 'compared'")
        connection.close()


def nothing_new(shop: Shop) -> int:
    before = shop.calls
    result = extract("medusa")
    assert (sum(result.rows.values()), result.files, result.load_ids, result.notes) == (0, 0, [], [])
    return shop.calls - before


def trade(shop: Shop) -> Mapping[str, Any]:
    """Eight customers, one of them a guest with an account; seven orders; four products."""
    products = [shop.product(f"shirt-{n}", S=19.99 + n, M=20.5) for n in range(4)]
    variants = [variant["id"] for product in products for variant in product["variants"]]
    items = [{"variant_id": variants[n], "quantity": n + 1} for n in range(6)]
    codes: list[list[str]] = [[], [], ["TEN"], [], [], []]
    orders = [
        shop.order(
            f"guest-{n}@example.com", [items[n]], promo_codes=codes[n], billing_address=person, shipping_address=person
        )
        for n, person in enumerate(PEOPLE)
    ]
    account = shop.account("guest-0@example.com", first_name="Ana", last_name="O'Neil")
    orders.append(shop.order("guest-0@example.com", [{"title": "Wrap", "quantity": 1, "unit_price": 2.25}]))
    customer = shop.call("POST", "/admin/customers", {"email": "nobody@example.com", "first_name": "No"})["customer"][
        "id"
    ]
    return {"products": products, "orders": orders, "account": account, "customer": customer}


def test_the_raw_tables_hold_what_the_shop_holds(medusa: Shop, tmp_path: Path) -> None:
    made = trade(medusa)
    orders = made["orders"]
    payments = [medusa.pay(order) for order in orders[:3]]
    medusa.call("POST", f"/admin/payments/{payments[0]}/refund", {"amount": 5})
    result = extract("medusa")
    assert (result.notes, result.quarantined) == ([], {})
    assert result.rows == {"customers": 8, "orders": 7, "products": 4}
    assert is_same(medusa)
    assert appearances("medusa", "orders") == 7

    # a payment leaves the order's time as it was
    medusa.pay(orders[4])
    assert extract("medusa").rows == {"customers": 0, "orders": 1, "products": 0}
    assert is_same(medusa)
    medusa.call("POST", f"/admin/payments/{payments[1]}/refund", {})
    medusa.call("POST", f"/admin/orders/{orders[3]}/cancel", {})
    medusa.call("POST", f"/admin/orders/{orders[2]}/cancel", {})
    medusa.call("POST", f"/admin/customers/{made['customer']}", {"first_name": "Nono"})
    medusa.call("POST", f"/admin/products/{made['products'][3]['id']}", {"title": "Hemd"})
    medusa.order("later@example.com", [{"title": "Wrap", "quantity": 1, "unit_price": 1}])
    assert extract("medusa").rows == {"customers": 2, "orders": 4, "products": 1}
    assert is_same(medusa)

    medusa.call("DELETE", f"/admin/products/{made['products'][0]['id']}")
    assert extract("medusa").rows == {"customers": 0, "orders": 0, "products": 1}
    medusa.call("DELETE", f"/admin/customers/{made['customer']}")
    address = {"address_1": "Weg 2", "city": "Bonn", "country_code": "de"}
    medusa.call("POST", f"/admin/customers/{made['account']}/addresses", address)
    product = made["products"][1]
    path = f"/admin/products/{product['id']}/variants/{product['variants'][0]['id']}"
    medusa.call("POST", path, {"prices": [{"currency_code": "eur", "amount": 17.5}]})
    next_day(tmp_path)
    extract("medusa")
    assert is_same(medusa)
    next_day(tmp_path)
    nothing_new(medusa)


def test_a_run_with_nothing_new_makes_a_call_a_table_and_one_for_payments(
    medusa: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sources()["medusa"]
    for name, table in source.tables.items():
        monkeypatch.setitem(source.tables, name, replace(table, live=(replace(table.live[0], size=100),)))
    medusa.pay(trade(medusa)["orders"][0])
    extract("medusa")
    nothing_new(medusa)
    assert nothing_new(medusa) == 4


def test_a_bad_connection(medusa: Shop) -> None:
    made = trade(medusa)
    medusa.proxy.faults = Faults(
        seed=1, drop_before=0.05, drop_after=0.05, unavailable=0.1, too_many=0.1, not_json=0.05, retry_after=0.01
    )
    for number in range(3):
        assert extract("medusa").notes == []
        medusa.call("POST", f"/admin/customers/{made['account']}", {"first_name": f"Ana {number}"})
    assert extract("medusa").notes == []
    assert is_same(medusa)


def test_killed_at_moments_of_a_fetch(medusa: Shop, tmp_path: Path) -> None:
    """Each appearance of 90 customers once, some pages of them, of which some changed since the first run."""
    ids = [made(medusa, number) for number in range(40)]
    extract("medusa")
    before = appeared(medusa)
    for id in ids[::2]:
        medusa.call("POST", f"/admin/customers/{id}", {"first_name": f"killed {id}"})
    for number in range(50):
        made(medusa, 100 + number)
    expected = sorted([*row, 1] for row in {*before, *appeared(medusa)})
    (counted, whole) = killed(tmp_path, [0])
    assert sorted(whole["rows"]) == expected
    chance = random.Random(os.environ.get("KINSHIP_TEST_SEED", "1"))
    moments = [
        *chance.sample(range(1, counted["operations"]), 6),
        *(chance.random() * counted["seconds"] for _ in "1234"),
    ]
    reports = killed(tmp_path, moments)
    for report, after in zip(reports[::2], reports[1::2], strict=True):
        assert sorted(after["rows"]) == expected, report
        assert after["left"] == [], report
    assert sum(report["killed"] for report in reports[::2]) >= 6


def made(shop: Shop, number: int) -> str:
    customer = {"email": f"k{number}@example.com", "first_name": f"Mort {number}"}
    return str(shop.call("POST", "/admin/customers", customer)["customer"]["id"])


def appeared(shop: Shop) -> set[tuple[Any, ...]]:
    return {tuple(map(text, row)) for row in shop.database.query("select id, updated_at, first_name from customer")}


def killed(base: Path, moments: list[float]) -> list[dict[str, Any]]:
    """Extract from a copy of the data folder, kill -9, extract again: what the raw table holds, for each moment."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("live_killed.py")), *map(str, moments)],
        env={**os.environ, "KILL_BASE": str(base), "KILL_SOURCE": "medusa", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_customers_become_people(medusa: Shop, company: Path, tmp_path: Path) -> None:
    """As a user does it: the # is taken away, and everything runs."""
    made = trade(medusa)
    payment = medusa.pay(made["orders"][2])
    medusa.call("POST", f"/admin/payments/{payment}/refund", {"amount": 5})
    medusa.call("POST", f"/admin/orders/{made['orders'][3]}/cancel", {})
    copy = switched_on(tmp_path / "project", "medusa")
    env = environment(company, PYTHONPATH=str(copy), **variables(medusa))

    checked = call(KINSHIP, "check", "medusa", env=env, cwd=copy)
    assert "the API answers for customers, orders, products" in checked.stdout, checked.stdout + checked.stderr
    done = call(KINSHIP, "extract", "medusa", env=env, cwd=copy)
    assert done.returncode == 0, done.stdout + done.stderr
    chosen = ("--select", "staging.medusa", "identity_policy", "--indirect-selection", "cautious")
    built = call(DBT, "build", *chosen, "--warn-error", env=env, cwd=copy)
    assert built.returncode == 0 and "6 unit tests" in built.stdout, built.stdout[-3000:]
    done = call(KINSHIP, "run", env=env, cwd=copy, timeout=1000)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    with duckdb.connect(str(company / "warehouse.duckdb"), read_only=True) as warehouse:
        people = warehouse.execute(
            """select count(distinct customer_id), count(*) from identity.identity_graph
            where source = 'medusa' and record_id like 'customers:%'"""
        ).fetchone()
        # 20.99 x 3, less 10 %, with 19 % tax; 5 of it went back
        sold = warehouse.execute(
            """select orders.gross_amount, orders.currency, orders.status, orders.discount_code, customers.email
            from customers.customer_orders as orders
            inner join customers.customers on customers.customer_id = orders.customer_id
            where orders.order_id = 'medusa:' || ?""",
            [made["orders"][2]],
        ).fetchone()
        events = warehouse.execute(
            """select event_type, count(*) from customers.customer_events where source = 'medusa'
            group by all order by all"""
        ).fetchall()
        unaccounted = warehouse.execute(
            "select table_name, record_class, records from reporting.rpt_source_accounting where source = 'medusa' "
            "and record_class = 'staged' order by all"
        ).fetchall()
    assert people == (7, 8), "a guest and the account of the same address are one person"
    assert sold is not None and sold[1:] == ("EUR", "partially_refunded", "TEN", "guest-2@example.com")
    assert float(sold[0]) == round(sold_amount(medusa, made["orders"][2]), 2)
    assert events == [("order_cancelled", 1), ("order_placed", 7), ("order_refunded", 1)]
    assert unaccounted == [("customers", "staged", 8), ("orders", "staged", 7), ("products", "staged", 4)]


def sold_amount(shop: Shop, order: str) -> float:
    """What was captured for an order."""
    found = shop.call("GET", f"/admin/orders/{order}?fields=*payment_collections.payments.captures")["order"]
    return float(
        sum(one["amount"] for c in found["payment_collections"] for p in c["payments"] for one in p["captures"])
    )
