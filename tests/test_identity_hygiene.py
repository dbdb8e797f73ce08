"""Hygiene of probabilistic edges: what must never change, and an over-merge that must be cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinship.identity.hygiene import CERTAIN, KEPT, LEAST_MEAN, clean


@st.composite
def graphs(draw):
    """A few records, edges without ties in weight (which would leave a choice to ids), some of them deterministic."""
    count = draw(st.integers(2, 14))
    pairs = [(one, two) for one in range(count) for two in range(one + 1, count)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, min_size=1, max_size=40))
    weights = draw(
        st.lists(st.floats(-3.0, 30.0, allow_nan=False), min_size=len(chosen), max_size=len(chosen), unique=True)
    )
    certain = draw(st.lists(st.booleans(), min_size=len(chosen), max_size=len(chosen)))
    left, right = np.array(chosen, dtype=np.int64).T
    # distinct fractions keep averages apart as well
    apart = np.array(weights) + np.sqrt(np.arange(len(weights)) + 2) * 1e-4
    probabilistic = ~(np.array(certain) & (np.arange(len(chosen)) % 4 == 0))
    return left, right, apart, probabilistic


@settings(max_examples=150, deadline=None)
@given(graphs(), st.randoms(use_true_random=False), st.integers(2, 12))
def test_neither_ids_nor_the_order_of_rows_matter(graph, random, largest):
    left, right, weight, probabilistic = graph
    expected = clean(left, right, weight, probabilistic, largest)
    order = np.array(random.sample(range(len(left)), len(left)))
    names = np.array(random.sample(range(1000), 14), dtype=np.int64)
    turned = np.array([random.random() < 0.5 for _ in order])
    one, two = names[left[order]], names[right[order]]
    one, two = np.where(turned, two, one), np.where(turned, one, two)
    assert (clean(one, two, weight[order], probabilistic[order], largest) == expected[order]).all()


@settings(max_examples=100, deadline=None)
@given(graphs(), graphs(), st.integers(2, 12))
def test_a_component_does_not_depend_on_others(first, second, largest):
    alone = [clean(*graph, largest) for graph in (first, second)]
    left = np.concatenate([first[0], second[0] + 100])
    right = np.concatenate([first[1], second[1] + 100])
    together = clean(left, right, np.concatenate([first[2], second[2]]), np.concatenate([first[3], second[3]]), largest)
    assert (together == np.concatenate(alone)).all()


@settings(max_examples=100, deadline=None)
@given(graphs(), st.integers(2, 12))
def test_deterministic_edges_are_never_dropped(graph, largest):
    left, right, weight, probabilistic = graph
    assert (clean(left, right, weight, probabilistic, largest)[~probabilistic] == KEPT).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**32))
def test_nothing_is_dropped_from_a_clique(count, seed):
    left, right = np.triu_indices(count, 1)
    weight = np.random.default_rng(seed).uniform(LEAST_MEAN, 30, len(left))
    assert (clean(left.astype(np.int64), right.astype(np.int64), weight, np.ones(len(left), bool), 12) == KEPT).all()


def _clique(first, count, weight):
    one, two = np.triu_indices(count, 1)
    return one + first, two + first, np.full(len(one), weight)


@pytest.mark.parametrize("bridge", [4.0, 9.0, 15.0])
def test_a_bridge_between_two_people_is_cut(bridge):
    parts = [_clique(0, 5, 12.0), _clique(5, 5, 11.0), (np.array([0]), np.array([5]), np.array([bridge]))]
    left, right, weight = (np.concatenate([part[place] for part in parts]) for place in range(3))
    result = clean(left.astype(np.int64), right.astype(np.int64), weight, np.ones(len(left), bool), 20)
    assert result[-1] != KEPT
    assert (result[:-1] == KEPT).all()


def test_a_pair_is_left_to_the_levels():
    assert clean(np.array([7]), np.array([3]), np.array([-2.0]), np.array([True]), 5).tolist() == [KEPT]


def test_a_chain_of_strong_edges_holds_as_long_as_it_may():
    """Three records: a missing third pair costs as much as it should, and certain edges outweigh it."""
    left, right = np.array([0, 1]), np.array([1, 2])
    probabilistic = np.ones(2, bool)
    assert clean(left, right, np.array([12.0, CERTAIN]), probabilistic, 5).tolist() == [KEPT, KEPT]
    assert clean(left, right, np.array([3.0, 12.0]), probabilistic, 5).tolist()[0] != KEPT


def test_what_is_too_large_for_one_person_is_cut_until_it_is_not():
    parts = [_clique(0, 6, 18.0), _clique(6, 6, 18.0)]
    one, two = np.meshgrid(np.arange(6), np.arange(6, 12))
    parts.append((one.ravel(), two.ravel(), np.full(36, 5.0)))
    left, right, weight = (np.concatenate([part[place] for part in parts]).astype(float) for place in range(3))
    kinds = np.ones(len(left), bool)
    ends = left.astype(np.int64), right.astype(np.int64)
    assert (clean(*ends, weight, kinds, 12) == KEPT).all()
    result = clean(*ends, weight, kinds, 8)
    assert (result[-36:] != KEPT).all()
    assert (result[:-36] == KEPT).all()


def test_no_edges():
    nothing = np.empty(0, dtype=np.int64)
    assert len(clean(nothing, nothing, np.empty(0), np.empty(0, bool), 5)) == 0
