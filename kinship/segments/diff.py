"""What a change of SQL does to segments, before it is merged: who would be in by the files of a git commit, and who by
those of the working tree, on one and the same data. Only counts leave this module, and nothing is written.

Each side's dbt compiles its own files against an empty warehouse; the queries it yields run on the real one, opened for
reading, into temporary tables. Segments that read other segments, and models of `customers` and `predictions` that
differ between the sides or read one that does, are worked out anew for each side. What cannot be (seeds, staging,
identity, Python) is named.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb

from kinship.errors import KinshipError, WrongUse
from kinship.manifest import PROJECT_FILES
from kinship.segments.header import is_segment
from kinship.settings import ROOT, settings
from kinship.warehouse import connect

RECOMPUTED_LAYERS = ("customers", "predictions")
TREE = "the working tree"

Node = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One segment on both sides, in people. A side on which it is not there, or is broken, is None."""

    segment: str
    before: int | None
    after: int | None
    stays: int = 0
    error: str = ""

    @property
    def moved_in(self) -> int:
        return (self.after or 0) - self.stays

    @property
    def moved_out(self) -> int:
        return (self.before or 0) - self.stays

    @property
    def status(self) -> str:
        if self.error:
            return "broken"
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "changed" if self.moved_in or self.moved_out else "same"

    @property
    def share(self) -> float | None:
        """People who move, as a share of those in before; None where nobody was in."""
        return (self.moved_in + self.moved_out) / self.before if self.before else None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "segment": self.segment, "status": self.status, "before": self.before, "after": self.after,
            "in": self.moved_in, "out": self.moved_out, "stays": self.stays, "changed_share": self.share,
            "error": self.error or None,
        }  # fmt: skip


@dataclass(frozen=True)
class Diff:
    """The segments of a commit beside those of the working tree."""

    ref: str
    commit: str
    changes: list[Change]
    recomputed: list[str]  # models before the segments that were worked out anew for each side
    not_compared: list[str]  # what differs before the segments, and is taken from the warehouse as it is

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "ref": self.ref,
            "commit": self.commit,
            "segments": [change.as_json() for change in self.changes],
            "recomputed": self.recomputed,
            "not_compared": self.not_compared,
        }


