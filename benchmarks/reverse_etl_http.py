"""The engine against a local HTTP sink, beside a bare httpx loop with the same batches, and beside drt-core.

The sink is a process that reads a request and says yes; it does no more than that, so what is measured is the sender.
Tools take their time: beside the answer at once, it answers after 20 and 100 ms.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import duckdb
import httpx
import orjson
from reverse_etl_house import House

from reverse_etl import run_sync

DRT = "drt-core[duckdb]==1.2.1"
BATCH = 1000
LATENCIES, LANES = (0.0, 0.02, 0.1), (1, 8)
FIELDS = ("email", "firstname", "lastname", "cf_kinship_stage", "cf_kinship_revenue")


class Sink(asyncio.Protocol):
    """HTTP/1.1 with keep-alive and nothing else: every request is answered 200 once its body is there."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            start = head.find(b"content-length:")
            length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            del self._buffer[: end + 4 + length]
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._transport.write, self.ANSWER)
            else:
                self._transport.write(self.ANSWER)


async def serve(latency: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Sink(latency), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def sink(latency: float = 0.0) -> Iterator[str]:
    """The address of a sink in a process of its own, which takes so many seconds for an answer."""
    command = [sys.executable, "-P", __file__, str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/people"
        finally:
            process.terminate()


def fill(house: House, rows: int) -> None:
    with duckdb.connect(str(house.settings.warehouse)) as connection:
        connection.execute(
            f"""
            create schema if not exists activation;
            create or replace table activation.{house.name} as
            select
                md5('c' || n) as customer_id, 'p' || n || '@example.com' as email, 'First' || n as firstname,
                'O''Neil ' || n as lastname, 'lead' as cf_kinship_stage, (n % 500)::double as cf_kinship_revenue
            from range({rows}) as people (n);
            insert into customers.customer_consents (customer_id, purpose, channel, status)
            select md5('c' || n), 'marketing', 'email', 'granted' from range({rows}) as people (n);"""
        )


def engine(folder: Path, url: str, rows: int, *, lanes: int) -> tuple[float, float]:
    """Seconds and CPU seconds of a first run, the difference and the ledger included."""
    options = {"batch_size": BATCH, "concurrency": lanes}
    house = House(folder, "sync_webhook__people", channel="email", options=options)
    fill(house, rows)
    os.environ.update(KINSHIP_WEBHOOK_URL=url, KINSHIP_WEBHOOK_SECRET="x" * 32, KINSHIP_WEBHOOK_ALLOW="127.0.0.1")
    started, used = time.perf_counter(), time.process_time()
    assert run_sync(house.sync, house.settings).added == rows
    return time.perf_counter() - started, time.process_time() - used


async def bare(warehouse: Path, url: str, rows: int, *, lanes: int) -> tuple[float, float]:
    """Seconds and CPU seconds of a loop that reads the same table and posts the same batches: the bound."""
    started, used = time.perf_counter(), time.process_time()
    sent = 0
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        reader = connection.execute(
            f"select {', '.join(FIELDS)} from activation.sync_webhook__people order by email"
        ).to_arrow_reader(BATCH)
        async with httpx.AsyncClient() as client:

            async def lane() -> None:
                nonlocal sent
                for batch in reader:
                    body = orjson.dumps([{"_operation": "upsert", **row} for row in batch.to_pylist()])
                    answer = await client.post(url, content=body, headers={"Content-Type": "application/json"})
                    assert answer.status_code == 200
                    sent += batch.num_rows

            await asyncio.gather(*(lane() for _ in range(lanes)))
    assert sent == rows
    return time.perf_counter() - started, time.process_time() - used


SYNC = """
name: people
model: "select {fields} from activation.sync_webhook__people"
destination:
  type: rest_api
  url: "{url}"
  method: POST
  headers: {{Content-Type: application/json}}
  {mode}
sync: {{mode: full, batch_size: {batch}, on_error: fail, rate_limit: {{requests_per_second: 0}}}}
"""
MODES = {
    "batch": "body_mode: batch\n  batch_template: '{{ rows | tojson_safe }}'",
    "record": "body_mode: record\n  body_template: '{{ row | tojson_safe }}'",
}


def install(folder: Path) -> Path:
    """drt's command, in an environment of its own."""
    if not (folder / "bin" / "drt").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "-q", DRT], check=True)
    return folder / "bin" / "drt"


