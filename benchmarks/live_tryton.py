"""How fast records come from a real Tryton: Kinship beside a bare httpx loop that reads the same pages.

    python benchmarks/live_tryton.py [--records 100000] [--rounds 3]

Starts the tests' Tryton (8.2, SQLite) and fills it by SQL, one e-mail address for each party: half of the records are
parties, half contact mechanisms. `fetch` is from Tryton into arrivals, `extract` from there into the warehouse, too;
`bare httpx` asks for the same pages, a thread for each table as Kinship has it, reads their JSON and keeps nothing.
Prints rows/s of each, the share of the bare loop's, and the peak of memory. Tryton runs on the same cores.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
FILL = """
with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < {parties})
insert into party_party (id, code, name, active, create_date, create_uid)
select n, n, 'Name ' || n, 1, '2026-01-01 10:00:00.000000', 1 from numbers;
insert into party_contact_mechanism (id, party, type, value, value_compact, active, create_date, create_uid)
select id, id, 'email', 'p' || id || '@example.com', 'p' || id || '@example.com', 1, create_date, 1 from party_party;
"""
TIMED = """
import json, resource, sys, time
from orchestration.extract import tables
tables.sources()["tryton"] = tables._load("tryton")
{prepare}
started, cpu = time.monotonic(), time.process_time()
rows = {work}
seconds, cpu = time.monotonic() - started, time.process_time() - cpu
print(json.dumps([rows, seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
BARE = """
import base64, os
from concurrent.futures import ThreadPoolExecutor
import httpx
from orchestration.extract.live.tryton import PAGE
def turned(feed):
    rows, last, fields = 0, 0, [*feed.fields, "last_modified_at"]
    with httpx.Client(base_url=os.environ["TRYTON_URL"] + "/", timeout=60) as client:
        def call(method, *params, **headers):
            body = {"id": 1, "method": method, "params": params}
            return client.post("rpc/", json=body, headers=headers).json()["result"]
        user = os.environ["TRYTON_USER"]
        id, key, _ = call("common.db.login", user, {"password": os.environ["TRYTON_PASSWORD"]}, "en")
        session = "Session " + base64.b64encode(f"{user}:{id}:{key}".encode()).decode()
        while page := call(
            f"model.{feed.model}.search_read", [["id", ">", last]], 0, PAGE, [["id", "ASC"]], fields,
            {"active_test": False}, Authorization=session,
        ):
            rows += len(page)
            last = page[-1]["id"]
    return rows
def read():
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(turned, [table.live[0] for table in tables.sources()["tryton"].tables.values()][:2]))
"""
FETCH = """
from orchestration.extract.ways import way
fetch = way(tables.sources()["tryton"]).fetch
"""
# another source comes first, so that no import is timed
EXTRACT = """
import orchestration.extract.warehouse
from orchestration.extract import extract
extract("erp")
"""
WORKS = {
    "bare httpx": (BARE, "read()"),
    "fetch": (FETCH, "sum(fetch((), None).records.values())"),
    "extract": (EXTRACT, 'sum(extract("tryton").rows.values())'),
}


def timed(data: Path, prepare: str, work: str) -> tuple[int, float, float, float]:
    """Rows, seconds, CPU seconds and peak MB of a piece of work in a process of its own."""
    environment = {**os.environ, "KINSHIP_DATA": str(data), "PYTHONPATH": str(ROOT)}
    code = TIMED.format(prepare=prepare, work=work)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    rows, seconds, cpu, memory = json.loads(done.stdout.splitlines()[-1])
    return rows, seconds, cpu, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    from servers.tryton import running

    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as crm:
        with sqlite3.connect(crm.database, timeout=60) as database:
            database.executescript(FILL.format(parties=arguments.records // 2))
        os.environ |= crm.source_environment | {"TRYTON_URL": crm.url}
        best: dict[str, tuple[float, float, float]] = {}
        for number in range(arguments.rounds):
            for name, (prepare, work) in WORKS.items():
                rows, seconds, cpu, memory = timed(Path(folder, f"{name} {number}"), prepare, work)
                assert rows == arguments.records, (name, rows)
                if name not in best or rows / seconds > best[name][0]:
                    best[name] = (rows / seconds, cpu, memory)
        for name, (rate, cpu, memory) in best.items():
            share = rate / best["bare httpx"][0]
            print(
                f"{name:12} {rate:9,.0f} rows/s, {share:.2f} of the bare loop's; {cpu:5.2f} s of CPU here;"
                f" {memory:5,.0f} MB at most"
            )


if __name__ == "__main__":
    main()
