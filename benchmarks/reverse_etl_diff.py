"""The difference beside the least that could find it: a full outer join by key of the same hashes, in plain DuckDB.

Each measurement is a process of its own, so that its peak memory is its own; ours and the rival's alternate. The rival
has no consent, no ledger beyond key and hash, no duplicate keys, no redirects, no quota.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
from reverse_etl_house import House

from kinship.limits import warehouse_memory
from reverse_etl import plan_sync
from reverse_etl.difference import columns_of, gated_sql, relation
from reverse_etl.gate import open_gate
from reverse_etl.ledger import open_ledger
from reverse_etl.warehouse import attached

HASH = """md5(to_json({'cf_kinship_revenue': cf_kinship_revenue, 'cf_kinship_stage': cf_kinship_stage, 'email': email,
    'firstname': firstname, 'lastname': lastname})::varchar)"""


def fill(house: House, rows: int) -> None:
    """`rows` people, all with consent for e-mail and SMS, all accepted as they are; then 1 % of them change."""
    with duckdb.connect(str(house.settings.warehouse)) as connection:
        connection.execute(
            f"""
            create schema if not exists activation;
            create or replace table activation.{house.name} as
            select
                md5('c' || n) as customer_id, 'p' || n || '@example.com' as email, 'First' || n as firstname,
                'O''Neil ' || n as lastname, 'lead' as cf_kinship_stage, (n % 500)::decimal(18, 2) as cf_kinship_revenue
            from range({rows}) as people (n);
            insert into customers.customer_consents (customer_id, purpose, channel, status)
            select md5('c' || n), 'marketing', channel, 'granted'
            from range({rows}) as people (n), (values ('email'), ('sms')) as channels (channel);"""
        )
    with (
        open_ledger(house.settings.ledger / f"{house.name}.duckdb", write=True) as connection,
        attached(connection, house.settings.warehouse, write=False) as catalog,
    ):
        columns = columns_of(connection, house.sync, catalog)
        gate = open_gate(connection, house.sync, catalog)
        rendered = gated_sql(house.sync, columns, relation(house.sync, catalog), gate)
        connection.execute(
            f"""insert into accepted select key, payload_hash, null, customer_id, true, now()::timestamp
            from ({rendered})"""
        )
    with duckdb.connect(str(house.settings.warehouse)) as connection:
        connection.execute(
            f"""update activation.{house.name} set cf_kinship_stage = 'customer'
            where (substr(email, 2, length(email) - 13))::bigint % 100 = 0"""
        )


def ours(house: House) -> int:
    return plan_sync(house.sync, house.settings).changes


def plain(house: House) -> int:
    with duckdb.connect() as connection:
        connection.execute(f"set memory_limit = '{warehouse_memory()}'")
        connection.execute(f"attach '{house.settings.warehouse}' as house (read_only)")
        connection.execute(f"attach '{house.settings.ledger / house.name}.duckdb' as ledger (read_only)")
        counts = connection.execute(
            f"""select
                count(*) filter (known.key is null), count(*) filter (known.payload_hash <> rows.payload_hash),
                count(*) filter (rows.key is null)
            from (select email as key, {HASH} as payload_hash from house.activation.{house.name}) as rows
            full outer join ledger.accepted as known on rows.key = known.key"""
        ).fetchone()
    assert counts is not None
    return int(counts[1])


def _peak() -> float:
    """Megabytes that this process ever held; `ru_maxrss` would begin with what its parent held."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def measure(folder: Path, side: str) -> None:
    """Print seconds, CPU seconds, changes and peak memory of one side, as JSON."""
    house = House.existing(folder)
    started, cpu = time.perf_counter(), time.process_time()
    changes = {"ours": ours, "plain": plain}[side](house)
    figures = {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - cpu,
        "changes": changes,
        "mb": _peak(),
    }
    print(json.dumps(figures))


def bench(folder: Path, rows: int, repeats: int) -> dict[str, float]:
    """Medians of both sides."""
    house = House(folder, "sync_file__people", channel="email")
    house.keep()
    fill(house, rows)
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "plain": []}
    for number in range(repeats):
        for side in ("ours", "plain") if number % 2 else ("plain", "ours"):
            command = [sys.executable, "-P", __file__, str(folder), side]
            answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            assert answer["changes"] == rows // 100
            found[side].append(answer)

    def middle(side: str, name: str) -> float:
        return median(answer[name] for answer in found[side])

    return {
        "rows": rows,
        "plan, s": middle("ours", "seconds"),
        "rows/s": rows / middle("ours", "seconds"),
        "plain join, s": middle("plain", "seconds"),
        "times": middle("ours", "seconds") / middle("plain", "seconds"),
        "plan, CPU s": middle("ours", "cpu"),
        "plain join, CPU s": middle("plain", "cpu"),
        "CPU times": middle("ours", "cpu") / middle("plain", "cpu"),
        "peak, MB": max(answer["mb"] for answer in found["ours"]),
        "plain peak, MB": max(answer["mb"] for answer in found["plain"]),
    }


if __name__ == "__main__":
    measure(Path(sys.argv[1]), sys.argv[2])
