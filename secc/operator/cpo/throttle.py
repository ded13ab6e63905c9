"""Limits for wrong tokens and passwords: a caller that fails too often must wait.

The counts are in the memory of one process: with several workers the limit of each applies. A right token is
accepted at any time; only further wrong ones are refused without a look at them.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable

CALLERS = 10_000
"""Callers that are remembered; the oldest is forgotten first."""


class Throttle:
    """Counts failures by caller within a sliding window; thread-safe."""

    def __init__(self, monotonic: Callable[[], float], *, limit: int = 10, window: float = 60.0) -> None:
        """A caller waits after `limit` failures within `window` seconds."""
        self._monotonic = monotonic
        self._limit = limit
        self._window = window
        self._failures: collections.OrderedDict[str, collections.deque[float]] = collections.OrderedDict()
        self._lock = threading.Lock()

    def wait(self, caller: str) -> float:
        """Return the seconds until this caller may try again; 0.0: at once."""
        with self._lock:
            times = self._recent(caller)
            if times is None or len(times) < self._limit:
                return 0.0
            return max(0.0, times[0] + self._window - self._monotonic())

    def failed(self, caller: str) -> bool:
        """Count a failure; returns True for the one that reaches the limit."""
        with self._lock:
            times = self._recent(caller)
            if times is None:
                times = self._failures[caller] = collections.deque(maxlen=self._limit)
                while len(self._failures) > CALLERS:
                    self._failures.popitem(last=False)
            reached = len(times) == self._limit - 1
            times.append(self._monotonic())
            return reached

    def succeeded(self, caller: str) -> None:
        """Forget the failures of a caller."""
        with self._lock:
            self._failures.pop(caller, None)

    def _recent(self, caller: str) -> collections.deque[float] | None:
        times = self._failures.get(caller)
        while times and times[0] <= self._monotonic() - self._window:
            times.popleft()
        return times
