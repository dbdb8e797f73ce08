"""What a run would do, without a call to the destination."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

from kinship.settings import Settings
from reverse_etl.config import Sync
from reverse_etl.destination import Cost
from reverse_etl.difference import OPERATIONS, Difference, compute, sending_order
from reverse_etl.errors import GuardError
from reverse_etl.ledger import calls_of_the_day, open_ledger, utcnow
from reverse_etl.warehouse import attached

SAMPLES = 10
"""Keys shown per operation, as SHA-256."""


@dataclass(frozen=True)
class Plan:
    """What is due, in rows, and what it takes."""

    sync: str
    destination: str
    adds: int
    changes: int
    removals: int
    """Erasures not among them."""
    unchanged: int
    withheld: dict[str, int]
    calls: int
    seconds: float | None
    """What the destination's rates ask for; None where it has no limit."""
    accepted: int
    guard: str | None
    """Why a run would stop before the first call; None when it would go on."""
    erasures: int = 0
    merges: int = 0
    """Removals of people who became part of another."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Why rows are removed or erased."""
    days: int | None = None
    """Days until everything due is sent, by the calls a day that are allowed; None where they are not limited."""
    cost: Cost = "calls"
    """What the tool's bill counts."""
    units: int = 0
    """How many of these this run makes."""
    samples: dict[str, list[str]] = field(default_factory=dict)
    """SHA-256 of the first keys of each operation, as `reverse_etl.sync_results` has them."""

    def as_json(self) -> dict[str, Any]:
        """The stable shape of `kinship plan --json`."""
        return {
            "sync": self.sync,
            "adds": self.adds,
            "changes": self.changes,
            "removals": self.removals,
            "withheld": self.withheld,
            "calls": self.calls,
            "erasures": self.erasures,
            "merges": self.merges,
            "reasons": self.reasons,
            "unchanged": self.unchanged,
            "accepted": self.accepted,
            "seconds": self.seconds,
            "days": self.days,
            "cost": self.cost,
            "units": self.units,
            "guard": self.guard,
            "samples": self.samples,
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
    counts = dict(difference.due)
    withheld = dict(difference.withheld)
    days = None
    per_day, left = sync.limits.calls_per_day, quota_left(connection, sync)
    if per_day is not None and left is not None:
        total = sum(counts.values())
        days = _days(_calls(sync, counts), left, per_day)
        fitting = _fitting(sync, counts, total, left)
        if fitting < total:
            withheld["quota"] = total - fitting
            counts = _first(counts, fitting)
            connection.execute(
                f"delete from due where key in (select key from due order by {sending_order()} offset ?)",  # noqa: S608
                [fitting],
            )
    calls = _calls(sync, counts)
    reasons = dict(
        connection.execute("select reason, count(*) from due where reason is not null group by 1 order by 1").fetchall()
    )
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
        erasures=counts["erase"],
        merges=reasons.get("merged", 0),
        reasons=reasons,
        days=days,
        cost=sync.destination_class.cost,
        units=_units(sync, counts, calls, len(difference.fields) - 1),
        samples=_samples(connection),
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
    removals = difference.removals + difference.erasures
    touched = changes + removals
    if touched > sync.guard_floor and touched > math.floor(share * difference.accepted):
        return (
            f"{changes} changes and {removals} removals are "
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


def _days(calls: int, left: int, per_day: int) -> int:
    """Today counts when something can be sent today."""
    return 0 if not calls else 1 + -(-max(0, calls - left) // per_day)


def _first(counts: Mapping[str, int], rows: int) -> dict[str, int]:
    """The operations of the first `rows` due rows, in the order of sending."""
    taken = {}
    for operation in OPERATIONS:
        taken[operation] = min(counts[operation], rows)
        rows -= taken[operation]
    return taken


def _fitting(sync: Sync, counts: Mapping[str, int], total: int, quota: int) -> int:
    """How many of the first rows fit into `quota` calls."""
    low, high = 0, total
    while low < high:
        middle = (low + high + 1) // 2
        if _calls(sync, _first(counts, middle)) <= quota:
            low = middle
        else:
            high = middle - 1
    return low


def _calls(sync: Sync, counts: Mapping[str, int]) -> int:
    if not any(counts.values()):
        return 0
    limits = sync.limits
    # erasures are batches of their own, of the size of removals
    erasures = -(-counts["erase"] // (limits.removal_rows or limits.rows))
    return erasures + sync.destination_class.estimate_calls(
        sync.object, sync.destination_options, limits, counts["add"], counts["change"], counts["remove"]
    )


def _units(sync: Sync, counts: Mapping[str, int], calls: int, fields: int) -> int:
    """What the tool's bill will count: calls, one message per row sent, one data point per field of a row sent (the
    key is none), or one record per row added."""
    match sync.destination_class.cost:
        case "calls":
            return calls
        case "records":
            return counts["add"]
        case "messages":
            return counts["add"] + counts["change"]
        case "data_points":
            return (counts["add"] + counts["change"]) * fields


def _samples(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    rows = connection.execute(
        f"""select operation, list(sha256(key) order by key) from (
            from due qualify row_number() over (partition by operation order by key) <= {SAMPLES}
        ) group by operation"""  # noqa: S608 - a number of ours
    ).fetchall()
    found = dict(rows)
    return {operation: found[operation] for operation in OPERATIONS if operation in found}
