"""Captures of the network: TCP put in order, V2GTP found in it."""

import pathlib
import struct
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc import exi
from secc.cli import main
from secc.messages.iso2 import V2GMessage
from secc.sim.player import Recording
from secc.trace.capture import conversations, is_capture
from secc.trace.chart import chart
from secc.trace.curve import svg
from secc.trace.form import TraceError
from secc.trace.story import tell_capture
from secc.v2gtp import frame
from tests.support.recordings import dc_session

EV, STATION = bytes.fromhex("fe80" + "00" * 13 + "01"), bytes.fromhex("fe80" + "00" * 13 + "02")


def segment(*, from_ev: bool, number: int, data: bytes = b"", flags: int = 0x10, port: int = 50000) -> bytes:
    """An Ethernet frame."""
    source, target = (EV, STATION) if from_ev else (STATION, EV)
    ports = (port, 61000) if from_ev else (61000, port)
    tcp = struct.pack(">HHIIBBHHH", *ports, number, 0, 0x50, flags, 1000, 0, 0) + data
    ip = struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + source + target
    return bytes(12) + b"\x86\xdd" + ip + tcp


def pcap(*frames: tuple[float, bytes]) -> bytes:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(
        struct.pack("<IIII", int(at), round(at % 1 * 1e6), len(data), len(data)) + data for at, data in frames
    )


def captured(recording: Recording) -> list[tuple[float, bytes]]:
    """A recording as packets, with a handshake of TCP."""
    sent = {True: 1001, False: 5001}
    frames = [
        (9.0, segment(from_ev=True, number=1000, flags=0x02)),
        (9.1, segment(from_ev=False, number=5000, flags=0x12)),
    ]

    def add(at: float, payload: bytes, *, from_ev: bool) -> None:
        data = frame(payload)
        frames.append((at, segment(from_ev=from_ev, number=sent[from_ev], data=data)))
        sent[from_ev] += len(data)

    for exchange in recording.exchanges:
        add(exchange.at, exchange.payload, from_ev=True)
        assert exchange.answer is not None
        codec = exi.ISO2 if isinstance(exchange.answer, V2GMessage) else exi.APP_PROTOCOL
        add(exchange.at + 0.05, codec.encode(exchange.answer), from_ev=False)
    return frames


def test_payloads_of_both_sides_come_in_their_order() -> None:
    recording = dc_session()
    (talk,) = conversations(pcap(*captured(recording)))
    assert talk.ev == "[fe80:0:0:0:0:0:0:1]:50000"
    assert [p.data for p in talk.payloads if p.from_ev] == [e.payload for e in recording.exchanges]
    assert len(talk.payloads) == 2 * len(recording.exchanges)
    assert not talk.tls


def test_segments_out_of_order_twice_and_overlapping_make_the_same_stream() -> None:
    data = frame(b"one") + frame(b"two") + frame(b"three")
    parts = [(1001 + 5, data[5:12]), (1001, data[:7]), (1001, data[:7]), (1001 + 10, data[10:])]
    frames = [(1.0, segment(from_ev=True, number=1000, flags=0x02))]
    frames += [(2.0, segment(from_ev=True, number=n, data=d)) for n, d in parts]
    (talk,) = conversations(pcap(*frames))
    assert [payload.data for payload in talk.payloads] == [b"one", b"two", b"three"]


def test_sequence_numbers_wrap_around() -> None:
    data = frame(b"payload")
    first = 2**32 - 4
    frames = [
        (1.0, segment(from_ev=True, number=first, data=data[:8])),
        (2.0, segment(from_ev=True, number=4, data=data[8:])),
    ]
    (talk,) = conversations(pcap(*frames))
    assert [payload.data for payload in talk.payloads] == [b"payload"]


def test_tls_stays_closed() -> None:
    (talk,) = conversations(pcap((1.0, segment(from_ev=True, number=1, data=b"\x16\x03\x01\x00\x05hello"))))
    assert (talk.tls, talk.payloads) == (True, ())


def test_a_capture_becomes_a_chart_and_a_curve(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = pcap(*captured(dc_session()))
    (talk,) = conversations(data)
    story = tell_capture(talk)
    assert "CurrentDemandReq ──────────────────▶  400 V 80 A" in chart(story)
    assert max(point.value for point in story.curves["power"]) == 32_000.0
    ET.fromstring(svg(story))
    path = tmp_path / "field.pcap"
    path.write_bytes(data)
    assert main(["trace", str(path)]) == 0
    assert "TCP connections: 1" in capsys.readouterr().out
    assert main(["trace", str(path), "--svg", str(tmp_path / "c.svg")]) == 0
    assert main(["trace", str(path), "--as-test", str(tmp_path / "test_x.py")]) == 2


def test_what_is_no_capture_is_told() -> None:
    assert not is_capture(b'{"tr')
    with pytest.raises(TraceError, match="not a capture"):
        conversations(b"nonsense")


@given(st.binary(max_size=300))
def test_any_packet_is_let_pass(data: bytes) -> None:
    conversations(pcap((1.0, data), (2.0, segment(from_ev=True, number=1, data=data))))
    conversations(pcap((1.0, bytes(12) + b"\x86\xdd\x60" + data)))
