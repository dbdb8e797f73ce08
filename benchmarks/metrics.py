"""How long all metrics take on a million customers: the models they count from, and every figure by MetricFlow's SQL.

    python benchmarks/metrics.py [customers]

The tables before them are simulated in memory: three orders a customer over three years, one in twenty paid back.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import duckdb
from metrics_house import BUILT, TABLES, model_sql, relation

from kinship.metrics.queries import load_queries
from kinship.metrics.tables import write

SIMULATED = {
    "customers": """
        select 'c' || i as customer_id, 'e' as email, case when i % 2 = 0 then 'p' end as phone,
            ['DE', 'FR', 'GB', 'ES', 'PL', 'BG', null][1 + hash(i, 1) % 7] as country_code,
            ['first_order', 'active', 'at_risk', 'lapsed', 'won_back', 'lead'][1 + hash(i, 2) % 6] as lifecycle_stage,
            ['email', 'paid_search', 'paid_social', 'direct', 'referral'][1 + hash(i, 3) % 5] as acquisition_channel,
            '' as rfm_group, (hash(i, 4) % 100000) / 100 as expected_value_12_months_eur,
            (hash(i, 5) % 1000) / 1000 as churn_probability, hash(i, 6) % 2 = 0 as has_email_marketing_consent,
            hash(i, 7) % 4 = 0 as has_sms_marketing_consent, false as has_phone_marketing_consent,
            timestamp '2023-07-01' + interval (hash(i, 8) % 1500000) minute as first_seen_at,
            first_seen_at as first_order_at
        from range(?) as t (i)
    """,
    "identity_graph": "select 's' as source, 'r' || i as record_id, 'c' || i as customer_id from range(?) as t (i)",
    "int_customers__orders": """
        select 's:' || i || '-' || n as order_id, 's' as source, 'r' || i as record_id, 'web' as channel,
            case when hash(i, n) % 50 = 0 then 'cancelled' else 'paid' end as status, 20 as gross_amount_eur,
            0 as discount_amount_eur, 0 as refunded_amount_eur, case when status = 'cancelled' then 20 else 0 end
            as cancelled_amount_eur, 20 - cancelled_amount_eur as net_amount_eur,
            timestamp '2023-07-01' + interval (hash(i, n, 1) % 1570000) minute as ordered_at,
            case when status = 'cancelled' then ordered_at end as cancelled_at
        from range(?) as t (i), range(3) as u (n)
    """,
    "int_customers__refunds": """
        select 's:' || i as refund_id, 's:' || i || '-0' as order_id, 's' as source, 'r' || i as record_id,
            'web' as channel, 20 as amount_eur, timestamp '2026-06-01' as refunded_at
        from range(? // 7) as t (i)
    """,
    "campaign_costs": """
        select date '2023-07-01' + (i // 3)::integer as cost_date, ['email', 'paid_search', 'paid_social'][1 + i % 3]
            as channel, 100 as cost_eur
        from range(3270) as t (i) where ? > 0
    """,
    "customer_carts": """
        select 'k' || i as cart_id, 'c' || i as customer_id, ['ordered', 'abandoned'][1 + hash(i) % 2] as outcome,
            timestamp '2023-07-01' + interval (hash(i, 8) % 1500000) minute as started_at
        from range(?) as t (i)
    """,
}


def main(customers: int) -> None:
    """Simulate, build, count; prints seconds of the clock and of the processor."""
    load_queries()
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("attach ':memory:' as warehouse; attach ':memory:' as published; use warehouse")
    for schema in ("customers", "identity", "metrics"):
        connection.execute(f"create schema {schema}")
    connection.execute("create table customers.int_customers__as_of as select timestamp '2026-06-25 12:00:00' as as_of")
    for name, columns in TABLES.items():
        connection.execute(f"create table {relation(name)} ({columns})")
        connection.execute(f"insert into {relation(name)} by name {SIMULATED[name]}", [customers])
    connection.execute(
        "create view customers.customer_orders as select orders.*, customer_id"
        " from customers.int_customers__orders as orders join identity.identity_graph using (source, record_id)"
    )
    for model in BUILT:
        started, used = time.perf_counter(), time.process_time()
        connection.execute(f"create table {relation(model)} as {model_sql(model, False)}")
        print(f"{model:32} {time.perf_counter() - started:6.1f} s, {time.process_time() - used:6.1f} s of processor")
    started, used = time.perf_counter(), time.process_time()
    rows = write(connection, "warehouse", "published")
    print(
        f"{rows['metrics.metric_values']:,} figures {time.perf_counter() - started:.1f} s,"
        f" {time.process_time() - used:.1f} s of processor"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
