"""The commands about who is who: explain, review, resolve, train. What is heavy is imported by the command that needs it."""

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinship.errors import WrongUse

if TYPE_CHECKING:
    from rich.console import Console

    from kinship.identity.evidence import Edge
    from kinship.identity.explain import Explanation, Step
    from kinship.identity.review import Profile, Question


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (explain, review, resolve, train):
        app.command()(command)


def explain(
    a: Annotated[
        str, typer.Argument(metavar="A", help="A customer id, a record <source>:<record_id>, or an identifier.")
    ],
    b: Annotated[str | None, typer.Argument(metavar="[B]", help="Another: why are the two one person, or not?")] = None,
    values: Annotated[bool, typer.Option(help="Show the shared values unmasked.")] = False,
) -> None:
    """Say why records are one person: the evidence, its dates, and the weakest link."""
    from kinship.identity.explain import explain as look_up
    from kinship.tables import console_for
    from kinship.warehouse import connect

    with connect() as warehouse:
        found = look_up(warehouse, a, b)
    console = console_for()
    if found.right is None:
        _print_person(console, found, values)
    elif found.is_one_person:
        _print_chain(console, found, values)
    else:
        console.print(
            f"{a} and {b} are two people: {found.left.customer_id} and {found.right.customer_id}", highlight=False
        )
        _print_evidence(console, "Evidence between them that does not count", found, found.evidence, values)
        if not found.evidence:
            console.print("there is no evidence between their records")


def review(
    review_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One question; default: one after the other.")
    ] = None,
    decide: Annotated[str | None, typer.Option(metavar="same|different", help="Answer the question ID.")] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the decision.")] = "",
    author: Annotated[
        str | None, typer.Option(help="Who decides; default KINSHIP_STEWARD, then the user's name.")
    ] = None,
    expires: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="The last day the decision holds.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Questions at the most.")] = 20,
    show: Annotated[bool, typer.Option("--list", help="List the questions, and ask nothing.")] = False,
) -> None:
    """Show pairs that a person should decide, most consequential first, and write the decisions into the seed."""
    from kinship.identity import review as queue
    from kinship.tables import console_for
    from kinship.warehouse import connect

    console = console_for()
    until = _day(expires)
    who = author or os.environ.get("KINSHIP_STEWARD") or os.environ.get("USER") or ""
    with connect() as warehouse:
        open_questions = queue.questions(warehouse, limit, review_id)
        if review_id is not None and not open_questions:
            raise WrongUse(f"there is no open question {review_id}: `kinship review --list` shows them")
        sides = {
            one.review_id: [
                queue.profile(warehouse, record, whole_person=one.question == "merge")
                for record in (one.left, one.right)
            ]
            for one in (() if show else open_questions)
        }
    if show:
        _print_questions(console, open_questions)
        return
    if decide is not None:
        if review_id is None:
            raise WrongUse("--decide answers one question: name its id (`kinship review --list`)")
        queue.decide(open_questions[0], decide, who, reason, until)
        console.print(f"written to {queue.overrides_path()}: the next `kinship run` builds with it", highlight=False)
        return
    answered = 0
    for one in open_questions:
        _print_question(console, one, *sides[one.review_id])
        answer = typer.prompt("same, different, skip or quit [s/d/k/q]", default="k").strip().lower()[:1]
        if answer == "q":
            break
        if answer in ("s", "d"):
            why = reason or typer.prompt("why")
            queue.decide(one, "same" if answer == "s" else "different", who, why, until)
            answered += 1
    console.print(
        f"{answered} decided, written to {queue.overrides_path()}" if answered else "nothing decided", highlight=False
    )


def resolve(
    file: Annotated[Path, typer.Argument(help="A table of person records: .csv or .parquet.")],
    key: Annotated[str, typer.Option("--id", metavar="COLUMN", help="The column with each row's own id.")],
    out: Annotated[Path, typer.Option(help="Where the rows go, with customer_id and confidence: .csv or .parquet.")],
    columns: Annotated[
        str,
        typer.Option(metavar="COLUMN=TYPE,...", help="What columns hold (docs/identity.md); the others are guessed."),
    ] = "",
    level: Annotated[
        str, typer.Option(metavar="strict|default|broad", help="How sure two rows must be one person.")
    ] = "default",
) -> None:
    """Find out which rows of a file are one person, with the models of the warehouse."""
    from kinship.identity.resolve import resolve as run
    from kinship.tables import console_for

    if level not in ("strict", "default", "broad"):
        raise WrongUse(f"--level must be strict, default or broad, got {level!r}")
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise WrongUse(f"--out must end in .csv or .parquet, got {out.name!r}")
    result = run(file, key, _types(columns), out, level=level)
    console = console_for()
    for column, kind in result.guessed.items():
        console.print(f"guessed: {column} = {kind}", highlight=False, markup=False)
    console.print(
        f"{result.rows:,} rows are {result.people:,} people, the largest of {result.largest:,} rows; written to {out}",
        highlight=False,
    )


