"""Why two records are one person, or are not: the chain of evidence between them, its weakest link first of all."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb

from kinship.identity import evidence
from kinship.identity.evidence import Edge, Found, Record


@dataclass(frozen=True)
class Step:
    """One step of a chain: from a record to another over one value, with several `edges` through more that carry it."""

    start: Record
    end: Record
    edges: tuple[Edge, ...]

    @property
    def weakest(self) -> Edge:
        return min(self.edges, key=lambda edge: edge.weight)


@dataclass(frozen=True)
class Explanation:
    """What there is to say about one or two references."""

    left: Found
    right: Found | None
    records: Sequence[Record]
    evidence: Sequence[Edge] = ()
    chain: Sequence[Step] = ()
    values: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_one_person(self) -> bool:
        return self.right is None or self.left.customer_id == self.right.customer_id


def explain(connection: duckdb.DuckDBPyConnection, left: str, right: str | None = None) -> Explanation:
    """Explain a person or record, or how two of them hang together.

    Of two records of one person: the chain whose weakest link is strongest; an identifier or an id stands for the
    record it comes from. Of two people: the evidence between them that was refused. Raises `WrongUse` when a reference
    means nobody.
    """
    a = evidence.find(connection, left)
    b = evidence.find(connection, right) if right is not None else None
    edges = evidence.edges_of(connection, sorted({a.customer_id, b.customer_id if b else a.customer_id}))
    records = evidence.records_of(connection, a.customer_id)
    if b is None:
        shown = [edge for edge in edges if not a.is_named or a.record in (edge.left, edge.right)]
        return Explanation(a, None, records, shown, (), _values(connection, shown))
    if a.customer_id == b.customer_id:
        way = path(edges, a.record, b.record)
        return Explanation(a, b, records, (), together(way, a.record), _values(connection, way))
    mine = set(records)
    between = [edge for edge in edges if (edge.left in mine) != (edge.right in mine)]
    return Explanation(a, b, records, between, (), _values(connection, between))


def path(edges: Sequence[Edge], start: Record, end: Record) -> list[Edge]:
    """The admitted edges from one record to another whose weakest is as strong as can be; empty when there is no way.

    In the forest that Kruskal's algorithm grows, strongest edge first, the path between two nodes has the strongest
    possible weakest edge.
    """
    root: dict[Record, Record] = {}

    def find(record: Record) -> Record:
        while root.setdefault(record, record) != record:
            root[record] = root.setdefault(root[record], root[record])
            record = root[record]
        return record

    forest: dict[Record, list[Edge]] = {}
    for edge in sorted(edges, key=lambda edge: -edge.weight):
        left, right = find(edge.left), find(edge.right)
        if edge.is_admitted and left != right:
            root[left] = right
            forest.setdefault(edge.left, []).append(edge)
            forest.setdefault(edge.right, []).append(edge)
    came: dict[Record, Edge | None] = {start: None}
    queue = deque([start])
    while queue and end not in came:
        record = queue.popleft()
        for edge in forest.get(record, ()):
            if edge.other(record) not in came:
                came[edge.other(record)] = edge
                queue.append(edge.other(record))
    steps: list[Edge] = []
    record = end
    while (last := came.get(record)) is not None:
        steps.append(last)
        record = last.other(record)
    return steps[::-1]


def together(edges: Sequence[Edge], start: Record) -> list[Step]:
    """A path as steps: neighbours that carry one value are one step, however many records carry it in between."""
    steps: list[Step] = []
    here = start
    for edge in edges:
        there = edge.other(here)
        last = steps[-1] if steps else None
        if last and edge.value_hash and last.edges[-1].value_hash == edge.value_hash:
            steps[-1] = Step(last.start, there, (*last.edges, edge))
        else:
            steps.append(Step(here, there, (edge,)))
        here = there
    return steps


def _values(connection: duckdb.DuckDBPyConnection, edges: Sequence[Edge]) -> dict[str, str]:
    ends = sorted({record for edge in edges for record in (edge.left, edge.right)})
    return evidence.values_of(connection, ends)
