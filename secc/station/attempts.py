"""Attempts per name: a maximum in a time window, for a limited number of names, in bounded memory."""

import collections


class Attempts:
    """Times of attempts by name. A new name replaces the one whose last attempt is the oldest."""

    def __init__(self, limit: int, window: float, *, capacity: int = 1000) -> None:
        """`limit` attempts within `window` seconds for each of at most `capacity` names."""
        self._limit = limit
        self._window = window
        self._capacity = capacity
        self._times: collections.OrderedDict[str, collections.deque[float]] = collections.OrderedDict()

    def __len__(self) -> int:
        return len(self._times)

    def used_up(self, name: str, now: float) -> bool:
        """No further attempt now."""
        times = self._times.get(name, collections.deque())
        return len(times) == self._limit and now - times[0] < self._window

    def add(self, name: str, now: float) -> None:
        """One attempt more."""
        times = self._times.setdefault(name, collections.deque(maxlen=self._limit))
        times.append(now)
        self._times.move_to_end(name)
        while len(self._times) > self._capacity:
            self._times.popitem(last=False)

    def forget(self, name: str) -> None:
        """The attempt succeeded: forget earlier ones."""
        self._times.pop(name, None)
