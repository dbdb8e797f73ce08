"""Probabilistic matching: Splink, trained as a library, kept as a versioned model, scored with frozen parameters."""

from kinship.identity.matching.blocking import coverage
from kinship.identity.matching.levels import BROAD, DEFAULT, STRICT, WEIGHTS, level_of
from kinship.identity.matching.model import Model
from kinship.identity.matching.scoring import score
from kinship.identity.matching.training import train

__all__ = ["BROAD", "DEFAULT", "STRICT", "WEIGHTS", "Model", "coverage", "level_of", "score", "train"]
