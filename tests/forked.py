"""Work in a forked process, for drivers that import once and are killed many times."""

import os
import sys
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
