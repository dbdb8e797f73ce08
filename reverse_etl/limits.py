"""What a tool allows, as data: the engine cuts batches by it, keeps to its pace, and plans by it."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _names(value: Any) -> Any:
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
"""The type of an option that people write as names with commas between them."""


class Options(BaseModel):
    """Options every destination takes; a destination's own model extends it.

    They can only tighten what the tool allows, but for `requests_per_second` and `requests_per_day`: an account may
    have bought more.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_second: float | None = Field(default=None, gt=0)
    requests_per_day: int | None = Field(default=None, gt=0)
    batch_size: int | None = Field(default=None, gt=0)
    concurrency: int | None = Field(default=None, gt=0)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `calls` in any window of so many seconds."""

    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings of one object of one tool, from the vendor's documents."""

    rows: int = 1000
    """Rows in a batch."""
    removal_rows: int | None = None
    """Rows in a batch of removals or erasures; None: as in any other."""
    batch_bytes: int | None = None
    """Bytes of a batch, counted as JSON in UTF-8."""
    row_bytes: int | None = None
    """Bytes of a row, counted the same way; a larger one is refused as `too_large` before it is sent."""
    concurrency: int = 1
    """Batches on their way at the same time."""
    rates: tuple[Rate, ...] = ()
    """All of them hold at once."""
    calls_per_day: int | None = None
    """Calls in the last 24 hours; what does not fit is withheld as `quota`."""

    def under(self, options: Options) -> "Limits":
        """These limits as a sync's options change them."""
        rows = min(self.rows, options.batch_size or self.rows)
        return replace(
            self,
            rows=rows,
            removal_rows=min(rows, self.removal_rows or rows),
            concurrency=min(self.concurrency, options.concurrency or self.concurrency),
            rates=(Rate(1, 1 / options.requests_per_second),) if options.requests_per_second else self.rates,
            calls_per_day=options.requests_per_day or self.calls_per_day,
        )

    def seconds(self, calls: int) -> float | None:
        """The least time that so many calls take by the rates; None when there is no rate."""
        if not self.rates:
            return None
        return max((-(-calls // rate.calls) - 1) * rate.seconds for rate in self.rates) if calls else 0.0
