"""Plans, results and states of syncs as tables for a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from orchestration.extract import ExtractResult
    from reverse_etl.engine import Progress as Sent
    from reverse_etl.engine import RunResult
    from reverse_etl.planning import Plan
    from reverse_etl.status import SyncStatus


def plain_table(heading: str, text: Sequence[str], numbers: Sequence[str] = (), notes: Sequence[str] = ()) -> Table:
    """A table without lines: text columns, then right-aligned numbers, then notes."""
    table = Table(
        title=heading or None,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="dim",
    )
    for name in text:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for name in notes:
        table.add_column(name, overflow="fold")
    return table


def console_for(stream: TextIO | None = None, *, stderr: bool = False) -> Console:
    """A console as wide as the terminal; into a file or a pipe, wide enough for our tables."""
    console = Console(file=stream, stderr=stderr)
    return console if console.is_terminal else Console(file=stream, stderr=stderr, width=160)


def reasons(counts: Mapping[str, int]) -> str:
    """Counts by reason in one line: the three most frequent, and how many others there are."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{reason} ({count:,})" for reason, count in ordered[:3]]
    others = sum(count for _, count in ordered[3:])
    return escape("; ".join([*named, *([f"other reasons ({others:,})"] if others else [])]))


def print_extracts(results: "Sequence[ExtractResult]") -> None:
    """What each extraction took in and set aside."""
    console = console_for()
    table = plain_table("", ["source"], ["new rows", "in quarantine", "files", "seconds"], ["note"])
    for result in results:
        quarantined = sum(sum(reasons.values()) for reasons in result.quarantined.values())
        notes = [*result.notes, *(f"{one.file} is left aside: {one.reason}" for one in result.ignored)]
        table.add_row(
            result.source,
            f"{sum(result.rows.values()):,}",
            f"{quarantined:,}",
            f"{result.files:,}",
            f"{result.seconds:.1f}",
            escape("; ".join(notes)),
        )
    console.print(table)


def print_plans(plans: "Sequence[Plan]") -> None:
    """What each sync would do, and why rows are held back."""
    console = console_for()
    table = plain_table(
        "Plan: nothing has been sent",
        ["sync"],
        ["adds", "changes", "removals", "unchanged", "calls", "time"],
        ["withheld"],
    )
    for plan in plans:
        numbers = (plan.adds, plan.changes, plan.removals, plan.unchanged, plan.calls)
        table.add_row(
            plan.sync, *(f"{number:,}" for number in numbers), _duration(plan.seconds), reasons(plan.withheld)
        )
    console.print(table)
    for plan in plans:
        if plan.guard:
            console.print(f"[yellow]{plan.sync} would stop:[/] {escape(plan.guard)}", highlight=False)


def print_sync_results(results: "Sequence[RunResult]") -> None:
    """What each sync did."""
    console = console_for()
    table = plain_table("", ["sync"], ["added", "changed", "removed", "refused", "left", "calls", "seconds"], ["note"])
    for result in results:
        refused = sum(result.refused.values())
        numbers = (result.added, result.changed, result.removed, refused, result.left, result.calls)
        notes = [
            *([escape(result.message)] if result.message else []),
            *([f"refused: {reasons(result.refused)}"] if result.refused else []),
            *([f"withheld: {reasons(result.withheld)}"] if result.withheld else []),
        ]
        table.add_row(result.sync, *(f"{number:,}" for number in numbers), f"{result.seconds:.1f}", "; ".join(notes))
    console.print(table)


def print_sync_status(states: "Sequence[SyncStatus]") -> None:
    """Where each sync stands."""
    table = plain_table("Syncs", ["sync", "last run", "state"], ["accepted", "refused", "unsettled"], ["note"])
    for state in states:
        table.add_row(
            state.sync,
            f"{state.last_run_at:%Y-%m-%d %H:%M} UTC" if state.last_run_at else "never",
            state.state,
            f"{state.accepted:,}",
            f"{sum((state.refused or {}).values()):,}",
            f"{state.unsettled:,}",
            escape(state.last_message or ""),
        )
    console_for().print(table)


@contextmanager
def sync_progress(name: str) -> "Iterator[Callable[[Sent], None]]":
    """A bar for one sync, where there is a terminal."""
    console = console_for(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=None)
        yield lambda sent: progress.update(task, completed=sent.done, total=sent.total)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
