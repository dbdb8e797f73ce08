"""Single heavy steps on made-up tables of any size: where does one machine stop?

    python benchmarks/limit_steps.py components --rows 60000000 [--memory 12GB] [--folder FOLDER]
    python benchmarks/limit_steps.py events --rows 200000000
    python benchmarks/limit_steps.py extract --rows 50000000

components: the connected components of so many edges, six to a person, ids in no order, as the macro solves them.
events: `customers.customer_events` over so many events of a tenth as many records, a person for every two.
extract: one file of so many Segment events as JSON lines, into an empty warehouse.
Prints what making the tables took, and then of the step itself: seconds, rows a second, peak resident memory and the
most that lay in temporary files, sampled twice a second.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from math import gcd
from pathlib import Path

import duckdb
from sampling import KINSHIP, sampled, size_of

from kinship.limits import limit
from kinship.settings import ROOT

sys.path.append(str(ROOT / "tests"))  # they run models and materialisations without dbt
from component_tables import ComponentTables
from macros import render_text

LINE = """
    select
        'ajs-' || md5(range::varchar) as "messageId", 'track' as "type", 'Product Viewed' as "event",
        md5((range % 5000000)::varchar) as "anonymousId", null as "userId", moment as "timestamp", moment as "sentAt",
        moment as "receivedAt",
        {'page': {'path': '/p/' || range % 1000, 'url': 'https://shop.example/p/' || range % 1000}} as context,
        {'product_id': range % 1000, 'price': (range % 9000) / 100, 'currency': 'EUR'} as properties
    from (
        select range, strftime(timestamp '2026-01-01' + to_seconds(range % 15552000), '%Y-%m-%dT%H:%M:%SZ') as moment
        from range(ROWS)
    )
"""


def make(connection: duckdb.DuckDBPyConnection, step: str, rows: int) -> None:
    """The tables that the step reads."""
    if step == "components":
        # node 6p + k of person p under a number that says nothing of it
        factor = next(number for number in range(7368787, 7369787) if gcd(number, rows) == 1)
        connection.execute(
            f"""
            create table edges as
            select
                (range * {factor} % {rows})::bigint as left_id,
                ((range - range % 6 + (range + 1) % 6) * {factor} % {rows})::bigint as right_id,
                true as is_current,
                1 as changed_in
            from range({rows})
            """
        )
        return
    records = rows // 10
    connection.execute(
        f"""
        create table identity_graph as
        select
            ['segment', 'klaviyo', 'shopify', 'erp'][1 + range % 4] as source,
            'anonymous:' || md5(range::varchar)::uuid as record_id, md5((range // 2)::varchar) as customer_id
        from range({records});
        create table identity_device_owners as
        select
            source, record_id, md5(customer_id) as customer_id, timestamp '2026-03-01' as valid_from,
            timestamp '2026-03-02' as valid_to
        from identity_graph limit {records // 80};
        create table events as
        select
            ['segment', 'klaviyo', 'shopify', 'erp'][1 + (range % {records}) % 4] as source,
            md5(range::varchar)::uuid::varchar as event_id,
            'anonymous:' || md5((range % {records})::varchar)::uuid as record_id,
            ['page_viewed', 'product_viewed', 'email_opened', 'email_delivered'][1 + range % 4] as event_type,
            'web' as channel, null::varchar as campaign, (range % 1000)::varchar as product_id,
            null::varchar as cart_id, null::varchar as order_id, null::varchar as ticket_id, null::varchar as detail,
            null::decimal(18, 2) as amount, null::varchar as currency,
            timestamp '2026-01-01' + to_seconds(range % 15552000) as occurred_at,
            timestamp '2026-01-01' + to_seconds(range % 15552000 + 2) as received_at
        from range({rows})
        """
    )


def child(step: str) -> None:
    """The step itself, in a process of its own."""
    with duckdb.connect(os.environ["KINSHIP_WAREHOUSE"], config={"threads": 2}) as connection:
        limit(connection)
        connection.execute("set preserve_insertion_order = false")
        if step == "components":
            ComponentTables(connection, "edges").update()
            return
        model = (ROOT / "models" / "customers" / "customer_events.sql").read_text()
        tables = {"stg_all__events": "events"}
        variables = {"sources": {"all": ["events"]}}
        query = render_text(model, ref=lambda name: tables.get(name, name), var=variables.get)
        connection.execute(f"create or replace table customer_events as {query}")


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["components", "events", "extract"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--memory", default="12GB", help="KINSHIP_MEMORY_LIMIT")
    parser.add_argument("--folder", type=Path, help="where tables and temporary files go; default the system's")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kinship-limit-", dir=asked.folder) as name:
        folder = Path(name)
        environment = {
            "KINSHIP_DATA": name,
            "KINSHIP_WAREHOUSE": str(folder / "warehouse.duckdb"),
            "KINSHIP_TEMP_DIR": str(folder / "spill"),
            "KINSHIP_MEMORY_LIMIT": asked.memory,
        }
        os.environ.update(environment)
        begun = time.time()
        with duckdb.connect(":memory:" if asked.step == "extract" else environment["KINSHIP_WAREHOUSE"]) as connection:
            connection.execute("set threads = 2; set preserve_insertion_order = false; set memory_limit = '4GB'")
            if asked.step == "extract":
                (folder / "sources" / "segment").mkdir(parents=True)
                lines = folder / "sources" / "segment" / "events.jsonl"
                connection.execute(f"copy ({LINE.replace('ROWS', str(asked.rows))}) to '{lines}' (format json)")
            else:
                make(connection, asked.step, asked.rows)
        print(f"{asked.rows:,} rows, {size_of(folder) / 1e6:,.0f} MB, made in {time.time() - begun:,.0f} s", flush=True)
        command: list[str | Path] = [KINSHIP, "extract", "segment"]
        if asked.step != "extract":
            command = [sys.executable, __file__, "--child", asked.step]
        begun = time.time()
        process = subprocess.Popen(command)
        with sampled(process.pid, [folder / "spill", folder / "landing"]) as samples:
            code = process.wait()
        ended = time.time()
        memory, spilled = samples.between(begun, ended)
        print(
            f"{asked.step}: ended with {code} after {ended - begun:,.0f} s, {asked.rows / (ended - begun):,.0f} rows/s,"
            f" peak {memory / 1e6:,.0f} MB, temporary files {spilled / 1e6:,.0f} MB, {size_of(folder) / 1e6:,.0f} MB"
            " in all at the end"
        )
        sys.exit(code)


if __name__ == "__main__":
    main()
