"""Seconds and peak memory of every step of `kinship run`, first and second, at several sizes of the demo company.

    python benchmarks/pipeline.py 2000 20000 100000

Prints a table per size, and the growth from one size to the next beside the growth of the data: a step that grows
faster than its data stands out. Memory is the resident set of the whole process tree, sampled five times a second.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

KINSHIP = Path(sys.executable).with_name("kinship")
STEP = re.compile(r"✓ (?P<name>.+?)\s+[\d.,]+ s$")


@dataclass
class Measured:
    """One command: seconds and peak resident bytes, in all and per step in the order of the steps' ends."""

    seconds: float = 0.0
    peak: int = 0
    steps: dict[str, tuple[float, int]] = field(default_factory=dict)


def resident(root: int) -> int:
    """Bytes resident in the process `root` and all its descendants, now."""
    children: dict[int, list[int]] = {}
    sizes: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "status").read_text()
            except OSError:
                continue
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            children.setdefault(int(fields["PPid"]), []).append(int(entry.name))
            sizes[int(entry.name)] = int(fields.get("VmRSS", "0 kB").split()[0]) * 1024
    tree, total = [root], 0
    while tree:
        process = tree.pop()
        total += sizes.get(process, 0)
        tree += children.get(process, [])
    return total


def measure(data: Path, *arguments: str) -> Measured:
    """Run `kinship` with its data in `data` and watch it."""
    measured, begun = Measured(), time.monotonic()
    process = subprocess.Popen(
        [KINSHIP, *arguments], env=os.environ | {"KINSHIP_DATA": str(data)}, stdout=subprocess.PIPE, text=True
    )
    peak_of_step = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak_of_step
        while not done.wait(0.2):
            now = resident(process.pid)
            peak_of_step = max(peak_of_step, now)
            measured.peak = max(measured.peak, now)

    watcher = threading.Thread(target=watch)
    watcher.start()
    last = begun
    assert process.stdout is not None
    for line in process.stdout:
        if step := STEP.search(line.rstrip()):
            now = time.monotonic()
            measured.steps[step["name"]] = (now - last, peak_of_step)
            last, peak_of_step = now, 0
    code = process.wait()
    done.set()
    watcher.join()
    measured.seconds = time.monotonic() - begun
    if code:
        raise SystemExit(f"kinship {' '.join(arguments)} ended with {code}")
    return measured


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=int, nargs="*", default=[2000])
    parser.add_argument("--days", type=int, default=180)
    sizes = parser.parse_args()
    earlier: tuple[int, Measured] | None = None
    for people in sizes.people:
        data = Path(tempfile.mkdtemp(prefix="kinship-"))
        try:
            demo = measure(data, "demo", "--people", str(people), "--days", str(sizes.days))
            volume = size_of(data / "sources")
            first = measure(data, "run")
            second = measure(data, "run")
            print(f"\n{people:,} people, {sizes.days} days, {volume / 1e6:,.0f} MB of source files")
            print(f"{'':34}{'seconds':>9}{'peak MB':>9}{'growth':>8}")
            rows = {"demo": (demo.seconds, demo.peak), **first.steps}
            rows |= {"first run": (first.seconds, first.peak), "second run, nothing new": (second.seconds, second.peak)}
            for name, (seconds, peak) in rows.items():
                before = earlier[1].steps.get(name) if earlier else None
                growth = f"{seconds / before[0]:8.1f}" if before else ""
                print(f"{name:34}{seconds:9.1f}{peak / 1e6:9,.0f}{growth}")
            if earlier:
                growth_of_run = first.seconds / earlier[1].seconds
                print(f"the data grew by {volume / earlier[0]:.1f}, the first run by {growth_of_run:.1f}")
            print(f"warehouse: {(data / 'warehouse.duckdb').stat().st_size / 1e6:,.0f} MB", flush=True)
            earlier = (volume, first)
        finally:
            shutil.rmtree(data)


if __name__ == "__main__":
    main()