class _Side:
    """One version of the project: its files, what dbt makes of them, and the temporary tables worked out from it."""

    def __init__(self, label: str, prefix: str, root: Path, work: Path) -> None:
        self.label = label
        self._prefix = prefix
        self._root = root
        self._work = work
        self._work.mkdir()
        self.nodes: dict[str, Node] = {}
        self.macros: dict[str, Mapping[str, Any]] = {}
        self.faults: dict[str, str] = {}
        self.compile(["path:models/segments"])

    def compile(self, select: Iterable[str]) -> None:
        """Let dbt write the queries of what is selected. Raises `KinshipError` in dbt's own words."""
        now = settings()
        dbt = str(Path(sys.executable).with_name("dbt"))
        folders = ["--project-dir", str(self._root), "--profiles-dir", str(self._root)]
        done = subprocess.run(
            [
                dbt,
                "--quiet",
                "compile",
                "--log-level-file",
                "none",
                *folders,
                "--select",
                *select,
            ],
            # models are portable: on Spark, too, the queries run on DuckDB, over views of the lake
            env={
                **os.environ,
                **now.environment(),
                "KINSHIP_TARGET": "duckdb",
                "KINSHIP_WAREHOUSE": str(self._work / f"{now.warehouse.stem}.duckdb"),
                "KINSHIP_SEGMENTS": "",
                "DBT_TARGET_PATH": str(self._work),
            },
            cwd=self._root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise KinshipError(f"dbt cannot compile {self.label}:\n{(done.stdout + done.stderr).strip()}")
        manifest = json.loads((self._work / "manifest.json").read_text())
        compiled = {name: node for name, node in self.nodes.items() if node.get("compiled_code")}
        self.nodes = {
            **manifest["nodes"],
            **{k: v for k, v in compiled.items() if not manifest["nodes"][k].get("compiled_code")},
        }
        self.macros = manifest["macros"]

    @property
    def segments(self) -> dict[str, str]:
        """The segments' nodes, by name."""
        return {str(node["name"]): key for key, node in self.nodes.items() if is_segment(node)}

    def parents(self, key: str) -> list[str]:
        """The nodes that a node's query reads; what only its hooks read is none of them, once it is compiled."""
        node = self.nodes[key]
        parents = [parent for parent in node["depends_on"].get("nodes", ()) if parent in self.nodes]
        compiled = node.get("compiled_code")
        return [parent for parent in parents if not compiled or str(self.nodes[parent]["relation_name"]) in compiled]

    def upstream(self) -> set[str]:
        """The nodes that segments are made from, and no segments."""
        found: set[str] = set()
        todo = list(self.segments.values())
        while todo:
            parents = set(self.parents(todo.pop())) - found
            found |= parents
            todo.extend(parents)
        return {key for key in found if not is_segment(self.nodes[key])}

    def text_of(self, key: str) -> tuple[Any, ...] | None:
        """All that a node's query is made from: its file, its materialization, and the project's macros it calls."""
        if key not in self.nodes:
            return None
        node = self.nodes[key]
        macros: set[str] = set()
        todo = list(node["depends_on"].get("macros", ()))
        while todo:
            name = todo.pop()
            if name in macros or self.macros.get(name, {}).get("package_name") != "kinship":
                continue
            macros.add(name)
            todo.extend(self.macros[name]["depends_on"]["macros"])
        return node["checksum"]["checksum"], sorted(self.macros[name]["macro_sql"] for name in macros)

    def query(self, key: str, anew: set[str]) -> str:
        """A node's query, reading what is worked out anew where it lies."""
        sql = str(self.nodes[key]["compiled_code"])
        for other in self.parents(key):
            if other in anew:
                sql = sql.replace(str(self.nodes[other]["relation_name"]), self.table(other))
        return sql

    def table(self, key: str) -> str:
        """The temporary table that stands for a node."""
        return f'temp."{self._prefix}_{self.nodes[key]["schema"]}_{self.nodes[key]["name"]}"'

    def build(self, warehouse: duckdb.DuckDBPyConnection, key: str, anew: set[str]) -> None:
        """Work out one node into its table; what goes wrong is kept in `faults`."""
        node = self.nodes[key]
        where = f"{node['original_file_path']} of {self.label}"
        broken = [parent for parent in self.parents(key) if parent in self.faults]
        if broken:
            self.faults[key] = f"{where} reads what is broken: {self.nodes[broken[0]]['name']}"
            return
        try:
            warehouse.execute(f"create temp table {self.table(key)[5:]} as {self.query(key, anew)}")
        except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as error:
            self.faults[key] = f"{where}: {str(error).splitlines()[0]}"
        except duckdb.Error as error:
            # its text may quote a value of the data
            self.faults[key] = f"{where}: {type(error).__name__} when it is run on the warehouse's data"
        else:
            if is_segment(node) and (fault := self._no_set(warehouse, key)):
                self.faults[key] = f"{where}: {fault}"

    def _no_set(self, warehouse: duckdb.DuckDBPyConnection, key: str) -> str:
        columns = [row[0] for row in warehouse.execute(f"describe {self.table(key)}").fetchall()]
        if columns != ["customer_id"]:
            return f"a segment returns one column, customer_id; this one returns {', '.join(columns)}"
        missing, twins = _one(
            warehouse,
            f"select count(*) - count(customer_id), count(customer_id) - count(distinct customer_id) from {self.table(key)}",  # noqa: E501, S608
        )
        return f"{missing} rows without customer_id, {twins} repeated rows" if missing or twins else ""


def compare(ref: str) -> Diff:
    """The segments by the files of `ref` and by those of the working tree, on the warehouse's data.

    Raises `WrongUse` when git knows no such commit or there is no warehouse, `KinshipError` when a side does not
    compile. A segment that compiles and cannot be run is in the result, as broken.
    """
    commit = _commit(ref)
    with tempfile.TemporaryDirectory(prefix="kinship-diff-") as folder:
        work = Path(folder)
        _extract(commit, work / "files")
        with connect() as warehouse:  # ends at once where there is nothing to compare on
            warehouse.execute("select 1")
        after = _Side(TREE, "after", ROOT, work / "after")
        before = _Side(ref, "before", work / "files", work / "before")
        anew, fixed = _differences(before, after, work / "files")
        if anew:
            for side in (before, after):
                side.compile([f"path:{side.nodes[key]['original_file_path']}" for key in anew if key in side.nodes])
        with connect() as warehouse:
            changes = _changes(warehouse, before, after, anew)
    return Diff(ref, commit, changes, sorted(_names(before, after, anew)), fixed)


def _names(before: _Side, after: _Side, keys: Iterable[str]) -> list[str]:
    found = ((after.nodes.get(key) or before.nodes[key]) for key in keys)
    return [f"{node['schema']}.{node['name']}" for node in found]


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    return connection.execute(query).fetchone() or ()


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)  # noqa: S607
    except FileNotFoundError:
        raise WrongUse("git is not installed, and the files to compare with come from it") from None


