"""Staging on a small hand-checked company; half a million real invoice lines are in test_commerce.py."""

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from conftest import call_dbt, place
from raw_tables import write_raw_tables
from staging_company import COMPANY

ROOT = Path(__file__).resolve().parents[1]
Rows = list[tuple[Any, ...]]
Query = Callable[[str], Rows]


def reader(folder: Path) -> Iterator[Query]:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        yield lambda query: connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def query() -> Iterator[Query]:
    folder = place() / "data"
    folder.mkdir()
    write_raw_tables(folder / "warehouse.duckdb", COMPANY)
    selection = [
        "path:models/staging",
        "rpt_source_accounting",
        "countries",
        "identity_policy",
        "every_raw_record_is_accounted_for",
    ]
    built = call_dbt("build", "--indirect-selection", "cautious", "--select", *selection, data=folder)
    assert built.returncode == 0, built.stdout[-4000:]
    yield from reader(folder)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def shapes() -> dict[str, list[str]]:
    """The fixed-shape models' columns, read from the contract in docs/sources.md."""
    contract = (ROOT / "docs" / "sources.md").read_text()
    found = re.findall(r"^\| `stg_<source>__(\w+)`:[^|]*\| (.*) \|$", contract, re.MULTILINE)
    # the remarks in brackets hold commas of their own
    return {
        kind: re.sub(r"\([^()]*(\([^()]*\))?[^()]*\)", "", columns).replace(" ", "").split(",")
        for kind, columns in found
    }


def test_fixed_shape_models_have_the_columns_of_the_contract(query: Query) -> None:
    listed = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]["sources"]
    expected = {
        f"stg_{source}__{kind}": columns
        for kind, columns in shapes().items()
        for source in listed
        if kind in listed[source]
    }
    assert len(expected) == 56
    actual = dict(
        query(
            "select table_name, list(column_name order by ordinal_position) from information_schema.columns "
            "group by table_name"
        )
    )
    assert {model: actual[model] for model in expected} == expected


def test_fixed_shape_models_of_one_kind_have_equal_types(query: Query) -> None:
    differing = query(
        "select split_part(table_name, '__', 2) as kind, column_name from information_schema.columns "
        f"where table_schema = 'staging' and kind in {tuple(shapes())} "
        "group by kind, column_name having count(distinct data_type) > 1"
    )
    assert differing == []


def test_identifiers_keep_every_value_with_its_time(query: Query) -> None:
    rows = query(
        "select identifier_type, identifier_value, country_code, first_seen_at, last_seen_at from "
        "staging.stg_vtiger__identifiers "
        "where record_id = 'contacts:12x1' order by all"
    )
    assert rows == [
        ("email", "Ann@example.com", "BG", at("2025-01-01 08:00:00"), at("2025-01-02 00:00:00")),
        ("email", "ann@new.example", "BG", at("2025-02-01 00:00:00"), at("2025-02-01 00:00:00")),
        ("phone", "0888 123 456", "BG", at("2025-01-01 08:00:00"), at("2025-02-01 00:00:00")),
        ("vtiger_contact_id", "12x1", "BG", at("2025-01-01 08:00:00"), at("2025-02-01 00:00:00")),
    ]


def test_the_latest_appearance_counts_not_the_latest_file(query: Query) -> None:
    rows = query(
        "select email, last_name, is_email_opt_out, birth_date from staging.stg_vtiger__contacts where "
        "contact_id = '12x1'"
    )
    assert rows == [("ann@new.example", None, True, None)]


def test_a_withdrawal_is_seen_with_its_time(query: Query) -> None:
    rows = query(
        "select record_id, channel, status, legal_basis, captured_at from staging.stg_vtiger__consents order by "
        "record_id, channel, captured_at"
    )
    assert rows == [
        ("contacts:12x1", "email", "granted", "consent", at("2025-01-02")),
        ("contacts:12x1", "email", "withdrawn", "consent", at("2025-02-01")),
        ("contacts:12x2", "email", "withdrawn", "consent", at("2025-01-05")),
        ("contacts:12x2", "phone", "withdrawn", "legitimate_interest", at("2025-01-05")),
    ]
    rows = query("select channel, status, captured_at from staging.stg_shopify__consents order by all")
    assert rows == [
        ("email", "granted", at("2025-01-01 08:00:00")),
        ("email", "withdrawn", at("2025-04-01 00:00:00")),
        ("sms", "unknown", at("2025-04-01 00:00:00")),
    ]
    rows = query("select record_id, channel, status, captured_at from staging.stg_destinations__consents order by all")
    assert rows == [
        ("opt_outs:o1", "email", "withdrawn", at("2025-03-01 10:00:00")),
        ("opt_outs:o2", "sms", "granted", at("2025-05-01 10:00:00")),
        ("opt_outs:o2", "sms", "withdrawn", at("2025-03-01 10:00:00")),
    ]
    rows = query(
        "select record_id, identifier_type, identifier_value from staging.stg_destinations__identifiers order by all"
    )
    assert rows == [("opt_outs:o1", "email", "Ann@new.example"), ("opt_outs:o2", "phone", "+359888123456")]
    rows = query("select record_id, channel, status, captured_at from staging.stg_klaviyo__consents order by all")
    assert rows == [
        ("profiles:P1", "email", "granted", at("2025-01-02")),
        ("profiles:P1", "email", "withdrawn", at("2025-02-19 21:20:00")),
        ("profiles:P1", "sms", "unknown", at("2025-01-01")),
    ]


