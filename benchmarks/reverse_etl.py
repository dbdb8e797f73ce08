"""How fast is the way out, beside the least that could do the same work?

    python benchmarks/reverse_etl.py [--rows N] [--plan-rows N] [--creates N] [--repeats R]

* file: a first run of N rows to the file destination (CSV), and a run in which nothing changed;
* plan: N rows all accepted, 1 % changed, beside a plain md5 diff of the same two tables in DuckDB (a full outer join by
  key; no consent, no ledger, no guards);
* vtiger: first run of N contacts against the local server of the tests, beside a bare httpx client that makes the same
  queries and creates one after the other.

Each figure is the median of R repeats; the order alternates, so that a noisy machine hits both sides.
"""

import argparse
import hashlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import duckdb
import httpx

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from reverse_etl_house import House  # noqa: E402
from vtiger_server import ACCESS_KEY, USER, VtigerServer  # noqa: E402

from reverse_etl import plan_sync, run_sync  # noqa: E402


def fill(house: House, rows: int, stage: str = "'lead'") -> None:
    """`rows` people with consent; `stage` is SQL over the person's number `n`."""
    with duckdb.connect(str(house.settings.warehouse)) as connection:
        connection.execute(
            f"""
            create schema if not exists activation;
            create or replace table activation.{house.name} as
            select
                'c' || n as customer_id, 'p' || n || '@example.com' as email, 'First' || n as firstname,
                'O''Neil ' || n as lastname, {stage} as cf_kinship_stage,
                (n % 500)::decimal(18, 2) as cf_kinship_revenue
            from range({rows}) as people (n);
            insert into customers.customer_consents (customer_id, purpose, channel, status)
            select 'c' || n, 'marketing', 'email', 'granted' from range({rows}) as people (n)
            where not exists (from customers.customer_consents);"""
        )


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def bench_file(rows: int, repeats: int) -> dict[str, float]:
    first, idle = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            house = House(Path(folder))
            fill(house, rows)
            first.append(seconds(lambda house=house: run_sync(house.sync, house.settings)))
            idle.append(seconds(lambda house=house: run_sync(house.sync, house.settings)))
    return {
        "rows": rows,
        "first run, s": median(first),
        "first run, rows/s": rows / median(first),
        "no-change run, s": median(idle),
    }


PLAIN_DIFF = """
    select count(*) filter (a.key is null), count(*) filter (a.hash <> d.hash), count(*) filter (d.key is null)
    from (
        select email as key, md5(concat_ws(chr(31), email, firstname, lastname, cf_kinship_stage, cf_kinship_revenue))
            as hash
        from house.activation.sync_file__people
    ) as d
    full outer join before as a on d.key = a.key"""


def bench_plan(rows: int, repeats: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        fill(house, rows)
        run_sync(house.sync, house.settings)
        plain = duckdb.connect(str(Path(folder) / "plain.duckdb"))
        attach = f"attach '{house.settings.warehouse}' as house (read_only)"
        plain.execute(attach)
        hashes = PLAIN_DIFF[PLAIN_DIFF.index("(\n        select email") + 1 : PLAIN_DIFF.index(") as d")]
        plain.execute(f"create table before as {hashes}")
        plain.execute("detach house")
        fill(house, rows, "case when n % 100 = 0 then 'customer' else 'lead' end")
        planned, diffed = [], []
        for _ in range(repeats):
            planned.append(seconds(lambda: plan_sync(house.sync, house.settings)))
            plain.execute(attach)
            diffed.append(seconds(lambda: plain.execute(PLAIN_DIFF).fetchall()))
            (counts,) = plain.execute(PLAIN_DIFF).fetchall()
            plain.execute("detach house")
            assert counts == (0, plan_sync(house.sync, house.settings).changes, 0)
        plain.close()
    return {"rows": rows, "plan, s": median(planned), "plain md5 diff, s": median(diffed),
            "times": median(planned) / median(diffed)}  # fmt: skip


def bare(server: VtigerServer, rows: int) -> None:
    """The same calls, with nothing around them."""
    url = f"{server.url}/webservice.php"
    with httpx.Client() as client:
        token = client.get(url, params={"operation": "getchallenge", "username": USER}).json()["result"]["token"]
        key = hashlib.md5((token + ACCESS_KEY).encode(), usedforsecurity=False).hexdigest()
        login = {"operation": "login", "username": USER, "accessKey": key}
        session = {"sessionName": client.post(url, data=login).json()["result"]["sessionName"]}
        client.get(url, params={"operation": "describe", "elementType": "Contacts", **session})
        for start in range(0, rows, 100):
            numbers = range(start, min(start + 100, rows))
            keys = ",".join(f"'p{n}@example.com'" for n in numbers)
            query = f"select id,email from Contacts where email in ({keys}) order by id limit 0,100;"
            assert client.get(url, params={"operation": "query", "query": query, **session}).json()["success"]
            for n in numbers:
                element = {
                    "email": f"p{n}@example.com", "firstname": f"First{n}", "lastname": f"O'Neil {n}",
                    "cf_kinship_stage": "lead", "cf_kinship_revenue": f"{n % 500}.00", "assigned_user_id": "19x1",
                }  # fmt: skip
                data = {"operation": "create", "elementType": "Contacts", "element": json.dumps(element), **session}
                assert client.post(url, data=data).json()["success"]


def bench_vtiger(rows: int, repeats: int) -> dict[str, float]:
    ours, theirs = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder, VtigerServer() as server:
            os.environ.update(server.environment)
            house = House(Path(folder), "sync_vtiger__contacts", object="Contacts")
            fill(house, rows)
            ours.append(seconds(lambda house=house: run_sync(house.sync, house.settings)))
            assert len(server.crm.live()) == rows
        with VtigerServer() as server:
            theirs.append(seconds(lambda server=server: bare(server, rows)))
            assert len(server.crm.live()) == rows
    return {
        "creates": rows,
        "kinship, creates/s": rows / median(ours),
        "bare httpx, creates/s": rows / median(theirs),
        "times": median(ours) / median(theirs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure reverse ETL.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--plan-rows", type=int, default=1_000_000)
    parser.add_argument("--creates", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    for name, figures in (
        ("file", bench_file(asked.rows, asked.repeats)),
        ("vtiger", bench_vtiger(asked.creates, asked.repeats)),
        ("plan", bench_plan(asked.plan_rows, asked.repeats)),
    ):
        print(f"{name:7}" + "  ".join(f"{label} {value:,.2f}" for label, value in figures.items()), flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
