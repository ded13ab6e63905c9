"""What peers may cause a station to report."""

import collections


class Chatter:
    """At most 20 link records in a second, whatever the peers do [INV-26]."""

    def __init__(self) -> None:
        self._times: collections.deque[float] = collections.deque(maxlen=20)

    def allow(self, now: float) -> bool:
        """Whether one more may be reported."""
        if len(self._times) == self._times.maxlen and now - self._times[0] < 1.0:
            return False
        self._times.append(now)
        return True
