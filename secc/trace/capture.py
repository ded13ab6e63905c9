"""Reads files of tcpdump and Wireshark, pcap and pcapng: SLAC, SDP, and the V2GTP payloads of TCP.

A recording from the field becomes a chart and a test. TLS is decrypted with the secrets of a key log; without
them only its presence is reported. Any file either can be read or raises TraceError, and invalid packets are
left out. Needs dpkt: `pip install secc[capture]`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from secc.errors import FramingError
from secc.sdp import SDP_PORT, SdpRequest, SdpResponse
from secc.slac.frames import redacted
from secc.trace.form import TraceError
from secc.trace.power_line import TracedFrame
from secc.trace.tls_records import Keys, opened
from secc.v2gtp import FrameAssembler, PayloadType, V2gtpFrame

if TYPE_CHECKING:
    from secc.trace.packets import Datagram

__all__ = [
    "CapturedConversation",
    "CapturedDiscovery",
    "Payload",
    "conversations",
    "discovery",
    "frames",
    "is_capture",
    "matching",
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
    found = [(at, frame) for at, frame in frames(data) if frame[12:14] == _HOMEPLUG]
    stations = {frame[6:12] for _, frame in found if frame[15:17] == _SLAC_PARM_CNF}
    return tuple(TracedFrame(at, frame[6:12] in stations, redacted(frame)) for at, frame in found)


def discovery(data: bytes) -> tuple[CapturedDiscovery, ...]:
    """The requests and answers of discovery in a capture; raises TraceError."""
    found = []
    for datagram in _reader().datagrams(data):
        udp = datagram.content
        if datagram.protocol != _UDP or SDP_PORT not in (udp.sport, udp.dport):
            continue
        for message in (SdpRequest, SdpResponse):
            with contextlib.suppress(FramingError):
                source = _text((datagram.source, udp.sport))
                found.append(CapturedDiscovery(datagram.at, source, message.parse(udp.data)))
    return tuple(found)


def _reader() -> ModuleType:
    """`secc.trace.packets`; raises TraceError where dpkt is missing."""
    try:
        from secc.trace import packets
    except ImportError as error:
        raise TraceError("a capture is read by dpkt: pip install secc[capture]") from error
    return packets


_HOMEPLUG = b"\x88\xe1"
_SLAC_PARM_CNF = b"\x65\x60"  # as on the wire, behind the version
_TCP, _UDP = 6, 17


def conversations(data: bytes, keys: Keys | None = None) -> tuple[CapturedConversation, ...]:
    """The TCP connections of a capture, in the order of their first bytes; raises TraceError.

    `keys` open TLS, see `secc.trace.tls_records`.
    """
    found: dict[frozenset[_End], _Pair] = {}
    for datagram in _reader().datagrams(data):
        if datagram.protocol == _TCP:
            segment = _segment(datagram)
            pair = found.setdefault(frozenset((segment.source, segment.target)), _Pair())
            pair.take(segment, datagram.at)
    return tuple(pair.conversation(keys or {}) for pair in found.values() if pair.chunks)


# --- segments -----------------------------------------------------------------------------------------------

_End = tuple[bytes, int]  # address and port


@dataclasses.dataclass(frozen=True, slots=True)
class _Segment:
    source: _End
    target: _End
    number: int
    syn: bool
    answers: bool
    data: bytes


def _segment(datagram: Datagram) -> _Segment:
    tcp = datagram.content
    source, target = (datagram.source, tcp.sport), (datagram.target, tcp.dport)
    return _Segment(source, target, tcp.seq, bool(tcp.flags & 2), bool(tcp.flags & 16), tcp.data)


class _Pair:
    """Both directions of a connection, put in order."""

    def __init__(self) -> None:
        self.chunks: list[tuple[float, _End, bytes]] = []
        self._ends: list[_End] = []
        self._client: _End | None = None
        self._next: dict[_End, int] = {}
        self._early: dict[_End, dict[int, bytes]] = {}

    def take(self, segment: _Segment, at: float) -> None:
        source = segment.source
        if source not in self._ends:
            self._ends.append(source)
        if segment.syn:
            self._next[source] = (segment.number + 1) % _WRAP
            if not segment.answers:
                self._client = source
            return
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
                    self.chunks.append((at, source, data))
                    self._next[source] = (self._next[source] + len(data)) % _WRAP

    def conversation(self, keys: Keys) -> CapturedConversation:
        """The one who connected is the EV; without a beginning, the one who spoke first."""
        client = self._client or self.chunks[0][1]
        server = next((end for end in self._ends if end != client), client)
        tls = self.chunks[0][2][:1] == b"\x16"
        chunks: Iterable[tuple[float, bool, bytes]] = [
            (at, end == client, data) for at, end, data in self.chunks
        ]
        sides = {side: FrameAssembler(max_payload=_LARGEST, more=_TYPES) for side in (True, False)}
        payloads: list[Payload] = []
        closed = ""
        try:
            for at, from_ev, data in opened(chunks, keys) if tls else chunks:
                payloads += [Payload(at, from_ev, frame) for frame in sides[from_ev].feed(data)]
        except FramingError:
            pass  # no V2GTP from there on
        except TraceError as error:
            closed = str(error)
        return CapturedConversation(_text(client), _text(server), tuple(payloads), tls, closed)


_LARGEST = 131_072  # bytes of a payload
_TYPES = tuple(one for one in PayloadType if one < PayloadType.SDP_REQUEST)
_WRAP = 2**32
_EARLY = 1000  # segments that may wait for one that is missing


def _text(end: _End) -> str:
    return f"[{ipaddress.IPv6Address(end[0])}]:{end[1]}"
