"""How fast are connected components, beside SciPy and beside Splink's clustering, and how much less does a change cost?

    python benchmarks/identity_speed.py [--quick] [--repeats R] [--limit SECONDS] [--only WORD]

Every figure is the median of R processes of their own; the contenders take turns, so that a noisy machine hits all.
Each gets a DuckDB file with a table of edges and leaves a table of every node and its component in that file. The clock
runs from opening the file until it is closed again; imports are done before. CPU seconds are those of all threads; peak
memory is that of the whole process, imports included.

* kinship: the statements of the materialisation `connected_components`, as dbt runs them for a full refresh;
* scipy: the edges through Arrow into NumPy, ids used as they are when they are dense and np.unique when they are not,
  `scipy.sparse.csgraph.connected_components`, labels as SciPy numbers them through Arrow into a table; nothing else;
* splink: `splink.clustering.cluster_pairwise_predictions_at_threshold` over all edges, and its result into a table. It
  gets a table of nodes as well, made beforehand.

Then the increments: 1 % of the edges held back and added, or 0.1 % of them removed, against a full solve of the same
graph in the same process. Components are compared for equality every time; the exit code is 1 when any differ.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]

import identity_graphs  # noqa: E402

# DuckDB and Splink load pandas when they first need it, which is not to count for anyone
_LOADED = pd.__version__

Figures = dict[str, float]


class Clock:
    """Wall and CPU seconds of a block."""

    def __enter__(self) -> "Clock":
        self.started = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self.started[0]
        self.cpu = time.process_time() - self.started[1]


def kinship(file: str) -> Clock:
    from component_tables import ComponentTables

    with Clock() as clock:
        connection = duckdb.connect(file)
        tables = ComponentTables(connection, "edges")
        tables.update()
        connection.close()
    with duckdb.connect(file) as connection:
        connection.execute(f"create view found as {tables.components}")
    return clock


def scipy(file: str) -> Clock:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    with Clock() as clock:
        connection = duckdb.connect(file)
        edges = connection.execute("select left_id, right_id from edges").to_arrow_table()
        left, right = edges["left_id"].to_numpy(), edges["right_id"].to_numpy()
        size = int(max(left.max(), right.max())) + 1
        if size <= 4 * len(left):
            occurs = np.zeros(size, dtype=bool)
            occurs[left] = occurs[right] = True
            nodes = np.flatnonzero(occurs)
        else:
            nodes, numbers = np.unique(np.concatenate([left, right]), return_inverse=True)
            left, right = numbers[: len(left)], numbers[len(left) :]
            size = len(nodes)
        graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(size, size))
        _, labels = connected_components(graph, directed=False)
        if size > len(nodes):
            labels = labels[nodes]
        connection.register("labels", pa.table({"node_id": nodes, "component_id": labels}))
        connection.execute("create table found as from labels")
        connection.close()
    return clock


def splink(file: str) -> Clock:
    from splink import DuckDBAPI
    from splink.clustering import cluster_pairwise_predictions_at_threshold

    with Clock() as clock:
        connection = duckdb.connect(file)
        clusters = cluster_pairwise_predictions_at_threshold(
            connection.table("nodes"),
            connection.sql("select left_id, right_id from edges"),
            DuckDBAPI(connection),
            node_id_column_name="node_id",
            edge_id_column_name_left="left_id",
            edge_id_column_name_right="right_id",
        )
        connection.execute(
            f"create table found as select node_id, cluster_id as component_id from {clusters.physical_name}"
        )
        connection.close()
    return clock


CONTENDERS: dict[str, Callable[[str], Clock]] = {"kinship": kinship, "scipy": scipy, "splink": splink}


def solve(contender: str, file: str) -> Figures:
    """One full solve, in a process of its own."""
    clock = CONTENDERS[contender](file)
    return {"seconds": clock.seconds, "cpu": clock.cpu, "peak": peak()}


def increment(kind: str, file: str) -> Figures:
    """Both full solves and the increment between them; the delta is in the file as batch 2."""
    from component_tables import ComponentTables

    connection = duckdb.connect(file)
    tables = ComponentTables(connection, "edges")
    fulls = []
    for _ in range(2):
        with Clock() as full:
            tables.update(full_refresh=True)
        fulls.append(full)
    if kind == "added":
        connection.execute("insert into edges from held_back")
    else:
        connection.execute(
            "update edges set is_current = false, changed_in = 2 where hash(left_id, right_id) % 1000 = 7"
        )
    connection.execute("checkpoint")
    with Clock() as clock:
        tables.update()
    with Clock() as reading:
        connection.execute(
            f"select count(component_id), count(distinct component_id) from ({tables.components})"
        ).fetchall()
    connection.execute(f"create temp table incremental as {tables.components}")
    tables.update(full_refresh=True)
    changed = number(connection, "select count(*) from edges where changed_in = 2")
    differ = number(
        connection,
        f"select count(*) from incremental full join ({tables.components}) as fresh using (node_id)"
        " where incremental.component_id is distinct from fresh.component_id",
    )
    return {
        "full": median(full.seconds for full in fulls),
        "full cpu": median(full.cpu for full in fulls),
        "seconds": clock.seconds,
        "cpu": clock.cpu,
        "reading": reading.seconds,
        "changed": changed,
        "differ": differ,
        "peak": peak(),
    }


def number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row
    return int(row[0])


def peak() -> float:
    """MB this process has held at most; `ru_maxrss` would begin with those of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def write(file: Path, edges: identity_graphs.Edges) -> tuple[int, int]:
    """A DuckDB file with the tables edges and nodes; how many nodes and edges."""
    left, right = edges
    with duckdb.connect(str(file)) as connection:
        connection.register("rows", pa.table({"left_id": left, "right_id": right}))
        connection.execute(
            "create table edges as select left_id, right_id, true as is_current, 1::bigint as changed_in from rows"
        )
        connection.execute(
            "create table nodes as select left_id as node_id from edges union select right_id from edges"
        )
        return number(connection, "select count(*) from nodes"), len(left)


