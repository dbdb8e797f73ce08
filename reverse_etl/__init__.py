"""The way out: syncs send what differs between the warehouse and what a destination accepted. No Dagster in here."""

from reverse_etl.config import Sync, load_syncs
from reverse_etl.destination import CheckResult
from reverse_etl.engine import Progress, RunResult, run_sync
from reverse_etl.errors import (
    AuthenticationError,
    ConfigurationError,
    GuardError,
    LockedError,
    NotConfigured,
    SyncError,
)
from reverse_etl.planning import Plan, plan_sync
from reverse_etl.status import SyncStatus, check_destination, sync_status

__all__ = [
    "AuthenticationError",
    "CheckResult",
    "ConfigurationError",
    "GuardError",
    "LockedError",
    "NotConfigured",
    "Plan",
    "Progress",
    "RunResult",
    "Sync",
    "SyncError",
    "SyncStatus",
    "check_destination",
    "load_syncs",
    "plan_sync",
    "run_sync",
    "sync_status",
]
