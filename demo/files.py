"""Writes each table's days as the files its system hands over, with the accidents that happen to files on the way."""

import gzip
import json
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from demo.clock import date_text
from demo.sources import ads, erp, klaviyo, shopify
from demo.spool import Spool
from demo.world import World

# One line in so many is broken. However small the company is, each table has a broken line on the third and sixth day
# of its history, and then every sixty days.
BROKEN_ONE_IN = 5_000
BROKEN_DAYS = (2, 5)
BROKEN_EVERY_DAYS = 60

# Lines that are delivered twice: one in so many.
TWICE = {"segment/events": 300, "klaviyo/events": 500, "erp/invoices": 400, "vtiger/contacts": 900}

# What has to be there and, where it has a type, what does not belong there.
_REQUIRED = {
    "vtiger/contacts": ("id", "modifiedtime"),
    "vtiger/leads": ("id", "modifiedtime"),
    "vtiger/accounts": ("id", "modifiedtime"),
    "vtiger/potentials": ("id", "modifiedtime"),
    "vtiger/events": ("id", "modifiedtime"),
    "shopify/customers": ("id", "updated_at"),
    "shopify/orders": ("id", "created_at"),
    "shopify/checkouts": ("id", "created_at"),
    "segment/events": ("messageId", "timestamp"),
    "klaviyo/profiles": ("id", ""),
    "klaviyo/events": ("id", ""),
    "zendesk/users": ("id", "updated_at"),
    "zendesk/tickets": ("id", "updated_at"),
    "zendesk/comments": ("id", "created_at"),
    "zendesk/satisfaction_ratings": ("id", "updated_at"),
}
_AT_ONCE = 4_000
_ZIPPED = ("shopify", "segment")
_PARQUET = {
    "enrichment/people": (
        "email",
        pa.schema(
            [
                (name, pa.string())
                for name in (
                    "email", "full_name", "job_title", "seniority", "company_domain",
                    "age_band", "income_band", "country_code", "updated_at",
                )
            ]
        ),
    ),
    "enrichment/companies": (
        "domain",
        pa.schema(
            [("domain", pa.string()), ("name", pa.string()), ("industry", pa.string()), ("employees", pa.int64()),
             ("country_code", pa.string()), ("updated_at", pa.string())]
        ),
    ),
}  # fmt: skip


