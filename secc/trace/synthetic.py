"""Packets around what a trace has, so that Wireshark shows it: Ethernet, IPv6 and TCP are made up.

A trace has the payloads of a session in clear, with or without TLS at the time, and the frames of the power
line. Addresses, ports and checksums of the packets come from here. Needs dpkt: `pip install secc[capture]`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from dpkt import ethernet, ip, ip6, tcp

__all__ = ["EV_PORT", "STATION_PORT", "TcpTalk"]

EV_PORT, STATION_PORT = 49152, 61851
"""Of the made-up connection; both are dynamic ports."""
STATION = ipaddress.IPv6Address("fe80::5ecc")
_MACS = {True: bytes.fromhex("020000000ee5"), False: bytes.fromhex("020000005ecc")}
_SEGMENT = 1400


class TcpTalk:
    """The packets of one TCP connection with given content."""

    def __init__(self, ev: str, ev_port: int = EV_PORT, station_port: int = STATION_PORT) -> None:
        """`ev` is the address of the EV, as text; fe80::ee5 where it is no IPv6 address."""
        self._addresses = {True: _address(ev).packed, False: STATION.packed}
        self._ports = {True: ev_port, False: station_port}
        self._sent = {True: 1000, False: 5000}

    def of(self, content: Iterable[tuple[float, bool, bytes]]) -> Iterator[tuple[float, bytes]]:
        """Handshake, segments and end for (seconds, by the EV, bytes)."""
        last = None
        for at, from_ev, data in content:
            if last is None:
                yield from self._opening(at)
            last = at
            for start in range(0, len(data), _SEGMENT):
                part = data[start : start + _SEGMENT]
                yield at, self._packet(from_ev, tcp.TH_PUSH | tcp.TH_ACK, part)
                self._sent[from_ev] += len(part)
        if last is not None:
            yield last, self._packet(True, tcp.TH_FIN | tcp.TH_ACK)

    def _opening(self, at: float) -> Iterator[tuple[float, bytes]]:
        yield at, self._packet(True, tcp.TH_SYN)
        self._sent[True] += 1
        yield at, self._packet(False, tcp.TH_SYN | tcp.TH_ACK)
        self._sent[False] += 1
        yield at, self._packet(True, tcp.TH_ACK)

    def _packet(self, from_ev: bool, flags: int, data: bytes = b"") -> bytes:
        segment = tcp.TCP(
            sport=self._ports[from_ev],
            dport=self._ports[not from_ev],
            seq=self._sent[from_ev],
            ack=self._sent[not from_ev] if flags != tcp.TH_SYN else 0,
            flags=flags,
            data=data,
        )
        packet = ip6.IP6(
            src=self._addresses[from_ev],
            dst=self._addresses[not from_ev],
            nxt=ip.IP_PROTO_TCP,
            hlim=255,
            plen=len(segment),
            data=segment,
        )
        packet.extension_hdrs = {}
        packet.all_extension_headers = []
        frame = ethernet.Ethernet(
            src=_MACS[from_ev], dst=_MACS[not from_ev], type=ethernet.ETH_TYPE_IP6, data=packet
        )
        return bytes(frame)


def _address(text: str) -> ipaddress.IPv6Address:
    try:
        return ipaddress.IPv6Address(text.partition("%")[0].strip("[]"))
    except ValueError:
        return ipaddress.IPv6Address("fe80::ee5")
