"""Which links are believed: strongest first, and never so that one person breaks a rule.

Kruskal's algorithm with a veto. Links come strongest first; a link is refused when it would bring together two records
that must stay apart, or, unless a steward decided it, more distinct values of a limited identifier than a person may
have. What is refused stays refused. The answer for a component depends on that component alone: not on node ids, nor on
what else is in the call.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kinship.identity.components import Ids, number, smallest_of_component

UNSUPPORTED = "unsupported"
RECUT = "recut"
CANNOT_LINK = "cannot_link"
LIMIT = "limit:"
_HYGIENE = {1: UNSUPPORTED, 2: RECUT}


class Links(NamedTuple):
    """One entry per piece of evidence that two records are one person, strongest first; weights in bits.

    What a steward has decided comes before everything else.
    """

    left: Ids
    right: Ids
    weight: npt.NDArray[np.float64]
    is_probabilistic: npt.NDArray[np.bool_]
    is_decided: npt.NDArray[np.bool_]


class Claims(NamedTuple):
    """One entry per record and value of an identifier: the record `node` holds value number `value` of a type.

    `type_code` is a place in `types`, which are sorted by name. `most` is how many values a person may have, negative
    for any number; where entries of one type differ, the smallest in the person counts. Types may share numbers.
    """

    node: Ids
    type_code: npt.NDArray[np.int64]
    value: npt.NDArray[np.int64]
    most: npt.NDArray[np.int64]
    types: list[str]


class Aparts(NamedTuple):
    """One entry per pair of records that must stay apart; a record and itself is none."""

    left: Ids
    right: Ids


Refusal = tuple[int, str]


def admit(links: Links, claims: Claims, aparts: Aparts, largest: int) -> list[Refusal]:
    """The links that are refused, as (place in `links`, reason), by place.

    Reasons: `unsupported` and `recut` from hygiene, where `largest` is the size above which a component is
    suspicious, then `cannot_link`, then `limit:<type>`, the first such type by name.

    A record that holds more values of a type than a person may have stops nobody else: two clusters may join when
    together they hold no more values than `most`, or than the larger of the two holds already. So a person never has
    more values of a type than `most`, or than those of their records that have most and are one by a steward's word.

    >>> one = np.ones(2)
    >>> links = Links(np.array([1, 2]), np.array([2, 3]), one, one < 0, one < 0)
    >>> claims = Claims(np.array([1, 3]), np.array([0, 0]), np.array([7, 8]), np.array([1, 1]), ["user_id"])
    >>> admit(links, claims, Aparts(np.array([], dtype=int), np.array([], dtype=int)), 100)
    [(1, 'limit:user_id')]
    """
    if len(links.left) == 0:
        return []
    refused: list[Refusal] = []
    places = np.arange(len(links.left))
    if links.is_probabilistic.any():  # hygiene never drops another
        from kinship.identity.hygiene import clean

        dropped = clean(links.left, links.right, links.weight, links.is_probabilistic, largest)
        refused = [(place, _HYGIENE[int(dropped[place])]) for place in np.flatnonzero(dropped).tolist()]
        places = np.flatnonzero(dropped == 0)
    limited = claims.most >= 0
    if len(places) and (limited.any() or len(aparts.left)):
        refused += _walk(_suspicious(places, links, _only(claims, limited), aparts))
    return sorted(refused)


class _Suspicious(NamedTuple):
    """The components that break a rule, over node numbers 0 .. size - 1. `places` are the links' places in the call."""

    places: npt.NDArray[np.int64]
    left: npt.NDArray[Any]
    right: npt.NDArray[Any]
    is_decided: npt.NDArray[np.bool_]
    claims: Claims
    aparts: Aparts
    size: int


def _suspicious(places: npt.NDArray[np.int64], links: Links, claims: Claims, aparts: Aparts) -> _Suspicious:
    """The components that break a rule when all links at `places` are believed; the others need no walk.

    Here a record that alone exceeds a limit breaks it too: a component within the bare limits has no part beyond them,
    so everything in it may be believed unseen.
    """
    numbering, lefts, rights = number(links.left[places], links.right[places])
    component = smallest_of_component(lefts, rights, numbering.size)
    broken = np.zeros(numbering.size, dtype=bool)

    holders = numbering.of(claims.node)
    claims = _only(claims, holders >= 0)._replace(node=holders[holders >= 0])
    broken[_beyond_limit(component[claims.node], claims)] = True

    one, two = numbering.of(aparts.left), numbering.of(aparts.right)
    known = (one >= 0) & (two >= 0) & (one != two)
    one, two = one[known], two[known]
    together = component[one] == component[two]
    one, two = one[together], two[together]
    broken[component[one]] = True

    walked = broken[component]
    renumbered = np.cumsum(walked) - 1
    inside = walked[lefts]
    claims = _only(claims, walked[claims.node])
    return _Suspicious(
        places[inside],
        renumbered[lefts[inside]],
        renumbered[rights[inside]],
        links.is_decided[places[inside]],
        claims._replace(node=renumbered[claims.node]),
        Aparts(renumbered[one], renumbered[two]),
        int(walked.sum()),
    )


