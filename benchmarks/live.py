"""How fast is extraction from a live API, beside the bare HTTP client that reads the same pages?

    python benchmarks/live.py [--records N] [--latency MS] [--repeats R]

A local server hands over N customers in Shopify's way: 250 a page (about 900 bytes each), the next page by the header
Link, each page after MS milliseconds (default: once without any, once with 50, what a shop takes at best). `kinship` is
`extract("shopify")` into a new warehouse: pages, files, cursor, dlt, DuckDB. `httpx` turns the same pages, reads their
JSON and keeps nothing. Each measurement is a fresh process; imports are not timed, but they count in peak memory. The
pace that Shopify asks for is switched off.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).resolve().parents[1]
PAGE = 250


def customer(number: int) -> dict[str, Any]:
    return {
        "id": 6_000_000_000 + number,
        "email": f"person{number}@example.com",
        "created_at": "2025-03-01T10:00:00+02:00",
        "updated_at": f"2026-{1 + number % 12:02d}-{1 + number % 28:02d}T10:{number % 60:02d}:00+02:00",
        "first_name": "Ана",
        "last_name": f"Петрова {number}",
        "orders_count": number % 9,
        "state": "enabled",
        "total_spent": f"{number % 977}.50",
        "note": None,
        "verified_email": True,
        "tags": f"loyalty:{number}",
        "currency": "EUR",
        "phone": f"+3598{number:08d}",
        "addresses": [],
        "default_address": {
            "id": number,
            "address1": f"ul. Shipka {number % 120}",
            "city": "София",
            "province": "Sofia",
            "zip": "1000",
            "country": "Bulgaria",
            "country_code": "BG",
            "phone": None,
        },
        "email_marketing_consent": {
            "state": "subscribed",
            "opt_in_level": "single_opt_in",
            "consent_updated_at": "2025-03-01T10:00:00+02:00",
        },
        "sms_marketing_consent": None,
        "admin_graphql_api_id": f"gid://shopify/Customer/{6_000_000_000 + number}",
    }


def serve(records: int, latency: float) -> None:
    """Print the port, and answer until the process is ended."""
    bodies = [
        json.dumps({"customers": [customer(n) for n in range(start, min(start + PAGE, records))]}).encode()
        for start in range(0, records, PAGE)
    ]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 1 << 20

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            name = address.path.rsplit("/", 1)[1].removesuffix(".json")
            number = int(parse_qs(address.query).get("page_info", ["0"])[0])
            time.sleep(latency)
            body = bodies[number] if name == "customers" else json.dumps({name: []}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            if name == "customers" and number + 1 < len(bodies):
                url = f"http://{self.headers['Host']}{address.path}?limit={PAGE}&page_info={number + 1}"
                self.send_header("Link", f'<{url}>; rel="next"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, len(b"".join(bodies)), flush=True)
    server.serve_forever()


def kinship() -> tuple[int, float]:
    sys.path.remove(str(Path(__file__).parent))  # has a `reverse_etl` of its own
    import pandas  # noqa: F401 - duckdb and dlt import it with their first query
    import sqlalchemy  # noqa: F401

    from orchestration.extract import extract, sources
    from orchestration.extract.warehouse import pipeline

    source = sources()["shopify"]
    assert source.api
    source.api = replace(source.api, rates={})
    pipeline("shopify")
    started = time.perf_counter()
    rows = extract("shopify").rows["customers"]
    return rows, time.perf_counter() - started


def httpx() -> tuple[int, float]:
    import httpx

    url: str | None = f"{os.environ['SHOPIFY_URL']}/admin/api/2025-10/customers.json?limit={PAGE}"
    started = time.perf_counter()
    rows = 0
    with httpx.Client() as client:
        while url:
            response = client.get(url)
            rows += len(response.json()["customers"])
            url = response.links.get("next", {}).get("url")
    return rows, time.perf_counter() - started


def measure(what: str, port: int) -> dict[str, Any]:
    """One measurement in a fresh process: rows, seconds, peak resident memory in MB."""
    with tempfile.TemporaryDirectory() as data:
        environment = {
            **os.environ,
            "KINSHIP_DATA": data,
            "KINSHIP_TARGET": "duckdb",
            "SHOPIFY_URL": f"http://127.0.0.1:{port}",
            "SHOPIFY_ACCESS_TOKEN": "local",
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, __file__, "--one", what], env=environment, capture_output=True, text=True, check=True
        )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(records: int, latency: float, repeats: int) -> None:
    with subprocess.Popen(
        [sys.executable, __file__, "--serve", str(records), str(latency)], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout
            port, size = (int(word) for word in server.stdout.readline().split())
            print(
                f"{records:,} records, {size / 1e6:,.0f} MB of JSON in {-(-records // PAGE):,} pages, "
                f"{latency * 1000:.0f} ms each; median of {repeats}"
            )
            rates = {}
            for what in ("httpx", "kinship"):
                runs = [measure(what, port) for _ in range(repeats)]
                assert all(run["rows"] == records for run in runs), runs
                seconds = median(run["seconds"] for run in runs)
                rates[what] = records / seconds
                print(
                    f"  {what:8} {seconds:7.2f} s  {rates[what]:10,.0f} rows/s  "
                    f"{max(run['memory'] for run in runs):6,.0f} MB"
                )
            print(f"  kinship/httpx {rates['kinship'] / rates['httpx']:.2f}")
        finally:
            server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--latency", type=float, nargs="*", default=[0, 50], metavar="MS")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(int(arguments.serve[0]), float(arguments.serve[1]))
    elif arguments.one:
        rows, seconds = {"kinship": kinship, "httpx": httpx}[arguments.one]()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"rows": rows, "seconds": seconds, "memory": memory}))
    else:
        for latency in arguments.latency:
            compare(arguments.records, latency / 1000, arguments.repeats)


if __name__ == "__main__":
    main()
