"""Where syncs stand, and whether destinations can be reached."""

import asyncio
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import duckdb
from pydantic import ValidationError

from kinship.settings import Settings, settings
from reverse_etl.config import Sync
from reverse_etl.consent_events import UNTOLD
from reverse_etl.destination import CheckResult, Destination, Target, destination_class
from reverse_etl.difference import columns_of, fields_of
from reverse_etl.engine import target_of
from reverse_etl.errors import ConfigurationError, LockedError, NotConfigured, SyncError
from reverse_etl.ledger import calls_of_the_day, open_ledger, utcnow
from reverse_etl.pace import Meter
from reverse_etl.warehouse import attached, one_row

STALLED_RUNS = 3
STALLED_AFTER = timedelta(hours=24)


@dataclass(frozen=True)
class SyncStatus:
    """One sync as its ledger has it. Times are UTC without zone; None when it never ran."""

    sync: str
    destination: str
    state: str
    """never, running, or the status of the last run (done, incomplete, failed, interrupted)."""
    accepted: int = 0
    refused: dict[str, int] | None = None
    """Rows the destination refused and that wait for another try, by error class."""
    unsettled: int = 0
    """Rows sent by a run that died before it heard the answer; the next run settles them."""
    opt_outs: int = 0
    """People known to have unsubscribed at the destination."""
    untold_opt_outs: int = 0
    """Of them, those that are not written down for extraction yet."""
    last_run_at: datetime | None = None
    last_message: str | None = None
    next_attempt_at: datetime | None = None
    """When the first of the refused rows is tried again."""
    stalled: str | None = None
    """Why the sync does not get on; None when it does."""
    calls_today: int = field(default=0, repr=False)
    """Calls of the last 24 hours. Not shown with the rest: it changes though nothing happens."""
    calls_per_day: int | None = None
    """How many of them the tool or the sync's options allow; None where they are not limited."""

    def as_json(self) -> dict[str, Any]:
        """The stable shape of `kinship status --json`."""
        times = {name: at and at.isoformat(timespec="seconds") for name, at in vars(self).items() if name[-3:] == "_at"}
        return asdict(self) | {"refused": self.refused or {}} | times


@dataclass(frozen=True)
class RejectedRow:
    """A row that the destination refused and that is still wanted. Times are UTC without zone."""

    key_hash: str
    """SHA-256 of the key in hex, as in `reverse_etl.sync_results`."""
    operation: str
    error_class: str
    tries: int
    rejected_at: datetime
    next_attempt_at: datetime

    def as_json(self) -> dict[str, Any]:
        """The stable shape of `kinship rejected --json`."""
        return asdict(self) | {
            "rejected_at": self.rejected_at.isoformat(timespec="seconds"),
            "next_attempt_at": self.next_attempt_at.isoformat(timespec="seconds"),
        }


def sync_status(sync: Sync, settings: Settings) -> SyncStatus:
    """Read the ledger of one sync; a sync that is running just now says so."""
    try:
        with open_ledger(settings.ledger / f"{sync.name}.duckdb", write=False) as connection:
            counts = one_row(connection, "select (select count(*) from accepted), (select count(*) from claims)")
            refused = dict(
                connection.execute("select error_class, count(*) from rejected group by 1 order by 1").fetchall()
            )
            opt_outs, untold = one_row(
                connection,
                f"select count(distinct key), count(distinct key) filter ({UNTOLD}) from opt_outs",  # noqa: S608
            )
            stalled = _stall(connection, utcnow())
            calls_today = calls_of_the_day(connection)
            (next_attempt_at,) = one_row(connection, "select min(next_attempt_at) from rejected")
            last = connection.execute(
                "select status, started_at, message from runs order by started_at desc limit 1"
            ).fetchone()
    except LockedError:
        return SyncStatus(sync.name, sync.destination, "running", calls_per_day=sync.limits.calls_per_day)
    state, at, message = last or ("never", None, None)
    # nobody holds the ledger, so a run that says it is running died
    state = "interrupted" if state == "running" else state
    return SyncStatus(
        sync.name,
        sync.destination,
        state,
        accepted=counts[0],
        refused=refused,
        unsettled=counts[1],
        last_run_at=at,
        last_message=message,
        next_attempt_at=next_attempt_at,
        stalled=stalled,
        opt_outs=opt_outs,
        untold_opt_outs=untold,
        calls_today=calls_today,
        calls_per_day=sync.limits.calls_per_day,
    )