def test_only_a_changed_choice_on_the_web_is_a_new_one(query: Query) -> None:
    rows = query(
        "select record_id, purpose, channel, status, captured_at from staging.stg_segment__consents order by "
        "captured_at"
    )
    assert rows == [
        ("anonymous:cookie", "analytics", "web", "granted", at("2025-05-01 10:01:00")),
        ("anonymous:cookie", "analytics", "web", "withdrawn", at("2025-05-01 10:06:00")),
    ]


def test_web_messages_become_events_once(query: Query) -> None:
    rows = query(
        "select event_id, record_id, event_type, channel, amount, order_id, detail from "
        "staging.stg_segment__events order by all"
    )
    assert rows == [
        ("m1", "anonymous:cookie", "page_viewed", "web", None, None, "shop"),
        ("m2", "anonymous:cookie", "product_added", "web", Decimal("18.00"), None, None),
        ("m3", "user:100", "order_completed_web", "web", Decimal("13.50"), "1", None),
        ("m4", "user:100", "identified", "web", None, None, None),
        ("m5", "anonymous:cookie", "wish_list_shared", "web", None, None, None),
        ("m6", "anonymous:cookie", "screen_viewed", "app", None, None, None),
    ]


def test_an_account_carries_its_cookies_and_a_cookie_no_account(query: Query) -> None:
    rows = query(
        "select record_id, identifier_type, identifier_value from staging.stg_segment__identifiers order by all"
    )
    assert rows == [
        ("anonymous:cookie", "anonymous_id", "cookie"),
        ("anonymous:cookie", "device_id", "d1"),
        ("user:100", "anonymous_id", "cookie"),
        ("user:100", "device_id", "d1"),
        ("user:100", "email", "cara@example.com"),
        ("user:100", "shopify_customer_id", "100"),
    ]


def test_orders_of_customers_and_guests(query: Query) -> None:
    rows = query(
        "select order_id, record_id, status, channel, discount_code, item_count, gross_amount, discount_amount, "
        "currency from staging.stg_shopify__orders order by order_id"
    )
    thirty, five = Decimal("30.00"), Decimal("5.00")
    assert rows == [
        ("1", "customers:100", "paid", "web", "TEN", 2, thirty, five, "EUR"),
        ("2", "orders:2", "partially_refunded", "web", None, 2, thirty, five, "EUR"),
        ("3", "customers:100", "cancelled", "web", None, 2, thirty, five, "EUR"),
        ("4", "customers:100", "open", "store", None, 0, thirty, five, "EUR"),
    ]
    rows = query("select order_id, amount, reason, channel from staging.stg_shopify__refunds order by order_id")
    assert rows == [("2", Decimal("10.00"), "refund", "web"), ("3", Decimal("0.00"), "refund", "web")]


def test_the_shop_tells_orders_cancellations_refunds_and_checkouts(query: Query) -> None:
    rows = query(
        "select event_id, event_type, occurred_at, amount from staging.stg_shopify__events where order_id in "
        "('2', '3') order by all"
    )
    assert rows == [
        ("cancelled:3", "order_cancelled", at("2025-03-02"), Decimal("-30.00")),
        ("orders:2", "order_placed", at("2025-03-01 10:00:00"), Decimal("30.00")),
        ("orders:3", "order_placed", at("2025-03-01 10:00:00"), Decimal("30.00")),
        ("refunds:1", "order_refunded", at("2025-03-05"), Decimal("-10.00")),
        ("refunds:2", "order_refunded", at("2025-03-05"), Decimal("0.00")),
    ]
    assert query(
        "select record_id, cart_id from staging.stg_shopify__events where event_type = 'checkout_started'"
    ) == [("checkouts:5", "cart-5")]


