"""A TCP socket that listens on one link-local address, and tolerates a lack of file descriptors."""

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable

from secc.errors import LinkError
from secc.station.interface import LinkLocal

PORTS = range(49152, 65536)
"""Where the announced port lies."""

Accepted = Callable[[socket.socket, str], None]
"""Takes over a connected socket; the text is the peer's address, without port and interface."""


class Listener:
    """Listens from its creation; raises LinkError when it cannot."""

    def __init__(self, link: LinkLocal, on_accept: Accepted, *, port: int = 0) -> None:
        """`port` 0 takes a free one of `PORTS`, at random so that the last one is rarely used again."""
        self._on_accept = on_accept
        self._loop = asyncio.get_running_loop()
        self._retry: asyncio.TimerHandle | None = None
        self._end: asyncio.TimerHandle | None = None
        self._socket = _listen(link, port)
        self.port: int = self._socket.getsockname()[1]
        self._loop.add_reader(self._socket, self._accept)

    @property
    def closed(self) -> bool:
        """No further connections are possible."""
        return self._socket.fileno() < 0

    def close(self) -> None:
        """Stop listening; connections live on."""
        for timer in (self._retry, self._end):
            if timer is not None:
                timer.cancel()
        if self.closed:
            return
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def retire(self) -> None:
        """Close in a second: an EV may be about to connect to its announced port."""
        self._end = self._loop.call_later(_RETIREMENT, self.close)

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                connected, address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # out of descriptors or memory: a readable socket must not become a busy loop
                self._loop.remove_reader(self._socket)
                self._retry = self._loop.call_later(_RETRY, self._loop.add_reader, self._socket, self._accept)
                return
            connected.setblocking(False)
            self._on_accept(connected, str(address[0]).partition("%")[0])


_ACCEPTS_PER_TURN = 8
_RETRY = 0.1  # s
_RETIREMENT = 1.0  # s
_BACKLOG = 64  # a burst waits in the kernel instead of losing a second to a dropped SYN
_ATTEMPTS = 32


def _listen(link: LinkLocal, port: int) -> socket.socket:
    chosen = [port] if port else random.SystemRandom().sample(PORTS, _ATTEMPTS)
    error: OSError | None = None
    for number in chosen:
        try:
            return _open(link, number)
        except OSError as failed:
            error = failed
    reason = error.strerror if error is not None else "no port"
    raise LinkError(f"TCP on [{link.address}] of {link.interface}: {reason}") from error


def _open(link: LinkLocal, port: int) -> socket.socket:
    with contextlib.ExitStack() as undo:
        opened = undo.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_STREAM))
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((str(link.address), port, 0, link.scope_id))
        opened.listen(_BACKLOG)
        undo.pop_all()
        return opened
