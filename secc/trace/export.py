"""A trace or a capture as pcapng, for Wireshark."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from secc.trace.form import TraceError
from secc.trace.reader import Trace, TracedSession, messages
from secc.v2gtp import frame

__all__ = ["of_capture", "of_trace"]

Write = Callable[[bytes], object]


def of_trace(write: Write, trace: Trace, sessions: Iterable[TracedSession]) -> int:
    """Sessions and the power line in packets that are made up around them; returns their number.

    The content of TLS is in clear. Raises TraceError where dpkt is missing.
    """
    try:
        from secc.trace.pcapng import PcapngWriter
        from secc.trace.synthetic import EV_PORT, TcpTalk
    except ImportError as error:
        raise TraceError("a capture is written by dpkt: pip install secc[capture]") from error
    writer = PcapngWriter(write, comment=_COMMENT)
    found = [(one.at, one.data) for one in trace.power_line if one.data]
    for session in sessions:
        talk = TcpTalk(session.peer, EV_PORT + session.number % 10_000)
        content = (
            (one.at, one.from_ev, frame(one.frame.payload, one.frame.payload_type))
            for one in messages(session)
        )
        found += talk.of(content)
    found.sort(key=lambda packet: packet[0])
    for at, data in found:
        writer.packet(trace.wall + at - trace.now, data)
    return len(found)


_COMMENT = "Made from a trace: addresses, ports and TCP are made up, the content of TLS is in clear."


def of_capture(write: Write, data: bytes, key_log: str = "") -> int:
    """The packets of a capture with the secrets of a key log; returns their number.

    Raises TraceError when it is no capture.
    """
    try:
        from secc.trace.packets import recorded
        from secc.trace.pcapng import PcapngWriter
    except ImportError as error:
        raise TraceError("a capture is written by dpkt: pip install secc[capture]") from error
    writer = PcapngWriter(write)
    writer.secrets(key_log)
    count = 0
    for at, link, packet in recorded(data):
        writer.packet(at, packet, link)
        count += 1
    return count
