"""Writes captures in the format pcapng with the secrets of TLS inside, as Wireshark reads them.

The blocks of packets and interfaces are those of dpkt; the one of secrets is written here (draft
draft-ietf-opsawg-pcapng, Decryption Secrets Block). Needs dpkt: `pip install secc[capture]`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from dpkt import pcapng

__all__ = ["ETHERNET", "PcapngWriter"]

ETHERNET = 1
"""Link layer of an Ethernet interface."""


class PcapngWriter:
    """Writes blocks; what `write` raises is passed on."""

    def __init__(self, write: Callable[[bytes], object], *, comment: str = "") -> None:
        """`comment` is shown by Wireshark as the comment of the file."""
        self._write = write
        self._interfaces: dict[int, int] = {}
        self._secrets: set[str] = set()
        self._key_log = ""
        options = [_option(pcapng.PCAPNG_OPT_COMMENT, comment.encode()), _END] if comment else []
        write(bytes(pcapng.SectionHeaderBlockLE(opts=options)))

    def secrets(self, key_log: str) -> None:
        """Lines of a key log (SSLKEYLOGFILE); those that are new are written.

        They stand before the packets that need them, so a writer calls this first.
        """
        if key_log == self._key_log:  # as before nearly every packet
            return
        self._key_log = key_log
        lines = [line for line in key_log.splitlines() if line and line not in self._secrets]
        if not lines:
            return
        self._secrets.update(lines)
        text = ("\n".join(lines) + "\n").encode()
        size = 20 + len(text) + -len(text) % 4
        head = struct.pack("<IIII", _SECRETS, size, _TLS_KEY_LOG, len(text))
        self._write(head + text + bytes(-len(text) % 4) + struct.pack("<I", size))

    def packet(self, at: float, data: bytes, link: int = ETHERNET) -> None:
        """One packet; `at` in seconds since 1970."""
        if link not in self._interfaces:
            self._interfaces[link] = len(self._interfaces)
            self._write(bytes(pcapng.InterfaceDescriptionBlockLE(linktype=link, snaplen=0)))
        ticks = round(at * 1_000_000)
        block = pcapng.EnhancedPacketBlockLE(
            iface_id=self._interfaces[link],
            ts_high=ticks >> 32,
            ts_low=ticks & 0xFFFF_FFFF,
            pkt_data=data,
        )
        self._write(bytes(block))


_SECRETS, _TLS_KEY_LOG = 0x0000000A, 0x544C534B
_END = pcapng.PcapngOptionLE(code=pcapng.PCAPNG_OPT_ENDOFOPT)


def _option(code: int, data: bytes) -> pcapng.PcapngOptionLE:
    return pcapng.PcapngOptionLE(code=code, data=data)
