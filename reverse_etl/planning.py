"""What a run would do, without a call to the destination."""

import math
from dataclasses import dataclass
from typing import Any

import duckdb

from kinship.settings import Settings
from reverse_etl.config import Sync
from reverse_etl.difference import Difference, compute
from reverse_etl.errors import GuardError
from reverse_etl.ledger import calls_of_the_day, open_ledger, utcnow
from reverse_etl.warehouse import attached


@dataclass(frozen=True)
class Plan:
    """What is due, in rows. `seconds` is what the destination's rate asks for, None where it has no limit."""

    sync: str
    destination: str
    adds: int
    changes: int
    removals: int
    unchanged: int
    withheld: dict[str, int]
    calls: int
    seconds: float | None
    accepted: int
    guard: str | None
    """Why a run would stop before the first call; None when it would go on."""
    erasures: int = 0

    def as_json(self) -> dict[str, Any]:
        """The stable shape of `kinship plan --json`."""
        return {
            "sync": self.sync,
            "adds": self.adds,
            "changes": self.changes,
            "removals": self.removals,
            "withheld": self.withheld,
            "calls": self.calls,
        }

    @property
    def rows(self) -> int:
        """Rows that a run would send."""
        return self.adds + self.changes + self.removals + self.erasures

    @property
    def is_empty(self) -> bool:
        return self.rows == 0


def plan_sync(sync: Sync, settings: Settings) -> Plan:
    """Compare desired and accepted.

    Raises ConfigurationError, or LockedError while the sync runs or the warehouse is written.
    """
    with (
        open_ledger(settings.ledger / f"{sync.name}.duckdb", write=False) as connection,
        attached(connection, settings.warehouse, write=False) as catalog,
    ):
        return make_plan(connection, sync, compute(connection, sync, catalog, utcnow()))


def make_plan(connection: duckdb.DuckDBPyConnection, sync: Sync, difference: Difference) -> Plan:
    """Cut what the quota does not allow out of `due`, and count what is left."""
    counts = {"remove": difference.removals, "change": difference.changes, "add": difference.adds}
    withheld = dict(difference.withheld)
    if (quota := quota_left(connection, sync)) is not None:
        total = sum(counts.values())
        fitting = _fitting(sync, counts, total, quota)
        if fitting < total:
            withheld["quota"] = total - fitting
            counts = _first(counts, fitting)
            connection.execute(
                """delete from due where key in (
                    select key from due
                    order by
                        operation = 'add', operation = 'change', claimed_batch nulls last, priority desc nulls last, key
                    offset ?
                )""",
                [fitting],
            )
    calls = _calls(sync, counts)
    return Plan(
        sync=sync.name,
        destination=sync.destination,
        adds=counts["add"],
        changes=counts["change"],
        removals=counts["remove"],
        unchanged=difference.unchanged,
        withheld=withheld,
        calls=calls,
        seconds=sync.limits.seconds(calls),
        accepted=difference.accepted,
        guard=_guard(sync, difference, sync.max_change_share),
    )


def check_guards(sync: Sync, difference: Difference, allow_change_share: float | None) -> None:
    """Raise GuardError when more of what was accepted would change than `allow_change_share` (or the sync) allows."""
    share = sync.max_change_share if allow_change_share is None else allow_change_share
    if reason := _guard(sync, difference, share):
        raise GuardError(f"{sync.name}: {reason}")


def _guard(sync: Sync, difference: Difference, share: float) -> str | None:
    if share >= 1 or difference.accepted == 0:
        return None
    if difference.desired == 0 and difference.accepted > sync.guard_floor:
        return (
            f"the model is empty while {difference.accepted} rows were accepted before; "
            "if that is right, run again with an allowed change share of 1"
        )
    changes = max(0, difference.changes - difference.again)
    touched = changes + difference.removals
    if touched > sync.guard_floor and touched > math.floor(share * difference.accepted):
        return (
            f"{changes} changes and {difference.removals} removals are "
            f"{touched / difference.accepted:.0%} of the {difference.accepted} accepted rows; {share:.0%} are allowed "
            f"(max_change_share in {sync.file}). "
            "Look at the plan; if it is right, run again with a higher allowed change share"
        )
    return None


def quota_left(connection: duckdb.DuckDBPyConnection, sync: Sync) -> int | None:
    """Calls that the tool's daily limit leaves; None where there is none."""
    per_day = sync.limits.calls_per_day
    if per_day is None:
        return None
    return max(0, per_day - calls_of_the_day(connection))


def _first(counts: dict[str, int], rows: int) -> dict[str, int]:
    """The operations of the first `rows` due rows, in the order of sending."""
    taken = {}
    for operation in ("remove", "change", "add"):
        taken[operation] = min(counts[operation], rows)
        rows -= taken[operation]
    return taken


def _fitting(sync: Sync, counts: dict[str, int], total: int, quota: int) -> int:
    """How many of the first rows fit into `quota` calls."""
    low, high = 0, total
    while low < high:
        middle = (low + high + 1) // 2
        if _calls(sync, _first(counts, middle)) <= quota:
            low = middle
        else:
            high = middle - 1
    return low


def _calls(sync: Sync, counts: dict[str, int]) -> int:
    if not any(counts.values()):
        return 0
    return sync.destination_class.estimate_calls(
        sync.object, sync.destination_options, sync.limits, counts["add"], counts["change"], counts["remove"]
    )
