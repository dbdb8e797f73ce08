"""How large segments are, from the books of the last build."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from kinship.warehouse import has_table


@dataclass(frozen=True)
class Size:
    """A segment at an as-of moment, in people."""

    as_of: datetime  # UTC
    members: int
    entered: int
    left: int

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "as_of": self.as_of.isoformat(),
            "members": self.members,
            "entered": self.entered,
            "left": self.left,
        }


def latest_sizes(warehouse: duckdb.DuckDBPyConnection) -> dict[str, Size]:
    """The latest count of every segment ever built, by name."""
    if not has_table(warehouse, "segments", "int_segments__counts"):
        return {}
    rows = warehouse.execute(
        "select distinct on (segment) segment, as_of, member_count, entered_count, left_count"
        " from segments.int_segments__counts order by segment, as_of desc"
    ).fetchall()
    return {str(row[0]): Size(*row[1:]) for row in rows}
