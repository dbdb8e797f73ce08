"""Work in a forked process, for drivers that import once and are killed many times."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable


def in_child(work: Callable[[], object]) -> int:
    """Run in a forked process; its exit code, negative for a signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        work()
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)


COMMIT = "kinship.commit"
"""The audit event with which a driver tells that a commit begins or ends whose files Python does not see."""
_WRITING = os.O_WRONLY | os.O_RDWR
CHANGES = {"open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree", COMMIT}


def killed_at(moment: float, work: Callable[[], object]) -> Callable[[], None]:
    """The work, killed at one of its operations (a whole number) or after some seconds (a fraction).

    An operation is an event of `CHANGES`, but for a file opened to be read: dlt looks for its settings in hundreds of
    places. At 0 nothing is killed, and a JSON line tells how many operations the work
    made in how many seconds.
    """

    def killed() -> None:
        counted = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal counted
            if event in CHANGES and not (
                event == "open" and isinstance(arguments[2], int) and not arguments[2] & _WRITING
            ):
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
        work()
        if moment == 0:
            print(json.dumps({"operations": counted, "seconds": time.monotonic() - started}), flush=True)

    return killed
