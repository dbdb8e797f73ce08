"""Kill a publisher at each of its steps: a driver that imports once and forks a child for each attempt.

Works on the data folder of the environment, in which something is published. For each step it rebuilds (in name), lets
a child publish and kill itself just before the step, looks as a reader does, and lets a second child publish to its
end. Prints a JSON line for each. Arguments are the numbers of the steps to take; without any it takes all.
"""

import json
import os
import signal
import sys

from forked import in_child
from published_house import opened, rebuild, shown, sync_runs

from kinship.published import audit, drafting, publishing
from kinship.published.publishing import publish
from kinship.settings import settings

# (module, function, which call of it, whether the pointer is switched by then, only what the syncs did)
STEPS = [
    (drafting, "add_file", 1, False, False),
    (drafting, "copy_tables", 1, False, False),
    (drafting, "write_metrics", 1, False, False),
    (drafting, "mask_tables", 1, False, False),
    (drafting, "count_rows", 1, False, False),
    (audit, "_count", 3, False, False),
    (drafting, "copy_file", 2, False, True),
    (publishing, "write_record", 1, False, True),
    (publishing, "sync_folder", 1, False, True),
    (publishing, "write_record", 2, False, True),
    (publishing, "_link", 1, True, True),
    (publishing, "prune", 1, True, True),
]


def killed(module: object, name: str, call: int) -> None:
    """Publish, and die before the call of a function."""
    real = getattr(module, name)
    calls = 0

    def counted(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)

    setattr(module, name, counted)
    publish(settings())


def readable() -> bool:
    """Whether a reader finds both files whole."""
    one = shown()
    for masked in (True, False):
        with opened(masked, one) as connection:
            for key, rows in one.rows.items():
                if connection.execute(f"select count(*) from {key}").fetchall() != [(rows,)]:
                    return False
    return True


def look() -> None:
    if not readable():
        raise AssertionError("not whole")


def main() -> None:
    published = settings().published
    steps = [STEPS[int(number)] for number in sys.argv[1:]] or STEPS
    whole = [step for step in steps if not step[-1]]
    for number, (module, name, call, after_switch, only_syncs) in enumerate(steps):
        before = shown().run
        # in a child: the driver that forks must not hold a database open
        in_child(lambda: (sync_runs if only_syncs else rebuild)(f"step {number}"))  # noqa: B023
        code = in_child(lambda: killed(module, name, call))  # noqa: B023
        told = {
            "step": f"{name} {call}",
            "killed": code == -signal.SIGKILL,
            "after_switch": after_switch,
            "seen": "old" if shown().run == before else "new",
            "readable": in_child(look) == 0,
        }
        if not only_syncs and number + 1 < len(whole):
            # a whole one takes seconds: the one after the last of them stands for all
            print(json.dumps(told | {"then": None}), flush=True)
            continue
        told["then"] = in_child(lambda: publish(settings())) == 0 and in_child(look) == 0 and shown().run != before
        kept = {
            path.name for path in published.iterdir() if path.name[0].isdigit() and (path / "publication.json").exists()
        }
        told["left"] = sorted(
            path.name
            for path in published.iterdir()
            if path.name not in {*kept, "current", "current.json", "lock", "mask.key"}
        )
        print(json.dumps(told), flush=True)
    assert (published / "current").readlink().name == shown().run


main()
