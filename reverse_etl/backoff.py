"""How long a refused row waits for another try, by the class of its refusal. A changed payload goes at once."""

import re
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Backoff:
    """The first wait, doubled with each refusal of the same payload up to the longest."""

    classes: str
    """A regular expression of error classes, from the start."""
    first: timedelta
    longest: timedelta


POLICY = (
    # the person said no over there: only the person can change that
    Backoff("opted_out|unsubscribed|suppressed|blocked", timedelta(days=7), timedelta(days=30)),
    # the value is wrong, and waiting does not mend it; somebody may mend the field or the option over there
    Backoff("invalid|too_large|malformed|unsafe|unsupported|bad_", timedelta(hours=24), timedelta(days=7)),
    # the tool's own trouble with this very row
    Backoff(
        r"http_5\d\d|timeout|connection|no_outcome|rate_limited|conflict", timedelta(minutes=5), timedelta(hours=6)
    ),
    # duplicates, missing records, whatever else: people mend it over there during the day
    Backoff("", timedelta(minutes=15), timedelta(hours=24)),
)


def backoff(error_class: str) -> Backoff:
    """The policy of a class: the first that fits."""
    return next(policy for policy in POLICY if re.match(policy.classes, error_class))


def wait(error_class: str, tries: int) -> timedelta:
    """How long a row waits that was refused `tries` times in a row (at least once)."""
    policy = backoff(error_class)
    doubled: timedelta = policy.first * 2 ** min(tries - 1, 16)
    return min(policy.longest, doubled)
