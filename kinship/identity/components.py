"""Connected components and the spanning forest of an undirected graph, in memory.

Edges are two arrays of node ids of one length, int64, any values. Answers depend on ids and edges alone, not on their
order (but for `spanning_forest`, where the order is the strength), and one component's not on the others. No state:
threads may share them.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csgraph, csr_array

Ids = npt.NDArray[np.int64]
Numbers = npt.NDArray[Any]  # int32 or int64
Flags = npt.NDArray[np.bool_]

# Where ids lie close together, an array over every possible id needs no look-up: up to NEAR possible ids per edge the
# id itself is the number, up to FAR (as among 1 % new edges) a flag per possible id says which occur, in 11 ms where
# sorting takes 15; LARGE bounds the memory of that to 320 MB.
NEAR = 4
FAR = 200
SMALL = 1024
LARGE = 2**26


class Numbering(NamedTuple):
    """Node ids as numbers 0 .. size - 1, in the order of the ids."""

    size: int
    lowest: int
    """The id of number 0, when the ids lie close together; then not every number has an edge."""
    ids: Ids | None
    """Otherwise: the ids that have an edge, ascending."""

    def of(self, ids: Ids) -> Ids:
        """Their numbers, -1 for an id without one."""
        if self.ids is None:
            numbers = ids - self.lowest
            return np.where((numbers >= 0) & (numbers < self.size), numbers, -1)
        numbers = np.searchsorted(self.ids, ids)
        return np.where(self.ids[np.minimum(numbers, self.size - 1)] == ids, numbers, -1)


def connected_components(left: Ids, right: Ids) -> tuple[Ids, Ids]:
    """The node ids that occur, ascending, and for each the smallest node id of its component.

    A self-loop makes its node occur and joins nothing. Raises `ValueError` when the arrays differ in length.
    """
    numbering, lefts, rights = number(left, right)
    smallest = smallest_of_component(lefts, rights, numbering.size)
    if numbering.ids is not None:
        return numbering.ids, numbering.ids[smallest]
    occurs = np.zeros(numbering.size, dtype=bool)
    occurs[lefts] = True
    occurs[rights] = True
    nodes = np.flatnonzero(occurs)
    components = (smallest if len(nodes) == len(smallest) else smallest[nodes]).astype(np.int64)
    if numbering.lowest:
        nodes += numbering.lowest
        components += numbering.lowest
    return nodes, components


def spanning_forest(left: Ids, right: Ids) -> Flags:
    """One flag per edge, which come strongest first: true for those that Kruskal's algorithm keeps.

    The weakest link between two nodes is the last edge on their path in this forest. Raises `ValueError` when the
    arrays differ in length.
    """
    numbering, lefts, rights = number(left, right)
    kept = np.zeros(len(lefts), dtype=bool)
    # by hand, not out of a coo_array, which would add up the positions of parallel edges
    order = np.argsort(lefts)
    starts = np.zeros(numbering.size + 1, dtype=rights.dtype)
    np.cumsum(np.bincount(lefts, minlength=numbering.size), out=starts[1:])
    positions = order + 1.0  # a weight of zero would be no edge
    graph = csr_array((positions, rights[order], starts), shape=(numbering.size, numbering.size))
    kept[csgraph.minimum_spanning_tree(graph, overwrite=True).data.astype(np.int64) - 1] = True
    return kept


def smallest_of_component(lefts: Numbers, rights: Numbers, size: int) -> Numbers:
    """For each of the numbers 0 .. size - 1 the smallest in its component; numbers without an edge are alone."""
    edges = coo_array((np.ones(len(lefts)), (lefts, rights)), shape=(size, size))
    edges.has_canonical_format = True  # else it would sort them to add up parallel ones, a tenth of the whole
    graph = edges.tocsr()
    count, labels = csgraph.connected_components(graph, directed=False)
    smallest = np.empty(count, dtype=_narrow(size))
    # written backwards, so that of all numbers with a label the smallest stays
    smallest[labels[::-1]] = np.arange(size - 1, -1, -1, dtype=smallest.dtype)
    return np.asarray(smallest[labels])


def number(left: Ids, right: Ids) -> tuple[Numbering, Numbers, Numbers]:
    """Numbers for the ids, and the edges in numbers. Raises `ValueError` when the arrays differ in length."""
    if len(left) != len(right):
        raise ValueError(f"{len(left)} left ends and {len(right)} right ends are no list of edges")
    if len(left) == 0:
        return Numbering(0, 0, None), left.astype(np.int32), right.astype(np.int32)
    lowest = min(int(left.min()), int(right.min()))
    size = max(int(left.max()), int(right.max())) - lowest + 1
    if size <= max(NEAR * len(left), SMALL):
        narrow = _narrow(size)
        return Numbering(size, lowest, None), (left - lowest).astype(narrow), (right - lowest).astype(narrow)
    if size <= min(FAR * len(left), LARGE):
        occurs = np.zeros(size, dtype=bool)
        occurs[left - lowest] = True
        occurs[right - lowest] = True
        ids = np.flatnonzero(occurs)
        ranks = np.empty(size, dtype=np.int32)
        ranks[ids] = np.arange(len(ids), dtype=np.int32)
        return Numbering(len(ids), lowest, ids + lowest), ranks[left - lowest], ranks[right - lowest]
    # hashing the ends and sorting the ids alone took twice as long at 1.8 million edges
    found: tuple[Ids, Numbers] = np.unique(np.concatenate([left, right]), return_inverse=True)
    ids, numbers = found[0], found[1].astype(_narrow(len(found[0])))
    return Numbering(len(ids), lowest, ids), numbers[: len(left)], numbers[len(left) :]


def _narrow(size: int) -> type[np.signedinteger[Any]]:
    # scipy computes with 32-bit numbers where it can: a fifth faster at 10 million edges, and half the memory
    return np.int32 if size < 2**31 else np.int64
