"""What all lives share: the calendar of the company and where records go."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from demo.clock import DAY
from demo.people import Person
from demo.spool import Spool
from demo.truth import Truth

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(slots=True)
class World:
    """`start` and `last` are day numbers: the company's first day and the last one that is simulated."""

    seed: int
    people: int
    start: int
    last: int
    spool: Spool
    truth: Truth

    @property
    def opening(self) -> int:
        return self.start * DAY

    @property
    def closing(self) -> int:
        return (self.last + 1) * DAY

    def chance(self, *parts: object) -> Random:
        """Chance of its own for whatever `parts` name, the same in every run with the same seed."""
        return Random("/".join(map(str, (self.seed, *parts))))

    def file_day(self, moment: int) -> int:
        return max(moment // DAY, self.start)

    def emit(self, table: str, arrival: int, record: dict[str, Any]) -> None:
        self.spool.add(table, arrival, to_json(record))

    def see(self, source: str, record_id: str, person: Person, arrival: int) -> None:
        self.truth.see(source, record_id, person, self.file_day(arrival))


def to_json(value: Any) -> str:
    return _ENCODER.encode(value)
