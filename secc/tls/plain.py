"""One connection's security as the shell sees it, and the engine of a connection without TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from secc.errors import LinkError

if TYPE_CHECKING:
    from secc.pki.transport import TlsVersion
    from secc.pki.vehicle import VehicleIdentity

__all__ = ["PlainEngine", "TlsEngine", "TlsProgress"]


class TlsProgress(msgspec.Struct, frozen=True):
    """The result of feeding bytes into an engine."""

    plaintext: bytes = b""
    to_send: bytes = b""
    """For the peer, at once: handshake messages, alerts. To be sent even when `failure` is set."""
    closed: bool = False
    """The peer has closed properly, or it is over after a failure."""
    failure: LinkError | None = None
    """What went wrong; the alert, if there is one, is in `to_send`."""


class TlsEngine(Protocol):
    """One connection's security; no sockets, no clock."""

    @property
    def secure(self) -> bool:
        """Whether the bytes are protected: Plug & Charge needs it [V2G2-632]."""
        ...

    @property
    def handshake_done(self) -> bool:
        """Whether application data can be sent."""
        ...

    @property
    def slow(self) -> bool:
        """The next bytes may cost milliseconds of computing: feed them in a thread."""
        ...

    @property
    def version(self) -> TlsVersion | None:
        """What the handshake has agreed on; None before its end and without TLS."""
        ...

    @property
    def vehicle(self) -> VehicleIdentity | None:
        """Who the EV has proved to be, after the handshake; None without a client certificate."""
        ...

    @property
    def summary(self) -> str:
        """What has been agreed, for the record; empty before the end of the handshake."""
        ...

    def start(self) -> bytes:
        """First bytes for the peer, for the side that speaks first; else empty."""
        ...

    def feed(self, data: bytes) -> TlsProgress:
        """Take bytes of the peer. Never raises for what a peer sends."""
        ...

    def send(self, plaintext: bytes) -> bytes:
        """Bytes for the peer that carry this plaintext; raises LinkError when there is no session."""
        ...

    def close(self) -> bytes:
        """The closing message for the peer; may be empty."""
        ...


class PlainEngine:
    """TCP without TLS."""

    __slots__ = ()

    secure = False
    handshake_done = True
    slow = False
    version: TlsVersion | None = None
    vehicle: VehicleIdentity | None = None
    summary = ""

    def start(self) -> bytes:
        """Nothing is sent first."""
        return b""

    def feed(self, data: bytes) -> TlsProgress:
        """The bytes as they are."""
        return TlsProgress(plaintext=data)

    def send(self, plaintext: bytes) -> bytes:
        """The bytes as they are."""
        return plaintext

    def close(self) -> bytes:
        """No closing message."""
        return b""
