"""Kill a sync at chosen moments: a driver that imports once and forks a child for each attempt.

    python reverse_etl_killed.py FOLDER 17 0.03    kill one at its 17th call of the ledger, another after 0.03 s
    python reverse_etl_killed.py FOLDER 0          kill none, and tell how many calls of the ledger it makes

Each attempt starts with the ledgers that FOLDER/ledger.before holds, against the server that the environment names,
and prints a JSON line; whoever drives this reads what the server holds, then sends a line to go on.
"""

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from reverse_etl_house import House

from reverse_etl import run_sync
from reverse_etl.delivery import Patience
from reverse_etl.ledger import Ledger

PATIENCE = Patience(attempts=8, first_wait=0.001, longest_wait=0.002, rate_limit_wait=0.001)


def in_child(work: Callable[[], int]) -> int:
    """Run in a forked process; returns its exit code (what `work` gives), negative for a signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        code = work()
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(255)
    os._exit(code)


def kill_after(seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(house: House, moment: float) -> Callable[[], int]:
    """A run killed as it comes to a call of the ledger (a whole number) or after some seconds (a fraction)."""

    def work() -> int:
        counted = 0

        def count(name: str) -> None:
            original = getattr(Ledger, name)

            def counting(*arguments: object, **named: object) -> object:
                nonlocal counted
                result = None
                for step in range(2):  # before the transaction, and right after it
                    counted += 1
                    if counted == moment:
                        os.kill(os.getpid(), signal.SIGKILL)
                    if step == 0:
                        result = original(*arguments, **named)
                return result

            setattr(Ledger, name, counting)

        if moment == int(moment):
            for name in ("tidy", "start", "claim", "commit", "finish"):
                count(name)
        else:
            threading.Thread(target=kill_after, args=[moment], daemon=True).start()
        run_sync(house.sync, house.settings, patience=PATIENCE)
        print(json.dumps({"operations": counted}), flush=True)
        return 0

    return work


def finish(house: House) -> int:
    """A run that is left alone, and one that must have nothing to do; 0 if both are right."""
    result = run_sync(house.sync, house.settings, patience=PATIENCE)
    return 1 if result.status != "done" else run_sync(house.sync, house.settings).calls


def main() -> None:
    folder = Path(sys.argv[1])
    house = House.existing(folder)
    ledger, before = house.settings.ledger, folder / "ledger.before"
    for moment in map(float, sys.argv[2:]):
        shutil.rmtree(ledger, ignore_errors=True)
        if before.exists():
            shutil.copytree(before, ledger)
        killed = in_child(killed_at(house, moment)) == -signal.SIGKILL
        finished = in_child(lambda: finish(house))
        print(json.dumps({"moment": moment, "killed": killed, "finished": finished}), flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main()
