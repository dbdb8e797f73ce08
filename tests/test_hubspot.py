"""HubSpot as a second CRM: made-up records and the tables of a real connector, from files to the customers' tables."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import KINSHIP, ROOT, call, call_dbt, environment, place

FIVETRAN = ROOT.parent / "shared" / "data" / "fivetran_seeds" / "hubspot"
WANTED = ("customers", "customer_deals", "customer_leads", "customer_consents", "customer_events", "accounts")
Query = Callable[[str], list[tuple[Any, ...]]]


def record(number: int, changed: str = "2026-01-02", **fields: Any) -> dict[str, Any]:
    """An object as HubSpot's CRM API gives it."""
    own = {name: fields.pop(name) for name in ("associations", "archived") if name in fields}
    times = {"createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": f"{changed}T00:00:00.000Z"}
    return {"id": str(number), "properties": fields, "archived": False} | times | own


def beside(**records: tuple[int, str]) -> dict[str, Any]:
    return {name: {"results": [{"id": str(number), "type": kind}]} for name, (number, kind) in records.items()}


SHOPIFY = {
    "customers": [
        {
            "id": 71,
            "email": "ina@example.com",
            "first_name": "Ina",
            "last_name": "Petrova",
            "created_at": "2025-12-01T00:00:00Z",
            "updated_at": "2025-12-01T00:00:00Z",
            "email_marketing_consent": {"state": "subscribed", "consent_updated_at": "2025-12-01T00:00:00Z"},
        }
    ],
}
HUBSPOT = {
    "contacts": [
        record(1, firstname="Ina", lastname="Petrova", email="Ina@example.com", lifecyclestage="lead"),
        # another address of hers, a contact of its own until somebody merged the two
        record(2, firstname="Ina", email="ina@old.example"),
        record(1, "2026-02-01", firstname="Ina", email="ina@example.com", lifecyclestage="opportunity",
               associatedcompanyid="9", hs_email_optout="true", hs_merged_object_ids="2"),
        record(3, firstname="Jo", lastname="Berg", email="jo@example.com"),
        record(3, "2026-01-09", archived=True),
        "no record at all",
    ],
    "companies": [record(9, name="Ovens Ltd", domain="ovens.example")],
    "deals": [
        record(5, "2026-02-02", dealname="Two ovens", dealstage="contractsent", pipeline="default", amount="1200",
               associations=beside(contacts=(2, "deal_to_contact"), companies=(9, "deal_to_company"))),
        record(6, dealname="Withdrawn", dealstage="closedlost", archived=True),
    ],
    "calls": [record(8, hs_timestamp="2026-01-05T10:00:00Z", associations=beside(contacts=(1, "call_to_contact")))],
    "subscription_statuses": [
        {
            "subscriberIdString": "jo@example.com",
            "statuses": [
                {"channel": "EMAIL", "subscriptionId": 7, "subscriptionName": "Marketing Information",
                 "status": "SUBSCRIBED", "timestamp": "2026-01-03T00:00:00Z", "legalBasis": "CONSENT_WITH_NOTICE"},
            ],
        }
    ],
}  # fmt: skip


def recipe() -> list[str]:
    """The statements of docs/add-a-source.md that make HubSpot's records of the connector's tables."""
    statements = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "add-a-source.md").read_text(), re.S)
    return [statement for statement in statements if "to 'hubspot/" in statement]


@pytest.fixture(scope="module")
def query(tmp_path_factory: pytest.TempPathFactory, read_project: Callable[[Path], Path]) -> Iterator[Query]:
    folder = tmp_path_factory.mktemp("hubspot")
    for source, tables in {"shopify": SHOPIFY, "hubspot": HUBSPOT}.items():
        for table, records in tables.items():
            (folder / source / table).mkdir(parents=True)
            lines = [one if isinstance(one, str) else json.dumps(one) for one in records]
            (folder / source / table / "made_up.jsonl").write_text("\n".join(lines) + "\n")
    if FIVETRAN.is_dir():
        for table in FIVETRAN.glob("*.parquet"):
            shutil.copy(table, folder)
        (folder / "hubspot" / "deal_pipelines").mkdir()
        with pytest.MonkeyPatch.context() as patch, duckdb.connect() as connection:
            patch.chdir(folder)
            for statement in recipe():
                connection.execute(statement)
    data = read_project(place() / "data")
    done = call(KINSHIP, "extract", env=environment(data, KINSHIP_SOURCES=str(folder)))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    models = [f"+{name}" for name in WANTED] + ["+rpt_source_accounting", "every_raw_record_is_accounted_for"]
    skipped = ("--exclude-resource-type", "unit_test", "--indirect-selection", "empty")
    built = call_dbt("build", "--select", *models, *skipped, data=data)
    assert built.returncode == 0, built.stdout[-4000:]
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        yield lambda text: connection.execute(text).fetchall()


