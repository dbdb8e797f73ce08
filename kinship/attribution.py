"""Data-driven attribution: what a channel is worth is what would be lost without it.

The journeys to an order, or to none, are read as a Markov chain of order one over the channels (Anderl, Becker, von
Wangenheim, Schumann: Mapping the customer journey, International Journal of Research in Marketing 33, 2016). The
removal effect of a channel is the share of the orders that would not come about if everybody who is about to meet it
were lost instead.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

START, ORDER, NONE = "(start)", "(order)", "(none)"
"""The states a journey begins and ends in; all others are channels."""

SCHEMA = pa.schema([("channel", pa.string()), ("removal_effect", pa.float64()), ("order_probability", pa.float64())])


def removal_effects(transitions: pa.Table) -> pa.Table:
    """One row per channel, `SCHEMA`: its removal effect (0 to 1), and the share of all journeys that end in an order.

    `transitions` has from_state, to_state and transition_count: a row for two channels, whatever the number of people.
    With no order at all nothing can be lost: every effect is 0.
    """
    came_from, went_to = (transitions[name].to_pylist() for name in ("from_state", "to_state"))
    counts = transitions["transition_count"].to_pylist()
    channels = sorted({*came_from, *went_to} - {START, ORDER, NONE})
    place = {state: number for number, state in enumerate([START, *channels, ORDER, NONE])}
    chain = np.zeros((len(place), len(place)))
    for origin, target, count in zip(came_from, went_to, counts, strict=True):
        chain[place[origin], place[target]] += count
    chain /= np.maximum(chain.sum(axis=1, keepdims=True), 1)
    whole = order_probability(chain)
    without = [order_probability(_without(chain, place[channel])) for channel in channels]
    # never below 0: what is lost with a channel nobody needed is nothing but rounding
    effects = [max(1 - left / whole, 0.0) if whole else 0.0 for left in without]
    return pa.table([pa.array(channels, pa.string()), pa.array(effects, pa.float64()), [whole] * len(channels)], SCHEMA)


def order_probability(chain: NDArray[np.float64]) -> float:
    """How probably a walk from state 0 is absorbed in the last state but one; the last two states absorb.

    `chain` holds the probabilities to go from row to column. x = Q x + r for the transient states, Q among themselves
    and r into the order; a state nobody leaves and nobody reaches has a row of zeros, so that I - Q is never singular.
    """
    transient = len(chain) - 2
    among, into = chain[:transient, :transient], chain[:transient, transient]
    return float(np.linalg.solve(np.eye(transient) - among, into)[0])


def _without(chain: NDArray[np.float64], channel: int) -> NDArray[np.float64]:
    """The chain in which everybody about to meet `channel` is lost."""
    left = chain.copy()
    left[:, -1] += left[:, channel]
    left[:, channel] = 0
    left[channel] = 0
    return left