def drt(command: Path, folder: Path, warehouse: Path, url: str, mode: str) -> float:
    """Seconds of `drt run` over the same table, without the start of its interpreter (`drt --version`)."""
    (folder / "syncs").mkdir(parents=True, exist_ok=True)
    (folder / "home" / ".drt").mkdir(parents=True, exist_ok=True)
    (folder / "home" / ".drt" / "profiles.yml").write_text(f"local:\n  type: duckdb\n  database: {warehouse}\n")
    (folder / "drt_project.yml").write_text("name: bench\nversion: '0.1'\nprofile: local\n")
    (folder / "syncs" / "people.yml").write_text(
        SYNC.format(fields=", ".join(FIELDS), url=url, mode=MODES[mode], batch=BATCH)
    )
    environment = {**os.environ, "HOME": str(folder / "home"), "DO_NOT_TRACK": "1"}

    def call(*arguments: str) -> float:
        started = time.perf_counter()
        subprocess.run(
            [str(command), *arguments], check=True, capture_output=True, cwd=folder, env=environment, text=True
        )
        return time.perf_counter() - started

    start = call("--version")
    return call("run", "--select", "people") - start


def bench(folder: Path, rows: int, repeats: int) -> dict[str, float]:
    """Rows per second of all sides. drt row by row gets a tenth of the rows: it is that slow.

    A share of the bare loop says by how much the engine is behind it; CPU seconds say so on a machine that others use.
    """
    command = install(Path(os.environ.get("KINSHIP_BENCH_DRT", folder / "drt")))
    seconds: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        seconds.setdefault(name, []).append(value)

    few = max(1, rows // 10)
    (warm := folder / "warm").mkdir()
    with sink() as url:
        # what a process imports on its way is taken out of drt's time, too
        engine(warm, url, 10, lanes=1)
        for number in range(repeats):
            drt_home = folder / f"{number}-drt"
            drt_home.mkdir()
            fill(house := House(drt_home, "sync_webhook__people", channel="email"), rows)
            note("drt batch", drt(command, folder / "drt-batch", house.settings.warehouse, url, "batch"))
            small = folder / f"{number}-few"
            small.mkdir()
            fill(house := House(small, "sync_webhook__people", channel="email"), few)
            note("drt record", drt(command, folder / "drt-record", house.settings.warehouse, url, "record"))
    told: dict[str, float] = {"rows": rows}
    for latency in LATENCIES:
        with sink(latency) as url:
            for lanes in LANES:
                ours, theirs = [], []
                for number in range(repeats):
                    home = folder / f"{number}-{lanes}-{latency}"
                    home.mkdir()
                    ours.append(engine(home, url, rows, lanes=lanes))
                    theirs.append(asyncio.run(bare(home / "warehouse.duckdb", url, rows, lanes=lanes)))
                    shutil.rmtree(home)
                case = f"{latency * 1000:.0f} ms, {lanes} at a time"
                told |= {
                    f"engine, {case}, rows/s": rows / median(wall for wall, _ in ours),
                    f"bare, {case}, rows/s": rows / median(wall for wall, _ in theirs),
                    f"share of bare, {case}": median(w for w, _ in theirs) / median(w for w, _ in ours),
                    f"engine, {case}, CPU s": median(used for _, used in ours),
                    f"bare, {case}, CPU s": median(used for _, used in theirs),
                }
    return told | {
        "drt by batch, rows/s": rows / median(seconds["drt batch"]),
        "drt row by row, rows/s": few / median(seconds["drt record"]),
    }


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
