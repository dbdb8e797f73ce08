"""What the identity commands print: explanations and questions as tables for a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kinship.identity.evidence import Edge, masked
from kinship.identity.explain import Explanation, Step
from kinship.identity.review import Profile, Question
from kinship.tables import plain_table

MOST_EDGES = 50


def print_explanation(console: Console, found: Explanation, a: str, b: str | None, *, values: bool) -> None:
    """One person, the chain between two references, or why they are two people. Values are masked unless `values`."""
    if found.right is None:
        _print_person(console, found, values)
    elif found.is_one_person:
        _print_chain(console, found, values)
    else:
        _say(console, f"{a} and {b} are two people: {found.left.customer_id} and {found.right.customer_id}")
        _print_evidence(console, "Evidence between them that does not count", found, values)
        if not found.evidence:
            _say(console, "there is no evidence between their records")


# Enough of a question's id to name it by: the whole of it would be cut off at the edge of the terminal.
SHOWN_OF_ID = 12


def print_questions(console: Console, questions: Sequence[Question]) -> None:
    """The review queue."""
    if not questions:
        _say(console, "no open questions")
        return
    table = plain_table("Review queue", ["id", "question", "record", "record", "reason"], ["probability", "records"])
    for one in questions:
        counts = f"{one.left_records:,} and {one.right_records:,}" if one.is_merge else f"{one.left_records:,}"
        probability = f"{one.probability:.3f}"
        _add(table, one.review_id[:SHOWN_OF_ID], one.question, one.left, one.right, one.reason, probability, counts)
    console.print(table)


def print_question(console: Console, one: Question, left: Profile, right: Profile) -> None:
    """One question, and what the two sides say, side by side."""
    asks = "Are these two people one?" if one.is_merge else "Is this one person two?"
    _say(console, f"\n{asks}  {one.rule} {one.probability:.1%}, {one.reason}")
    table = plain_table("", ["", escape(str(one.left)), escape(str(one.right))])
    for attribute in sorted({*left.attributes, *right.attributes}):
        _add(table, attribute, *(", ".join(side.attributes.get(attribute, [])[:3]) for side in (left, right)))
    console.print(table)


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False)


def _add(table: Table, *cells: object) -> None:
    table.add_row(*(escape(str(cell)) for cell in cells))


def _print_person(console: Console, found: Explanation, values: bool) -> None:
    person = f"customer {found.left.customer_id}"
    if found.left.is_named:
        _say(console, f"{found.left.record} is {person}, of {len(found.records):,} records")
    else:
        _say(console, f"{person}: {len(found.records):,} records")
        _say(console, "\n".join(f"  {record}" for record in found.records[:MOST_EDGES]))
        _say_rest(console, len(found.records), "identity.identity_graph")
    _print_evidence(console, "Evidence", found, values)
    if not found.evidence:
        _say(console, "nothing ties it to another record")


def _print_chain(console: Console, found: Explanation, values: bool) -> None:
    _say(console, f"one person, customer {found.left.customer_id}")
    if not found.chain:
        _say(console, f"both are the record {found.left.record}")
        return
    weakest = min(found.chain, key=lambda step: step.weakest.weight)
    table = plain_table("Chain of evidence", ["from", "to", "by"], ["bits"], ["value", "seen", ""])
    for step in found.chain:
        edge, note = step.weakest, "weakest link" if step is weakest else ""
        said = _said(edge, found, values)
        _add(table, step.start, step.end, edge.rule, f"{edge.weight:.1f}", said, _seen(step), note)
    console.print(table)


def _print_evidence(console: Console, title: str, found: Explanation, values: bool) -> None:
    if not found.evidence:
        return
    table = plain_table(title, ["record", "record", "by", "level"], ["bits"], ["value", "first seen", ""])
    for edge in found.evidence[:MOST_EDGES]:
        since = f"{edge.first_seen_at:%Y-%m-%d}" if edge.first_seen_at else ""
        note = "" if edge.is_admitted else f"refused: {edge.refusal}"
        said = _said(edge, found, values)
        _add(table, edge.left, edge.right, edge.rule, edge.level, f"{edge.weight:.1f}", said, since, note)
    console.print(table)
    _say_rest(console, len(found.evidence), "identity.identity_edges")


def _say_rest(console: Console, count: int, table: str) -> None:
    if count > MOST_EDGES:
        _say(console, f"and {count - MOST_EDGES:,} more in {table}")


def _said(edge: Edge, found: Explanation, values: bool) -> str:
    value = found.values.get(edge.value_hash or "")
    if value is None:
        return edge.detail or ""
    return value if values else masked(value)


def _seen(step: Step) -> str:
    first = [edge.first_seen_at for edge in step.edges if edge.first_seen_at]
    last = [edge.last_seen_at for edge in step.edges if edge.last_seen_at]
    return f"{min(first):%Y-%m-%d} to {max(last):%Y-%m-%d}" if first and last else ""
