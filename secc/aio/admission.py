"""Who gives way when all places for waiting connections are taken."""

import collections
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Waiting(Protocol):
    """A connection that has no session yet."""

    @property
    def peer(self) -> str:
        """The other side's address."""
        ...

    @property
    def heard(self) -> bool:
        """It has sent something."""
        ...


W = TypeVar("W", bound=Waiting)


def gives_way(waiting: Sequence[W], newcomer: str) -> W | None:
    """Which of them, in the order of their coming, makes room for one from the address `newcomer`; or None.

    The oldest silent one. When all have spoken, TLS handshakes that somebody begins and leaves lying for
    example: the oldest of an address that holds more than half of the places, unless it is the newcomer's
    own. So one device cannot keep a car out, whatever it sends.
    """
    silent = next((one for one in waiting if not one.heard), None)
    if silent is not None or not waiting:
        return silent
    greediest, count = collections.Counter(one.peer for one in waiting).most_common(1)[0]
    if greediest == newcomer or count * 2 <= len(waiting):
        return None
    return next(one for one in waiting if one.peer == greediest)