class Files:
    """The files below `out`; counts the rows of each table as it writes them."""

    def __init__(self, world: World, out: Path) -> None:
        self._world = world
        self._out = out
        self.rows: dict[str, int] = {}
        self.bytes = 0
        self.files = 0

    def write_all(self, spool: Spool, done: Callable[[], None]) -> None:
        """Write everything; calls `done()` after each file."""
        for table, days in spool.tables().items():
            if table == "erp/invoices":
                self._months(table, days, spool, done)
                continue
            for day in days:
                lines = spool.lines(table, day)
                if table in _PARQUET:
                    self._parquet(table, day, lines)
                else:
                    self._json_lines(table, day, lines)
                done()
        self._ads()
        self._lists()

    def _finish(self, table: str, rows: int, part: Path, path: Path) -> None:
        # whoever watches the folder never sees half a file
        part.replace(path)
        self.rows[table] = self.rows.get(table, 0) + rows
        self.files += 1
        self.bytes += path.stat().st_size

    def _write(self, table: str, path: Path, lines: list[str], rows: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        with part.open("wb") as raw:
            if path.suffix == ".gz":
                # no time and no name in the header: the same lines are the same bytes
                with gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as zipped:
                    for start in range(0, len(lines), _AT_ONCE):
                        zipped.write("".join(lines[start : start + _AT_ONCE]).encode())
            else:
                raw.writelines(line.encode() for line in lines)
        self._finish(table, rows, part, path)

    def _broken(self, day: int, lines: int, chance: Random) -> int:
        since = day - self._world.start
        due = since in BROKEN_DAYS or since % BROKEN_EVERY_DAYS == BROKEN_EVERY_DAYS // 2
        return (1 if due and lines else 0) + int(lines / BROKEN_ONE_IN + chance.random())

    def _json_lines(self, table: str, day: int, lines: list[str]) -> None:
        chance = self._world.chance("file", table, day)
        rows = len(lines)
        broken = [_break_json(table, chance.choice(lines), chance) for _ in range(self._broken(day, rows, chance))]
        lines = _repeat(lines, TWICE.get(table, 0), chance)
        if table == "segment/events":
            _shuffle_a_little(lines, chance)
        for line in broken:
            lines.insert(chance.randrange(len(lines) + 1), line)
        source, _, name = table.partition("/")
        folder = self._out / source if source == "segment" else self._out / source / name
        self._write(table, folder / f"{date_text(day)}.jsonl{'.gz' if source in _ZIPPED else ''}", lines, len(lines))

    def _parquet(self, table: str, day: int, lines: list[str]) -> None:
        required, schema = _PARQUET[table]
        records = [json.loads(line) for line in lines]
        chance = self._world.chance("file", table, day)
        # a delivery comes every seven days
        if (day - self._world.start) // 7 % 4 == 0:
            records.insert(chance.randrange(len(records) + 1), records[0] | {required: None})
            records.insert(chance.randrange(len(records) + 1), records[-1] | {"updated_at": "n/a"})
        path = self._out / table / f"{date_text(day)}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        pq.write_table(pa.Table.from_pylist(records, schema=schema), part, compression="snappy")
        self._finish(table, len(records), part, path)

    def _month_path(self, days: list[int], source: str, prefix: str) -> Path:
        """A month's file; when this run goes on in the middle of a month, a further file of that month."""
        month = date_text(days[0])[:7]
        first = self._world.spool.first
        goes_on = first > self._world.start and date_text(first)[:7] == month and not date_text(first).endswith("-01")
        return self._out / source / f"{prefix}{month}{f'_from_{date_text(first)[8:]}' if goes_on else ''}.csv"

    def _months(self, table: str, days: list[int], spool: Spool, done: Callable[[], None]) -> None:
        for _, group in groupby(days, key=lambda day: date_text(day)[:7]):
            month = list(group)
            lines = [erp.HEADER]
            for day in month:
                chance = self._world.chance("file", table, day)
                of_day = spool.lines(table, day)
                broken = [
                    _break_csv(chance.choice(of_day), chance) for _ in range(self._broken(day, len(of_day), chance))
                ]
                of_day = _repeat(of_day, TWICE[table], chance)
                for line in broken:
                    of_day.insert(chance.randrange(len(of_day) + 1), line)
                lines += of_day
            self._write(table, self._month_path(month, "erp", "invoices_"), lines, len(lines) - 1)
            done()

    def _ads(self) -> None:
        world = self._world
        days = range(world.spool.first, world.last + 1)
        for month, group in groupby(days, key=lambda day: date_text(day)[:7]):
            of_month = list(group)
            with_new_column = month != date_text(world.start)[:7]
            lines = [ads.HEADER + (f",{ads.NEW_COLUMN}" if with_new_column else "") + "\n"]
            for day in of_month:
                rows = [
                    ads.row(world, day, place, with_new_column=with_new_column) for place in range(len(ads.CAMPAIGNS))
                ]
                chance = world.chance("file", "ads", day)
                lines += rows
                lines += [_break_csv(chance.choice(rows), chance) for _ in range(self._broken(day, len(rows), chance))]
            self._write("ads/campaign_costs", self._month_path(of_month, "ads", ""), lines, len(lines) - 1)

    def _lists(self) -> None:
        """Lists that systems hand over once: products and the names of metrics."""
        world = self._world
        if world.spool.first > world.start:
            return
        products = shopify.product_lines(world.start)
        self._write("shopify/products", self._out / "shopify/products/products.jsonl", products, len(products))
        metrics = klaviyo.metric_lines(world.opening - 400 * 86_400)
        self._write("klaviyo/metrics", self._out / "klaviyo/metrics/metrics.jsonl", metrics, len(metrics))


def _repeat(lines: list[str], one_in: int, chance: Random) -> list[str]:
    """Some lines a second time, a few lines further down; none when `one_in` is 0."""
    if not one_in or not lines:
        return lines
    for _ in range(int(len(lines) / one_in + chance.random())):
        place = chance.randrange(len(lines))
        lines.insert(min(len(lines), place + chance.randint(1, 50)), lines[place])
    return lines


def _shuffle_a_little(lines: list[str], chance: Random) -> None:
    """One line in fifty changes places with another, as collectors that run side by side would have it."""
    for _ in range(len(lines) // 50):
        one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        lines[one], lines[other] = lines[other], lines[one]


def _break_json(table: str, line: str, chance: Random) -> str:
    """What becomes of a copy of `line`: cut off, not an object, without its key, or with nonsense for a date."""
    key, moment = _REQUIRED[table]
    kind = chance.randrange(4 if moment else 3)
    if kind == 0:
        return line[: max(2, int(len(line) * chance.uniform(0.2, 0.9)))].rstrip("\n") + "\n"
    if kind == 1:
        return chance.choice(("null\n", "[]\n", '"connection reset by peer"\n', "<html>502 Bad Gateway</html>\n"))
    record = json.loads(line)
    if kind == 2:
        record[key] = ""
    else:
        record[moment] = chance.choice(("yesterday", "0000-00-00", "n/a"))
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"


def _break_csv(line: str, chance: Random) -> str:
    """A copy of `line` with fields too few, one too many, without its key, or with nonsense for a date.

    Key and date are the first and the fifth field of the till, the third and the first of advertising.
    """
    fields = line.rstrip("\n").split(",")
    kind = chance.randrange(4)
    if kind == 0:
        fields = fields[:-2]
    elif kind == 1:
        fields.append("?")
    else:
        is_till = ":" in line
        place = (0 if is_till else 2) if kind == 2 else (4 if is_till else 0)
        fields[place] = "" if kind == 2 else "31.2.26"
    return ",".join(fields) + "\n"
