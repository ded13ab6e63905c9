"""The packets of a capture file, pcap or pcapng, from any common link layer. Needs dpkt.

Ethernet (with one or two 802.1Q tags), Linux cooked captures of both versions, raw IP, the loopback of BSD.
dpkt reads files and headers; a pcapng may have interfaces with different link layers and clocks, so its
blocks are read here, because the reader of dpkt supports only the first interface.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator
from typing import Any

import dpkt
from dpkt import ethernet, ip6, pcap, pcapng, sll, sll2

from secc.trace.form import TraceError

__all__ = ["Datagram", "Packet", "datagram_of", "datagrams", "packet_of", "packets", "recorded"]


@dataclasses.dataclass(frozen=True, slots=True)
class Packet:
    """One packet, without what its link layer adds."""

    at: float
    """Seconds since 1970."""
    source: bytes
    """MAC address; empty where the link layer has none."""
    target: bytes
    kind: int
    """EtherType of `content`."""
    content: bytes

    @property
    def frame(self) -> bytes:
        """An Ethernet frame without tags; addresses that are not known are zero."""
        head = self.target.ljust(6, b"\0") + self.source.ljust(6, b"\0")
        return head + self.kind.to_bytes(2, "big") + self.content


@dataclasses.dataclass(frozen=True, slots=True)
class Datagram:
    """What an IPv6 packet carries."""

    at: float
    source: bytes
    """IP address."""
    target: bytes
    protocol: int
    """6 for TCP, 17 for UDP."""
    content: Any
    """`dpkt.tcp.TCP` or `dpkt.udp.UDP`."""


def packets(data: bytes) -> Iterator[Packet]:
    """In the order of the file; raises TraceError when it is no capture, or of a link layer not known here.

    A packet that makes no sense is left out, and a file that was cut off ends with its last whole packet.
    """
    for at, link, data_of_packet in recorded(data):
        if (packet := packet_of(at, link, data_of_packet)) is not None:
            yield packet


def packet_of(at: float, link: int, data: bytes) -> Packet | None:
    """One packet; None where it makes no sense. Raises TraceError for a link layer not known here."""
    read = _LINKS.get(link)
    if read is None:
        raise TraceError(f"a capture of link layer {link}, which is not known here")
    try:
        found = read(data)
    except dpkt.UnpackError:
        return None
    return None if found is None else Packet(at, *found)


def datagrams(data: bytes) -> Iterator[Datagram]:
    """TCP and UDP over IPv6; raises TraceError like `packets`."""
    for packet in packets(data):
        if (datagram := datagram_of(packet)) is not None:
            yield datagram


def datagram_of(packet: Packet) -> Datagram | None:
    """What a packet carries, if that is TCP or UDP over IPv6."""
    if packet.kind != ethernet.ETH_TYPE_IP6:
        return None
    try:
        found = ip6.IP6(packet.content)
    except (dpkt.UnpackError, UnboundLocalError, AttributeError):  # dpkt on extension headers cut short
        return None
    if found.v == 6 and isinstance(found.data, dpkt.tcp.TCP | dpkt.udp.UDP):
        return Datagram(packet.at, found.src, found.dst, found.p, found.data)
    return None


# --- link layers --------------------------------------------------------------------------------------------

_Found = tuple[bytes, bytes, int, bytes]  # source, target, EtherType, content


def _ethernet(data: bytes) -> _Found | None:
    if len(data) < ethernet.ETH_HDR_LEN:
        return None
    target, source, kind, content = data[:6], data[6:12], int.from_bytes(data[12:14], "big"), data[14:]
    for _ in range(_MAX_TAGS):
        if kind not in _TAGS:
            break
        tag = ethernet.VLANtag8021Q(content)
        kind, content = tag.type, content[tag.__hdr_len__ :]
    return source, target, kind, content


_TAGS = {
    *(ethernet.ETH_TYPE_8021Q, ethernet.ETH_TYPE_8021AD),
    *(ethernet.ETH_TYPE_QINQ1, ethernet.ETH_TYPE_QINQ2),
}
_MAX_TAGS = 2


def _cooked(header: type[sll.SLL | sll2.SLL2]) -> Callable[[bytes], _Found]:
    def read(data: bytes) -> _Found:
        found = header(data)
        return found.hdr[: found.hlen], b"", found.ethtype, data[found.__hdr_len__ :]

    return read


def _raw(data: bytes) -> _Found | None:
    kind = {4: ethernet.ETH_TYPE_IP, 6: ethernet.ETH_TYPE_IP6}.get(data[0] >> 4) if data else None
    return None if kind is None else (b"", b"", kind, data)


_LINKS: dict[int, Callable[[bytes], _Found | None]] = {
    pcap.DLT_EN10MB: _ethernet,
    pcap.DLT_LINUX_SLL: _cooked(sll.SLL),
    pcap.DLT_LINUX_SLL2: _cooked(sll2.SLL2),
    # An address family first, which differs between systems and says nothing that the packet does not.
    pcap.DLT_NULL: lambda data: _raw(data[4:]),
    pcap.DLT_LOOP: lambda data: _raw(data[4:]),
    **dict.fromkeys((12, 14, 101), _raw),  # RAW, by the numbers of all systems
    pcap.DLT_IPV6: _raw,
}


# --- files --------------------------------------------------------------------------------------------------

_Recorded = tuple[float, int, bytes]  # seconds, link layer, packet


def recorded(data: bytes) -> Iterator[_Recorded]:
    """(seconds, link layer, packet as it was captured); raises TraceError when it is no capture."""
    if data[:4] == b"\n\r\r\n":
        yield from _pcapng(data)
        return
    try:
        reader = pcap.Reader(_Whole(data))
    except (ValueError, dpkt.UnpackError) as error:
        raise TraceError("not a capture file (pcap or pcapng)") from error
    link = reader.datalink() & 0xFFFF  # above: length of a frame check sequence
    try:
        for at, packet in reader:
            yield float(at), link, packet
    except dpkt.UnpackError:
        return


class _Whole(io.BytesIO):
    """A file that gives no part of a packet: dpkt would take it for a shorter one."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if size is not None and 0 < len(data) < size:
            raise dpkt.NeedData(f"{size} bytes expected, {len(data)} found")
        return data


