"""Confidence levels: how strong evidence must be, in bits (log2 of the odds that two records are one person).

The levels nest: what strict links, default links too. They were chosen on simulated people of several kinds (see
docs/identity.md), not on one data set.
"""

from __future__ import annotations

import math

STRICT = 0
DEFAULT = 1
BROAD = 2

BROAD_PROBABILITY = 0.1
"""Nothing weaker is kept at all."""

WEIGHTS = {STRICT: 16.0, DEFAULT: 3.0, BROAD: math.log2(BROAD_PROBABILITY / (1 - BROAD_PROBABILITY))}
"""The least weight of each level in bits: 16 bits are odds of 65,000 to 1, 3 bits 8 to 1."""


def level_of(weight: float) -> int | None:
    """The strictest level that a weight reaches; None when it is below all of them."""
    return next((level for level, least in sorted(WEIGHTS.items()) if weight >= least), None)
