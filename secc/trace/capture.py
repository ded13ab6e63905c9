"""Reads files of tcpdump and Wireshark, pcap and pcapng: SLAC, SDP, and the V2GTP payloads of TCP.

A recording from the field becomes a chart and a test. TLS is decrypted with the secrets of a key log; without
them only its presence is reported. Any file either can be read or raises TraceError, and invalid packets are
left out. Needs dpkt: `pip install secc[capture]`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from secc.errors import FramingError
from secc.sdp import SDP_PORT, SdpRequest, SdpResponse
from secc.slac.frames import redacted
from secc.trace.form import TraceError
from secc.trace.power_line import TracedFrame
from secc.trace.tls_records import Keys, TlsReader
from secc.v2gtp import FrameAssembler, PayloadType, V2gtpFrame

if TYPE_CHECKING:
    from secc.trace.packets import Datagram, Packet

__all__ = [
    "CapturedConversation",
    "CapturedDiscovery",
    "CapturedSegment",
    "CapturedStream",
    "Payload",
    "conversations",
    "discovery",
    "discovery_of",
    "frames",
    "is_capture",
    "is_from_station",
    "is_matching",
    "matching",
    "segment_of",
]


@dataclasses.dataclass(frozen=True, slots=True)
class Payload:
    """One V2GTP payload."""

    at: float
    from_ev: bool
    frame: V2gtpFrame

    @property
    def data(self) -> bytes:
        """The payload without its header."""
        return self.frame.payload


@dataclasses.dataclass(frozen=True, slots=True)
class CapturedConversation:
    """One TCP connection."""

    ev: str
    """Address and port of the side that connected."""
    station: str
    payloads: tuple[Payload, ...]
    """In their order; empty for TLS and for what is no V2GTP."""
    tls: bool
    closed: str = ""
    """Why TLS could not be opened."""


@dataclasses.dataclass(frozen=True, slots=True)
class CapturedDiscovery:
    """One datagram of discovery."""

    at: float
    source: str
    message: SdpRequest | SdpResponse


def is_capture(start: bytes) -> bool:
    """Return whether a file that starts with these bytes may be a capture."""
    return start[:4] in _STARTS


_STARTS = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\n\r\r\n")


def frames(data: bytes) -> Iterator[tuple[float, bytes]]:
    """(seconds, Ethernet frame without tags) in the order of the file; raises TraceError."""
    return ((packet.at, packet.frame) for packet in _reader().packets(data))


def matching(data: bytes) -> tuple[TracedFrame, ...]:
    """The HomePlug frames of a capture, to be shown by `secc.trace.power_line`; raises TraceError.

    The station is whichever answers CM_SLAC_PARM.REQ. Network keys are taken out.
    """
    found = [(packet.at, packet.frame) for packet in _reader().packets(data) if is_matching(packet)]
    stations = {frame[6:12] for _, frame in found if is_from_station(frame)}
    return tuple(TracedFrame(at, frame[6:12] in stations, redacted(frame)) for at, frame in found)


def is_matching(packet: Packet) -> bool:
    """Return whether a packet is a HomePlug frame."""
    return packet.kind == _HOMEPLUG


def is_from_station(frame: bytes) -> bool:
    """Return whether a HomePlug frame is CM_SLAC_PARM.CNF, which only a station sends."""
    return frame[15:17] == _SLAC_PARM_CNF


def discovery(data: bytes) -> tuple[CapturedDiscovery, ...]:
    """The requests and answers of discovery in a capture; raises TraceError."""
    return tuple(found for datagram in _reader().datagrams(data) for found in discovery_of(datagram))


def discovery_of(datagram: Datagram) -> Iterator[CapturedDiscovery]:
    """The message of discovery in a datagram, if it has one."""
    udp = datagram.content
    if datagram.protocol != _UDP or SDP_PORT not in (udp.sport, udp.dport):
        return
    for message in (SdpRequest, SdpResponse):
        with contextlib.suppress(FramingError):
            source = _text((datagram.source, udp.sport))
            yield CapturedDiscovery(datagram.at, source, message.parse(udp.data))


def _reader() -> ModuleType:
    """`secc.trace.packets`; raises TraceError where dpkt is missing."""
    try:
        from secc.trace import packets
    except ImportError as error:
        raise TraceError("a capture is read by dpkt: pip install secc[capture]") from error
    return packets


_HOMEPLUG = 0x88E1
_SLAC_PARM_CNF = b"\x65\x60"  # as on the wire, behind the version
_TCP, _UDP = 6, 17


def conversations(data: bytes, keys: Keys | None = None) -> tuple[CapturedConversation, ...]:
    """The TCP connections of a capture, in the order of their first bytes; raises TraceError.

    `keys` open TLS, see `secc.trace.tls_records`.
    """
    found: dict[frozenset[_End], CapturedStream] = {}
    for datagram in _reader().datagrams(data):
        if (segment := segment_of(datagram)) is not None:
            stream = found.setdefault(segment.ends, CapturedStream({} if keys is None else keys))
            stream.take(segment, datagram.at)
    return tuple(stream.conversation() for stream in found.values() if stream.spoken)


# --- segments -----------------------------------------------------------------------------------------------

_End = tuple[bytes, int]  # address and port


@dataclasses.dataclass(frozen=True, slots=True)
class CapturedSegment:
    """One TCP segment."""

    source: _End
    target: _End
    number: int
    """Sequence number of its first byte."""
    syn: bool
    answers: bool
    """Has an acknowledgement."""
    data: bytes

    @property
    def ends(self) -> frozenset[_End]:
        """The same for both directions of a connection."""
        return frozenset((self.source, self.target))


def segment_of(datagram: Datagram) -> CapturedSegment | None:
    """The segment in a datagram; None where it is not TCP."""
    if datagram.protocol != _TCP:
        return None
    tcp = datagram.content
    source, target = (datagram.source, tcp.sport), (datagram.target, tcp.dport)
    return CapturedSegment(source, target, tcp.seq, bool(tcp.flags & 2), bool(tcp.flags & 16), tcp.data)


class CapturedStream:
    """Both directions of one TCP connection, put in order; payloads as they become complete."""

    def __init__(self, keys: Keys) -> None:
        self.payloads: list[Payload] = []
        self.tls = False
        self.closed = ""
        """Why TLS could not be opened."""
        self.spoken = False
        """Some bytes have been read."""
        self._keys = keys
        self._ends: tuple[_End, ...] = ()
        self._client: _End | None = None
        self._next: dict[_End, int] = {}
        self._early: dict[_End, dict[int, bytes]] = {}
        self._sides = {side: FrameAssembler(max_payload=_LARGEST, more=_TYPES) for side in (True, False)}
        self._opener: TlsReader | None = None
        self._over = False

    def take(self, segment: CapturedSegment, at: float) -> list[Payload]:
        """Read one segment; the payloads that it completes."""
        source = segment.source
        self._ends = self._ends or (source, segment.target)
        if segment.syn:
            self._next[source] = (segment.number + 1) % _WRAP
            if not segment.answers:
                self._client = source
            return []
        return [payload for data in self._in_order(segment) for payload in self._read(at, source, data)]

    def _in_order(self, segment: CapturedSegment) -> Iterator[bytes]:
        source = segment.source
        if not segment.data:
            return
        expected = self._next.setdefault(source, segment.number)
        early = self._early.setdefault(source, {})
        if len(early) < _EARLY:
            early[segment.number] = segment.data
        for number in sorted(early, key=lambda number: (number - expected + _WRAP // 2) % _WRAP):
            behind = (self._next[source] - number) % _WRAP
            if behind < _WRAP // 2:  # all or a part of it has been seen, or is next
                data = early.pop(number)[behind:]
                if data:
                    self._next[source] = (self._next[source] + len(data)) % _WRAP
                    yield data

    def _read(self, at: float, source: _End, data: bytes) -> list[Payload]:
        if not self.spoken:
            self.spoken = True
            self._client = self._client or source  # without a beginning, the one who spoke first
            self.tls = data[:1] == b"\x16"
            self._opener = TlsReader(self._keys) if self.tls else None
        if self._over:
            return []
        from_ev = source == self._client
        found: list[Payload] = []
        try:
            parts = [data] if self._opener is None else self._opener.take(data, client=from_ev)
            for part in parts:
                found += [Payload(at, from_ev, frame) for frame in self._sides[from_ev].feed(part)]
        except FramingError:
            self._over = True  # no V2GTP from there on
        except TraceError as error:
            self._over, self.closed = True, str(error)
        self.payloads += found
        return found

    @property
    def ends(self) -> tuple[str, str]:
        """Address and port of the EV, which is the side that connected, and of the station."""
        client = self._client or self._ends[0]
        server = next((end for end in self._ends if end != client), client)
        return _text(client), _text(server)

    def conversation(self) -> CapturedConversation:
        """What has been read so far."""
        return CapturedConversation(*self.ends, tuple(self.payloads), self.tls, self.closed)


_LARGEST = 131_072  # bytes of a payload
_TYPES = tuple(one for one in PayloadType if one < PayloadType.SDP_REQUEST)
_WRAP = 2**32
_EARLY = 1000  # segments that may wait for one that is missing


def _text(end: _End) -> str:
    return f"[{ipaddress.IPv6Address(end[0])}]:{end[1]}"