@dataclasses.dataclass(frozen=True, slots=True)
class _Interface:
    link: int
    tick: float
    """Seconds."""
    offset: int
    """Seconds."""


def _pcapng(data: bytes) -> Iterator[_Recorded]:
    """Section, interface and packet blocks; each section starts with new interfaces."""
    at, order = 0, "little"
    interfaces: list[_Interface] = []
    while at + 12 <= len(data):
        if data[at : at + 4] == b"\n\r\r\n":
            order = "little" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else "big"
            interfaces = []
        kind, size = (int.from_bytes(data[i : i + 4], order) for i in (at, at + 4))  # type: ignore[arg-type]
        block = data[at : at + size]
        if size < 12 or len(block) < size:
            return
        reader = _BLOCKS.get((kind, order))
        try:
            found: Any = reader(block) if reader is not None else None
        except dpkt.UnpackError:
            return
        if kind == pcapng.PCAPNG_BT_IDB:
            interfaces.append(_interface(found, order))
        elif found is not None and found.iface_id < len(interfaces):
            own = interfaces[found.iface_id]
            yield own.offset + (found.ts_high << 32 | found.ts_low) * own.tick, own.link, found.pkt_data
        at += size


_BLOCKS: dict[tuple[int, str], type[dpkt.Packet]] = {
    (pcapng.PCAPNG_BT_IDB, "little"): pcapng.InterfaceDescriptionBlockLE,
    (pcapng.PCAPNG_BT_IDB, "big"): pcapng.InterfaceDescriptionBlock,
    (pcapng.PCAPNG_BT_EPB, "little"): pcapng.EnhancedPacketBlockLE,
    (pcapng.PCAPNG_BT_EPB, "big"): pcapng.EnhancedPacketBlock,
    (pcapng.PCAPNG_BT_PB, "little"): pcapng.PacketBlockLE,
    (pcapng.PCAPNG_BT_PB, "big"): pcapng.PacketBlock,
}


def _interface(block: Any, order: str) -> _Interface:
    tick, offset = 1e-6, 0
    for option in block.opts:
        if option.code == pcapng.PCAPNG_OPT_IF_TSRESOL and len(option.data) == 1:
            power = option.data[0]
            tick = 2.0 ** -(power & 0x7F) if power & 0x80 else 10.0**-power
        elif option.code == pcapng.PCAPNG_OPT_IF_TSOFFSET and len(option.data) == 8:
            offset = int.from_bytes(option.data, order, signed=True)  # type: ignore[arg-type]
    return _Interface(block.linktype, tick, offset)
