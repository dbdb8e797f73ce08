"""Cleans probabilistic edges before they are solved: records stay together when their evidence holds on average.

A connected component is as weak as its weakest edge: one wrong pair among ten thousand joins two people. Records of
one person resemble one another all round, so each component is agglomerated by average linkage: the two groups with
the strongest mean weight between their records are joined first, a pair without an edge counts as evidence against,
and the edges that run between the groups that are left are dropped. Groups in which nearly every record has its
partner in the other are joined after all: one person has several addresses or names. What is still too large or too
sparse to be one person climbs through higher thresholds.

Counting the triangles of an edge asks the same question one edge at a time. On 48,000 simulated records of 5,000
historical persons it left a precision of .94 at a recall of .99; average linkage leaves .999 at .99.

Every result is a function of one connected component alone and depends neither on ids nor on the order of rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

KEPT, NOT_ON_AVERAGE, RECUT = 0, 1, 2

CERTAIN = 20.0
"""Bits beyond which a pair is as certain as it gets: one lucky pair may not outweigh many others in an average."""

TOP = 60.0
"""Bits between records that deterministic evidence joins."""

STEPS = (2.0, 4.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0)
"""Thresholds in bits that a suspicious component climbs."""

NO_EDGE = -5.0
"""Bits of a pair that was never compared or scored below what is kept: it is below -3.2, how far is not known."""

LEAST_MEAN = 0.5
"""Bits that the pairs between two groups must have on average for the groups to be one person."""

LEAST_BEST = 4.0
"""Bits that the best partners in the other group must reach on average for two groups to be one person after all."""

FEWEST_FOR_DENSITY = 6
DENSITY = 0.5

LARGEST_MATRIX = 1_500
"""Records above which a component climbs the thresholds before it is agglomerated: its matrix would be too large."""

Ids = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]
Edges = npt.NDArray[np.bool_]


def clean(left: Ids, right: Ids, weight: Weights, is_probabilistic: Edges, largest: int) -> npt.NDArray[np.int8]:
    """What becomes of each edge: 0 kept, 1 not supported by its neighbourhood, 2 dropped by adaptive re-cut.

    Edges are pairs of node ids with their weight in bits; one call may hold many components. Deterministic edges are
    never dropped but count as neighbours. A component of more than `largest` records is suspicious, and so is one of
    six or more with few edges.
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
    labels: npt.NDArray[np.int64] = connected_components(matrix, directed=False)[1].astype(np.int64)
    return labels


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
    # beyond certainty more bits still rank, but hardly weigh
    bits = np.where(weight > CERTAIN, np.minimum(CERTAIN + 0.001 * (weight - CERTAIN), TOP - 1), weight)
    weakest = np.full(len(sizes), np.inf)
    np.minimum.at(weakest, of_edge, np.where(is_probabilistic, weight, np.inf)[places])
    # in a clique whose weakest edge would do, every average does
    is_sound = (edges == sizes * (sizes - 1) // 2) & (weakest >= LEAST_MEAN)
    is_asked = (sizes >= 3) & (sizes <= LARGEST_MATRIX) & ~is_sound
    places = places[is_asked[of_edge]]
    if len(places) == 0:
        return
    bound = _labels(one, two, alive & ~is_probabilistic, count)
    places = places[np.argsort(labels[one[places]], kind="stable")]
    starts = np.flatnonzero(np.diff(labels[one[places]], prepend=-1))
    for start, stop in zip(starts, np.append(starts[1:], len(places)), strict=True):
        within = places[start:stop]
        between = _are_between(one[within], two[within], bits[within], bound)
        dropped = within[between & is_probabilistic[within]]
        result[dropped] = NOT_ON_AVERAGE
        alive[dropped] = False


def _are_between(one: Ids, two: Ids, bits: Weights, bound: npt.NDArray[np.int64]) -> Edges:
    """Which edges of one component run between the groups that average linkage makes of it.

    `bound` has for every record of the call what deterministic evidence joins it to.
    """
    nodes, places = np.unique(np.concatenate([one, two]), return_inverse=True)
    size = len(nodes)
    # records are put in an order of their evidence, so that ties do not fall to ids
    sums = np.round(np.bincount(places, weights=np.concatenate([bits, bits]), minlength=size), 6)
    rank = np.empty(size, dtype=np.int64)
    rank[np.lexsort((np.bincount(places, minlength=size), sums))] = np.arange(size)
    left, right = rank[places[: len(one)]], rank[places[len(one) :]]
    strength = np.full((size, size), NO_EDGE)
    for ends in ((left, right), (right, left)):
        np.maximum.at(strength, ends, bits)
    joined = np.empty(size, dtype=np.int64)
    joined[rank] = bound[nodes]
    strength[joined[:, None] == joined[None, :]] = TOP
    distance = (TOP - strength)[np.triu_indices(size, 1)]
    groups = fcluster(linkage(distance, method="average"), TOP - LEAST_MEAN, criterion="distance") - 1
    if groups.max() > 0:
        np.fill_diagonal(strength, 0.0)
        _relocate(strength, groups)
        groups = _regroup(strength, groups)
    between: Edges = groups[left] != groups[right]
    return between


def _relocate(strength: Weights, groups: npt.NDArray[np.int32]) -> None:
    """Moves records to the group that they resemble most, the greatest gain first.

    One very strong wrong pair is joined before anything else and pulls its record out of the group where it belongs.
    """
    is_bound = (strength == TOP).any(axis=1)
    for _ in range(len(groups)):
        member = np.zeros((len(groups), int(groups.max()) + 1))
        member[np.arange(len(groups)), groups] = 1.0
        others = np.maximum(member.sum(axis=0) - member, 0)
        means = np.divide(strength @ member, others, out=np.full(member.shape, float(LEAST_MEAN)), where=others > 0)
        gain = means - means[np.arange(len(groups)), groups][:, None]
        gain[is_bound] = 0.0
        gain[means < LEAST_MEAN] = 0.0
        record, group = np.unravel_index(int(np.argmax(gain)), gain.shape)
        if gain[record, group] <= 1e-9:
            break
        groups[record] = group


def _regroup(strength: Weights, groups: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Joins groups whose records have, on average over both, a best partner of LEAST_BEST bits in the other group.

    Someone who moved or married is two groups of records, linked by some pairs and at odds in most: the mean over all
    pairs keeps them apart, yet nearly every record has its partner. Of two people only the few records that a wrong
    edge touches have one.
    """
    compact = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    while compact.max() > 0:
        sizes = np.bincount(compact)
        order = np.argsort(compact, kind="stable")
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        best = np.maximum.reduceat(strength[:, order], starts, axis=1)
        sums = np.add.reduceat(best[order], starts, axis=0)
        means = (sums + sums.T) / (sizes[:, None] + sizes[None, :])
        np.fill_diagonal(means, -np.inf)
        one, two = np.unravel_index(int(np.argmax(means)), means.shape)
        if means[one, two] < LEAST_BEST:
            break
        compact[compact == max(one, two)] = min(one, two)
        compact = np.unique(compact, return_inverse=True)[1].astype(np.int64)
    return compact


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
