"""What a run says while it goes on, and at its end."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from reverse_etl.planning import Plan

Status = Literal["done", "incomplete", "not_configured", "dry_run"]


@dataclass
class RunResult:
    """What a run did; a dry run: what it would do.

    `refused` counts rows by error class; `left` are due rows the run did not come to; `quota` the calls that are left
    of the day's (None where there is no such limit); `opted_out` the people of whom it learned that they unsubscribed
    over there.
    """

    sync: str
    destination: str
    status: Status = "done"
    message: str | None = None
    added: int = 0
    changed: int = 0
    removed: int = 0
    erased: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    withheld: dict[str, int] = field(default_factory=dict)
    opted_out: int = 0
    unchanged: int = 0
    left: int = 0
    calls: int = 0
    quota: int | None = None
    seconds: float = 0.0
    run_id: str | None = None
    """None when nothing was due and nothing had to be said."""
    plan: Plan | None = None
    """What was due when the run began, or after it had asked who unsubscribed."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Progress:
    """Told after every batch: rows with an outcome, of so many due."""

    sync: str
    done: int
    total: int
    calls: int = 0
    seconds: float = 0.0
    """Since the first batch was taken."""

    @property
    def rate(self) -> float | None:
        """Rows per second; None before there is anything to tell."""
        return self.done / self.seconds if self.done and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far."""
        return (self.total - self.done) / self.rate if self.rate else None
