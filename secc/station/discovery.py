"""The UDP socket around `SdpResponder`.

One socket, on the charging interface only. A datagram that causes an exception is dropped and counted; a
failed socket is closed, and opened again at the next call of `ensure_open`: the station calls it about once a
second. A running process whose socket is not read would look healthy and serve no EV, so `health` says
whether the socket is being read.
"""

import asyncio
import contextlib
import dataclasses
import socket
import sys
from collections.abc import Callable
from ipaddress import IPv6Address

from secc.sdp import SDP_GROUP, SDP_PORT, SdpRequest, SdpResponder, SdpVerdict, Security, Source
from secc.station.interface import LinkLocal

__all__ = ["Discovery", "DiscoveryHealth"]


@dataclasses.dataclass(frozen=True, slots=True)
class DiscoveryHealth:
    """Whether requests can reach the responder."""

    listening: bool
    reason: str = ""
    """Why not; empty while listening."""
    faults: int = 0
    """Datagrams that caused an exception since the start: more than zero is an internal error."""
    last_fault: str = ""


class Discovery:
    """Reads requests and sends what the responder answers, from the port they came to [V2G2-151]."""

    def __init__(
        self,
        responder: SdpResponder,
        *,
        port: int = SDP_PORT,
        on_problem: Callable[[str], None] | None = None,
    ) -> None:
        """`on_problem` is called once for each new reason why nothing can be received, and for each fault."""
        self._responder = responder
        self._port = port
        self._on_problem = on_problem
        self._socket: socket.socket | None = None
        self._link: LinkLocal | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._buffer = bytearray(_BUFFER_SIZE)
        self._reason = "not opened yet"
        self._reported = ""
        self._probe: tuple[IPv6Address, int] | None = None
        self._faults = self._rivals = 0
        self._last_fault = ""

    @property
    def health(self) -> DiscoveryHealth:
        """The state of things, for a supervisor."""
        return DiscoveryHealth(
            listening=self._socket is not None,
            reason="" if self._socket is not None else self._reason,
            faults=self._faults,
            last_fault=self._last_fault,
        )

    @property
    def port(self) -> int | None:
        """The UDP port in use; None while nothing can be received."""
        return None if self._socket is None else int(self._socket.getsockname()[1])

    def suspicion(self) -> str:
        """A new sign of another device that answers requests on this link; empty if there is none."""
        answers = self._responder.counts.get(SdpVerdict.FOREIGN_RESPONSE, 0)
        if answers <= self._rivals:
            return ""
        self._rivals = answers
        return f"another device answers SDP on this link, {answers} times so far"

    def ensure_open(self, link: LinkLocal | None) -> bool:
        """Listen on this link; None when the interface has no address. Never raises; may be called often."""
        if link is None:
            self.close("the interface has no link-local address yet")
            return False
        if self._socket is not None and link == self._link:
            return True
        self.close("changing address")
        try:
            opened = _open_socket(link, self._port)
        except OSError as error:
            self._cannot_receive(f"UDP port {self._port} on {link.interface}: {error.strerror}")
            return False
        self._socket, self._link, self._reason, self._reported = opened, link, "", ""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(opened, self._read)
        return True

    def close(self, reason: str = "closed") -> None:
        """Stop reading."""
        if self._socket is not None and self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        self._reason = reason

    async def round_trip(self, limit: float) -> float | None:
        """Seconds for a request over the charging interface, there and back; None without an answer.

        It is sent as an EV sends it, but from the address of the station: the responder does not get it, so
        it works with and without an announcement, and nothing is sent on the link.
        """
        link, port, loop = self._link, self.port, asyncio.get_running_loop()
        if link is None or port is None:
            return None
        loopback = link.address.is_loopback
        began = loop.time()
        with (
            contextlib.suppress(OSError, TimeoutError),
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as ask,
        ):
            ask.setblocking(False)
            if not loopback:
                ask.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, link.scope_id)
            ask.bind((str(link.address), 0, 0, link.scope_id))
            self._probe = (link.address, int(ask.getsockname()[1]))
            to = (str(link.address) if loopback else SDP_GROUP, port, 0, link.scope_id)
            async with asyncio.timeout(limit):
                await loop.sock_sendto(ask, _PROBE, to)
                if await loop.sock_recv(ask, _BUFFER_SIZE) == _PROBE:
                    return loop.time() - began
        return None

    def _read(self) -> None:
        """A few datagrams at a time, so that a flood cannot delay charging."""
        opened = self._socket
        for _ in range(_DATAGRAMS_PER_TURN):
            if opened is None or opened is not self._socket:
                return
            try:
                size, source = opened.recvfrom_into(self._buffer)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self.close()
                self._cannot_receive(f"reading UDP: {error.strerror}")
                return
            try:
                self._answer(opened, bytes(self._buffer[:size]), source)
            except Exception as error:  # one bad datagram must not end the receiving
                self._faults += 1
                self._last_fault = f"{type(error).__name__}: {error}"
                self._report(f"a datagram caused {self._last_fault}")

    def _answer(self, opened: socket.socket, datagram: bytes, source: tuple[str, int, int, int]) -> None:
        host, port, _flow, scope_id = source
        sender = Source(IPv6Address(host.partition("%")[0]), port, scope_id)
        if (sender.address, port) == self._probe:
            SdpRequest.parse(datagram)
            opened.sendto(datagram, source)
            return
        answer = self._responder.handle(datagram, sender, asyncio.get_running_loop().time())
        if answer is not None:
            with contextlib.suppress(OSError):  # a full queue, a source that is gone: the EV asks again
                opened.sendto(answer, source)

    def _cannot_receive(self, reason: str) -> None:
        self._reason = reason
        if reason != self._reported:
            self._reported = reason
            self._report(reason)

    def _report(self, text: str) -> None:
        if self._on_problem is not None:
            self._on_problem(text)


_PROBE = SdpRequest(Security.NONE).to_bytes()
_BUFFER_SIZE = 64  # longer than both SDP messages: what is cut off still has a wrong length
_DATAGRAMS_PER_TURN = 16


def _open_socket(link: LinkLocal, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if link.address.is_loopback:
            opened.bind((str(link.address), port))
            return opened
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.interface.encode() + b"\0")
        opened.bind(("::", port))
        group = socket.inet_pton(socket.AF_INET6, SDP_GROUP)
        request = group + link.scope_id.to_bytes(4, sys.byteorder)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    except OSError:
        opened.close()
        raise
    return opened
