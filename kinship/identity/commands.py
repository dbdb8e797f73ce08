"""The commands about who is who. What is heavy is imported by the command that needs it."""

import os
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from kinship.errors import WrongUse


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
    from kinship.identity.printing import print_explanation
    from kinship.tables import console_for
    from kinship.warehouse import connect

    with connect() as warehouse:
        found = look_up(warehouse, a, b)
    print_explanation(console_for(), found, a, b, values=values)


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
    from kinship.identity.printing import print_question, print_questions
    from kinship.tables import console_for
    from kinship.warehouse import connect

    console = console_for()
    until = _day(expires)
    if decide is not None and review_id is None:
        raise WrongUse("--decide answers one question: name its id (`kinship review --list`)")
    who = author or os.environ.get("KINSHIP_STEWARD") or os.environ.get("USER") or ""
    if not show and not who.strip():
        raise WrongUse("a decision needs an author: --author, or KINSHIP_STEWARD")
    with connect() as warehouse:
        questions = queue.questions(warehouse, limit, review_id)
        if review_id is not None and not questions:
            raise WrongUse(f"there is no open question {review_id}: `kinship review --list` shows them")
        if review_id is not None and len(questions) > 1:
            raise WrongUse(f"{len(questions)} questions begin with {review_id}: give more of its id")
        asked = () if show or decide else questions
        sides = [
            [queue.profile(warehouse, record, whole_person=one.is_merge) for record in (one.left, one.right)]
            for one in asked
        ]
    if show:
        print_questions(console, questions)
        return
    decided = 0
    if decide is not None:
        queue.decide(questions[0], decide, who, reason, until)
        decided = 1
    for one, (left, right) in zip(asked, sides, strict=True):
        print_question(console, one, left, right)
        try:
            answer = typer.prompt("same, different, skip or quit [s/d/k/q]", default="k").strip().lower()[:1]
            if answer == "q":
                break
            if answer in ("s", "d"):
                queue.decide(one, "same" if answer == "s" else "different", who, reason or typer.prompt("why"), until)
                decided += 1
        except typer.Abort:  # the input has ended; what was decided is kept
            break
    console.print(
        f"{decided} decided, written to {queue.overrides_path()}: the next `kinship run` builds with it"
        if decided
        else "nothing decided",
        highlight=False,
        markup=False,
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
        column, equals, kind = pair.rpartition("=")
        if not equals or not column.strip() or not kind.strip():
            raise WrongUse(f"--columns takes <column>=<type> with commas between them, got {pair!r}")
        types[column.strip()] = kind.strip()
    return types


def _day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        raise WrongUse(f"--expires must be a day like 2027-06-30, got {text!r}") from None
    if day and day < date.today():
        raise WrongUse(f"--expires {day} lies in the past: the decision would never hold")
    return day
