"""Single heavy steps on made-up tables of any size: where does one machine stop?

    python benchmarks/limit_steps.py components --rows 60000000 [--memory 12GB] [--folder FOLDER]
    python benchmarks/limit_steps.py extract --rows 50000000

components: the connected components of so many edges, six to a person, ids in no order, as the macro solves them.
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


def make(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    """The table of edges that `components` reads."""
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


def child() -> None:
    """The components themselves, in a process of its own."""
    with duckdb.connect(os.environ["KINSHIP_WAREHOUSE"], config={"threads": 2}) as connection:
        limit(connection)
        connection.execute("set preserve_insertion_order = false")
        ComponentTables(connection, "edges").update()


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child()
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["components", "extract"])
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
                make(connection, asked.rows)
        print(f"{asked.rows:,} rows, {size_of(folder) / 1e6:,.0f} MB, made in {time.time() - begun:,.0f} s", flush=True)
        command: list[str | Path] = [KINSHIP, "extract", "segment"]
        if asked.step != "extract":
            command = [sys.executable, __file__, "--child"]
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
