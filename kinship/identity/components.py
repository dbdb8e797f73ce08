"""Connected components and the spanning forest of an undirected graph, in memory.

Edges are two arrays of node ids of one length, int64, any values. Answers depend on ids and edges alone, not on their order (but
for `spanning_forest`, where the order is the strength), and one component's not on the others. No state: threads may share them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csgraph, csr_array  # type: ignore[import-untyped]

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Up to this many possible ids per edge an array over all of them is cheaper than finding out which occur.
DENSE = 4


def connected_components(left: Ids, right: Ids) -> tuple[Ids, Ids]:
    """The node ids that occur, ascending, and for each the smallest node id of its component.

    A self-loop makes its node occur and joins nothing. Raises `ValueError` when the arrays differ in length.
    """
    nodes, lefts, rights, size = compact(left, right)
    graph = coo_array((np.ones(len(lefts)), (lefts, rights)), shape=(size, size)).tocsr()
    count, labels = csgraph.connected_components(graph, directed=False)
    # fewer bytes to gather from; written backwards, so that of all nodes with a label the smallest stays
    smallest = np.empty(count, dtype=np.int32 if size < 2**31 else np.int64)
    smallest[labels[::-1]] = np.arange(size - 1, -1, -1, dtype=smallest.dtype)
    smallest = smallest[labels]
    if isinstance(nodes, int):
        occurs = np.zeros(size, dtype=bool)
        occurs[lefts] = True
        occurs[rights] = True
        found = np.flatnonzero(occurs)
        return found + nodes, smallest[found].astype(np.int64) + nodes
    return nodes, nodes[smallest]


def spanning_forest(left: Ids, right: Ids) -> Flags:
    """One flag per edge, which come strongest first: true for those that Kruskal's algorithm keeps.

    The weakest link between two nodes is the last edge on their path in this forest. Raises `ValueError` when the arrays differ
    in length.
    """
    _, lefts, rights, size = compact(left, right)
    kept = np.zeros(len(lefts), dtype=bool)
    # by hand, not out of a coo_array, which would add up the positions of parallel edges
    order = np.argsort(lefts)
    starts = np.zeros(size + 1, dtype=rights.dtype)
    np.cumsum(np.bincount(lefts, minlength=size), out=starts[1:])
    positions = order + 1.0  # a weight of zero would be no edge
    graph = csr_array((positions, rights[order], starts), shape=(size, size))
    kept[csgraph.minimum_spanning_tree(graph, overwrite=True).data.astype(np.int64) - 1] = True
    return kept


def compact(left: Ids, right: Ids) -> tuple[int | Ids, npt.NDArray[Any], npt.NDArray[Any], int]:
    """The edges over node numbers 0 .. size - 1, in the order of the ids, after what turns a number back into an id.

    That is the id of number 0 when the ids lie close together (then not every number has an edge), otherwise the list of all ids.
    """
    if len(left) != len(right):
        raise ValueError(f"{len(left)} left ends and {len(right)} right ends are no list of edges")
    if len(left) == 0:
        return 0, left.astype(np.int32), right.astype(np.int32), 0
    lowest = min(int(left.min()), int(right.min()))
    size = max(int(left.max()), int(right.max())) - lowest + 1
    if size <= DENSE * len(left) + 1024:
        # scipy computes with 32-bit numbers where it can: a fifth faster at 10 million edges
        number = np.int32 if size < 2**31 else np.int64
        return lowest, (left - lowest).astype(number), (right - lowest).astype(number), size
    return _ranked(left, right)


def _ranked(left: Ids, right: Ids) -> tuple[Ids, npt.NDArray[Any], npt.NDArray[Any], int]:
    # np.unique with its inverse sorts every end of every edge: 5.2 s at 9 million edges; hashing them and sorting the ids 3.4 s
    import pandas as pd

    numbers, ids = pd.factorize(np.concatenate([left, right]))
    order = np.argsort(ids)
    rank = np.empty(len(ids), dtype=np.int32 if len(ids) < 2**31 else np.int64)
    rank[order] = np.arange(len(ids), dtype=rank.dtype)
    ranks = rank[numbers]
    return ids[order], ranks[: len(left)], ranks[len(left) :], len(ids)
