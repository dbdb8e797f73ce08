"""Plans, results and states of syncs for a terminal: counts, reasons and hashes of keys, never a value of a row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from kinship.tables import console_for, duration, plain_table, reasons

if TYPE_CHECKING:
    from reverse_etl.drift import Drift
    from reverse_etl.engine import Progress as Sent
    from reverse_etl.engine import RunResult
    from reverse_etl.planning import Plan
    from reverse_etl.status import RejectedRow, SyncStatus


@dataclass(frozen=True)
class Mark:
    """How an operation is shown: `terraform plan`'s sign and colour."""

    operation: str
    count: str
    """The plan's attribute."""
    sign: str
    colour: str


MARKS = (
    Mark("add", "adds", "+", "green"),
    Mark("change", "changes", "~", "yellow"),
    Mark("remove", "removals", "-", "red"),
    Mark("erase", "erasures", "-", "bold red"),
)
SAMPLES = 3
DIGITS = 12
"""Of a key's SHA-256, enough to tell a million keys apart."""


def print_plans(plans: "Sequence[Plan]") -> None:
    """What each sync would do and why rows are held back, then one line for all."""
    console = console_for()
    for plan in plans:
        _print_plan(console, plan)
    told = [f"{sum(getattr(plan, mark.count) for plan in plans):,} to {mark.operation}" for mark in MARKS]
    calls = sum(plan.calls for plan in plans)
    console.print(
        f"[bold]Plan:[/] {', '.join(told)}, in {calls:,} calls. Nothing has been sent.", highlight=False, soft_wrap=True
    )


def _print_plan(console: Console, plan: "Plan") -> None:
    def line(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    line(f"[bold]{plan.sync}[/] [dim]to {plan.destination}, which holds {plan.accepted:,}[/]")
    for mark in MARKS:
        if count := getattr(plan, mark.count):
            keys = "  ".join(key[:DIGITS] for key in plan.samples.get(mark.operation, [])[:SAMPLES])
            more = "  ..." if count > SAMPLES else ""
            line(f"  [{mark.colour}]{mark.sign} {count:,} to {mark.operation}[/]  [dim]{keys}{more}[/]")
    if plan.is_empty:
        line("    nothing differs")
    if plan.reasons:
        line(f"    [dim]removed because: {reasons(plan.reasons)}[/]")
    if plan.merges:
        line(f"    [dim]{plan.merges:,} people became part of another[/]")
    for reason, count in plan.withheld.items():
        line(f"    [dim]{count:,} withheld: {reason}[/]")
    if plan.calls:
        line(f"    [dim]{_effort(plan)}[/]")
    if plan.guard:
        line(f"    [yellow]would stop:[/] {escape(plan.guard)}")
    console.print()


def _effort(plan: "Plan") -> str:
    """Calls, the time the rate asks for, the days the quota asks for, and what is billed."""
    told = [f"{plan.calls:,} calls"]
    if plan.seconds is not None:
        told.append(f"at least {duration(plan.seconds)} by the rate")
    if plan.days is not None:
        told.append(f"{plan.days:,} {'day' if plan.days == 1 else 'days'} by the quota")
    if plan.cost != "calls":
        told.append(f"billed as {plan.units:,} {plan.cost.replace('_', ' ')}")
    return ", ".join(told)


RESULTS = ("added", "changed", "removed", "erased", "refused", "opted out", "left")


def print_sync_results(results: "Sequence[RunResult]") -> None:
    """What each sync did, or would have done."""
    heading = "Nothing has been sent: a dry run" if any(one.status == "dry_run" for one in results) else ""
    table = plain_table(heading, ["sync"], [*RESULTS, "calls", "seconds"], ["note"])
    for result in results:
        refused = sum(result.refused.values())
        numbers = (
            result.added, result.changed, result.removed, result.erased, refused, result.opted_out, result.left,
            result.calls,
        )  # fmt: skip
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
        table.add_row(
            row.key_hash[:DIGITS], row.operation, row.error_class, f"{row.tries:,}", _moment(row.next_attempt_at)
        )
    console.print(table)
    if len(rows) > limit:
        console.print(f"and {len(rows) - limit:,} more: --limit {len(rows)}", highlight=False)
    counts: Mapping[str, int] = {name: sum(row.error_class == name for row in rows) for name in _classes(rows)}
    console.print(f"[dim]by class: {reasons(counts)}[/]", highlight=False)


def _classes(rows: "Sequence[RejectedRow]") -> list[str]:
    return list(dict.fromkeys(row.error_class for row in rows))


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else ""


@contextmanager
def sync_progress(name: str) -> "Iterator[Callable[[Sent], None]]":
    """A bar with calls, rate and time left for one sync, where there is a terminal."""
    console = console_for(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=None, pace="")
        yield lambda sent: progress.update(task, completed=sent.done, total=sent.total, pace=pace(sent))


def pace(sent: "Sent") -> str:
    """Calls so far, rows per second, and the time left at that rate."""
    told = [f"{sent.calls:,} calls"]
    if sent.rate is not None:
        told.append(f"{sent.rate:,.0f} rows/s" if sent.rate >= 10 else f"{sent.rate:.1f} rows/s")
    if sent.seconds_left:
        told.append(f"{duration(sent.seconds_left)} left")
    return ", ".join(told)


def print_drift(found: "Drift", resent: bool) -> None:
    """What the destination holds against what it accepted."""
    console = console_for()

    def line(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    line(
        f"[bold]{found.sync}[/] [dim]{found.checked:,} of {found.accepted:,} accepted rows read back from"
        f" {found.destination}, in {found.calls:,} calls and {duration(found.seconds)}[/]"
    )
    for kind, count, sign, colour in (
        ("missing", found.missing, "-", "red"),
        ("different", found.different, "~", "yellow"),
    ):
        if count:
            keys = "  ".join(key[:DIGITS] for key in found.samples.get(kind, [])[:SAMPLES])
            line(f"  [{colour}]{sign} {count:,} {kind}[/]  [dim]{keys}{'  ...' if count > SAMPLES else ''}[/]")
    if found.fields:
        line(f"    [dim]fields that differ: {reasons(found.fields)}[/]")
    if not found.drifted:
        line("  [green]as accepted[/]")
    elif resent:
        line(f"  {found.made_due:,} rows are due: the next run sends them again")
    else:
        line("  --resend has the next run send them again")
