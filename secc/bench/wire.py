"""Sockets of the tester: any bytes can be sent, and no received bytes are ignored or repaired.

Unlike the EV of `secc.sim`, this side reads V2GTP headers itself and reports what is wrong with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import socket
import struct
from ipaddress import IPv6Address

from secc.errors import LinkError
from secc.sdp import SDP_GROUP, SDP_PORT
from secc.station.interface import find_link_local
from secc.tls import PlainEngine, TlsContext, TlsEngine

__all__ = ["Address", "Closed", "Datagrams", "LARGEST", "Reply", "Silence", "BenchWire", "WireFrame"]

HEADER = struct.Struct(">BBHI")
_KEPT = 1 << 14
LARGEST = 1 << 20
"""Maximum accepted payload in bytes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """Address of a station."""

    host: str
    port: int
    scope: int = 0

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}"


@dataclasses.dataclass(frozen=True, slots=True)
class WireFrame:
    """A complete V2GTP message."""

    version: int
    inverse: int
    kind: int
    payload: bytes
    seconds: float
    """Seconds from the last sending to the last byte."""

    @property
    def data(self) -> bytes:
        """The received bytes."""
        return HEADER.pack(self.version, self.inverse, self.kind, len(self.payload)) + self.payload


@dataclasses.dataclass(frozen=True, slots=True)
class Silence:
    """No message, or an incomplete one."""

    seconds: float
    began: bytes = b""
    """The bytes that were received."""

    def __str__(self) -> str:
        part = f", only {self.began.hex()}" if self.began else ""
        return f"no answer in {self.seconds:.2f} s{part}"


@dataclasses.dataclass(frozen=True, slots=True)
class Closed:
    """The station has closed the connection."""

    seconds: float
    how: str

    def __str__(self) -> str:
        return f"connection closed after {self.seconds:.2f} s ({self.how})"


Reply = WireFrame | Silence | Closed


