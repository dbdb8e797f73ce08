"""The commands about segments. What is heavy is imported by the command that needs it."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kinship.segments.diff import Diff

segments = typer.Typer(help="Show the segments, and what a change of their SQL would do.", invoke_without_command=True)


@segments.callback()
def show(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Show each segment: whose it is, what it is for, and who came and went when it was last built."""
    if context.invoked_subcommand:
        return
    from kinship.manifest import load_manifest
    from kinship.segments.header import headers
    from kinship.segments.sizes import latest_sizes
    from kinship.warehouse import connect

    with connect() as warehouse:
        sizes = latest_sizes(warehouse)
    found = headers(load_manifest())
    if as_json:
        told = [
            {"segment": one.name, "what": one.what, "owner": one.owner, "purpose": one.purpose}
            | (sizes[one.name].as_json() if one.name in sizes else {})
            for one in found
        ]
        print(json.dumps({"segments": told}))
        return
    from rich.markup import escape

    from kinship.tables import console_for, plain_table

    table = plain_table("", ["segment"], ["members", "entered", "left"], ["owner", "purpose", "who is in"])
    for one in found:
        size = sizes.get(one.name)
        counts = (f"{size.members:,}", f"{size.entered:,}", f"{size.left:,}") if size else ("not built yet", "", "")
        table.add_row(one.name, *counts, one.owner, one.purpose, escape(one.what))
    console_for().print(table)


@segments.command()
def diff(
    ref: Annotated[str, typer.Argument(metavar="REF", help="A branch, a tag or a commit to compare with.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Say whom the working tree's SQL moves in and out of segments against REF's, in counts. Nothing is written."""
    from kinship.segments.diff import compare

    found = compare(ref)
    if as_json:
        print(json.dumps(found.as_json()))
    else:
        _print_diff(found)
    raise typer.Exit(1 if any(change.error for change in found.changes) else 0)


def _print_diff(found: "Diff") -> None:
    from rich.markup import escape

    from kinship.tables import console_for, plain_table

    console = console_for()
    table = plain_table(
        f"Segments: {found.ref} ({found.commit[:8]}) and the working tree, on the same data",
        ["segment"],
        ["before", "after", "in", "out", "stays", "changed"],
        [""],
    )
    for change in found.changes:
        sides = [f"{side:,}" if side is not None else "" for side in (change.before, change.after)]
        moves = ["", "", ""] if change.error else [f"{n:,}" for n in (change.moved_in, change.moved_out, change.stays)]
        share = "" if change.share is None or change.error else f"{change.share:.1%}"
        note = change.status if change.status in ("added", "removed", "broken") else ""
        table.add_row(change.segment, *sides, *moves, share, note)
    console.print(table)
    for change in found.changes:
        if change.error:
            console.print(f"[red]broken[/] {escape(change.error)}", highlight=False)
    if found.recomputed:
        console.print(
            f"Worked out anew for both sides, as they or what they read differ: {', '.join(found.recomputed)}.",
            highlight=False,
        )
    if found.not_compared:
        console.print(
            "[yellow]Not in the comparison[/], though it differs; both sides read it as the warehouse has it:"
            f" {', '.join(found.not_compared)}.",
            highlight=False,
        )
