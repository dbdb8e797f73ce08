"""Who unsubscribed at the destination: asked when something is due, or once a day, and withheld from then on."""

from datetime import datetime, timedelta

import duckdb

from reverse_etl.config import Sync
from reverse_etl.destination import Destination
from reverse_etl.ledger import Ledger, utcnow

POLL_EVERY = timedelta(hours=24)
OVERLAP = timedelta(hours=1)
"""Asked again about this long before the last poll: their clock is not ours, and lists are written late."""


def is_poll_due(sync: Sync, connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the destination tells unsubscribes, and was not asked within a day. A poll from the future was put down
    by a clock that was wrong."""
    if not sync.destination_class.has_opt_outs:
        return False
    last, now = _last(connection), utcnow()
    return last is None or not timedelta() <= now - last < POLL_EVERY


async def poll(destination: Destination, connection: duckdb.DuckDBPyConnection, ledger: Ledger) -> int:
    """Ask, and remember in the ledger; how many people we did not know of yet. Raises what a call raises."""
    last, began = _last(connection), utcnow()
    since = last - OVERLAP if last is not None and last <= began else None
    told = [one async for one in destination.opt_outs(since) if one.key.strip()]
    fresh = ledger.opt_out(told, "poll") if told else 0
    ledger.polled(began)
    return fresh


def _last(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    row = connection.execute("select max(polled_at) from polls").fetchone()
    return row[0] if row else None