def _only(claims: Claims, chosen: npt.NDArray[np.bool_]) -> Claims:
    return Claims(
        claims.node[chosen], claims.type_code[chosen], claims.value[chosen], claims.most[chosen], claims.types
    )


def _beyond_limit(component: npt.NDArray[Any], claims: Claims) -> npt.NDArray[Any]:
    """The components that hold more distinct values of a type than the smallest `most` of its claims; may repeat."""
    if len(component) == 0:
        return component
    order = np.lexsort((claims.value, claims.type_code, component))
    component, types, values = component[order], claims.type_code[order], claims.value[order]
    new_group = np.concatenate([[True], (component[1:] != component[:-1]) | (types[1:] != types[:-1])])
    new_value = new_group | np.concatenate([[True], values[1:] != values[:-1]])
    starts = np.flatnonzero(new_group)
    distinct = np.add.reduceat(new_value, starts, dtype=np.int64)
    return component[starts[distinct > np.minimum.reduceat(claims.most[order], starts)]]


class _Held:
    """What a cluster holds of one type."""

    __slots__ = ("most", "values")

    def __init__(self, most: int) -> None:
        self.most = most
        self.values: set[int] = set()


def _walk(parts: _Suspicious) -> list[Refusal]:
    """Kruskal with a veto over all suspicious components in one go: they share no node. Clusters go by their root."""
    parent = list(range(parts.size))
    held = _held_by_node(parts.claims)
    apart = _apart_by_node(parts.aparts)
    refused: list[Refusal] = []
    links = (column.tolist() for column in (parts.places, parts.left, parts.right, parts.is_decided))
    for place, left, right, is_decided in zip(*links, strict=True):
        while parent[left] != left:
            parent[left] = left = parent[parent[left]]
        while parent[right] != right:
            parent[right] = right = parent[parent[right]]
        if left == right:
            continue
        if left in apart or right in apart:
            if right in apart.get(left, ()):
                refused.append((place, CANNOT_LINK))
                continue
            if len(apart.get(left, ())) > len(apart.get(right, ())):
                left, right = right, left
        if left in held:
            if right in held:
                exceeded = None if is_decided else _exceeded(held[left], held[right])
                if exceeded is not None:
                    refused.append((place, LIMIT + parts.claims.types[exceeded]))
                    continue
                _unite(held.pop(left), held[right])
            else:
                held[right] = held.pop(left)
        parent[left] = right
        for other in apart.pop(left, ()):
            apart[other].discard(left)
            apart[other].add(right)
            apart.setdefault(right, set()).add(other)
    return refused


def _held_by_node(claims: Claims) -> dict[int, dict[int, _Held]]:
    held: dict[int, dict[int, _Held]] = {}
    for node, code, value, most in zip(*(column.tolist() for column in claims[:4]), strict=True):
        of_type = held.setdefault(node, {}).setdefault(code, _Held(most))
        of_type.values.add(value)
        of_type.most = min(of_type.most, most)
    return held


def _apart_by_node(aparts: Aparts) -> dict[int, set[int]]:
    apart: dict[int, set[int]] = {}
    for one, two in zip(aparts.left.tolist(), aparts.right.tolist(), strict=True):
        apart.setdefault(one, set()).add(two)
        apart.setdefault(two, set()).add(one)
    return apart


def _exceeded(one: dict[int, _Held], two: dict[int, _Held]) -> int | None:
    """The first type of which two clusters hold too many values together."""
    exceeded = None
    for code in one.keys() & two.keys():
        fewer, more = one[code].values, two[code].values
        if len(fewer) > len(more):
            fewer, more = more, fewer
        allowed = max(min(one[code].most, two[code].most), len(more))
        if len(more) + len(fewer) > allowed and len(more) + sum(value not in more for value in fewer) > allowed:
            exceeded = code if exceeded is None else min(exceeded, code)
    return exceeded


def _unite(source: dict[int, _Held], target: dict[int, _Held]) -> None:
    """Add what one cluster holds to what another holds, the smaller set to the larger."""
    for code, more in source.items():
        known = target.setdefault(code, more)
        if known is not more:
            if len(more.values) > len(known.values):
                known.values, more.values = more.values, known.values
            known.values |= more.values
            known.most = min(known.most, more.most)
