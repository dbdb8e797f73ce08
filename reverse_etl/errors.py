"""What can go wrong on the way out, divided by what to do next.

    SyncError                  a KinshipError: a message for people, and an exit code
    ├── ConfigurationError     change the configuration, then run again
    │   ├── NotConfigured      the destination has no credentials here: skip the sync and say so
    │   └── AuthenticationError  the destination refuses the credentials: stop at once
    ├── GuardError             a person should look before anything is sent
    ├── LockedError            somebody else holds the ledger or the warehouse: come back later
    ├── LedgerError            the ledger cannot be written (a full disk): make room, then run again
    └── DestinationError
        ├── Retryable          the same call may succeed later; its effect is unknown
        │   └── RateLimited    the call was not taken; wait as long as the destination says
        └── Rejected           the destination refuses this very batch: bisect it, or give the row up

No message holds a value of a person's row: keys are hashed, payloads are never shown.
"""

from kinship.errors import KinshipError


class SyncError(KinshipError):
    """The root of all errors of reverse ETL."""


class ConfigurationError(SyncError):
    """The configuration is wrong; the message names the place and what is allowed."""

    exit_code = 2


class NotConfigured(ConfigurationError):
    """The destination has no credentials in this environment."""


class AuthenticationError(ConfigurationError):
    """The destination refuses the credentials."""


class GuardError(SyncError):
    """More would change than the sync allows; nothing was sent."""

    exit_code = 3


class LockedError(SyncError):
    """Another process holds the ledger or the warehouse."""


class LedgerError(SyncError):
    """The ledger cannot be written; nothing more is sent."""


class DestinationError(SyncError):
    """A call to the destination failed; `error_class` is safe to store and to show."""

    def __init__(self, error_class: str, message: str = "") -> None:
        super().__init__(message or error_class)
        self.error_class = error_class


class Retryable(DestinationError):
    """Timeout, dropped connection, 5xx: whether the call took effect is unknown."""


class RateLimited(Retryable):
    """429: the call was not taken. `retry_after` is in seconds; None when the destination did not say."""

    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__("rate_limited")
        self.retry_after = retry_after


class Rejected(DestinationError):
    """The batch as a whole is refused; nothing of it took effect."""
