"""What will happen, in order of time."""

import heapq
from collections.abc import Callable
from typing import Any


class Agenda:
    """A queue of actions by moment.

    Chance is drawn only when an action runs, so that a life that is cut off at an earlier day is the exact beginning of
    the same life cut off later.
    """

    def __init__(self) -> None:
        self._queue: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._added = 0

    def at(self, moment: int, action: Callable[..., None], *arguments: Any) -> None:
        """Call `action(moment, *arguments)` when the simulation reaches `moment`."""
        self._added += 1
        heapq.heappush(self._queue, (moment, self._added, action, arguments))

    def run(self, until: int) -> None:
        """Run everything before `until`; the rest never happens in this history."""
        queue = self._queue
        while queue and queue[0][0] < until:
            moment, _, action, arguments = heapq.heappop(queue)
            action(moment, *arguments)
