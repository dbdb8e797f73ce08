"""Confidence levels: how strong evidence must be, in bits (log2 of the odds that two records are one person).

The levels nest: what strict links, default links too. They were chosen on simulated people of several kinds (see
docs/identity.md), not on one data set.
"""

from __future__ import annotations

import math

STRICT = 0
DEFAULT = 1
BROAD = 2

LEAST_PROBABILITY = 0.1
LEAST_WEIGHT = math.log2(LEAST_PROBABILITY / (1 - LEAST_PROBABILITY))
"""Nothing weaker is kept at all. What is kept and below the broad level speaks for and against its neighbours only."""

WEIGHTS = {STRICT: 16.0, DEFAULT: 3.0, BROAD: 2.0}
"""The least weight of each level in bits: 16 bits are odds of 65,000 to 1, 3 bits 8 to 1, 2 bits 4 to 1."""


def level_of(weight: float) -> int | None:
    """The strictest level that a weight reaches; None when it is below all of them."""
    return next((level for level, least in sorted(WEIGHTS.items()) if weight >= least), None)
