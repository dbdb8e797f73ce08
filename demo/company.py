"""A simulated company: eight systems' files with a history of visits, orders, mails and tickets behind them.

    simulate(people=2000, days=180, seed=1, out=Path("data/sources"))

Every life is a function of the seed and a number, told in order of time. So the same seed gives the same bytes, and a
company that is extended to a later day gets the files that a longer run would have written for the new days.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from demo.behaviour import story, till
from demo.clock import day_number, to_date
from demo.files import Files
from demo.people import units
from demo.sources import zendesk
from demo.spool import Spool
from demo.truth import Truth
from demo.world import World

# Fixed, so that the same command writes the same history next year.
DEFAULT_END = date(2026, 6, 30)
STATE = "company.json"


@dataclass(frozen=True)
class Summary:
    """What one run wrote: rows by table (`shopify/orders`), among them the broken and the repeated ones."""

    rows: dict[str, int]
    files: int
    bytes: int
    start: date
    end: date
    people: int
    records: int
    """Rows in the truth: records of people, over the whole history."""


@dataclass(frozen=True)
class _State:
    """Remembered beside the truth, so that a company can go on. `until` is the last day whose files are complete."""

    people: int
    days: int
    seed: int
    start: str
    until: str | None


def simulate(
    people: int,
    days: int,
    seed: int,
    out: Path,
    until: date | None = None,
    truth: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Write the company's files below `out`, and who is whom below `truth` (default: the folder `truth` beside `out`).

    A new company has `days` days of history that end on `until` (default 2026-06-30). For a company that is there
    already, `until` adds the days that are missing: only new files are written. `progress` is called with (steps done,
    all steps).
    Raises ValueError when a number makes no sense, when `until` lies in the future, when the truth would lie among the
    sources, or when `out` holds another company.
    """
    out = out.resolve()
    truth = truth.resolve() if truth else out.parent / "truth"
    if people < 1 or days < 1:
        raise ValueError(f"people and days must be at least 1, got {people} and {days}")
    if truth == out or out in truth.parents:
        raise ValueError(f"the truth must not lie among the sources: {truth} is inside {out}")
    today = datetime.now(UTC).date()
    if until and until > today:
        raise ValueError(f"until must not lie in the future: {until} is after today, {today}")
    state = _read_state(truth, out, people, days, seed)
    end = until or (date.fromisoformat(state.until) if state and state.until else min(DEFAULT_END, today))
    start = date.fromisoformat(state.start) if state else end - timedelta(days=days - 1)
    written = date.fromisoformat(state.until) if state and state.until else None
    if written and end < written:
        raise ValueError(f"the company in {out} already goes to {written}; until must be that day or later, got {end}")
    holds_files = out.exists() and any(out.iterdir())
    first = written + timedelta(days=1) if written and end > written and holds_files else start
    out.mkdir(parents=True, exist_ok=True)
    truth.mkdir(parents=True, exist_ok=True)
    _write_state(truth, _State(people, days, seed, start.isoformat(), written.isoformat() if written else None))
    summary = _run(people, seed, out, truth, day_number(start), day_number(first), day_number(end), progress)
    _write_state(truth, _State(people, days, seed, start.isoformat(), end.isoformat()))
    return summary


def remembered(out: Path, truth: Path | None = None) -> tuple[int, int, int] | None:
    """People, days and seed of the company that was begun in `out`; None when there is none."""
    state = _stored(truth or out.resolve().parent / "truth")
    return (state.people, state.days, state.seed) if state else None


def _run(
    people: int,
    seed: int,
    out: Path,
    truth_folder: Path,
    start: int,
    first: int,
    last: int,
    progress: Callable[[int, int], None] | None,
) -> Summary:
    # writing the files takes about a third as long as living the lives
    steps = people + people // 3
    with Spool(out.parent, start, first, last) as spool:
        truth = Truth(truth_folder, last)
        world = World(seed, people, start, last, spool, truth)
        zendesk.write_agents(world)
        for day in range(start, last + 1):
            till.sell_to_strangers(world, day)
        done = 0
        for unit in units(people, seed):
            story.tell(world, unit)
            done += len(unit.members)
            if progress:
                progress(done, steps)
        records = truth.close()
        files = Files(world, out)
        expected = sum(len(days) for days in spool.tables().values())
        written = 0

        def wrote() -> None:
            nonlocal written
            written += 1
            if progress:
                progress(people + min(written, expected) * (steps - people) // max(expected, 1), steps)

        files.write_all(spool, wrote)
    if progress:
        progress(steps, steps)
    return Summary(files.rows, files.files, files.bytes, to_date(start), to_date(last), people, records)


def _stored(truth: Path) -> _State | None:
    path = truth / STATE
    return _State(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def _read_state(truth: Path, out: Path, people: int, days: int, seed: int) -> _State | None:
    state = _stored(truth)
    if state is None:
        if out.exists() and any(out.iterdir()):
            raise ValueError(
                f"{out} is not empty and {truth / STATE} does not say what company lies there; "
                "choose another folder or empty it"
            )
        return None
    if (state.people, state.days, state.seed) != (people, days, seed):
        raise ValueError(
            f"{out} holds a company of people={state.people} days={state.days} seed={state.seed}, "
            f"asked for people={people} days={days} seed={seed}; "
            "give the same numbers to extend it, or choose another folder"
        )
    return state


def _write_state(truth: Path, state: _State) -> None:
    new = truth / f"{STATE}.new"
    new.write_text(json.dumps(asdict(state), indent=2) + "\n", encoding="utf-8")
    new.replace(truth / STATE)
