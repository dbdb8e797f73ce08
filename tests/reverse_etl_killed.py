"""Kill a sync at chosen moments: a driver that imports once and forks a child for each attempt.

    python reverse_etl_killed.py FOLDER 17 0.03    kill one at its 17th call of the ledger, another after 0.03 s
    python reverse_etl_killed.py FOLDER 0          kill none, and tell how many calls of the ledger it makes

Each attempt starts with the warehouse and the ledgers that FOLDER/before holds, against the server that the environment
names, and prints a JSON line; whoever drives this reads what the server holds, then sends a line to go on. Where there
is a FOLDER/after.duckdb, every second attempt finds the warehouse changed to that when it goes on after the kill.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import reverse_etl_sink
from reverse_etl_house import House

import reverse_etl.config
import reverse_etl.payloads
from reverse_etl import LockedError, run_sync
from reverse_etl.delivery import Patience
from reverse_etl.ledger import Ledger

PATIENCE = Patience(attempts=12, first_wait=0.001, longest_wait=0.002, rate_limit_wait=0.001)
STEPS = ("tidy", "start", "plan", "opt_out", "polled", "reserve_batch_numbers", "write", "fold", "finish")


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
            for name in STEPS:
                count(name)
        else:
            threading.Thread(target=kill_after, args=[moment], daemon=True).start()
        run_sync(house.sync, house.settings, patience=PATIENCE)
        print(json.dumps({"operations": counted}), flush=True)
        return 0

    return work


def finish(house: House) -> int:
    """Two runs at once that are left alone (one of them finds the other), and one that must have nothing to do; 0 if
    all is right."""

    def rival() -> int:
        with contextlib.suppress(LockedError):
            run_sync(house.sync, house.settings, patience=PATIENCE)
        return 0

    other = os.fork() if random.random() < 0.5 else None
    if other == 0:
        os._exit(in_child(rival))
    while True:
        try:
            result = run_sync(house.sync, house.settings, patience=PATIENCE)
            break
        except LockedError:
            time.sleep(0.01)
    if other is not None:
        os.waitpid(other, 0)
        result = run_sync(house.sync, house.settings, patience=PATIENCE)
    return 1 if result.status != "done" else run_sync(house.sync, house.settings).calls


def replace(source: Path, warehouse: Path) -> None:
    """Another warehouse in its place."""
    shutil.copyfile(source, warehouse)
    warehouse.with_name(f"{warehouse.name}.wal").unlink(missing_ok=True)


def main() -> None:
    reverse_etl.config.destination_class = reverse_etl_sink.find_sink  # type: ignore[attr-defined]
    reverse_etl.payloads.WINDOW = 25
    folder = Path(sys.argv[1])
    house = House.existing(folder)
    ledger, before, after = house.settings.ledger, folder / "before", folder / "after.duckdb"
    for number, moment in enumerate(map(float, sys.argv[2:])):
        shutil.rmtree(ledger, ignore_errors=True)
        shutil.copytree(before / "ledger", ledger)
        replace(before / "warehouse.duckdb", house.settings.warehouse)
        killed = in_child(killed_at(house, moment)) == -signal.SIGKILL
        changed = after.exists() and number % 2 == 1
        if changed:
            replace(after, house.settings.warehouse)
        finished = in_child(lambda: finish(house))
        told = {"moment": moment, "killed": killed, "changed": changed, "finished": finished}
        print(json.dumps(told), flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main()