class BenchWire:
    """One TCP connection, with or without TLS."""

    def __init__(self, connected: socket.socket, engine: TlsEngine) -> None:
        self._socket = connected
        self.engine = engine
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._over: str | None = None
        self.received = b""
        """The first received bytes before TLS."""
        self._sent = self._loop.time()

    @classmethod
    async def open(cls, to: Address, *, tls: TlsContext | None, limit: float = 5.0) -> BenchWire:
        """Connect, and make the TLS handshake if there is TLS; raises LinkError."""
        connected = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        try:
            connected.setblocking(False)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(limit):
                where = (to.host, to.port, 0, to.scope)
                await asyncio.get_running_loop().sock_connect(connected, where)
        except (OSError, TimeoutError) as error:
            connected.close()
            raise LinkError(f"no connection to {to}: {_text(error)}") from error
        wire = cls(connected, PlainEngine() if tls is None else tls.engine())
        try:
            async with asyncio.timeout(limit):
                await wire._shake()
        except (OSError, TimeoutError, LinkError) as error:
            wire.close()
            raise LinkError(f"no TLS session with {to}: {_text(error)}") from error
        return wire

    async def _shake(self) -> None:
        await self.send_below(self.engine.start())
        while not self.engine.handshake_done:
            data = await self._loop.sock_recv(self._socket, 65536)
            if not data:
                raise LinkError("closed in the handshake")
            progress = self.engine.feed(data)
            await self.send_below(progress.to_send)
            if progress.failure is not None:
                raise progress.failure
            self._buffer += progress.plaintext

    async def send(self, data: bytes) -> None:
        """Send these bytes unchanged, inside TLS if there is TLS."""
        await self.send_below(self.engine.send(data))

    async def send_below(self, data: bytes) -> None:
        """Send these bytes below TLS."""
        self._sent = self._loop.time()
        if data:
            with contextlib.suppress(ConnectionError):  # reading shows that the connection is closed
                await self._loop.sock_sendall(self._socket, data)

    async def receive(self, limit: float) -> Reply:
        """Return the next message, silence for `limit` seconds since the last sending, or the end."""
        end = self._sent + limit
        while True:
            if (frame := self._take()) is not None:
                return frame
            if self._over is not None:
                return Closed(self.since_sent, self._over)
            if not await self._read(end):
                return Silence(self.since_sent, self._buffer)

    @property
    def since_sent(self) -> float:
        """Seconds since the last sending, or since the connection was made."""
        return self._loop.time() - self._sent

    async def wait_closed(self, limit: float) -> Reply:
        """Return the end within `limit` seconds from now, or a message that arrives instead."""
        began = self._loop.time()
        while True:
            if (frame := self._take()) is not None:
                return frame
            if self._over is not None:
                return Closed(self._loop.time() - began, self._over)
            if not await self._read(began + limit):
                return Silence(self._loop.time() - began, self._buffer)

    async def begin(self, limit: float) -> bytes:
        """Return the first bytes below TLS within `limit` seconds from now; empty: none came."""
        end = self._loop.time() + limit
        while not self.received and self._over is None and await self._read(end):
            pass
        return self.received

    def close(self, *, reset: bool = False) -> None:
        """Close the connection, in order or with RST."""
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif self._over is None:
            with contextlib.suppress(OSError, LinkError):
                self._socket.send(self.engine.close())
        self._over = self._over or "by the tester"
        self._socket.close()

    async def _read(self, end: float) -> bool:
        """Read more bytes; returns False after the time limit."""
        try:
            async with asyncio.timeout_at(end):
                data = await self._loop.sock_recv(self._socket, 65536)
        except TimeoutError:
            return False
        except OSError as error:
            self._over = f"reset, {_text(error)}"
            return True
        if not data:
            self._over = "FIN"
            return True
        self.received += data[: _KEPT - len(self.received)] if len(self.received) < _KEPT else b""
        progress = self.engine.feed(data)
        self._buffer += progress.plaintext
        if progress.to_send:
            with contextlib.suppress(OSError):
                await self._loop.sock_sendall(self._socket, progress.to_send)
        if progress.failure is not None:
            self._over = str(progress.failure)
        elif progress.closed:
            self._over = "TLS close_notify"
        return True

    def _take(self) -> WireFrame | None:
        if len(self._buffer) < HEADER.size:
            return None
        version, inverse, kind, length = HEADER.unpack(self._buffer[: HEADER.size])
        if length > LARGEST or len(self._buffer) < HEADER.size + length:
            return None
        payload = self._buffer[HEADER.size : HEADER.size + length]
        self._buffer = self._buffer[HEADER.size + length :]
        return WireFrame(version, inverse, kind, payload, self.since_sent)


class Datagrams:
    """A UDP socket on the charging interface, for discovery."""

    def __init__(self, interface: str, *, port: int = SDP_PORT) -> None:
        """Raises LinkError when the interface has no link-local address."""
        link = find_link_local(interface)
        if link is None:
            raise LinkError(f"{interface}: no such interface, or it has no link-local address")
        self.scope = link.scope_id
        self._to = ("::1", port, 0, 0) if link.address.is_loopback else (SDP_GROUP, port, 0, link.scope_id)
        self._socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            if not link.address.is_loopback:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, link.scope_id)
            _bind(self._socket, link.address, link.scope_id)
        except OSError as error:
            self._socket.close()
            raise LinkError(f"{interface}: {_text(error)}") from error

    def __enter__(self) -> Datagrams:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    async def send(self, data: bytes) -> None:
        """Send one datagram to all nodes."""
        with contextlib.suppress(ConnectionError):  # loopback reports the closed port of an earlier datagram
            await asyncio.get_running_loop().sock_sendto(self._socket, data, self._to)

    async def receive(self, limit: float) -> bytes | None:
        """Return the next datagram of a station; None: none within `limit` seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + limit
        while loop.time() < end:
            try:
                async with asyncio.timeout_at(end):
                    data, _ = await loop.sock_recvfrom(self._socket, 65536)
            except TimeoutError:
                return None
            except OSError:  # loopback reports a closed port here
                await asyncio.sleep(min(0.05, max(0.0, end - loop.time())))
                continue
            return data
        return None


def _bind(connection: socket.socket, address: IPv6Address, scope: int) -> None:
    """Return a port of the dynamic range, as EVs must use [V2G2-077]."""
    for port in random.sample(range(49152, 65536), 20):
        with contextlib.suppress(OSError):
            connection.bind((str(address), port, 0, scope))
            return
    connection.bind((str(address), 0, 0, scope))


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
