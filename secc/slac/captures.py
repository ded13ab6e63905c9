"""Capture files of network analysers (pcap, pcapng), as far as finding the Ethernet frames in them."""

import struct
from collections.abc import Iterator

from secc.errors import FramingError


def frames(data: bytes) -> Iterator[tuple[float, bytes]]:
    """(seconds, Ethernet frame) in the order of the file; FramingError when it is no capture of Ethernet."""
    magic = data[:4]
    if magic in _PCAP:
        order, resolution = _PCAP[magic]
        yield from _pcap(data, order, resolution)
    elif magic == b"\x0a\x0d\x0d\x0a":
        yield from _pcapng(data)
    else:
        raise FramingError("not a capture file (pcap or pcapng)")


_PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e-6),
    b"\xa1\xb2\xc3\xd4": (">", 1e-6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e-9),
    b"\xa1\xb2\x3c\x4d": (">", 1e-9),
}
_ETHERNET = 1


def _pcap(data: bytes, order: str, resolution: float) -> Iterator[tuple[float, bytes]]:
    if len(data) < 24 or struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF != _ETHERNET:
        raise FramingError("a capture of something other than Ethernet")
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, size, _ = struct.unpack_from(order + "IIII", data, at)
        at += 16
        if at + size > len(data):
            return  # cut off while it was written
        yield seconds + fraction * resolution, data[at : at + size]
        at += size


def _pcapng(data: bytes) -> Iterator[tuple[float, bytes]]:
    """Section, interface and enhanced packet blocks; timestamps as microseconds unless the file says else."""
    order, at = "<", 0
    resolutions: list[float] = []
    while at + 12 <= len(data):
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            resolutions = []
        kind, size = struct.unpack_from(order + "II", data, at)
        body = data[at + 8 : at + size - 4]
        if size < 12 or at + size > len(data):
            return
        if kind == 1 and len(body) >= 8:
            if struct.unpack_from(order + "H", body)[0] != _ETHERNET:
                raise FramingError("a capture of something other than Ethernet")
            resolutions.append(_resolution(body[8:], order))
        elif kind == 6 and len(body) >= 20:
            interface, high, low, captured, _ = struct.unpack_from(order + "IIIII", body)
            if interface < len(resolutions) and len(body) >= 20 + captured:
                yield (high << 32 | low) * resolutions[interface], body[20 : 20 + captured]
        at += size


def _resolution(options: bytes, order: str) -> float:
    at = 0
    while at + 4 <= len(options):
        code, size = struct.unpack_from(order + "HH", options, at)
        if code == 9 and size >= 1 and at + 4 < len(options):
            exponent = options[at + 4]
            return float(2.0 ** -(exponent & 0x7F)) if exponent & 0x80 else float(10.0**-exponent)
        at += 4 + (size + 3) // 4 * 4
    return 1e-6
