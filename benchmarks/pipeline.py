"""Seconds and peak memory of every step of `kinship run`, first and second, at several sizes of the demo company.

    python benchmarks/pipeline.py 2000 20000 100000

Prints a table per size, and the growth from one size to the next beside the growth of the data: a step that grows
faster than its data stands out. Memory is the resident set of the whole process tree, sampled five times a second.
"""

import argparse
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from sampling import size_of, watch


@dataclass
class Measured:
    """One command: seconds and peak resident bytes, in all and per step in the order of the steps' ends."""

    seconds: float = 0.0
    peak: int = 0
    steps: dict[str, tuple[float, int]] = field(default_factory=dict)


def measure(data: Path, *arguments: str) -> Measured:
    """Run `kinship` with its data in `data` and watch it."""
    watched = watch(arguments, os.environ | {"KINSHIP_DATA": str(data)}, every=0.2)
    if watched.code:
        raise SystemExit("\n".join([*watched.last_lines, f"kinship {' '.join(arguments)} ended with {watched.code}"]))

    def peak(begun: float, ended: float) -> int:
        return watched.samples.between(begun, ended)[0]

    steps = {name: (ended - begun, peak(begun, ended)) for name, (begun, ended) in watched.steps.items()}
    return Measured(watched.seconds, peak(watched.begun, watched.ended), steps)


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