def test_loyalty_number_comes_out_of_the_shops_tags(query: Query) -> None:
    rows = query(
        "select identifier_value from staging.stg_shopify__identifiers where identifier_type = 'loyalty_number'"
    )
    assert rows == [("100123",)]


def test_what_is_only_planned_has_not_happened(query: Query) -> None:
    rows = query(
        "select event_type, record_id, occurred_at, amount, currency from staging.stg_vtiger__events order by all"
    )
    assert rows == [
        ("call_made", "contacts:12x1", at("2025-01-10 14:30:00"), None, None),
        ("deal_created", "contacts:12x9", at("2025-01-03"), Decimal("1200.50"), "EUR"),
        ("meeting_held", "contacts:12x1", at("2025-01-10 14:30:00"), None, None),
    ]


def test_agents_are_not_customers(query: Query) -> None:
    rows = query("select event_type, record_id, detail from staging.stg_zendesk__events order by all")
    assert rows == [
        ("ticket_commented", "users:1", None),
        ("ticket_opened", "users:1", "high"),
        ("ticket_opened", "users:3", None),
    ]
    assert query("select record_id from staging.stg_zendesk__identifiers order by all") == [("users:1",), ("users:3",)]
    assert query("select value from staging.stg_zendesk__attributes where attribute = 'language'") == [("th",)]


@pytest.mark.parametrize("source", ["vtiger", "shopify", "segment", "klaviyo", "zendesk", "erp", "hubspot"])
def test_every_event_is_of_a_record_with_an_identifier(query: Query, source: str) -> None:
    """Otherwise identity never hears of the record, and the event would fall out of the timeline."""
    rows = query(
        f"select record_id from staging.stg_{source}__events "
        f"where record_id not in (select record_id from staging.stg_{source}__identifiers)"
    )
    assert rows == []


def test_the_tills_lines_are_each_of_one_class(query: Query) -> None:
    rows = query(
        "select invoice_id, line_class, count(*) from staging.stg_erp__invoice_lines group by all order by all"
    )
    assert rows == [
        ("1", "delivered_again", 2),
        ("1", "valid", 2),
        ("2", "valid", 1),
        ("3", "valid", 1),
        ("4", "without_customer", 1),
        ("5", "not_a_sale", 1),
        ("8", "not_a_sale", 1),
        ("9", "valid", 2),
        ("C6", "cancellation", 1),
        ("C7", "cancellation_without_customer", 1),
    ]


def test_the_tills_orders_add_up_to_its_takings(query: Query) -> None:
    rows = query(
        "select order_id, record_id, item_count, gross_amount, currency from staging.stg_erp__orders order by order_id"
    )
    assert rows == [
        ("1", "customers:7", 2, Decimal("2.00"), "GBP"),
        ("2", "customers:7", 1, Decimal("0.00"), "GBP"),
        # 0.003 + 0.003: the second is the one that makes a penny
        ("3", "customers:7", 1, Decimal("0.01"), "GBP"),
        # nobody left a name: sold all the same
        ("4", None, 1, Decimal("1.00"), "GBP"),
        ("9", "customers:7", 1, Decimal("1.00"), "GBP"),
        ("9/8", "customers:8", 1, Decimal("1.00"), "GBP"),
    ]
    rows = query("select refund_id, order_id, record_id, amount from staging.stg_erp__refunds order by refund_id")
    assert rows == [("C6", None, "customers:7", Decimal("5.00")), ("C7", None, None, Decimal("1.00"))]
    rows = query("select event_id, amount from staging.stg_erp__events where event_type = 'order_refunded'")
    assert rows == [("refunds:C6", Decimal("-5.00"))]
    assert query("select distinct country_code from staging.stg_erp__identifiers") == [("IE",)]


def test_a_deal_keeps_every_stage_it_was_seen_in(query: Query) -> None:
    rows = query("select deal_id, company_id, stage, probability, seen_from, appearance from staging.stg_vtiger__deals")
    assert rows == [("13x1", None, None, None, at("2025-01-03"), 1)]


def test_hubspots_contacts_are_merged_and_deleted(query: Query) -> None:
    assert query("select contact_id, email, lifecycle_stage from staging.stg_hubspot__contacts") == [
        ("501", "ina@example.com", "customer")
    ]
    rows = query(
        "select identifier_type, identifier_value, first_seen_at from staging.stg_hubspot__identifiers "
        "where record_id = 'contacts:501' order by all"
    )
    assert rows == [
        ("email", "ina@example.com", at("2025-01-01")),
        ("email", "ina@old.example", at("2025-02-01")),
        ("hubspot_contact_id", "501", at("2025-01-01")),
        ("hubspot_contact_id", "502", at("2025-02-01")),
    ]
    rows = query("select distinct record_id from staging.stg_hubspot__identifiers order by all")
    assert [record for (record,) in rows if record.startswith("contacts:")] == [
        f"contacts:{number}" for number in (501, 502, 503, 509)
    ]
    rows = query("select distinct record_id from staging.stg_hubspot__attributes order by all")
    assert rows == [("contacts:501",), ("contacts:502",)]


