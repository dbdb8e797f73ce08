"""Cleans probabilistic edges before they are solved: records stay together when their evidence holds on average, not by one lucky pair.

A connected component is as weak as its weakest edge: one wrong pair among ten thousand joins two people. Records of one person resemble
one another all round, so each component is agglomerated by average linkage: the two groups with the strongest mean weight between
their records are joined first, a pair without an edge counts as evidence against, and the edges that run between the groups that are
left are dropped. Triangle support is asked for first; what is too large to be one person climbs through higher thresholds.

Every result is a function of one connected component alone and depends neither on ids nor on the order of rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

KEPT, NO_TRIANGLE, RECUT = 0, 1, 2

CERTAIN = 20.0
"""Bits from which an edge needs no support; averages do not count more for a single pair either."""

SUPPORT = 0.6
"""Share of the smaller neighbourhood that the two ends of an edge must have in common."""

PASSES = 3
STEPS = (2.0, 4.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0)
"""Thresholds in bits that a suspicious component climbs."""

NO_EDGE = -4.0
"""Bits of a pair that was never compared or scored below the broad level: it is below -3.2, how far is not known."""

LEAST_MEAN = 1.0
"""Bits that the pairs between two groups must have on average for the groups to be one person."""

FEWEST_FOR_SUPPORT = 4
FEWEST_FOR_DENSITY = 6
DENSITY = 0.5

LARGEST_MATRIX = 1_500
"""Records above which a component climbs the thresholds before it is agglomerated: its matrix would not be held in memory."""

Ids = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]
Edges = npt.NDArray[np.bool_]


def clean(left: Ids, right: Ids, weight: Weights, is_probabilistic: Edges, largest: int) -> npt.NDArray[np.int8]:
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
    alive = one != two
    _cut_giants(one, two, weight, is_probabilistic, alive, count, result)
    _agglomerate(one, two, weight, is_probabilistic, alive, count, result)
    _cut_large(one, two, weight, is_probabilistic, alive, count, largest, result)
    return result


def _labels(one: Ids, two: Ids, alive: Edges, count: int) -> npt.NDArray[np.int64]:
    """The component of each record, by the edges that are left."""
    matrix = coo_array((np.ones(int(alive.sum()), dtype=np.int8), (one[alive], two[alive])), shape=(count, count))
    return connected_components(matrix, directed=False)[1].astype(np.int64)


def _drop(dropped: Edges, alive: Edges, result: npt.NDArray[np.int8], reason: int) -> None:
    result[dropped] = reason
    alive &= ~dropped


def _cut_giants(
    one: Ids, two: Ids, weight: Weights, is_probabilistic: Edges, alive: Edges, count: int, result: npt.NDArray[np.int8]
) -> None:
    """Raises the threshold of components that are too large for a matrix, each by itself."""
    for step in STEPS:
        labels = _labels(one, two, alive, count)
        sizes = np.bincount(labels)
        if sizes.max() <= LARGEST_MATRIX:
            break
        _drop(alive & is_probabilistic & (weight < step) & (sizes[labels[one]] > LARGEST_MATRIX), alive, result, RECUT)


def _agglomerate(
    one: Ids, two: Ids, weight: Weights, is_probabilistic: Edges, alive: Edges, count: int, result: npt.NDArray[np.int8]
) -> None:
    """Drops the edges between the groups that average linkage finds in each component."""
    labels = _labels(one, two, alive, count)
    sizes = np.bincount(labels)
    places = np.flatnonzero(alive)
    of_edge = labels[one[places]]
    edges = np.bincount(of_edge, minlength=len(sizes))
    bits = np.where(is_probabilistic, np.minimum(weight, CERTAIN), CERTAIN)
    weakest = np.full(len(sizes), np.inf)
    np.minimum.at(weakest, of_edge, np.where(is_probabilistic, weight, np.inf)[places])
    # in a clique whose weakest edge would do, every average does
    is_sound = (edges == sizes * (sizes - 1) // 2) & (weakest >= LEAST_MEAN)
    is_asked = (sizes >= 3) & (sizes <= LARGEST_MATRIX) & ~is_sound
    places = places[is_asked[of_edge]]
    order = np.argsort(labels[one[places]], kind="stable")
    places = places[order]
    of_edge = labels[one[places]]
    starts = np.flatnonzero(np.r_[True, of_edge[1:] != of_edge[:-1]]) if len(places) else np.empty(0, dtype=np.int64)
    stops = np.r_[starts[1:], len(places)]
    for start, stop in zip(starts, stops, strict=True):
        within = places[start:stop]
        parts = _parts(one[within], two[within], bits[within], is_probabilistic[within])
        between = parts[0] != parts[1]
        if between.any():
            dropped = np.zeros(len(one), dtype=bool) if False else within[between & is_probabilistic[within]]
            result[dropped] = NO_TRIANGLE
            alive[dropped] = False


def _parts(one: Ids, two: Ids, bits: Weights, is_probabilistic: Edges) -> tuple[Ids, Ids]:
    """The group of either end of each edge of one component."""
    nodes, places = np.unique(np.concatenate([one, two]), return_inverse=True)
    size = len(nodes)
    left, right = places[: len(one)], places[len(one) :]
    strength = np.full((size, size), NO_EDGE)
    np.maximum.at(strength, (left, right), bits)
    np.maximum.at(strength, (right, left), bits)
    distance = CERTAIN - strength
    tree = linkage(distance[np.triu_indices(size, 1)], method="average")
    groups = fcluster(tree, CERTAIN - LEAST_MEAN, criterion="distance")
    return groups[left], groups[right]


def _cut_large(
    one: Ids,
    two: Ids,
    weight: Weights,
    is_probabilistic: Edges,
    alive: Edges,
    count: int,
    largest: int,
    result: npt.NDArray[np.int8],
) -> None:
    """Raises the threshold of components that are too large to be one person, or too sparse, each by itself."""
    for step in STEPS:
        labels = _labels(one, two, alive, count)
        sizes = np.bincount(labels)
        edges = np.bincount(labels[one[alive]], minlength=len(sizes))
        density = np.divide(2.0 * edges, sizes * (sizes - 1.0), out=np.ones(len(sizes)), where=sizes > 1)
        suspicious = (sizes > largest) | ((sizes >= FEWEST_FOR_DENSITY) & (density < DENSITY))
        if not suspicious.any():
            break
        _drop(alive & is_probabilistic & (weight < step) & suspicious[labels[one]], alive, result, RECUT)
