"""Raw tables as extraction leaves them (docs/sources.md), written straight from records: for tests of the models alone."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

Record = Mapping[str, Any]
# the files of a table, oldest first, each a list of records
Files = Sequence[Sequence[Record]]

COLUMNS = {
    "vtiger": {
        "contacts": "id contact_no firstname lastname email secondaryemail phone mobile account_id birthday mailingstreet mailingcity "
        "mailingzip mailingcountry leadsource emailoptout donotcall cf_loyalty_number cf_marketing_consent cf_consent_date "
        "assigned_user_id createdtime modifiedtime",
        "leads": "id lead_no firstname lastname email phone mobile company leadsource leadstatus city country emailoptout converted "
        "createdtime modifiedtime",
        "accounts": "id account_no accountname website email1 phone industry bill_city bill_country createdtime modifiedtime",
        "potentials": "id potential_no potentialname amount closingdate sales_stage probability related_to contact_id leadsource "
        "createdtime modifiedtime",
        "events": "id subject activitytype date_start time_start eventstatus contact_id createdtime modifiedtime",
    },
    "shopify": {
        "customers": "id email phone first_name last_name created_at updated_at state verified_email tags currency default_address "
        "email_marketing_consent sms_marketing_consent",
        "orders": "id name email phone created_at updated_at processed_at cancelled_at cancel_reason currency total_price "
        "subtotal_price total_tax total_discounts financial_status fulfillment_status customer billing_address shipping_address "
        "line_items discount_codes refunds checkout_token cart_token landing_site referring_site source_name",
        "checkouts": "id token cart_token email phone created_at updated_at completed_at abandoned_checkout_url currency total_price "
        "line_items customer",
        "products": "id title vendor product_type handle tags created_at updated_at variants",
    },
    "segment": {
        "events": "message_id type event name user_id anonymous_id timestamp original_timestamp sent_at received_at context traits "
        "properties",
    },
    "klaviyo": {
        "profiles": "id type attributes",
        "metrics": "id type attributes",
        "events": "id type attributes relationships",
    },
    "zendesk": {
        "users": "id name email phone role locale time_zone external_id created_at updated_at",
        "tickets": "id subject description status priority type requester_id assignee_id tags via created_at updated_at",
        "comments": "id ticket_id author_id body public created_at",
        "satisfaction_ratings": "id ticket_id requester_id score comment created_at updated_at",
    },
    "erp": {"invoice_lines": "invoice_no stock_code description quantity invoice_ts unit_price customer_id country"},
    "ads": {"campaign_costs": "date channel campaign impressions clicks cost currency"},
    "enrichment": {
        "people": "email full_name job_title seniority company_domain age_band income_band country_code updated_at",
        "companies": "domain name industry employees country_code updated_at",
    },
}


def write_raw_tables(warehouse: Path, sources: Mapping[str, Mapping[str, Files]]) -> None:
    """Write every raw table of every source; what `sources` does not name is empty."""
    with duckdb.connect(str(warehouse)) as connection:
        for source, tables in COLUMNS.items():
            _write_source(connection, source, {table: sources.get(source, {}).get(table, []) for table in tables})


def _write_source(connection: duckdb.DuckDBPyConnection, source: str, tables: Mapping[str, Files]) -> None:
    schema = f"raw_{source}"
    connection.execute(f"create schema if not exists {schema}")
    connection.execute(
        f"create or replace table {schema}.extracted_files (file_id text, location text, file text, table_name text, "
        "version bigint, bytes bigint, sha256 text, rows bigint, quarantined bigint, extracted_at timestamp, is_current boolean, "
        "_dlt_load_id text)"
    )
    connection.execute(
        f"create or replace table {schema}.quarantine (file_id text, file text, line bigint, table_name text, reason text, "
        "record text, quarantined_at timestamp)"
    )
    for table, files in tables.items():
        columns = COLUMNS[source][table].split()
        connection.execute(f"create or replace table {schema}.{table} ({', '.join(f'{c} text' for c in columns)}, _file_id text)")
        for number, records in enumerate(files):
            file = f"{table}/{number:03}.jsonl"
            connection.execute(
                f"insert into {schema}.extracted_files values "
                "(?, 'test', ?, ?, 1, 0, '', ?, 0, timestamp '2025-01-01' + to_days(?::integer), true, '1')",
                [file, file, table, len(records), number],
            )
            rows = [[_text(_flat(record, columns).get(column)) for column in columns] + [file] for record in records]
            if rows:
                connection.executemany(f"insert into {schema}.{table} values ({', '.join('?' * (len(columns) + 1))})", rows)


def _flat(record: Record, columns: Sequence[str]) -> dict[str, Any]:
    row = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower(): value for key, value in record.items()}
    unknown = set(row) - set(columns)
    assert not unknown, f"no such raw columns: {sorted(unknown)}"
    return row


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