def hold_back(file: Path) -> None:
    """Take the last 1 % of the edges out, to be added as batch 2."""
    with duckdb.connect(str(file)) as connection:
        stay = number(connection, "select count(*) from edges") * 99 // 100
        connection.execute(
            f"""
            create table held_back as
            select left_id, right_id, is_current, 2::bigint as changed_in from edges where rowid >= {stay};
            create or replace table edges as from edges where rowid < {stay};
            """
        )


def child(*arguments: str, limit: float) -> Figures | None:
    """What a process of its own measured; None when it took longer than `limit`."""
    command = [sys.executable, __file__, "--child", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return {name: float(figure) for name, figure in json.loads(done.stdout.splitlines()[-1]).items()}


def differing(ours: Path, theirs: Path) -> int:
    """Nodes that are not in the same component: after both numberings become smallest node ids."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{ours}' as ours (read_only); attach '{theirs}' as theirs (read_only)")
        return number(
            connection,
            """
            with
            one as (select node_id, min(node_id) over (partition by component_id) as smallest from theirs.found)
            select count(*)
            from ours.found full join one using (node_id)
            where found.component_id is distinct from one.smallest
            """,
        )


def medians(runs: list[Figures]) -> Figures:
    return {name: median(run[name] for run in runs) for name in runs[0]}


def bench_full(name: str, edges: identity_graphs.Edges, folder: Path, repeats: int, limit: float) -> bool:
    """Prints a line per contender. Whether all found the same components."""
    base = folder / "base.duckdb"
    nodes, rows = write(base, edges)
    runs: dict[str, list[Figures]] = {contender: [] for contender in CONTENDERS}
    slow: set[str] = set()
    differ: dict[str, int] = {}
    for repeat in range(repeats):
        for contender in CONTENDERS:
            if contender in slow:
                continue
            file = folder / f"{contender}.duckdb"
            copy(base, file)
            figures = child("solve", contender, str(file), limit=limit)
            if figures is None:
                slow.add(contender)
                continue
            runs[contender].append(figures)
            if repeat == 0 and contender != "kinship":
                differ[contender] = differing(folder / "kinship.duckdb", file)
    print(f"\n{name}: {nodes:,} nodes, {rows:,} edges")
    bound = medians(runs["scipy"])
    for contender, figures_of in runs.items():
        if not figures_of or contender in slow:
            print(f"    {contender:<8} > {limit:.0f} s")
            continue
        found = medians(figures_of)
        print(
            f"    {contender:<8} {found['seconds']:8.2f} s {rows / found['seconds']:12,.0f} edges/s"
            f" {found['cpu']:8.2f} s CPU {found['peak']:7,.0f} MB"
            f"  {found['seconds'] / bound['seconds']:6.2f} x scipy ({found['cpu'] / bound['cpu']:.2f} x in CPU)"
            + (f"  {differ[contender]} labels differ" if contender in differ else ""),
            flush=True,
        )
    return not any(differ.values())


def bench_increments(name: str, edges: identity_graphs.Edges, folder: Path, repeats: int) -> bool:
    """Prints a line per kind of change. Whether incremental and full gave the same components."""
    base = folder / "base.duckdb"
    write(base, edges)
    hold_back(base)
    same = True
    runs: dict[str, list[Figures]] = {"added": [], "removed": []}
    for _ in range(repeats):
        for kind, figures_of in runs.items():
            file = folder / f"{kind}.duckdb"
            copy(base, file)
            figures = child("increment", kind, str(file), limit=3600)
            assert figures
            figures_of.append(figures)
    print(f"\n{name}: increments")
    for kind, figures_of in runs.items():
        found = medians(figures_of)
        same = same and found["differ"] == 0
        share = median(run["seconds"] / run["full"] for run in figures_of)
        cpu_share = median(run["cpu"] / run["full cpu"] for run in figures_of)
        print(
            f"    {found['changed']:9,.0f} {kind:<8} {found['seconds']:7.3f} s of {found['full']:6.2f} s:"
            f" {share:6.1%} ({cpu_share:.1%} in CPU) {found['peak']:7,.0f} MB,"
            f" all read in {found['reading']:.2f} s,  {found['differ']:.0f} labels differ",
            flush=True,
        )
    return same


def copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    target.write_bytes(source.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description="connected components beside SciPy and Splink")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the sizes, once, 10 seconds each")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds a contender may take")
    parser.add_argument("--only", default="", help="only graphs with this in their name")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        what, which, file = options.child
        print(json.dumps({"solve": solve, "increment": increment}[what](which, file)))
        return
    if options.quick:
        options.repeats, options.limit = 1, 10.0
    same = True
    print(f"{os.cpu_count()} cores, DuckDB {duckdb.__version__}; medians of {options.repeats}")
    for name, make in identity_graphs.shapes(0.01 if options.quick else 1.0).items():
        if options.only not in name:
            continue
        edges = make()
        with tempfile.TemporaryDirectory() as folder:
            same &= bench_full(name, edges, Path(folder), options.repeats, options.limit)
        if name in ("1 M edges", "10 M edges"):
            with tempfile.TemporaryDirectory() as folder:
                same &= bench_increments(name, edges, Path(folder), options.repeats)
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
