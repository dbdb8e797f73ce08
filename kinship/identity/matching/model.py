"""A trained model: everything the score of a pair depends on, besides the two records."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kinship.errors import WrongUse
from kinship.identity.matching.blocking import Rule

FORMAT = 1
"""Raised whenever a model that is kept would score differently under newer code."""

_PARAMETERS = "model.json"
_FREQUENCIES = "frequencies.parquet"


@dataclass(frozen=True)
class Model:
    """Splink's settings with every m and u, the blocking rules, and the term frequencies, frozen at training.

    The term frequencies hold names, addresses and birth dates as they are: the files are personal data and are
    written for their owner alone (mode 0600). The other file holds parameters, counts and digests.
    """

    columns: list[str]
    settings: dict[str, Any]
    rules: list[Rule]
    largest: int
    """Components with more records than this are suspicious: 1.25 x the 99.9th percentile of those linked beyond
    doubt."""
    facts: dict[str, Any]
    """Counts about the training: records, sessions, expected matches."""
    frequencies: pa.Table
    """attribute, value, frequency (share of the records that have the attribute); sorted by attribute and value."""

    @property
    def version(self) -> str:
        """A digest of the content: the same model has the same version, wherever it was trained."""
        digest = hashlib.sha256(self._parameters().encode())
        for column in ("attribute", "value", "frequency"):
            digest.update(json.dumps(self.frequencies[column].to_pylist(), ensure_ascii=False).encode())
        return digest.hexdigest()[:16]

    def _parameters(self) -> str:
        content = {
            "format": FORMAT,
            "columns": self.columns,
            "largest": self.largest,
            "facts": self.facts,
            "rules": [asdict(rule) for rule in self.rules],
            "settings": self.settings,
        }
        return json.dumps(content, indent=1, sort_keys=True) + "\n"

    def save(self, folder: Path | str) -> None:
        """Writes the model into a folder, readable by its owner alone."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in (_PARAMETERS, _FREQUENCIES):
            (place / name).unlink(missing_ok=True)
            (place / name).touch(mode=0o600)
        (place / _PARAMETERS).write_text(self._parameters(), encoding="utf-8")
        pq.write_table(self.frequencies, place / _FREQUENCIES, compression="zstd")

    @classmethod
    def load(cls, folder: Path | str) -> Model:
        """Reads what `save` wrote. Raises WrongUse when there is no model, or one of another format."""
        place = Path(folder)
        try:
            content = json.loads((place / _PARAMETERS).read_text(encoding="utf-8"))
            frequencies = pq.read_table(place / _FREQUENCIES)
        except FileNotFoundError as error:
            raise WrongUse(f"{place}: no matching model there; train one first") from error
        if content.get("format") != FORMAT:
            raise WrongUse(
                f"{place / _PARAMETERS}: the model has format {content.get('format')}, this version reads {FORMAT};"
                " train it again"
            )
        return cls(
            columns=content["columns"],
            settings=content["settings"],
            rules=[Rule(**{**rule, "keys": tuple(rule["keys"])}) for rule in content["rules"]],
            largest=content["largest"],
            facts=content["facts"],
            frequencies=frequencies,
        )
