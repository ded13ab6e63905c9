"""One running case: its log, its checks, its connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from secc.bench.target import Facts, Target
from secc.bench.verdict import Failed, FrameRecord, Inconclusive
from secc.bench.wire import Address, BenchWire, Datagrams
from secc.errors import FramingError, LinkError
from secc.sdp import SdpRequest, SdpResponse, Security
from secc.tls import TlsContext

__all__ = ["Trial", "address_of", "scoped"]


class Trial:
    """What a case works with."""

    def __init__(self, target: Target, facts: Facts, *, tls: bool) -> None:
        """`tls`: the kind of connection of this case."""
        self.target = target
        self.facts = facts
        self.tls = tls
        self.timers = target.timers
        self.log: list[FrameRecord] = []
        self.remarks: list[str] = []
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._wires: list[BenchWire] = []
        self._pilot_moved = False
        self.connected_to: Address | None = None
        """The last connection."""

    @property
    def now(self) -> float:
        """Monotonic time in seconds."""
        return self._loop.time()

    def note(self, what: str, text: str, data: bytes = b"") -> None:
        """Add a line to the log."""
        self.log.append(FrameRecord(self.now - self._began, what, text, data))

    def remark(self, text: str) -> None:
        """Add a remark without an effect on the verdict."""
        if text not in self.remarks:
            self.remarks.append(text)

    def check(self, condition: bool, expected: str, got: object) -> None:
        """Raise Failed unless the condition holds."""
        if not condition:
            raise Failed(f"expected {expected}; got {got}")

    # --- discovery -----------------------------------------------------------------------------------------

    async def datagram(self, data: bytes, text: str, *, limit: float | None = None) -> bytes | None:
        """Send one datagram to the discovery of the station; returns the answer, or None."""
        with Datagrams(self.target.interface, port=self.target.sdp_port) as udp:
            self.note("sent", text, data)
            await udp.send(data)
            answer = await udp.receive(self.timers.discovery if limit is None else limit)
        self.note("received", "nothing" if answer is None else "datagram", answer or b"")
        return answer

    async def discover(self, security: Security, *, limit: float | None = None) -> SdpResponse:
        """Send requests like an EV, every 250 ms, for at most `limit` seconds.

        Raises Inconclusive without an answer.
        """
        limit = self.timers.reach if limit is None else limit
        end = self.now + limit
        with Datagrams(self.target.interface, port=self.target.sdp_port) as udp:
            self.note("sent", f"SDP request, security {security.name}", SdpRequest(security).to_bytes())
            while self.now < end:
                await self.link("up")
                await udp.send(SdpRequest(security).to_bytes())
                answer = await udp.receive(min(_SDP_PACE, max(0.0, end - self.now)))
                if answer is None:
                    continue
                with contextlib.suppress(FramingError):
                    response = SdpResponse.parse(answer)
                    self.note("received", f"SDP response {response.security.name}, {response.port}", answer)
                    return response
        raise Inconclusive(f"no station answered discovery in {limit:g} s")

    # --- connections ---------------------------------------------------------------------------------------

    async def address(self) -> Address:
        """Return the address for this case, by discovery unless an address was given."""
        target = self.target
        if target.host is not None and target.port is not None:
            return address_of(target.host, target.port, target.interface)
        found = await self.discover(Security.TLS if self.tls else Security.NONE)
        if (found.security is Security.TLS) is not self.tls:
            raise Inconclusive(f"the station now offers {found.security.name}")
        return scoped(found, target.interface)

    async def connect(self, *, tls: TlsContext | None = None) -> BenchWire:
        """Open a connection of the kind of this case.

        Discovery is repeated for a port that is just being closed.
        """
        end = self.now + self.timers.reach
        context = tls
        if context is None and self.tls:
            context = TlsContext.for_client(self.target.roots)
        while True:
            to = await self.address()
            try:
                wire = await BenchWire.open(to, tls=context)
            except LinkError as error:
                if self.now > end:
                    raise Inconclusive(str(error)) from error
                await asyncio.sleep(_RETRY)
                continue
            self.note("note", f"connected to {to}, {'TLS' if context is not None else 'plain'}")
            self.connected_to = to
            self._wires.append(wire)
            return wire

    async def connect_below(self) -> BenchWire:
        """Open a connection without TLS, even if the station requires it; raises Inconclusive."""
        to = await self.address()
        try:
            wire = await BenchWire.open(to, tls=None)
        except LinkError as error:
            raise Inconclusive(str(error)) from error
        self.note("note", f"connected to {to}, TCP alone")
        self._wires.append(wire)
        return wire

    async def pilot(self, state: str) -> None:
        """Set the control pilot, if the tester controls it."""
        if self.target.pilot is not None:
            self.note("pilot", state)
            self._pilot_moved = state != "B"
            await self.target.pilot(state)

    async def link(self, state: str) -> None:
        """Connect or disconnect the data link."""
        if self.target.link is not None:
            await self.target.link(state)

    async def clean_up(self) -> None:
        """Set pilot B and close every connection."""
        with contextlib.suppress(OSError, Inconclusive):
            if self._pilot_moved:
                await self.pilot("B")
        for wire in self._wires:
            wire.close()


def scoped(found: SdpResponse, interface: str) -> Address:
    """Return the address of a discovery response."""
    return address_of(str(found.address), found.port, interface)


def address_of(host: str, port: int, interface: str) -> Address:
    """Parse `fe80::1%eth1`; a link-local address without % is on the interface of the target."""
    plain, _, name = host.partition("%")
    if not name and not plain.casefold().startswith("fe80:"):
        return Address(plain, port)
    try:
        return Address(plain, port, socket.if_nametoindex(name or interface))
    except OSError as error:
        raise Inconclusive(f"{host}: no interface {name or interface}") from error


_SDP_PACE = 0.25
_RETRY = 0.25
