"""Where syncs stand, and whether destinations can be reached."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from kinship.settings import Settings, settings
from reverse_etl.config import Sync
from reverse_etl.destination import CheckResult, Destination, Target, destination_class
from reverse_etl.errors import LockedError, NotConfigured, SyncError
from reverse_etl.ledger import open_ledger
from reverse_etl.pace import Meter
from reverse_etl.warehouse import one_row


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
    last_run_at: datetime | None = None
    last_message: str | None = None


def sync_status(sync: Sync, settings: Settings) -> SyncStatus:
    """Read the ledger of one sync; a sync that is running just now says so."""
    try:
        with open_ledger(settings.ledger / f"{sync.name}.duckdb", write=False) as connection:
            counts = one_row(connection, "select (select count(*) from accepted), (select count(*) from claims)")
            refused = dict(
                connection.execute("select error_class, count(*) from rejected group by 1 order by 1").fetchall()
            )
            last = connection.execute(
                "select status, started_at, message from runs order by started_at desc limit 1"
            ).fetchone()
    except LockedError:
        return SyncStatus(sync.name, sync.destination, "running")
    state, at, message = last or ("never", None, None)
    # nobody holds the ledger, so a run that says it is running died
    state = "interrupted" if state == "running" else state
    return SyncStatus(sync.name, sync.destination, state, counts[0], refused, counts[1], at, message)


def check_destination(name: str, sync: Sync | None = None) -> CheckResult:
    """Reach a destination with the credentials of the environment; with a sync, check its object and options too.

    Raises ConfigurationError for a name that does not exist.
    """
    kind = destination_class(name)
    options = kind.options_model.model_validate(sync.options if sync else {})
    target = Target(
        sync=sync.name if sync else "",
        object=sync.object if sync else "",
        key=sync.key if sync else "",
        mode=sync.mode if sync else "upsert",
        on_null=sync.on_null if sync else "leave",
        fields=(),
        kinds={},
        channel=sync.channel if sync else None,
        options=options,
        state=settings().state,
        meter=Meter(kind.limits(sync.object if sync else "", options).under(options).rates),
        purpose=sync.purpose if sync else "",
    )
    try:
        destination = kind(target)
    except NotConfigured as reason:
        return CheckResult(name, "not_configured", str(reason))
    return asyncio.run(_check(name, destination))


async def _check(name: str, destination: Destination) -> CheckResult:
    try:
        return await destination.check()
    except (SyncError, ValidationError) as error:
        return CheckResult(name, "failed", str(error))
    finally:
        await destination.close()
