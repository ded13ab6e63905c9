"""Admission of connections: which may wait for the outlet, and which is closed when all places are taken.

A few connections wait, each with a deadline, for the first byte of a message; the first one that sends it
gets the outlet and the others are dropped. While the outlet is taken a second connection is refused at
accept, unless it comes from the same EV and the session is not past SessionSetup: then the EV has abandoned
the first connection, and the new one replaces it. When too many wait, the oldest silent one is closed.
"""

import asyncio
import collections
import socket
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from secc.records import LinkEvent
from secc.station.link import Link


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
    """Which of them, in the order of arrival, makes room for one from the address `newcomer`; or None.

    The oldest silent one. When all have sent something, unfinished TLS handshakes for example: the oldest of
    an address that has more than half of the places, unless the newcomer has the same address. So no single
    device can keep an EV out.
    """
    silent = next((one for one in waiting if not one.heard), None)
    if silent is not None or not waiting:
        return silent
    greediest, count = collections.Counter(one.peer for one in waiting).most_common(1)[0]
    if greediest == newcomer or count * 2 <= len(waiting):
        return None
    return next(one for one in waiting if one.peer == greediest)


class Admission:
    """Every connection of one station."""

    def __init__(
        self,
        places: int,
        make: Callable[[str, bool], Link],
        active: Callable[[], Link | None],
        refuse: Callable[[LinkEvent, str, str], None],
    ) -> None:
        """`places`: how many may wait.

        `make` makes a link from the peer's address and whether it is for TLS; `active` is the link that has
        the outlet; `refuse` reports connections without a session.
        """
        self.links: list[Link] = []
        """In the order of their coming."""
        self._places = places
        self._make = make
        self._active = active
        self._refuse = refuse
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, connected: socket.socket, address: str, secure: bool) -> None:
        """Take a new connection."""
        if not self._may_wait(address):
            connected.close()
            self._refuse(LinkEvent.REFUSED, "the outlet is taken", address)
            return
        link = self._make(address, secure)
        self.links.append(link)
        task = asyncio.get_running_loop().create_task(self._adopt(link, connected))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self, link: Link) -> None:
        """It is closed."""
        if link in self.links:
            self.links.remove(link)

    async def shut_down(self, reason: str) -> None:
        """End every connection, including those that are being accepted."""
        await asyncio.gather(*[link.shut_down(reason) for link in self.links])
        if self._tasks:
            await asyncio.wait(self._tasks)
            await asyncio.gather(*[link.shut_down(reason) for link in self.links])

    async def _adopt(self, link: Link, connected: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: link, connected)
        except OSError as error:
            connected.close()
            self._refuse(LinkEvent.FAILED, str(error), link.peer)
            self.forget(link)

    def _may_wait(self, address: str) -> bool:
        """Whether one more connection may wait for the outlet; makes room where it can."""
        active = self._active()
        if active is not None and not active.ending:
            core = active.connection
            setting_up = core is not None and core.session.state is core.session.dialect.begin
            if not setting_up or active.peer != address:
                return False
            active.hang_up("replaced by a new connection of the same EV")
        waiting = [link for link in self.links if link.connection is None]
        if len(waiting) < self._places:
            return True
        victim = gives_way(waiting, address)
        if victim is None:
            return False
        self.links.remove(victim)
        victim.abort()
        return True
