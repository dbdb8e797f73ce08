"""How fast is the way out, beside the least that could do the same work?

    python benchmarks/reverse_etl.py [diff] [http] [file] [vtiger] [--rows N ...]

* diff: all rows accepted, 1 % changed: `kinship plan` beside a plain full outer join of the same hashes in DuckDB, and
  the peak memory of both (`--plan-rows`, default 1,000,000; 10,000,000 takes 4 GB of disk);
* http: a first run to a local HTTP sink by the destination `webhook`, beside a bare httpx loop that sends the same
  batches, with answers at once, after 20 ms and after 100 ms, and beside drt-core 1.2.1 (in an environment of its own,
  made here) by batch and row by row;
* file: a first run to the file destination (CSV), and a run in which nothing changed;
* vtiger: a first run against the local server of the tests, beside a bare httpx client that makes the same queries and
  creates one after the other.

Each figure is the median of `--repeats`; the order alternates, so that a noisy machine hits both sides. On a machine
that others use too, CPU times say more than seconds.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import duckdb
import httpx

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]
# processes started from here look there too
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:3])

import reverse_etl_diff  # noqa: E402
import reverse_etl_http  # noqa: E402
from reverse_etl_house import House  # noqa: E402
from vtiger_server import ACCESS_KEY, USER, VtigerServer  # noqa: E402

from reverse_etl import run_sync  # noqa: E402


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


def bench_diff(rows: int, repeats: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        return reverse_etl_diff.bench(Path(folder), rows, repeats)


def bench_http(rows: int, repeats: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        return reverse_etl_http.bench(Path(folder), rows, repeats)


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
    parser.add_argument("parts", nargs="*", choices=["diff", "http", "file", "vtiger"], default=[])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--plan-rows", type=int, default=1_000_000)
    parser.add_argument("--creates", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, float]]] = {
        "diff": lambda: bench_diff(asked.plan_rows, asked.repeats),
        "http": lambda: bench_http(asked.rows, asked.repeats),
        "file": lambda: bench_file(asked.rows, asked.repeats),
        "vtiger": lambda: bench_vtiger(asked.creates, asked.repeats),
    }
    for name in asked.parts or parts:
        print(name)
        for label, value in parts[name]().items():
            print(f"    {label:36}{value:>16,.2f}", flush=True)


if __name__ == "__main__":
    main()
