"""Kill an extraction at chosen moments: a driver process that imports once and forks a child for each attempt.

    python extract_killed.py 17 0.25    kill one at its 17th file operation, another after 0.25 s
    python extract_killed.py 0          kill none, and tell how many file operations it makes

Each attempt starts from a copy of the folder KILL_BASE (a warehouse with a first load), is
killed, and is then completed by a second child; the driver prints a JSON line with what the warehouse holds then.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from kinship.settings import settings
from orchestration.extract import extract

SOURCE = "zendesk"
CHANGES = {"open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}


def in_child(work: Callable[[], None]) -> int:
    """Run in a forked process; returns its exit code, negative for a signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        work()
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)


def killed_at(moment: float) -> Callable[[], None]:
    """An extraction killed at a file operation (a whole number) or after some seconds (a fraction)."""

    def work() -> None:
        counted = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal counted
            if event in CHANGES:
                counted += 1
                if counted == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

        if moment == int(moment):
            sys.addaudithook(hook)
        else:
            threading.Thread(
                target=lambda: (time.sleep(moment), os.kill(os.getpid(), signal.SIGKILL)), daemon=True
            ).start()
        extract(SOURCE)
        if moment == 0:
            print(json.dumps({"operations": counted}), flush=True)

    return work


def report() -> None:
    with duckdb.connect(str(settings().warehouse), read_only=True) as connection:
        rows = connection.execute(
            "select id, _file_id in (select file_id from raw_zendesk.extracted_files where is_current), count(*) "
            "from raw_zendesk.users group by all order by all"
        ).fetchall()
        faults = connection.execute("select file, line from raw_zendesk.quarantine order by all").fetchall()
        ledger = connection.execute(
            "select file, version, part, rows, quarantined, is_current from raw_zendesk.extracted_files order by all"
        ).fetchall()
    print(json.dumps({"rows": rows, "faults": faults, "ledger": ledger}), flush=True)


def attempt(base: Path, moment: float) -> None:
    folder = base.with_name("attempt")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)
    os.environ["KINSHIP_DATA"] = str(folder)
    code = in_child(killed_at(moment))
    if moment:
        print(json.dumps({"moment": moment, "killed": code == -signal.SIGKILL}), flush=True)
    if in_child(lambda: (extract(SOURCE), report())[1]) != 0:  # type: ignore[func-returns-value]
        sys.exit(f"could not complete after a kill at {moment}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:  # all that is imported late is imported here, not in each child
        os.environ["KINSHIP_DATA"] = folder
        extract(SOURCE)
    base = Path(os.environ["KILL_BASE"])
    for moment in sys.argv[1:]:
        attempt(base, float(moment))


if __name__ == "__main__":
    main()
