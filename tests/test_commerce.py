"""Money from the source to the report, on half a million real invoice lines."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import call_dbt, place
from raw_tables import write_raw_tables

ROOT = Path(__file__).resolve().parents[1]
ONLINE_RETAIL = ROOT.parent / "shared" / "data" / "online_retail"
COMMERCE = (
    "customer_orders",
    "customer_order_lines",
    "customer_refunds",
    "products",
    "int_customers__order_totals",
    "rpt_revenue",
)
CHECKS = (
    "every_amount_of_money_arrives",
    "revenue_adds_up_to_orders_and_refunds",
    "an_order_is_worth_what_was_charged_less_what_went_back",
    "the_tills_lines_are_all_sold_or_given_back",
)


def build(data: Path) -> None:
    """Build what `COMMERCE` needs, in the warehouse in `data`, and try the checks of money on it."""
    selected = (*(f"+{model}" for model in COMMERCE), *CHECKS)
    done = call_dbt("build", "--indirect-selection", "empty", "--select", *selected, data=data)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.fixture(scope="module")
def shop_of_gifts() -> Iterator[duckdb.DuckDBPyConnection]:
    """A year of a real gift shop's invoices, as the till of a company without any other source."""
    if not ONLINE_RETAIL.exists():
        pytest.skip("the shared test data (online_retail) is not here")
    data = place() / "data"
    data.mkdir()
    write_raw_tables(data / "warehouse.duckdb", {})
    with duckdb.connect(str(data / "warehouse.duckdb")) as connection:
        connection.execute(
            "insert into raw_erp.invoice_lines by name select columns(*)::text, 'f' as _file_id "
            f"from '{ONLINE_RETAIL}/*.parquet'"
        )
        connection.execute(
            "insert into raw_erp.extracted_files values ('f', 'f', 'invoice_lines', 502938, 0, now(), true)"
        )
    build(data)
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        yield connection


def one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row
    return row


def test_the_cleaned_takings_of_a_real_till_come_out_as_orders(shop_of_gifts: duckdb.DuckDBPyConnection) -> None:
    orders = one(
        shop_of_gifts,
        "select count(*), count(distinct customer_id), sum(gross_amount) from customers.customer_orders",
    )
    assert orders == (18_437, 4_266, Decimal("8520125.27"))
    lines = one(shop_of_gifts, "select count(distinct order_id), sum(net_amount) from customers.customer_order_lines")
    assert lines == (18_437, Decimal("8520125.27"))
    # the lines of each order, not only of all
    assert one(
        shop_of_gifts,
        "select count(*) from customers.customer_orders where gross_amount <> "
        "(select sum(net_amount) from customers.customer_order_lines where order_id = customer_orders.order_id)",
    ) == (0,)


def test_staging_tells_apart_half_a_million_lines_of_the_till(shop_of_gifts: duckdb.DuckDBPyConnection) -> None:
    orders = one(
        shop_of_gifts,
        "select count(*), count(distinct record_id), sum(gross_amount) from staging.stg_erp__orders "
        "where record_id is not null",
    )
    assert orders == (18_437, 4_266, Decimal("8520125.27"))
    net = one(
        shop_of_gifts,
        "select (select sum(gross_amount) from staging.stg_erp__orders) "
        "- (select sum(amount) from staging.stg_erp__refunds)",
    )
    assert net == (Decimal("9161996.18"),)
    lines = dict(
        shop_of_gifts.execute(
            "select line_class, count(*) from staging.stg_erp__invoice_lines group by line_class"
        ).fetchall()
    )
    assert sum(lines.values()) == 502_938
    assert lines["without_customer"] + lines["cancellation_without_customer"] == 100_207
    assert lines["cancellation"] + lines["cancellation_without_customer"] == 9_877
    twins = one(shop_of_gifts, "select count(*) from staging.stg_erp__invoice_lines where is_exact_duplicate")
    assert twins == (6_544,)


def test_what_is_sold_and_given_back_is_all_the_till_took(shop_of_gifts: duckdb.DuckDBPyConnection) -> None:
    takings = one(
        shop_of_gifts,
        "select round(sum(try_cast(quantity as integer) * try_cast(unit_price as decimal(18, 4))), 2) "
        "from raw_erp.invoice_lines",
    )
    assert takings == (Decimal("9161996.18"),)
    told = one(
        shop_of_gifts,
        "select (select sum(gross_amount) from customers.int_customers__orders) "
        "- (select sum(amount) from customers.int_customers__refunds)",
    )
    assert told == takings
    # of known customers: what they bought less what they brought back
    known = one(
        shop_of_gifts,
        "select (select sum(gross_amount) from customers.customer_orders) "
        "- (select sum(amount) from customers.customer_refunds)",
    )
    named = one(
        shop_of_gifts,
        "select round(sum(try_cast(quantity as integer) * try_cast(unit_price as decimal(18, 4))), 2) "
        "from raw_erp.invoice_lines where trim(customer_id) <> ''",
    )
    assert known == named


def test_the_report_has_the_tills_takings_in_euro(shop_of_gifts: duckdb.DuckDBPyConnection) -> None:
    rate, net, moves, unvalued, unnamed = one(
        shop_of_gifts,
        "select (select rate from seeds.exchange_rates where currency = 'GBP'), sum(net_amount_eur), "
        "sum(order_count + refund_count), sum(unvalued_count), "
        "sum(order_count) filter (where not is_customer_known) from reporting.rpt_revenue",
    )
    assert unvalued == 0
    # each order and refund is rounded to a cent once
    assert abs(net - Decimal("9161996.18") * rate) <= moves * Decimal("0.005")
    assert unnamed == 1_680


def test_a_person_is_worth_what_was_bought_less_what_came_back(shop_of_gifts: duckdb.DuckDBPyConnection) -> None:
    worth = one(shop_of_gifts, "select sum(revenue_eur) from customers.int_customers__order_totals")
    moved = one(shop_of_gifts, "select sum(net_amount_eur) from reporting.rpt_revenue where is_customer_known")
    assert worth == moved
