"""Reads what tcpdump and Wireshark write, pcap and pcapng, down to the V2GTP payloads of TCP connections.

A recording made in the field becomes a chart and a test. TLS stays closed: of such a connection only the
fact is told; a trace of the station holds what went through it. Whatever is in the file, nothing but a
TraceError is raised, and packets that make no sense are skipped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import struct

from secc.errors import FramingError
from secc.slac.captures import frames
from secc.trace.form import TraceError
from secc.v2gtp import FrameAssembler


@dataclasses.dataclass(frozen=True, slots=True)
class Payload:
    """One V2GTP payload."""

    at: float
    from_ev: bool
    data: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Conversation:
    """One TCP connection."""

    ev: str
    """Address and port of the side that connected."""
    station: str
    payloads: tuple[Payload, ...]
    """In their order; empty for TLS and for what is no V2GTP."""
    tls: bool


def is_capture(start: bytes) -> bool:
    """Whether a file that begins so may be a capture."""
    return start[:4] in _STARTS


_STARTS = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\n\r\r\n")


def conversations(data: bytes) -> tuple[Conversation, ...]:
    """The TCP connections of a capture of Ethernet, in the order of their first bytes; raises TraceError."""
    found: dict[frozenset[_End], _Pair] = {}
    try:
        for at, packet in frames(data):
            segment = _tcp(packet)
            if segment is not None:
                pair = found.setdefault(frozenset((segment.source, segment.target)), _Pair())
                pair.take(segment, at)
    except FramingError as error:
        raise TraceError(str(error)) from error
    return tuple(pair.conversation() for pair in found.values() if pair.chunks)


# --- packets ------------------------------------------------------------------------------------------------

_End = tuple[bytes, int]  # address and port


@dataclasses.dataclass(frozen=True, slots=True)
class _Segment:
    source: _End
    target: _End
    number: int
    syn: bool
    answers: bool
    data: bytes


def _tcp(packet: bytes) -> _Segment | None:
    """The TCP segment in an Ethernet frame, over IPv6; None for everything else."""
    if packet[12:14] != b"\x86\xdd":
        return None
    data = packet[14:]
    if len(data) < 40 or data[0] >> 4 != 6:
        return None
    (length,) = struct.unpack_from(">H", data, 4)
    following, source, target, data = data[6], data[8:24], data[24:40], data[40 : 40 + length]
    while following in (0, 43, 60) and len(data) >= 8:  # extension headers
        following, data = data[0], data[8 + data[1] * 8 :]
    if following != 6 or len(data) < 20:
        return None
    from_port, to_port, number = struct.unpack_from(">HHI", data)
    header = (data[12] >> 4) * 4
    syn, answers = bool(data[13] & 2), bool(data[13] & 16)
    return _Segment((source, from_port), (target, to_port), number, syn, answers, data[header:])


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

    def conversation(self) -> Conversation:
        """The one who connected is the EV; without a beginning, the one who spoke first."""
        client = self._client or self.chunks[0][1]
        server = next((end for end in self._ends if end != client), client)
        tls = self.chunks[0][2][:1] == b"\x16"
        sides = {client: FrameAssembler(max_payload=65536), server: FrameAssembler(max_payload=65536)}
        payloads: list[Payload] = []
        with contextlib.suppress(FramingError):  # no V2GTP from there on
            for at, source, data in self.chunks if not tls else ():
                payloads += [Payload(at, source == client, frame) for frame in sides[source].feed(data)]
        return Conversation(_text(client), _text(server), tuple(payloads), tls)


_WRAP = 2**32
_EARLY = 1000  # segments that may wait for one that is missing


def _text(end: _End) -> str:
    groups = ":".join(f"{int.from_bytes(end[0][i : i + 2], 'big'):x}" for i in range(0, 16, 2))
    return f"[{groups}]:{end[1]}"
