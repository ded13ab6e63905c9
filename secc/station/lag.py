"""The delay of the event loop: everything in a station depends on it, also the renewal of the lease [INV-31].

If the loop is late by more than `timing.lease` less `timing.lease_renewal`, the lease lapses: the output goes
off, and the session ends because of the delay. Causes are a call that does not return at once, or an
overloaded machine.
"""

import collections
from collections.abc import Callable

from secc.station.pulse import INTERVAL


class LoopLag:
    """One per station, as each has its margin; pass it each beat of the loop (`secc.station.pulse`)."""

    def __init__(self, margin: float, slow: Callable[[str], None]) -> None:
        """`margin`: seconds of delay during which the lease stays valid.

        `slow` gets a report when half is used up.
        """
        self._margin = margin
        self._slow = slow
        self._lags: collections.deque[float] = collections.deque(maxlen=round(_MEMORY / INTERVAL))
        self._worst_unsaid = 0.0
        self._said_at = -_QUIET

    @property
    def worst(self) -> float:
        """Seconds, the longest delay of about the last minute."""
        return max(self._lags, default=0.0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """For supervisors: half of the margin was used up in about the last minute."""
        return (self._text(self.worst),) if self.worst > self._margin / 2 else ()

    def measured(self, now: float, lag: float) -> None:
        """The loop is `lag` seconds late at the loop time `now`."""
        self._lags.append(lag)
        if lag > self._margin / 2:
            self._worst_unsaid = max(lag, self._worst_unsaid)
        if self._worst_unsaid and now - self._said_at >= _QUIET:
            self._slow(self._text(self._worst_unsaid))
            self._worst_unsaid, self._said_at = 0.0, now

    def _text(self, lag: float) -> str:
        return f"the event loop was late by {lag:.3f} s, the lease leaves room for {self._margin:.3f} s"


_MEMORY = 60.0  # s that `worst` looks back
_QUIET = 10.0  # s between two reports
