"""A session as it happens, from the packets of an interface: lines of a chart that grows, and a page.

Pure: packets and their times go in, lines come out. TLS is opened with the key log of the station or the EV,
which must be on the same machine. Needs dpkt: `pip install secc[capture]`.
"""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Iterator
from xml.sax.saxutils import escape

from secc.session.streams import Stream
from secc.slac.frames import redacted
from secc.trace import capture, packets, power_line
from secc.trace.capture import CapturedStream, Payload
from secc.trace.chart import HEAD, LEGEND, discovery_line, message_line
from secc.trace.curve import svg
from secc.trace.power_line import TracedFrame
from secc.trace.reader import HandshakePhase, TracedMessage
from secc.trace.repeats import Repeats
from secc.trace.summary import name_of, remark_of, summarize_messages
from secc.trace.tls_records import Keys

__all__ = ["LiveChart", "page"]

_REPEATS = 3
"""Exchanges of the same name that are shown; the next ones are counted."""
_EVERY = 10.0
"""Seconds between two lines about counted exchanges."""
_KINDS = 4
"""Kinds of messages that may repeat each other."""
_STREAMS = 16
"""Connections that are remembered."""
_LONGEST = 20_000
"""Messages of a connection that are kept for the picture."""


class LiveChart:
    """Reads packets one after the other and returns the lines to print."""

    def __init__(self, keys: Keys | None = None) -> None:
        self.status = ""
        """The last response and what it says, for a line that is replaced."""
        self.recent: deque[str] = deque([HEAD], maxlen=400)
        """The last lines."""
        self.title = ""
        """Of the newest connection."""
        self._keys = {} if keys is None else keys
        self._began: float | None = None
        self._stations: set[bytes] = set()
        self._streams: dict[frozenset[tuple[bytes, int]], _Stream] = {}
        self._newest: _Stream | None = None
        self._frames = 0  # of kinds that come in great numbers, since the last line

    def take(self, at: float, link: int, data: bytes) -> list[str]:
        """One packet: `at` in Unix seconds, `link` as in a capture; raises TraceError for an unknown one."""
        packet = packets.packet_of(at, link, data)
        if packet is None:
            return []
        if self._began is None:
            self._began = at
        lines = [f"{at - self._began:9.3f}  {text}" for text in self._lines(packet)]
        self.recent.extend(lines)
        return lines

    @property
    def beside(self) -> bool:
        """The newest connection has used a side stream."""
        return self._newest is not None and any(
            message.stream is not Stream.MAIN for message in self._newest.said
        )

    def picture(self) -> str:
        """The charging curve of the newest connection as SVG; empty without one."""
        if self._newest is None or not self._newest.said:
            return ""
        ev, station = self._newest.stream.ends
        return svg(summarize_messages(self._newest.said, title=f"{ev} at {station}"), title=self.title)

    def _lines(self, packet: packets.Packet) -> Iterator[str]:
        if capture.is_matching(packet):
            yield from self._matching(packet)
            return
        datagram = packets.datagram_of(packet)
        if datagram is None:
            return
        for found in capture.discovery_of(datagram):
            yield f"SDP {found.source}  {discovery_line(found.message)}"
        segment = capture.segment_of(datagram)
        if segment is not None:
            yield from self._stream(segment, packet.at)

    def _matching(self, packet: packets.Packet) -> Iterator[str]:
        frame = packet.frame
        if capture.is_from_station(frame):
            self._stations.add(packet.source)
        traced = TracedFrame(packet.at, packet.source in self._stations, redacted(frame))
        if power_line.kind_of(traced) in power_line.MANY:
            self._frames += 1
            return
        if self._frames:
            yield f"⋮ {self._frames} sounds and link questions"
            self._frames = 0
        yield power_line.frame_line(traced)

    def _stream(self, segment: capture.CapturedSegment, at: float) -> Iterator[str]:
        known = self._streams.get(segment.ends)
        if known is None or (segment.syn and not segment.answers):
            if not segment.syn and not segment.data:
                return
            self._streams.pop(segment.ends, None)
            known = self._streams[segment.ends] = _Stream(CapturedStream(self._keys))
            if len(self._streams) > _STREAMS:
                del self._streams[next(iter(self._streams))]
        stream = known.stream
        heard = stream.spoken
        payloads = stream.take(segment, at)
        if not heard and stream.spoken:
            ev, station = stream.ends
            when = datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%H:%M:%S UTC")
            self.title = f"{ev} at {station}, {'TLS' if stream.tls else 'plain'}, {when}"
            self._newest = known
            yield f"TCP {ev} connects to {station}{', TLS' if stream.tls else ''}"
        for payload in payloads:
            yield from known.lines(payload)
            self.status = known.status
        if stream.closed and not known.told:
            known.told = True
            yield f"TCP {stream.closed}"
        stream.payloads.clear()


class _Stream:
    """One connection: its messages as lines, those that repeat as a count."""

    def __init__(self, stream: CapturedStream) -> None:
        self.stream = stream
        self.said: deque[TracedMessage] = deque(maxlen=_LONGEST)
        """The last messages."""
        self.told = False
        """Why TLS stays closed has been said."""
        self.status = ""
        self._phase = HandshakePhase()
        self._repeats = Repeats(_REPEATS, _KINDS)
        self._hidden = 0
        self._said_at = 0.0

    def lines(self, payload: Payload) -> Iterator[str]:
        """The line of one message, if it has one."""
        message = TracedMessage(
            payload.at, payload.from_ev, self._phase.decoded(payload.frame), payload.frame
        )
        self.said.append(message)
        name, remark = name_of(message.message), remark_of(message.message)
        if not payload.from_ev:
            self.status = f"{name}  {remark}".rstrip()
        if message.stream is not Stream.MAIN:  # what happens beside the loop is never hidden
            yield message_line(message)
            return
        if not self._repeats.take(f"{name} {remark}" if remark.startswith("FAILED") else name):
            if self._hidden:
                yield f"⋮ {self._hidden} messages of the same"
            yield message_line(message)
        else:
            self._hidden += 1
            if payload.at - self._said_at < _EVERY or payload.from_ev:
                return
            yield f"⋮ {self._hidden} messages of the same; {self.status}"
        self._hidden, self._said_at = 0, payload.at


def page(chart: LiveChart, *, interface: str, refresh: int = 2) -> str:
    """A page that a browser reads again every `refresh` seconds: the curve and the last lines."""
    lines = escape("\n".join([*chart.recent, *([LEGEND] if chart.beside else [])]))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{refresh}"><title>{escape(interface)}</title>'
        "<style>body{font:14px sans-serif;margin:1rem auto;max-width:1120px}"
        "pre{font-size:12px;overflow-x:auto}</style></head><body>"
        f"<h1>{escape(interface)}</h1><p>{escape(chart.status or 'no message yet')}</p>"
        f"{chart.picture()}<pre>{lines}</pre></body></html>\n"
    )
