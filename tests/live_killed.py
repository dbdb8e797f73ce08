"""Kill a live extraction at chosen moments: a driver process that imports once and forks a child for each attempt.

    python live_killed.py 17 0.25    kill one at its 17th operation, another after 0.25 s
    python live_killed.py 0          kill none, and tell how many operations it makes in how many seconds

An operation is one on a file, or the beginning or end of a transaction of the progress. Each attempt starts from a copy
of the data folder KILL_BASE, is killed, and is then completed by a second child; the driver prints a JSON line with
what the raw table holds then.
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
from dataclasses import replace
from pathlib import Path

from extract_house import query, raw
from forked import in_child

from orchestration.extract import extract, sources
from orchestration.extract.live import state

COMMIT = "kinship.commit"
CHANGES = {"open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree", COMMIT}


def audit_commits() -> None:
    leave = state._Transaction.__exit__

    def audited(self: state._Transaction, *error: object) -> None:
        sys.audit(COMMIT)
        leave(self, *error)
        sys.audit(COMMIT)

    state._Transaction.__exit__ = audited  # type: ignore[method-assign]


def killed_at(moment: float) -> Callable[[], None]:
    """An extraction killed at an operation (a whole number) or after some seconds (a fraction)."""

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
        started = time.monotonic()
        extract("shopify")
        if moment == 0:
            print(json.dumps({"operations": counted, "seconds": time.monotonic() - started}), flush=True)

    return work


def report() -> None:
    rows = query(
        f"select id, updated_at, email, count(*) from {raw('shopify', 'customers')} as r group by all order by all"
    )
    left = [str(path) for path in Path(os.environ["KINSHIP_DATA"], "arrivals").rglob("*") if path.is_file()]
    print(json.dumps({"rows": rows, "left": left}), flush=True)


def attempt(base: Path, moment: float) -> None:
    folder = base.with_name("attempt")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)
    os.environ["KINSHIP_DATA"] = str(folder)
    code = in_child(killed_at(moment))
    if moment:
        print(json.dumps({"moment": moment, "killed": code == -signal.SIGKILL}), flush=True)
    if in_child(lambda: (extract("shopify"), report())[1]) != 0:  # type: ignore[func-returns-value]
        sys.exit(f"could not complete after a kill at {moment}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:  # all that is imported late is imported here, not in each child
        os.environ["KINSHIP_DATA"] = folder
        extract("shopify")
    audit_commits()
    source = sources()["shopify"]
    assert source.api
    source.api = replace(source.api, rates={})  # the local shop has no such limit
    base = Path(os.environ["KILL_BASE"])
    for moment in sys.argv[1:]:
        attempt(base, float(moment))


if __name__ == "__main__":
    main()
