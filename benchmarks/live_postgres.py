"""How fast rows come from PostgreSQL: Kinship beside a bare psycopg loop that reads the same pages.

    python benchmarks/live_postgres.py [--rows 100000]

Starts a server of its own (Debian: postgresql). `fetch` is from the database into Parquet arrivals, `extract` from
there into the warehouse, too. Prints rows/s of each, the share of the bare loop's, and the peak of memory.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
PAGE = 10_000
CREATE = """
create table users (
    id bigint primary key, email text, name text, amount numeric(12, 2), is_vip boolean, tags text[], extra jsonb,
    note text, created_at timestamptz, updated_at timestamptz
);
insert into users
select
    i, 'p' || i || '@example.com', 'Name ' || i, i * 1.25, i % 2 = 0, array['a', 'b' || i], jsonb_build_object('k', i),
    case when i % 3 > 0 then repeat('x', 30) end, now() - i * interval '1 minute', now() - i * interval '1 second'
from generate_series(1, {rows}) as i;
create table invoice_lines (invoice_no text primary key, invoice_ts timestamptz);
insert into invoice_lines values ('1', now());
create index on users (updated_at, id);
analyze users
"""
TIMED = """
import json, resource, sys, time
{prepare}
started, cpu = time.monotonic(), time.process_time()
rows = {work}
seconds, cpu = time.monotonic() - started, time.process_time() - cpu
print(json.dumps([rows, seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
BARE = """
import os, psycopg
def read():
    rows, last = 0, ("-infinity", 0)
    with psycopg.connect(os.environ["KINSHIP_ZENDESK_URL"]) as connection:
        while page := connection.execute(
            "select * from users where (updated_at, id) > (%s, %s) order by updated_at, id limit {page}", last
        ).fetchall():
            rows += len(page)
            last = (page[-1][9], page[-1][0])
    return rows
"""
FETCH = """
import orchestration.extract.silos.feed
from orchestration.extract.tables import sources
from orchestration.extract.ways import way
way(sources()["erp"]).fetch((), None)
fetch = way(sources()["zendesk"]).fetch
"""
EXTRACT = """
import orchestration.extract.silos.feed, orchestration.extract.warehouse
from orchestration.extract import extract
extract("erp")
"""


def timed(data: Path, prepare: str, work: str) -> tuple[int, float, float, float]:
    """Rows, seconds, CPU seconds and peak MB of a piece of work in a process of its own."""
    environment = {**os.environ, "KINSHIP_DATA": str(data), "PYTHONPATH": str(ROOT)}
    code = TIMED.format(prepare=prepare, work=work)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    rows, seconds, cpu, memory = json.loads(done.stdout.splitlines()[-1])
    return rows, seconds, cpu, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    from servers.postgres import database

    works = {
        "bare psycopg": (BARE.format(page=PAGE), "read()"),
        "fetch": (FETCH, 'fetch((), None).records["users"]'),
        "extract": (EXTRACT, 'extract("zendesk").rows["users"]'),
    }
    with database() as server, tempfile.TemporaryDirectory() as folder:
        for statement in CREATE.format(rows=arguments.rows).split(";"):
            server.query(statement)
        # another source of one row comes first, so that no import is timed
        os.environ |= {"KINSHIP_ZENDESK_URL": server.url, "KINSHIP_ERP_URL": server.url}
        best: dict[str, tuple[float, float, float]] = {}
        for number in range(arguments.rounds):
            for name, (prepare, work) in works.items():
                rows, seconds, cpu, memory = timed(Path(folder, f"{name} {number}"), prepare, work)
                assert rows == arguments.rows, (name, rows)
                rate = rows / seconds
                if name not in best or rate > best[name][0]:
                    best[name] = (rate, cpu, memory)
        for name, (rate, cpu, memory) in best.items():
            share = rate / best["bare psycopg"][0]
            print(
                f"{name:12} {rate:9,.0f} rows/s, {share:.2f} of the bare loop's; {cpu:5.2f} s of CPU here;"
                f" {memory:5,.0f} MB at most"
            )


if __name__ == "__main__":
    main()
