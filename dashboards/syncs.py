"""Where syncs stand at this moment: what the project says of them, and what their ledgers hold.

A ledger's lock is the sync's lock, so it is open for some milliseconds only; a run that begins just then waits for it.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from kinship.manifest import manifest_path
from kinship.settings import settings
from reverse_etl.config import Sync, load_syncs
from reverse_etl.errors import ConfigurationError, LockedError
from reverse_etl.status import RejectedRow, SyncStatus, rejected_rows, sync_status

KEPT_SECONDS = 15
"""How long what a ledger said is shown: more sessions do not open it more often."""

_one_reader = threading.Lock()  # a ledger takes one connection of a process at a time

WITHHELD = {
    "suppressed": "on the list of people who must never be sent",
    "no_consent": "no consent known for this purpose and channel",
    "denied": "the person said no",
    "withdrawn": "the person took the consent back",
    "unknown": "the consent's status is empty or none we know",
    "opted_out": "unsubscribed at the destination",
    "null_key": "the row has no key to match by",
    "duplicate_key": "several rows share the key",
    "backoff": "refused before; waits for its next try",
    "quota": "the day's calls are used up",
}
"""Why a row is not sent, in words (docs/reverse-etl.md)."""


@dataclass(frozen=True)
class Standing:
    """A sync of the project and its state. `status` is None where its ledger is not on this machine."""

    sync: Sync
    status: SyncStatus | None


def standings() -> list[Standing]:
    """All syncs of the project by name; none where the project was not parsed on this machine."""
    try:
        syncs = load_syncs(manifest_path())
    except ConfigurationError:
        return []
    is_here = settings().ledger.is_dir()
    return [Standing(sync, _status(str(settings().ledger), sync.name, sync) if is_here else None) for sync in syncs]


def waiting(sync: Sync) -> list[RejectedRow] | None:
    """The refused rows that wait for another try; None while the sync runs, or where its ledger is not."""
    if not settings().ledger.is_dir():
        return None
    return _waiting(str(settings().ledger), sync.name, sync)


def counted(told: str | None) -> Mapping[str, int]:
    """Counts by reason out of the JSON that runs and plans keep; empty for what is none."""
    try:
        found = json.loads(told or "{}")
    except ValueError:
        return {}
    return {str(reason): int(count) for reason, count in found.items()} if isinstance(found, dict) else {}


@st.cache_data(ttl=KEPT_SECONDS, max_entries=200, show_spinner=False)
def _status(ledger: str, name: str, _sync: Sync) -> SyncStatus:
    with _one_reader:
        return sync_status(_sync, settings())


@st.cache_data(ttl=KEPT_SECONDS, max_entries=20, show_spinner=False)
def _waiting(ledger: str, name: str, _sync: Sync) -> list[RejectedRow] | None:
    with _one_reader:
        try:
            return rejected_rows(_sync, settings())
        except LockedError:
            return None