def _commit(ref: str) -> str:
    if _git("rev-parse", "--git-dir").returncode:
        raise WrongUse(f"{ROOT} is no git checkout: there is nothing to compare the segments with")
    found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if found.returncode:
        raise WrongUse(f"git knows no commit {ref!r}: name a branch, a tag or a commit, like main or HEAD~1")
    return found.stdout.decode().strip()


def _extract(commit: str, folder: Path) -> None:
    there = _git("ls-tree", "--name-only", commit).stdout.decode().split("\n")
    archive = _git("archive", "--format=tar", commit, *(name for name in PROJECT_FILES if name in there))
    if archive.returncode:
        raise KinshipError(f"git cannot read the files of {commit[:8]}: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")


def _differences(before: _Side, after: _Side, files: Path) -> tuple[set[str], list[str]]:
    """The models before the segments to work out anew, and what differs and cannot be."""
    sides = (before, after)
    upstream = before.upstream() | after.upstream()
    changed = {key for key in upstream if before.text_of(key) != after.text_of(key)}
    anew = {key for key in changed if all(_is_query(side.nodes[key]) for side in sides if key in side.nodes)}
    fixed = changed - anew
    grown = True
    while grown:
        readers = {
            key for side in sides for key in upstream & side.nodes.keys() if anew & set(side.parents(key))
        } - anew
        grown = bool(readers - fixed)
        queries = {key for key in readers if all(_is_query(side.nodes[key]) for side in sides if key in side.nodes)}
        anew |= queries
        fixed |= readers - queries
    told = _names(before, after, fixed)
    if (files / "dbt_project.yml").read_bytes() != (ROOT / "dbt_project.yml").read_bytes():
        told.append("dbt_project.yml (what it changes before the segments)")
    return anew, sorted(told)


def _is_query(node: Node) -> bool:
    """Whether a node can be worked out by running its query on what lies before it."""
    return (
        node["resource_type"] == "model" and node["fqn"][1] in RECOMPUTED_LAYERS and node.get("language") == "sql"
    )  # an incremental model's query is the one for an empty table: the whole of it


def _changes(warehouse: duckdb.DuckDBPyConnection, before: _Side, after: _Side, upstream: set[str]) -> list[Change]:
    for side in (before, after):
        anew = {key for key in upstream if key in side.nodes} | set(side.segments.values())
        order = TopologicalSorter({key: [p for p in side.parents(key) if p in anew] for key in anew})
        for key in order.static_order():
            side.build(warehouse, key, anew)
        faults = [side.faults[key] for key in sorted(side.faults) if key in upstream]
        if faults:
            raise KinshipError(faults[0])
    return [_change(warehouse, name, before, after) for name in sorted(before.segments.keys() | after.segments.keys())]


def _change(warehouse: duckdb.DuckDBPyConnection, name: str, before: _Side, after: _Side) -> Change:
    keys = [side.segments.get(name) for side in (before, after)]
    faults = [side.faults[key] for side, key in zip((before, after), keys, strict=True) if key in side.faults and key]
    tables = [
        side.table(key) if key and key not in side.faults else None
        for side, key in zip((before, after), keys, strict=True)
    ]
    sizes = [_one(warehouse, f"select count(*) from {table}")[0] if table else None for table in tables]  # noqa: S608
    stays = (
        _one(warehouse, f"select count(*) from {tables[0]} join {tables[1]} using (customer_id)")[0]  # noqa: S608
        if all(tables)
        else 0
    )
    return Change(name, sizes[0], sizes[1], stays, "; ".join(faults))
