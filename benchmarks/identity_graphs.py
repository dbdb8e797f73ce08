"""Graphs to time solvers on: edges as two arrays of node ids. Same seed, same graph."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Edges = tuple[Ids, Ids]

RECORDS_PER_PERSON = 4.94
LARGEST_PERSON = 40
EXTRA_EDGES = 0.1


def identity_like(edges: int, seed: int = 1) -> Edges:
    """Persons of 2 to 40 records, 4.9 on average, each linked to an earlier one of its person, and a tenth more links.

    Node ids are dense and say nothing about who belongs together, as when records are numbered in order of arrival.
    """
    chance = np.random.default_rng(seed)
    persons = round(edges / ((RECORDS_PER_PERSON - 1) * (1 + EXTRA_EDGES)))
    sizes = np.minimum(1 + chance.geometric(1 / (RECORDS_PER_PERSON - 1), persons), LARGEST_PERSON)
    sizes[sizes < 2] = 2
    starts = np.cumsum(sizes) - sizes
    nodes = int(sizes.sum())
    names = chance.permutation(nodes)
    place = np.arange(nodes) - np.repeat(starts, sizes)
    first = np.repeat(starts, sizes)
    later = np.flatnonzero(place)
    left = first[later] + (chance.random(len(later)) * place[later]).astype(np.int64)
    extra = chance.choice(later, round(EXTRA_EDGES * len(later)))
    right = np.concatenate([later, extra])
    left = np.concatenate([left, first[extra] + (chance.random(len(extra)) * place[extra]).astype(np.int64)])
    order = chance.permutation(len(left))
    return names[left[order]], names[right[order]]


def chain(nodes: int, *, in_order: bool) -> Edges:
    """One long path."""
    names = np.arange(nodes) if in_order else np.random.default_rng(2).permutation(nodes)
    order = np.arange(nodes - 1) if in_order else np.random.default_rng(3).permutation(nodes - 1)
    return names[order], names[order + 1]


def giant(edges: int) -> Edges:
    """Ends at random among two thirds as many nodes: one component holds nine in ten of them."""
    ends = np.random.default_rng(4).integers(0, edges * 2 // 3, (2, edges))
    return ends[0], ends[1]


def scattered(edges: Edges) -> Edges:
    """The same graph with ids far apart, as hashes are."""
    return edges[0] * 7_368_787_183, edges[1] * 7_368_787_183


def shapes(scale: float) -> dict[str, Callable[[], Edges]]:
    """The graphs by name, in the order they are shown; `scale` 1 for their full size."""
    return {
        "identity-like": lambda: identity_like(round(2_370_000 * scale)),
        "chain, random ids": lambda: chain(round(100_000 * scale), in_order=False),
        "chain, ids in order": lambda: chain(round(100_000 * scale), in_order=True),
        "random with a giant": lambda: giant(round(600_000 * scale)),
        "1 M edges": lambda: identity_like(round(1_000_000 * scale)),
        "1 M edges, scattered ids": lambda: scattered(identity_like(round(1_000_000 * scale))),
        "10 M edges": lambda: identity_like(round(10_000_000 * scale)),
        "10 M edges, scattered ids": lambda: scattered(identity_like(round(10_000_000 * scale))),
    }