def train() -> None:
    """Train the model of likeness anew on what the warehouse holds now, and use it from the next run on."""
    from kinship.identity import likeness
    from kinship.identity.matching import train as train_model
    from kinship.tables import console_for
    from kinship.warehouse import connect, has_table

    with connect() as warehouse:
        if not has_table(warehouse, "identity", "int_identity__record_attributes"):
            raise WrongUse("the warehouse holds no records yet: `kinship run` builds them")
        records = likeness.with_node_ids(
            warehouse.table("identity.int_identity__record_attributes"), warehouse.table("identity.int_identity__nodes")
        )
    before = likeness.current_model()
    model = train_model(records)
    likeness.keep(model)
    console = console_for()
    if before is not None and before.version == model.version:
        console.print(f"model {model.version}: trained on the same, it is the same as before", highlight=False)
    else:
        console.print(
            f"model {model.version}, trained on {len(records):,} records: `kinship run --rebuild` compares all with it",
            highlight=False,
        )


def _types(columns: str) -> dict[str, str]:
    types: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in columns.split(","))):
        column, equals, kind = pair.partition("=")
        if not equals or not column.strip() or not kind.strip():
            raise WrongUse(f"--columns takes <column>=<type> with commas between them, got {pair!r}")
        types[column.strip()] = kind.strip()
    return types


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise WrongUse(f"--expires must be a day like 2027-06-30, got {text!r}") from None


def _print_person(console: "Console", found: "Explanation", values: bool) -> None:
    if found.left.record is None:
        console.print(f"customer {found.left.customer_id}: {len(found.records):,} records", highlight=False)
        console.print("\n".join(f"  {record}" for record in found.records), highlight=False, markup=False)
    else:
        console.print(
            f"{found.left.record} is customer {found.left.customer_id}, of {len(found.records):,} records",
            highlight=False,
            markup=False,
        )
    _print_evidence(console, "Evidence", found, found.evidence, values)
    if not found.evidence:
        console.print("nothing ties it to another record")


def _print_chain(console: "Console", found: "Explanation", values: bool) -> None:
    from kinship.tables import plain_table

    right = found.right.record or found.records[-1] if found.right else None
    console.print(f"one person, customer {found.left.customer_id}", highlight=False)
    if not found.chain:
        console.print(
            "it is one record" if right in (found.left.record, None) else "no chain joins them: only a rebuild is due"
        )
        return
    weakest = min(found.chain, key=lambda step: step.weakest.weight)
    table = plain_table("Chain of evidence", ["from", "to", "by"], ["bits"], ["value", "seen", ""])
    for step in found.chain:
        edge = step.weakest
        table.add_row(
            str(step.start), str(step.end), edge.rule, f"{edge.weight:.1f}", _said(edge, found, values), _seen(step),
            "weakest link" if step is weakest else "",
        )  # fmt: skip
    console.print(table)


def _print_evidence(
    console: "Console", title: str, found: "Explanation", edges: "Sequence[Edge]", values: bool
) -> None:
    from kinship.tables import plain_table

    if not edges:
        return
    table = plain_table(title, ["record", "record", "by", "level"], ["bits"], ["value", "first seen", ""])
    for edge in edges[:50]:
        table.add_row(
            str(edge.left), str(edge.right), edge.rule, edge.level, f"{edge.weight:.1f}", _said(edge, found, values),
            f"{edge.first_seen_at:%Y-%m-%d}" if edge.first_seen_at else "", "" if edge.is_admitted else f"refused: {edge.refusal}",
        )  # fmt: skip
    console.print(table)
    if len(edges) > 50:
        console.print(f"and {len(edges) - 50:,} more in identity.identity_edges", highlight=False)


def _said(edge: "Edge", found: "Explanation", values: bool) -> str:
    from kinship.identity.evidence import masked

    value = found.values.get(edge.value_hash or "")
    if value is None:
        return edge.detail or ""
    return value if values else masked(value)


def _seen(step: "Step") -> str:
    days = [edge.first_seen_at for edge in step.edges if edge.first_seen_at]
    last = [edge.last_seen_at for edge in step.edges if edge.last_seen_at]
    return f"{min(days):%Y-%m-%d} to {max(last):%Y-%m-%d}" if days and last else ""


def _print_questions(console: "Console", questions: "list[Question]") -> None:
    from kinship.tables import plain_table

    table = plain_table("Review queue", ["id", "question", "record", "record", "reason"], ["probability", "records"])
    for one in questions:
        table.add_row(
            one.review_id, one.question, str(one.left), str(one.right), one.reason, f"{one.probability:.3f}",
            f"{one.left_records:,} and {one.right_records:,}" if one.question == "merge" else f"{one.left_records:,}",
        )  # fmt: skip
    console.print(table if questions else "no open questions")


def _print_question(console: "Console", one: "Question", left: "Profile", right: "Profile") -> None:
    from kinship.tables import plain_table

    asks = "Are these two people one?" if one.question == "merge" else "Is this one person two?"
    console.print(f"\n[bold]{asks}[/]  {one.rule} {one.probability:.1%}, {one.reason}", highlight=False)
    table = plain_table("", ["", str(one.left), str(one.right)])
    for attribute in sorted({*left.attributes, *right.attributes}):
        sides = [", ".join(side.attributes.get(attribute, [])[:3]) for side in (left, right)]
        table.add_row(attribute, *sides)
    console.print(table)