def _stall(connection: duckdb.DuckDBPyConnection, now: datetime) -> str | None:
    """Whether the last runs brought the sync no further, and how that shows."""
    runs = connection.execute(
        "select status, left_over, started_at from runs order by started_at desc limit ?", [STALLED_RUNS]
    ).fetchall()
    if len(runs) == STALLED_RUNS and all(status != "done" or left > 0 for status, left, _ in runs):
        return f"each of the last {STALLED_RUNS} runs broke off or left rows behind"
    if not runs or runs[0][0] == "done":
        return None
    (since,) = one_row(
        connection, "select coalesce(max(started_at) filter (status = 'done'), min(started_at)) from runs"
    )
    if now - since > STALLED_AFTER:
        return f"no run has come to its end since {since:%Y-%m-%d %H:%M} UTC"
    return None


def rejected_rows(sync: Sync, settings: Settings) -> list[RejectedRow]:
    """The rows that wait after a refusal, those due first on top. Raises LockedError while the sync runs."""
    with open_ledger(settings.ledger / f"{sync.name}.duckdb", write=False) as connection:
        return [
            RejectedRow(*row)
            for row in connection.execute(
                """select sha256(key), operation, error_class, tries, rejected_at, next_attempt_at
                from rejected order by next_attempt_at, sha256(key)"""
            ).fetchall()
        ]


def retry_rejected(sync: Sync, settings: Settings) -> int:
    """Make every refused row due now; returns how many there are. Raises LockedError while the sync runs."""
    with open_ledger(settings.ledger / f"{sync.name}.duckdb", write=True) as connection:
        connection.execute("update rejected set next_attempt_at = least(next_attempt_at, ?)", [utcnow()])
        (count,) = one_row(connection, "select count(*) from rejected")
    return int(count)


def check_destination(name: str, sync: Sync | None = None) -> CheckResult:
    """Reach a destination with the credentials of the environment; with a sync, check its object, options and fields.

    Raises ConfigurationError for a name that does not exist.
    """
    kind = destination_class(name)
    now = settings()
    if sync is None:
        options = kind.options_model()
        target = Target(
            sync="", object="", key="", mode="upsert", on_null="leave", fields=(), kinds={}, channel=None,
            options=options, state=now.state, meter=Meter(kind.limits("", options).rates),
        )  # fmt: skip
    else:
        target = target_of(sync, now, _kinds(sync, now), Meter(sync.limits.rates))
    try:
        destination = kind(target)
    except NotConfigured as reason:
        return CheckResult(name, "not_configured", str(reason))
    except ConfigurationError as error:
        return CheckResult(name, "failed", str(error))
    return asyncio.run(_check(name, destination))


async def _check(name: str, destination: Destination) -> CheckResult:
    try:
        result = await destination.check()
        if result.status == "ok" and destination.target.fields:
            await destination.prepare()
    except (SyncError, ValidationError) as error:
        return CheckResult(name, "failed", str(error))
    finally:
        await destination.close()
    return result


def _kinds(sync: Sync, settings: Settings) -> dict[str, str]:
    """The fields of the sync's model and their types; none while it is not built or the warehouse is in use."""
    try:
        with duckdb.connect() as connection, attached(connection, settings.warehouse, write=False) as catalog:
            columns = columns_of(connection, sync, catalog)
            return {name: columns[name] for name in fields_of(sync, columns)}
    except (ConfigurationError, LockedError):
        return {}