def test_a_contact_and_a_shop_customer_of_one_address_are_one_person(query: Query) -> None:
    """The second contact has another address: that it was merged into the first is what joins it."""
    rows = query(
        "select list(source || ' ' || record_id order by source, record_id) from identity.identity_graph "
        "group by customer_id having count(*) filter (record_id = 'customers:71') > 0"
    )
    assert rows == [(["hubspot contacts:1", "hubspot contacts:2", "shopify customers:71"],)]
    rows = query(
        "select last_name, email, source_count, record_count, open_deal_count, company_domain, "
        "has_email_marketing_consent from customers.customers where first_name = 'Ina'"
    )
    assert rows == [("Petrova", "ina@example.com", 2, 3, 1, "ovens.example", False)]


def test_deals_stand_with_their_person_and_company(query: Query) -> None:
    rows = query(
        "select deal_id, first_name, stage, amount, deals.currency, is_open, accounts.name "
        "from customers.customer_deals as deals left join customers.customers using (customer_id) "
        "left join customers.accounts as accounts on deals.account_id = accounts.account_id "
        "where deal_id in ('hubspot:5', 'hubspot:6')"
    )
    assert rows == [("hubspot:5", "Ina", "contractsent", Decimal("1200.00"), "EUR", True, "Ovens Ltd")]
    rows = query(
        "select event_type, occurred_at from customers.customer_events where source = 'hubspot' "
        "and record_id in ('contacts:1', 'contacts:2') order by all"
    )
    assert rows == [
        ("call_made", datetime(2026, 1, 5, 10)),
        ("deal_created", datetime(2026, 1, 1)),
        ("lead_created", datetime(2026, 1, 1)),
    ]
    assert query("select lead_id, status, is_converted from customers.customer_leads") == [
        ("hubspot:1", "opportunity", True)
    ]


def test_the_later_word_on_consent_counts_whoever_heard_it(query: Query) -> None:
    rows = query(
        "select source, split_part(record_id, ':', 1), status, is_allowed, captured_at "
        "from customers.customer_consents where purpose = 'marketing' and channel = 'email' order by all"
    )
    assert rows == [
        ("hubspot", "contacts", "withdrawn", False, datetime(2026, 2, 1)),
        ("hubspot", "subscribers", "granted", True, datetime(2026, 1, 3)),
    ]


def test_a_deleted_contact_is_no_name_any_more(query: Query) -> None:
    rows = query(
        "select first_name, email from customers.customers inner join identity.identity_graph using (customer_id) "
        "where record_id = 'contacts:3'"
    )
    assert rows == [(None, None)]


def test_every_record_is_accounted_for(query: Query) -> None:
    found = {
        (table, kind): records
        for table, kind, records in query(
            "select table_name, record_class, records from reporting.rpt_source_accounting where source = 'hubspot'"
        )
    }
    more = FIVETRAN.is_dir()
    assert found == {
        # of the connector's 22, three were merged into a fourth
        ("contacts", "staged"): 1 + 19 * more,
        ("contacts", "merged"): 1 + 3 * more,
        ("contacts", "archived"): 1,
        ("contacts", "earlier_appearance"): 2,
        ("contacts", "quarantined"): 1,
        ("companies", "staged"): 1 + 24 * more,
        ("deals", "staged"): 1 + 44 * more,
        ("deals", "archived"): 1,
        ("calls", "staged"): 1 + more,
        ("subscription_statuses", "staged"): 1,
    } | ({("deal_pipelines", "staged"): 6} if more else {})


@pytest.mark.skipif(not FIVETRAN.is_dir(), reason="the shared test data (fivetran_seeds/hubspot) is not here")
def test_a_real_connectors_tables_go_through(query: Query) -> None:
    sizes = query(
        "select records, count(*) from (select count(*) as records from identity.identity_graph "
        "where source = 'hubspot' and length(record_id) > 12 and record_id like 'contacts:%' group by customer_id) "
        "group by all order by all"
    )
    assert sizes == [(1, 18), (4, 1)]
    assert query("select count(*), count(distinct name) from customers.customer_deals") == [(45, 45)]
    assert query("select count(*), count(distinct name) from customers.accounts where domain is null") == [(24, 24)]
    assert query("select event_type from customers.customer_events where record_id = 'contacts:501'") == [
        ("call_made",)
    ]
