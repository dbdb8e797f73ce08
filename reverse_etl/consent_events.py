"""Opt-outs on their way home: what the ledger learned becomes records of the source `destinations`.

A sync writes a file of JSON lines that the ordinary extraction reads. From there the unsubscribe reaches
`customers.customer_consents` as `withdrawn`, and every sync of that purpose and channel takes the person out.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import duckdb

from kinship.settings import Settings
from kinship.sql import quoted
from reverse_etl.config import Channel, Sync
from reverse_etl.errors import ConfigurationError, LockedError
from reverse_etl.warehouse import attached

SOURCE = "destinations"
ANY_CHANNEL = "any"
"""The channel of an opt-out that was said of none: it counts for all of them."""

Identifier = tuple[str, str]
"""Type and value, as staging knows them (docs/sources.md)."""

_EMAIL, _PHONE = r"[^@\s]+@[^@\s]+", r"\+[0-9]{7,15}"
UNTOLD = f"not told and (customer_id is not null or regexp_full_match(key, '{_EMAIL}|{_PHONE}'))"
"""Which of the ledger's `opt_outs` are still to be told."""


def tell(connection: duckdb.DuckDBPyConnection, sync: Sync, settings: Settings, *, patience: float = 3.0) -> int:
    """Write down the ledger's opt-outs that were not told yet; how many that were.

    A person whose key says nothing to other systems goes by an identifier of the customer's, or waits for a later run
    while the warehouse is in use. A key that says nothing and is no customer's is nobody we know: it is not told.
    Killed before the ledger knows, the same statements are written again, and staging takes them for one.
    Raises ConfigurationError where nothing can be written.
    """
    found = connection.execute(
        f"""select key, customer_id, channel, opted_out_at, seen_at from opt_outs
        where {UNTOLD} order by seen_at, key, channel"""  # noqa: S608 - our own words
    ).fetchall()
    if not found:
        return 0
    known = {key: identifier for key, *_ in found if (identifier := _recognised(key))}
    if foreign := {key: customer for key, customer, *_ in found if key not in known and customer}:
        known |= _of_customers(connection, settings, foreign, patience)
    rows = [row for row in found if row[0] in known]
    if not rows:
        return 0
    statements = [
        statement
        for key, _, channel, opted_out_at, seen_at in rows
        for statement in _statements(sync, known[key], channel, opted_out_at, seen_at)
    ]
    _write(settings.source_path(SOURCE) / "opt_outs" / sync.name, statements, max(row[4] for row in rows))
    connection.execute("begin")
    for key, _, channel, *_ in rows:
        connection.execute("update opt_outs set told = true where key = ? and channel = ?", [key, channel])
    connection.execute("commit")
    return len(rows)


def _recognised(key: str) -> Identifier | None:
    if re.fullmatch(_EMAIL, key):
        return "email", key
    return ("phone", key) if re.fullmatch(_PHONE, key) else None


def _of_customers(
    connection: duckdb.DuckDBPyConnection, settings: Settings, customers: Mapping[str, str], patience: float
) -> dict[str, Identifier]:
    """For each key one identifier of its customer. One: two of them would tie two records together for good."""
    try:
        with attached(connection, settings.warehouse, write=False, patience=patience) as catalog:
            rows = connection.execute(
                f"""
                select asked.key, arg_min(held.identifier_type, place), arg_min(held.identifier_value, place)
                from (select unnest($1) as key, unnest($2) as customer_id) as asked
                left join {quoted(catalog)}.identity.identity_redirects as redirects
                    on asked.customer_id = redirects.customer_id
                inner join (
                    select
                        *,
                        -- a person's own account before an address, and what machines share not at all
                        row_number() over (
                            partition by customer_id
                            order by identifier_type = 'phone', identifier_type = 'email', identifier_type,
                                last_seen_at desc, identifier_value
                        ) as place
                    from {quoted(catalog)}.customers.customer_identifiers
                    where not is_quarantined and identifier_type not in ('anonymous_id', 'device_id')
                ) as held on coalesce(redirects.current_customer_id, asked.customer_id) = held.customer_id
                group by asked.key
                """,  # noqa: S608 - the catalog is quoted
                [list(customers), list(customers.values())],
            ).fetchall()
    except (LockedError, duckdb.CatalogException):
        # in use, or a warehouse in which nobody was identified yet
        return {}
    return {key: (kind, value) for key, kind, value in rows}


def _statements(
    sync: Sync, identifier: Identifier, channel: str, opted_out_at: datetime, seen_at: datetime
) -> Iterator[dict[str, Any]]:
    """An opt-out as records of the source. The id is the same whichever run, and whichever of its syncs, tells it."""
    for one in get_args(Channel) if channel == ANY_CHANNEL else (channel,):
        named = "\0".join((sync.destination, sync.purpose, one, *identifier))
        yield {
            "id": hashlib.sha256(named.encode()).hexdigest()[:32],
            "destination": sync.destination,
            "sync": sync.name,
            "identifier_type": identifier[0],
            "identifier": identifier[1],
            "purpose": sync.purpose,
            "channel": one,
            "status": "withdrawn",
            "opted_out_at": f"{opted_out_at.isoformat()}Z",
            "seen_at": f"{seen_at.isoformat()}Z",
        }


def _write(folder: Path, statements: Sequence[Mapping[str, Any]], at: datetime) -> None:
    """A file of its own, whole or not at all; the same statements give the same file."""
    text = "".join(f"{json.dumps(statement, ensure_ascii=False)}\n" for statement in statements)
    name = f"{at:%Y%m%dT%H%M%S}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.jsonl"
    draft = folder / f"{name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / name)
    except OSError as error:
        raise ConfigurationError(
            f"opt-outs cannot be written to {folder} ({error.strerror}); they wait in the ledger. Make the folder "
            "writable, or point KINSHIP_DESTINATIONS_PATH to one that is"
        ) from None
