"""A large demo company, made by several processes: 20 events and 3 orders per person.

    python benchmarks/scale_data.py 1000000 --out FOLDER [--days 60] [--processes 2]

Each process tells every n-th household's life (`demo/`), with the ids that household has in the company as a whole; so
what the processes write are parts of one company, in which nobody exists twice. Files of a part end in its number.
In 60 days a person does 20 things but buys only 1.3 times, so every purchase with a loyalty card is written INVOICES
times, under invoice numbers of its own. The same numbers give the same bytes. There is no truth beside it: this company
measures speed.
"""

import argparse
import multiprocessing
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path

from demo.behaviour import story, till
from demo.clock import day_number
from demo.company import DEFAULT_END
from demo.files import Files
from demo.people import units
from demo.sources import zendesk
from demo.spool import Spool
from demo.truth import Truth
from demo.world import World

DAYS = 60
SEED = 1
INVOICES = 4
CUSTOMER = 6  # the field of an invoice line that holds the loyalty number; nothing before it holds a comma


class BusyTill(Spool):
    """Writes each line of an invoice with a customer on it INVOICES times: 123, 123-1, 123-2, ..."""

    def add(self, table: str, arrival: int, line: str) -> None:
        super().add(table, arrival, line)
        if table == "erp/invoices" and line.split(",")[CUSTOMER]:
            number, rest = line.split(",", 1)
            for copy in range(1, INVOICES):
                super().add(table, arrival, f"{number}-{copy},{rest}")


def write_part(part: int, parts: int, people: int, days: int, out: Path) -> int:
    """Write every `parts`-th household's records below `out`; the number of rows. Part 0 has what no household does."""
    last = day_number(DEFAULT_END)
    start = day_number(DEFAULT_END - timedelta(days=days - 1))
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch, BusyTill(out.parent, start, start, last) as spool:
        world = World(SEED, people, start, last, spool, Truth(Path(scratch) / "truth", last))
        if part == 0:
            zendesk.write_agents(world)
            for day in range(start, last + 1):
                till.sell_to_strangers(world, day)
        for unit in units(people, SEED):
            if unit.index % parts == part:
                story.tell(world, unit)
        world.truth.close()
        written = Path(scratch) / "sources"
        files = Files(world, written)
        files.write_all(spool, lambda: None)
        for path in sorted(written.rglob("*")):
            source, *_ = path.relative_to(written).parts
            lists = ("ads", "products", "metrics")  # handed over once, by part 0
            if path.is_file() and (part == 0 or not {source, path.parent.name} & set(lists)):
                target = out / path.relative_to(written)
                target.parent.mkdir(parents=True, exist_ok=True)
                stem, _, endings = path.name.partition(".")
                shutil.move(path, target.with_name(f"{stem}_{part}.{endings}"))
        return sum(files.rows.values())


def write_company(people: int, out: Path, days: int = DAYS, processes: int = 2) -> int:
    """Write the company below `out`, which must not exist yet; the number of rows."""
    out.mkdir(parents=True)
    # begun afresh: a fork inherits whatever locks the libraries' threads hold at that moment
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        parts = [pool.submit(write_part, part, processes, people, days, out) for part in range(processes)]
        return sum(part.result() for part in parts)


def hold_back_last_day(sources: Path, later: Path) -> None:
    """Take the last day out of the sources; what is copied back from `later` brings it.

    Its daily files are moved, and monthly ones lose its lines.
    """
    daily, monthly = (sorted(sources.rglob(f"*{DEFAULT_END:{form}}")) for form in ("%Y-%m-%d*", "%Y-%m_*.csv"))
    for path in (*daily, *monthly):
        held = later / path.relative_to(sources)
        held.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, held)
        if path in monthly:
            with held.open(encoding="utf-8") as whole, path.open("w", encoding="utf-8") as before:
                before.writelines(line for line in whole if f"{DEFAULT_END}" not in line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=int)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    rows = write_company(asked.people, asked.out, asked.days, asked.processes)
    print(f"{rows:,} rows of {asked.people:,} people over {asked.days} days in {asked.out}")


if __name__ == "__main__":
    main()
