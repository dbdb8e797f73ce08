"""Publishing for many customers: seconds, bytes and memory of each part, beside a bare copy of the same tables.

    python benchmarks/publish.py DATA [--customers 100000] [--folder FOLDER]

DATA is a data folder after `kinship run`, of the demo company say. Its tables about people are laid out as many times
over as it takes, each time with other ids, names and addresses; the rest stays. Then, in processes of their own:

  copy      `COPY FROM DATABASE` of the same tables into a new file: nothing that copies them can be quicker
  publish   everything: full and masked file, metrics, index, audit
  syncs     again, when only a sync has sent something
  nothing   again, when nothing has happened

50,020 customers (410 times those of 150 people), 3,230,462 rows, on two shared cores: copy 8 processor seconds and
892 MB, publish 33 and 663 MB (files of 177 and 149 MB), syncs 1.7, nothing 0.3; 30 ms to the first figures, 8 ms to one
person.

Prints seconds, processor seconds and peak resident memory of each, the bytes of the files, and how long a reader takes
to open the file and to see one person's events and orders.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

# another benchmark is named as the package that publishing uses
sys.path.remove(str(Path(__file__).resolve().parent))

from kinship.manifest import load_manifest
from kinship.published.outputs import Output, outputs
from kinship.published.publication import current
from kinship.published.publishing import publish
from kinship.published.reader import open_publication
from kinship.published.writing import STORAGE, types_in
from kinship.settings import settings

OTHERS = shutil.ignore_patterns("sources", "truth", "dagster", "dlt", "landing", "data_docs", "published", "*.duckdb*")
OF_A_PERSON = ("name", "email", "phone", "identifier", "hash", "address", "text")


def lay_out(data: Path, folder: Path, customers: int) -> int:
    """A data folder whose warehouse has so many customers; returns how many times the people are laid out."""
    target = Path(shutil.copytree(data, folder / "data", ignore=OTHERS))
    shutil.copytree(data / "ledger", target / "ledger", dirs_exist_ok=True)
    os.environ["KINSHIP_DATA"] = str(target)
    published = {output.key: output for output in outputs(load_manifest())}
    with duckdb.connect(str(target / "warehouse.duckdb")) as warehouse:
        # views cannot be read from under another name: what is published holds them as tables
        warehouse.execute(f"attach '{data / 'published' / 'current' / 'warehouse.duckdb'}' as shown (read_only)")
        warehouse.execute(f"attach '{data / 'warehouse.duckdb'}' as built (read_only)")
        ((people,),) = warehouse.execute("select count(*) from shown.customers.customers").fetchall()
        times = max(1, round(customers / people))
        shown, built = types_in(warehouse, "shown"), types_in(warehouse, "built")
        read = [
            key
            for key in built
            if key.startswith(("metrics.", "operations.", "reverse_etl.", "customers.int_customers__as_of"))
        ]
        for key in [*published, *read]:
            catalog, types = ("shown", shown[key]) if key in published else ("built", built[key])
            schema, _, table = key.partition(".")
            warehouse.execute(f'create schema if not exists "{schema}"')
            # what the metrics are worked out from grows, too
            many = (key in published or schema == "metrics") and _is_of_people(types)
            columns = ", ".join(_column(column, kind, published.get(key)) for column, kind in types.items())
            name, copies = f'"{schema}"."{table}"', f"range({times if many else 1}) as copies (k)"
            warehouse.execute(f"create table {name} as select {columns} from {copies}, {catalog}.{name} as t")
    return times


def _is_of_people(types: dict[str, str]) -> bool:
    return any(column.endswith(("customer_id", "record_id")) for column in types)


def _column(column: str, kind: str, output: Output | None) -> str:
    pii = output.columns.get(column) if output else None
    if kind == "VARCHAR" and column.endswith("_id") and column != "product_id":
        return f'if(k = 0, t."{column}", md5(t."{column}" || \':\' || k)) as "{column}"'
    if kind == "VARCHAR" and pii in OF_A_PERSON:
        return f'if(k = 0, t."{column}", t."{column}" || k) as "{column}"'
    return f't."{column}"'


def bare_copy(to: Path) -> None:
    """The same tables by `COPY FROM DATABASE`, from a file that holds nothing else."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{current(settings()).warehouse}' as whole (read_only)")
        connection.execute(f"attach '{to}' as bare (storage_version '{STORAGE}')")
        connection.execute("copy from database whole to bare")


def measured(work: Callable[[], Any]) -> dict[str, float]:
    """Run in a child process: seconds, processor seconds, peak resident MB."""
    started = time.monotonic()
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit("a part failed")
    return {
        "seconds": round(time.monotonic() - started, 1),
        "cpu": round(usage.ru_utime + usage.ru_stime, 1),
        "MB": round(usage.ru_maxrss / 1024),
    }


def a_sync() -> None:
    with duckdb.connect(str(settings().warehouse)) as connection:
        connection.execute(
            "insert into reverse_etl.sync_runs (run_id, sync, status) select uuid()::varchar, 'sync_file__x', 'done'"
        )


def look() -> dict[str, float]:
    """Milliseconds: to open the masked file and count people, and to one person's events and orders (median)."""
    started = time.perf_counter()
    with open_publication(current(settings()), masked=True) as connection:
        connection.execute("select lifecycle_stage, count(*) from customers.customers group by all").fetchall()
        first = time.perf_counter() - started
        ids = connection.execute("select customer_id from customers.customers using sample 50 rows").fetchall()
        times = []
        for (customer,) in ids:
            started = time.perf_counter()
            for table in ("customers", "customer_events", "customer_orders"):
                connection.execute(f"from customers.{table} where customer_id = ?", [customer]).fetchall()
            times.append(time.perf_counter() - started)
    return {"first": round(first * 1000), "person": round(statistics.median(times) * 1000, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        times = lay_out(arguments.data.resolve(), folder, arguments.customers)
        load_manifest()
        everything = measured(lambda: publish(settings()))
        one = current(settings())
        told = {
            "customers": one.rows["customers.customers"],
            "times": times,
            "rows": sum(one.rows.values()),
            "MB": {path.name: round(path.stat().st_size / 1e6) for path in (one.warehouse, one.masked)},
            "copy": measured(lambda: bare_copy(folder / "bare.duckdb")),
            "publish": everything,
        }
        a_sync()
        told["syncs"] = measured(lambda: publish(settings()))
        told["nothing"] = measured(lambda: publish(settings()))
        told["milliseconds"] = look()
        for key, value in told.items():
            print(f"{key:12} {json.dumps(value)}", flush=True)


if __name__ == "__main__":
    main()
