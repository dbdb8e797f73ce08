"""Who every record really belongs to. Written beside the sources, never among them, and never read by the pipeline."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from demo.people import Person, Unit

RECORDS = pa.schema(
    [
        ("source", pa.string()),
        ("record_id", pa.string()),
        ("person_id", pa.string()),
        ("is_shared", pa.bool_()),
        ("shared_with", pa.string()),
    ]
)
PEOPLE = pa.schema(
    [
        ("person_id", pa.string()),
        ("household_id", pa.string()),
        ("company_domain", pa.string()),
        ("kind", pa.string()),
        ("given_name", pa.string()),
        ("family_name", pa.string()),
        ("birth_date", pa.string()),
        ("country_code", pa.string()),
        ("email", pa.string()),
        ("records", pa.int32()),
    ]
)
_BATCH = 50_000


class _Table:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._rows: list[tuple[Any, ...]] = []
        self.count = 0

    def add(self, row: tuple[Any, ...]) -> None:
        self._rows.append(row)
        self.count += 1
        if len(self._rows) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        columns = [
            pa.array(values, kind.type)
            for values, kind in zip(zip(*self._rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._rows.clear()

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._writer.close()


class Truth:
    """Collects the records of one unit at a time. What arrives after `last`, the last day, is not known yet."""

    def __init__(self, folder: Path, last: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._records = _Table(folder / "records.parquet", RECORDS)
        self._people = _Table(folder / "people.parquet", PEOPLE)
        self._last = last
        self._seen: dict[tuple[str, str], list[Person]] = {}

    def see(self, source: str, record_id: str, person: Person, day: int) -> None:
        """`record_id` of `source` stands for `person` and is in the files of `day`. Several people: it is shared."""
        if day > self._last:
            return
        owners = self._seen.setdefault((source, record_id), [])
        if person not in owners:
            owners.append(person)

    def see_agent(self, source: str, record_id: str, agent_id: str) -> None:
        """A record of somebody who works here, not of a customer."""
        self._records.add((source, record_id, agent_id, False, ""))

    def finish(self, unit: Unit) -> None:
        """Write what was seen of the unit, its people included."""
        records: dict[str, int] = {}
        for (source, record_id), owners in self._seen.items():
            others = ",".join(owner.person_id for owner in owners[1:])
            self._records.add((source, record_id, owners[0].person_id, bool(others), others))
            records[owners[0].person_id] = records.get(owners[0].person_id, 0) + 1
        self._seen.clear()
        domain = unit.company.domain if unit.company else ""
        for person in unit.members:
            self._people.add(
                (
                    person.person_id,
                    person.household_id,
                    domain,
                    person.kind,
                    person.given.latin,
                    person.family.latin,
                    person.born,
                    person.locale.country_code,
                    person.email,
                    records.get(person.person_id, 0),
                )
            )

    def close(self) -> int:
        """End the files; returns the number of records."""
        self._records.close()
        self._people.close()
        return self._records.count
