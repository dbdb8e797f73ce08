"""Cleans probabilistic edges before they are solved: an edge that its neighbourhood does not support is dropped.

Chains of lucky likenesses join people who have nothing to do with each other; records of one person resemble one another all round.
Every result is a function of one connected component alone and does not depend on ids or on the order of rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

KEPT, NO_TRIANGLE, RECUT = 0, 1, 2

CERTAIN = 20.0
"""Bits from which an edge needs no support."""

SUPPORT = 0.6
"""Share of the smaller neighbourhood that the two ends of an edge must have in common."""

PASSES = 3
STEPS = (2.0, 4.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0)
"""Thresholds in bits that a suspicious component climbs."""

FEWEST_FOR_SUPPORT = 4
FEWEST_FOR_DENSITY = 6
DENSITY = 0.5

Ids = npt.NDArray[np.int64]
Edges = npt.NDArray[np.bool_]


def clean(
    left: Ids,
    right: Ids,
    weight: npt.NDArray[np.float64],
    is_probabilistic: Edges,
    largest: int,
) -> npt.NDArray[np.int8]:
    """What becomes of each edge: 0 kept, 1 dropped for want of triangles, 2 dropped when its component was cut again.

    Edges are pairs of node ids with their weight in bits; one call may hold many components. Deterministic edges are never dropped
    but count as neighbours. A component of more than `largest` records is suspicious, and so is one of six or more with few edges.
    """
    result = np.zeros(len(left), dtype=np.int8)
    if len(left) == 0:
        return result
    nodes, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    ends = places.astype(np.int64)
    one, two, count = ends[: len(left)], ends[len(left) :], len(nodes)
    loops = one == two
    alive = ~loops
    for _ in range(PASSES):
        dropped = _unsupported(one, two, weight, is_probabilistic, alive, count)
        if not dropped.any():
            break
        result[dropped] = NO_TRIANGLE
        alive &= ~dropped
    for step in STEPS:
        dubious = _dubious(one, two, alive, count, largest)
        dropped = alive & is_probabilistic & dubious & (weight < step)
        result[dropped] = RECUT
        alive &= ~dropped
    return result


def _graph(one: Ids, two: Ids, alive: Edges, count: int) -> csr_array:
    """The neighbourhoods as a symmetric matrix of ones."""
    rows, columns = one[alive], two[alive]
    matrix = coo_array(
        (np.ones(2 * len(rows), dtype=np.int32), (np.concatenate([rows, columns]), np.concatenate([columns, rows]))),
        shape=(count, count),
    ).tocsr()
    matrix.data[:] = 1
    return matrix


def _labels(one: Ids, two: Ids, alive: Edges, count: int) -> npt.NDArray[np.int32]:
    matrix = coo_array((np.ones(int(alive.sum()), dtype=np.int8), (one[alive], two[alive])), shape=(count, count))
    labels: npt.NDArray[np.int32] = connected_components(matrix, directed=False)[1]
    return labels


def _unsupported(
    one: Ids, two: Ids, weight: npt.NDArray[np.float64], is_probabilistic: Edges, alive: Edges, count: int
) -> Edges:
    labels = _labels(one, two, alive, count)
    sizes = np.bincount(labels)
    graph = _graph(one, two, alive, count)
    degree = np.diff(graph.indptr)
    asked = alive & is_probabilistic & (weight < CERTAIN) & (sizes[labels[one]] >= FEWEST_FOR_SUPPORT)
    # where the smaller end has no other neighbour there is nothing to have in common
    smaller = np.minimum(degree[one], degree[two]) - 1
    asked &= smaller > 0
    common = np.zeros(len(one), dtype=np.int64)
    places = np.flatnonzero(asked)
    for chunk in np.array_split(places, max(1, len(places) // 500_000)):
        if len(chunk):
            common[chunk] = np.asarray((graph[one[chunk]].multiply(graph[two[chunk]])).sum(axis=1)).ravel()
    dropped: Edges = asked & (common < SUPPORT * smaller)
    return dropped


def _dubious(one: Ids, two: Ids, alive: Edges, count: int, largest: int) -> Edges:
    """Which edges lie in a component that is too large or too sparse."""
    labels = _labels(one, two, alive, count)
    sizes = np.bincount(labels)
    graph = _graph(one, two, alive, count)
    edges = np.bincount(labels, weights=np.diff(graph.indptr), minlength=len(sizes)) / 2
    density = np.divide(2 * edges, sizes * (sizes - 1.0), out=np.ones(len(sizes)), where=sizes > 1)
    suspicious = (sizes > largest) | ((sizes >= FEWEST_FOR_DENSITY) & (density < DENSITY))
    found: Edges = alive & suspicious[labels[one]]
    return found
