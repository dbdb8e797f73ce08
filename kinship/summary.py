"""What a person reads when a run has ended: what came in, who it is, what left, what was held back."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
from rich.console import Console
from rich.markup import escape

from kinship.checks import Checks, latest_checks
from kinship.manifest import load_manifest
from kinship.pipeline import Outcome
from kinship.progress import title
from kinship.segments.header import Header, headers
from kinship.segments.sizes import Size, latest_sizes
from kinship.settings import Settings
from kinship.tables import plain_table, reasons
from kinship.warehouse import connect, has_table, raw_sources


@dataclass(frozen=True)
class SourceRows:
    """One source: rows in the warehouse, of them taken in by this run, and records set aside with the reasons."""

    source: str
    total: int
    new: int
    quarantined: dict[str, int]


@dataclass(frozen=True)
class Prediction:
    """One model of predictions: whether its table may be used, and why or why not."""

    model: str
    is_published: bool
    reason: str


@dataclass
class Facts:
    """What the warehouse says. Everything is counts."""

    sources: list[SourceRows] = field(default_factory=list)
    records: int = 0
    people: int = 0
    predictions: list[Prediction] = field(default_factory=list)
    segments: list[tuple[Header, Size]] = field(default_factory=list)
    built_at: datetime | None = None
    checks: Checks = field(default_factory=Checks)


def facts(settings: Settings, new_rows: dict[str, int]) -> Facts:
    """Read the counts of the summary. `new_rows` by source."""
    found = Facts()
    known = headers(load_manifest())
    with connect() as warehouse:
        found.sources = [_source(warehouse, source, new_rows.get(source, 0)) for source in raw_sources(warehouse)]
        if has_table(warehouse, "identity", "identity_graph"):
            found.records, found.people = _one(
                warehouse, "select count(*), count(distinct customer_id) from identity.identity_graph"
            )
        found.predictions = _predictions(warehouse)
        sizes = latest_sizes(warehouse)
        found.segments = [(one, sizes[one.name]) for one in known if one.name in sizes]
        if has_table(warehouse, "operations", "builds"):
            row = warehouse.execute("select finished_at from operations.builds").fetchone()
            found.built_at = row[0] if row else None
        found.checks = latest_checks(warehouse, settings.state / "dbt")
    return found


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    return row or ()  # aggregates always return a row


def _source(warehouse: duckdb.DuckDBPyConnection, source: str, new: int) -> SourceRows:
    (total,) = _one(
        warehouse,
        f"select coalesce(sum(rows), 0) from raw_{source}.extracted_files where is_current",  # noqa: S608
    )
    reasons: dict[str, int] = {}
    if has_table(warehouse, f"raw_{source}", "quarantine"):
        reasons = dict(
            warehouse.execute(
                f"""
                select q.reason, count(*) from raw_{source}.quarantine as q
                where q.file_id in (select file_id from raw_{source}.extracted_files where is_current)
                group by q.reason order by 2 desc, 1
                """  # noqa: S608
            ).fetchall()
        )
    return SourceRows(source, int(total), new, reasons)


def _predictions(warehouse: duckdb.DuckDBPyConnection) -> list[Prediction]:
    fits = warehouse.execute(
        "select table_name from information_schema.tables where table_schema = 'predictions'"
        " and regexp_full_match(table_name, 'int_predictions__.*_fit') order by 1"
    ).fetchall()
    return [
        Prediction(*row)
        for (fit,) in fits
        for row in warehouse.execute(
            f'select model, is_published, reason from predictions."{fit}" where metric is null'  # noqa: S608
        ).fetchall()
    ]


def print_run(console: Console, settings: Settings, outcome: Outcome) -> None:
    """Print the summary of a finished run."""
    record = outcome.record
    new_rows: dict[str, int] = {}
    for asset, metadata in record.materialized.items():
        schema, _, _ = asset.partition(".")
        if schema.startswith("raw_") and "new_rows" in metadata:
            source = schema.removeprefix("raw_")
            new_rows[source] = new_rows.get(source, 0) + int(metadata["new_rows"])
    built = (m for asset, m in record.materialized.items() if asset.startswith("customers."))
    rebuilt = any(metadata.get("rebuilt") is not False for metadata in built)
    console.print()
    if settings.warehouse.exists():
        found = facts(settings, new_rows)
        _print_facts(console, found, rebuilt)
    syncs = {
        asset.removeprefix("reverse_etl."): m
        for asset, m in record.materialized.items()
        if asset.startswith("reverse_etl.")
    }
    if syncs:
        _print_syncs(console, syncs)
    _print_steps(console, outcome)
    _print_paths(console, settings)
    for step in record.failed:
        console.print(f"[red]{title(step.step)} failed:[/] {escape(step.message)}", highlight=False)
    if outcome.success:
        console.print(f"[green]Done[/] in {outcome.seconds:.0f} s.")
    else:
        behind = f"; {outcome.unreached} steps behind it were not run" if outcome.unreached else ""
        word = "Stopped by a guard" if outcome.exit_code == 3 else "Failed"
        console.print(f"[red]{word}[/] after {outcome.seconds:.0f} s{behind}.")


def print_facts(console: Console, settings: Settings) -> None:
    """Print what the warehouse holds now."""
    _print_facts(console, facts(settings, {}), rebuilt=False, new=False)


def _print_facts(console: Console, found: Facts, rebuilt: bool, new: bool = True) -> None:
    table = plain_table("Sources", ["source"], [*(["new rows"] if new else []), "rows", "in quarantine"], ["why"])
    for source in found.sources:
        counts = [f"{source.new:,}"] if new else []
        held = f"{sum(source.quarantined.values()):,}"
        table.add_row(source.source, *counts, f"{source.total:,}", held, reasons(source.quarantined))
    console.print(table, "")
    if found.people:
        console.print(f"[bold]People[/]  {found.people:,} from {found.records:,} records", "", highlight=False)
    if found.predictions:
        table = plain_table("Predictions", ["model", ""], [], ["why"])
        for each in found.predictions:
            table.add_row(each.model, "published" if each.is_published else "not published", escape(each.reason))
        console.print(table, "")
    if found.segments:
        table = plain_table("Segments", ["segment"], ["members", "entered", "left"], ["owner", "purpose"])
        for segment, size in found.segments:
            # who came and went in an earlier build did not in this run
            moved = (size.entered, size.left) if rebuilt else (0, 0)
            table.add_row(
                segment.name, *(f"{number:,}" for number in (size.members, *moved)), segment.owner, segment.purpose
            )
        console.print(table, "")
    checks = found.checks
    when = "" if rebuilt or not found.built_at else f", at {found.built_at:%Y-%m-%d %H:%M} UTC; nothing is new since"
    counted = f"{checks.passed:,} passed, {len(checks.warned):,} warned, {len(checks.failed):,} failed"
    console.print(f"[bold]Checks[/]  {counted}{when}", highlight=False)
    for name in checks.warned:
        console.print(f"  [yellow]warning[/] {escape(name)}", highlight=False)
    for name in checks.failed:
        console.print(f"  [red]failed[/] {escape(name)}", highlight=False)
    console.print()


def _print_syncs(console: Console, syncs: dict[str, dict[str, Any]]) -> None:
    numbers = ("added", "changed", "removed", "refused", "withheld", "left", "calls")
    table = plain_table("Syncs", ["sync"], numbers, ["note"])
    for name, metadata in sorted(syncs.items()):
        notes = [
            f"{what}: {reasons(metadata[f'{what} by reason'])}"
            for what in ("refused", "withheld")
            if f"{what} by reason" in metadata
        ]
        if metadata["status"] == "not_configured":
            notes = [f"skipped: {escape(metadata.get('message', 'not configured'))}"]
        table.add_row(name, *(f"{metadata[number]:,}" for number in numbers), "; ".join(notes))
    console.print(table, "")


def _print_steps(console: Console, outcome: Outcome) -> None:
    table = plain_table("Steps", ["step"], ["seconds"], [""])
    for step in outcome.record.steps.values():
        table.add_row(title(step.step), f"{step.seconds:.1f}", "" if step.status == "done" else step.status)
    console.print(table, "")


def _print_paths(console: Console, settings: Settings) -> None:
    outbox = settings.state / "outbox"
    docs = settings.data_docs / "index.html"
    table = plain_table("Where to look next", ["", ""])
    table.show_header = False
    table.add_row("the run, step by step", "make dev, then http://127.0.0.1:3000")
    table.add_row("the tables", str(settings.warehouse))
    if docs.exists():
        table.add_row("expectations and results", str(docs))
    if outbox.exists():
        table.add_row("what left the house", str(outbox))
    table.add_row("what could not be read", "tables raw_<source>.quarantine")
    console.print(table, "")
