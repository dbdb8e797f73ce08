"""The pace of calls: all that go to one destination pass here, are counted, and wait for their turn."""

import asyncio
import math
from collections import deque

from reverse_etl.limits import Rate


class Meter:
    """Counts calls and keeps them below every rate (sliding windows: right for windows on the clock, too)."""

    def __init__(self, rates: tuple[Rate, ...] = ()) -> None:
        self.calls = 0
        self._windows: list[tuple[Rate, deque[float]]] = [(rate, deque(maxlen=rate.calls)) for rate in rates]
        self._free_at = 0.0
        self._turn = asyncio.Lock()

    async def call(self) -> None:
        """Wait for a free slot, and count one call."""
        async with self._turn:
            clock = asyncio.get_running_loop().time
            while (wait := self._free_at_by_all() - clock()) > 0:
                await asyncio.sleep(wait)
            now = clock()
            for _, times in self._windows:
                times.append(now)
            self.calls += 1

    def pause(self, seconds: float, at_most: float = math.inf) -> float:
        """Let no call pass for so long: the destination asked for it. By how much that makes the pause longer.

        When that is more than `at_most`, there is no pause: whoever asks gives up, and the others shall not wait.
        """
        now = asyncio.get_running_loop().time()
        before, after = max(self._free_at, now), max(self._free_at, now + seconds)
        if after - before <= at_most:
            self._free_at = after
        return after - before

    def _free_at_by_all(self) -> float:
        full = (times[0] + rate.seconds for rate, times in self._windows if len(times) == rate.calls)
        return max(self._free_at, *full, 0.0)
