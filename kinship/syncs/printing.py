"""Plans, results and states of syncs for a terminal: counts, reasons and hashes of keys, never a value of a row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from kinship.tables import console_for, duration, plain_table, reasons

if TYPE_CHECKING:
    from reverse_etl.engine import Progress as Sent
    from reverse_etl.engine import RunResult
    from reverse_etl.planning import Plan
    from reverse_etl.status import RejectedRow, SyncStatus

# an operation's mark, colour and verb, in the order of sending
MARKS = {
    "removals": ("-", "red", "remove"),
    "changes": ("~", "yellow", "change"),
    "adds": ("+", "green", "add"),
}


def print_plans(plans: "Sequence[Plan]") -> None:
    """What each sync would do and why rows are held back, then one line for all."""
    console = console_for()
    for plan in plans:
        _print_plan(console, plan)
    totals = {name: sum(getattr(plan, name) for plan in plans) for name in MARKS}
    told = [f"{totals[name]:,} to {MARKS[name][2]}" for name in ("adds", "changes", "removals")]
    calls = sum(plan.calls for plan in plans)
    console.print(f"[bold]Plan:[/] {', '.join(told)}, in {calls:,} calls. Nothing has been sent.", highlight=False)


def _print_plan(console: Console, plan: "Plan") -> None:
    console.print(f"[bold]{plan.sync}[/] [dim]to {plan.destination}[/]", highlight=False)
    for name, (mark, colour, verb) in MARKS.items():
        if count := getattr(plan, name):
            console.print(f"  [{colour}]{mark} {count:,} to {verb}[/]", highlight=False)
    if plan.is_empty:
        console.print("    nothing differs", highlight=False)
    for reason, count in plan.withheld.items():
        console.print(f"    [dim]{count:,} withheld: {reason}[/]", highlight=False)
    if plan.calls:
        takes = "" if plan.seconds is None else f", at least {duration(plan.seconds)} by the rate"
        console.print(f"    [dim]{plan.calls:,} calls{takes}[/]", highlight=False)
    if plan.guard:
        console.print(f"    [yellow]would stop:[/] {escape(plan.guard)}", highlight=False)
    console.print()


def print_sync_results(results: "Sequence[RunResult]") -> None:
    """What each sync did."""
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
    console_for().print(table)


def print_sync_status(states: "Sequence[SyncStatus]") -> None:
    """Where each sync stands."""
    table = plain_table(
        "Syncs", ["sync", "last run", "state"], ["accepted", "refused", "unsettled", "opted out"], ["next try", "note"]
    )
    for state in states:
        notes = [f"stalled: {state.stalled}"] if state.stalled else []
        notes += [f"refused: {reasons(state.refused)}"] if state.refused else []
        table.add_row(
            state.sync,
            _moment(state.last_run_at) or "never",
            state.state,
            f"{state.accepted:,}",
            f"{sum((state.refused or {}).values()):,}",
            f"{state.unsettled:,}",
            f"{state.opt_outs:,}",
            _moment(state.next_attempt_at),
            "; ".join([*notes, *([escape(state.last_message)] if state.last_message else [])]),
        )
    console_for().print(table)


def print_rejected(sync: str, rows: "Sequence[RejectedRow]", limit: int) -> None:
    """The refused rows, those tried first on top."""
    console = console_for()
    if not rows:
        console.print(f"{sync}: the destination has refused no row that is still wanted", highlight=False)
        return
    table = plain_table(
        f"{sync}: {len(rows):,} rows refused", ["key (SHA-256)", "operation", "class"], ["tries"], ["next try"]
    )
    for row in rows[:limit]:
        table.add_row(row.key_hash[:16], row.operation, row.error_class, f"{row.tries:,}", _moment(row.next_attempt_at))
    console.print(table)
    if len(rows) > limit:
        console.print(f"and {len(rows) - limit:,} more: --limit {len(rows)}", highlight=False)
    counts: Mapping[str, int] = {name: sum(row.error_class == name for row in rows) for name in _classes(rows)}
    console.print(f"[dim]by class: {reasons(counts)}[/]", highlight=False)


def _classes(rows: "Sequence[RejectedRow]") -> list[str]:
    return list(dict.fromkeys(row.error_class for row in rows))


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else ""


class _Rate(ProgressColumn):
    """Rows per second over the last batches."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} rows/s" if speed else "")


@contextmanager
def sync_progress(name: str) -> "Iterator[Callable[[Sent], None]]":
    """A bar with rate and time left for one sync, where there is a terminal."""
    console = console_for(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=None)
        yield lambda sent: progress.update(task, completed=sent.done, total=sent.total)
