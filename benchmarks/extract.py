"""How fast is extraction, beside plain DuckDB reading the same files into a table?

    python benchmarks/extract.py [--events N] [--repeats R] [--invoices FOLDER]

Writes N Segment events (about 700 bytes each) as JSON lines into a temporary folder; the invoice lines are those of
`--invoices` or KINSHIP_BENCHMARK_INVOICES (a file or folder with the columns of `raw_erp.invoice_lines`), left out if
there are none. `lake` is extraction with KINSHIP_TARGET=spark, left out where deltalake is not installed. Each
measurement is a fresh process; imports are not timed, but they count in peak memory. Plain DuckDB is `create table as
from read_json(...)` or `read_parquet(...)` into a new file, closed at the end, so that all of it is on disk.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_INVOICES = ROOT.parent / "shared" / "data" / "online_retail"


def write_events(target: Path, events: int) -> None:
    """Page and product views of 50,000 visitors, as Segment hands them over."""
    chance = random.Random(1)
    with target.open("w", encoding="utf-8") as stream:
        for number in range(events):
            visitor = chance.randrange(50_000)
            product = chance.randrange(1000)
            time_ = (
                f"2026-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}T{chance.randrange(24):02d}:"
                f"{chance.randrange(60):02d}:{chance.randrange(60):02d}.{chance.randrange(1000):03d}Z"
            )
            event = {
                "messageId": f"ajs-{chance.getrandbits(64):016x}-{number}",
                "type": "track",
                "event": "Product Viewed",
                "anonymousId": str(uuid.UUID(int=visitor * 7919)),
                "userId": str(visitor) if visitor % 3 == 0 else None,
                "timestamp": time_,
                "originalTimestamp": time_,
                "sentAt": time_,
                "receivedAt": time_,
                "context": {
                    "page": {
                        "path": f"/p/{product}",
                        "url": f"https://shop.example/p/{product}",
                        "referrer": "",
                        "title": f"Продукт {product}",
                    },
                    "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
                    "ip": f"10.{visitor % 250}.1.2",
                    "locale": "bg-BG",
                },
                "properties": {
                    "product_id": str(product),
                    "name": f"Thing {product}",
                    "price": round(chance.random() * 90, 2),
                    "currency": "EUR",
                },
            }
            stream.write(json.dumps(event, ensure_ascii=False) + "\n")


def measure(what: str, source: str, path: Path) -> dict[str, Any]:
    """One measurement in a fresh process: seconds, rows, peak resident memory in MB."""
    with tempfile.TemporaryDirectory() as data:
        environment = {
            **os.environ,
            "KINSHIP_DATA": data,
            "KINSHIP_TARGET": "spark" if what == "lake" else "duckdb",
            f"KINSHIP_{source.upper()}_PATH": str(path),
            "PYTHONPATH": str(ROOT),
        }
        environment.pop("KINSHIP_WAREHOUSE", None)
        environment.pop("KINSHIP_LAKE", None)
        command = [sys.executable, __file__, "--measure", what, source, str(path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result


def measured(what: str, source: str, path: str) -> None:
    """The child process of `measure`."""
    if what in ("extract", "lake"):
        sys.path.remove(str(Path(__file__).parent))  # has a `reverse_etl` of its own
        import pandas  # noqa: F401 - duckdb and dlt import it with their first query
        import sqlalchemy  # noqa: F401

        from orchestration.extract import extract, sources
        from orchestration.extract.target import target

        sources()
        target()
        if what == "extract":
            from orchestration.extract.warehouse import pipeline

            pipeline(source)
        started = time.perf_counter()
        result = extract(source)
        seconds = time.perf_counter() - started
        rows = sum(result.rows.values())
    else:
        import duckdb

        files = [str(file) for file in sorted(Path(path).rglob("*.*"))] if Path(path).is_dir() else [path]
        reader = "read_parquet" if files[0].endswith(".parquet") else "read_json"
        started = time.perf_counter()
        connection = duckdb.connect(str(Path(os.environ["KINSHIP_DATA"]) / "plain.duckdb"))
        [rows] = connection.execute(f"create table plain as from {reader}({files})").fetchone() or [0]
        connection.close()
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "rows": rows, "peak_mb": peak}))


def compare(title: str, source: str, path: Path, repeats: int) -> None:
    size = sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
    print(f"\n{title}: {size / 1e6:,.0f} MB")
    runs: dict[str, list[dict[str, Any]]] = {"plain": [], "extract": []}
    if find_spec("deltalake"):
        runs["lake"] = []
    for _ in range(repeats):  # in turn, so that a busy moment of the machine meets all
        for what, results in runs.items():
            results.append(measure(what, source, path))
    seconds = {what: median(result["seconds"] for result in results) for what, results in runs.items()}
    for what, results in runs.items():
        rows = results[0]["rows"]
        times = ", ".join(f"{result['seconds']:.2f}" for result in results)
        print(
            f"  {what:8} {rows:>10,} rows  {seconds[what]:6.2f} s (of {times})  "
            f"{rows / seconds[what]:>10,.0f} rows/s  peak {max(r['peak_mb'] for r in results):,.0f} MB"
        )
    for what in list(runs)[1:]:
        print(f"  {what} / plain = {seconds[what] / seconds['plain']:.2f}")


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        measured(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--invoices", type=Path, default=Path(os.environ.get("KINSHIP_BENCHMARK_INVOICES", DEFAULT_INVOICES))
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.jsonl"
        write_events(events, options.events)
        compare(f"{options.events:,} Segment events, JSON lines", "segment", events, options.repeats)
    if options.invoices.exists():
        compare("invoice lines, Parquet", "erp", options.invoices, options.repeats)
    else:
        print(f"\nno invoice lines at {options.invoices}: name a file or folder with --invoices")


if __name__ == "__main__":
    main()
