"""Reading capture files."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import FramingError
from secc.slac.captures import frames


def pcap(packets: list[bytes], *, order: str = "<", magic: int = 0xA1B2C3D4, kind: int = 1) -> bytes:
    data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, kind)
    for i, packet in enumerate(packets):
        data += struct.pack(order + "IIII", i, 500_000, len(packet), len(packet)) + packet
    return data


def block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def pcapng(packets: list[bytes], *, options: bytes = b"") -> bytes:
    data = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    data += block(1, struct.pack("<HHI", 1, 0, 0) + options)
    for packet in packets:
        data += block(6, struct.pack("<IIIII", 0, 0, 2_500_000, len(packet), len(packet)) + packet)
    return data


@pytest.mark.parametrize("order", ["<", ">"])
def test_packets_of_a_pcap_come_with_their_times(order: str) -> None:
    assert list(frames(pcap([b"one", b"two"], order=order))) == [(0.5, b"one"), (1.5, b"two")]


def test_packets_of_a_pcapng_come_with_their_times() -> None:
    assert list(frames(pcapng([b"one", b"seven!!"]))) == [(2.5, b"one"), (2.5, b"seven!!")]


def test_the_resolution_of_a_pcapng_is_obeyed() -> None:
    nanoseconds = struct.pack("<HHB3x", 9, 1, 9)
    assert [round(at, 6) for at, _ in frames(pcapng([b"x"], options=nanoseconds))] == [0.0025]


def test_a_file_cut_off_gives_what_is_whole() -> None:
    assert [data for _, data in frames(pcap([b"one", b"two"])[:-1])] == [b"one"]


def test_other_files_are_refused() -> None:
    for data in (b"", b"PK\x03\x04", pcap([], kind=113)):
        with pytest.raises(FramingError):
            list(frames(data))


@given(st.binary(max_size=120), st.sampled_from([pcap([b"abc"]), pcapng([b"abc"])]), st.integers(0, 140))
def test_damaged_files_give_packets_or_a_framing_error(noise: bytes, good: bytes, at: int) -> None:
    with contextlib.suppress(FramingError):
        list(frames(good[:at] + noise + good[at:]))
