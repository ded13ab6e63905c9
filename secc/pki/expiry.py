"""Entries of a list of what ends soon."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

__all__ = ["Expiry", "level"]


@dataclasses.dataclass(frozen=True, slots=True)
class Expiry:
    """One certificate that ends soon."""

    what: str
    """`contract`, `station` or `root`."""
    identity: str
    not_after: datetime.datetime
    level: int
    """The narrowest level reached, in days; 0: expired."""
    prepared: bool = False
    """A new bundle is waiting for the car."""
    failure: str = ""
    """Reason why there is no new bundle."""

    def __str__(self) -> str:
        """One line: identity, end, and state of the renewal."""
        when = "has ended" if self.level == 0 else "ends"
        done = "; the next one waits for the car" if self.prepared else ""
        failed = f"; could not be renewed: {self.failure}" if self.failure else ""
        return f"{self.what} {self.identity} {when} on {self.not_after:%Y-%m-%d}{done}{failed}"


def level(end: datetime.datetime, now: datetime.datetime, levels: Sequence[int]) -> int | None:
    """Return the narrowest of `levels` (days) that an end has reached.

    0 after the end, None before all levels.
    """
    if end <= now:
        return 0
    return min((days for days in levels if end - now <= datetime.timedelta(days=days)), default=None)
