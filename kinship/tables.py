"""Tables for a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from orchestration.extract import ExtractResult


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
    table = plain_table("", ["source"], ["new rows", "in quarantine", "files", "calls", "seconds"], ["note"])
    for result in results:
        quarantined: Counter[str] = sum(map(Counter, result.quarantined.values()), Counter())
        notes = [*result.notes, *(f"{one.file} is left aside: {one.reason}" for one in result.ignored)]
        why = f"{reasons(quarantined)}: see raw_{result.source}.quarantine" if quarantined else ""
        table.add_row(
            result.source,
            f"{sum(result.rows.values()):,}",
            f"{quarantined.total():,}",
            f"{result.files:,}",
            f"{result.fetched.calls:,}" if result.fetched else "",
            f"{result.seconds:.1f}",
            "; ".join(note for note in (escape("; ".join(notes)), why) if note),
        )
    console.print(table)


def duration(seconds: float) -> str:
    """Seconds as people say them: 40 s, 12 min, 3.5 h, 2.1 days."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"