def test_hubspots_account_tells_what_became_of_each_contact(query: Query) -> None:
    rows = query(
        "select record_class, records from reporting.rpt_source_accounting "
        "where source = 'hubspot' and table_name = 'contacts' order by all"
    )
    assert rows == [("archived", 1), ("deleted", 1), ("earlier_appearance", 3), ("merged", 1), ("staged", 1)]


def test_hubspots_deals_events_and_consents(query: Query) -> None:
    rows = query(
        "select deal_id, record_id, company_id, stage, amount, currency, seen_from from staging.stg_hubspot__deals "
        "order by deal_id, appearance desc"
    )
    assert rows == [
        ("700", "contacts:501", "901", "Drawn", Decimal("100.50"), "EUR", at("2025-01-01")),
        ("700", None, None, "closedwon", None, "EUR", at("2025-03-01")),
        ("701", None, None, "contractsent", None, "USD", at("2025-01-01")),
    ]
    rows = query("select event_id, event_type, occurred_at from staging.stg_hubspot__events order by all")
    assert rows == [
        ("calls:800:501", "call_made", at("2025-01-05 10:00")),
        ("calls:800:509", "call_made", at("2025-01-05 10:00")),
        ("leads:501", "lead_created", at("2025-01-01")),
        ("meetings:811:501", "meeting_held", at("2025-01-06 10:00")),
    ]
    kim = "subscribers:" + hashlib.md5(b"kim@example.com").hexdigest()
    rows = query("select record_id, status, captured_at from staging.stg_hubspot__consents order by all")
    assert rows == [
        ("contacts:501", "withdrawn", at("2025-02-01")),
        (kim, "granted", at("2025-01-01")),
        (kim, "withdrawn", at("2025-03-01")),
    ]


def test_a_ticket_is_answered_by_an_agent_only(query: Query) -> None:
    rows = query(
        "select ticket_id, record_id, status, comment_count, first_replied_at from staging.stg_zendesk__tickets "
        "order by ticket_id"
    )
    assert rows == [
        ("10", "users:1", "new", 2, at("2025-01-03")),
        ("11", None, "new", 0, None),
        ("12", "users:3", "new", 0, None),
    ]


def test_a_corrected_cost_replaces_the_first(query: Query) -> None:
    rows = query("select ad_channel, cost, clicks, currency from staging.stg_ads__campaign_costs")
    assert rows == [("google", Decimal("12.00"), None, "EUR")]


def test_enrichment_is_by_address_however_written(query: Query) -> None:
    key = "people:" + hashlib.md5(b"ann@example.com").hexdigest()
    rows = query(
        "select record_id, attribute, value from staging.stg_enrichment__attributes where attribute like '%o%' "
        "order by all"
    )
    assert rows == [
        (key, "company_domain", "sample.example"),
        (key, "company_name", "Sample Ltd"),
        (key, "job_title", "Buyer"),
        (key, "job_title", "Head Buyer"),
    ]


def test_every_record_is_accounted_for(query: Query) -> None:
    rows = query(
        "select table_name, record_class, records from reporting.rpt_source_accounting where source in ('erp', "
        "'segment') order by all"
    )
    assert rows == [
        ("events", "earlier_appearance", 1),
        ("events", "staged", 7),
        ("invoice_lines", "cancellation", 1),
        ("invoice_lines", "cancellation_without_customer", 1),
        ("invoice_lines", "delivered_again", 1),
        ("invoice_lines", "delivered_again_written_twice", 1),
        ("invoice_lines", "not_a_sale", 2),
        ("invoice_lines", "valid", 5),
        ("invoice_lines", "valid_written_twice", 1),
        ("invoice_lines", "without_customer", 1),
    ]


def test_what_was_deleted_in_the_system_is_gone_and_accounted_for(query: Query) -> None:
    for model in ("contacts", "contact_versions"):
        assert query(f"select count(*) from staging.stg_vtiger__{model} where contact_id in ('12x3', '12x4')") == [(0,)]
    assert query("select count(*) from staging.stg_vtiger__identifiers where identifier_value ilike '%cid%'") == [(0,)]
    rows = query(
        "select record_class, records from reporting.rpt_source_accounting where source = 'vtiger' "
        "and table_name = 'contacts' order by all"
    )
    assert rows == [("deleted", 2), ("earlier_appearance", 4), ("staged", 2)]
