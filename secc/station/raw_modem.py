"""The modem behind a Linux network interface: HomePlug frames through a packet socket."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct

from secc.errors import LinkError
from secc.slac.frames import ETHERTYPE

__all__ = ["RawModem"]


class RawModem:
    """The modem behind a Linux network interface, by a packet socket: needs CAP_NET_RAW."""

    def __init__(self, interface: str, *, protocol: int = ETHERTYPE) -> None:
        """`protocol` other than HomePlug's is for simulations."""
        self._interface = interface
        self._protocol = protocol
        self._socket: socket.socket | None = None

    def open(self) -> bytes:
        """Bind to the interface; returns its address. Raises LinkError."""
        self.close()
        try:
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # 0: receive nothing until bound
            try:
                opened.setblocking(False)
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
                if self._protocol != _ALL_PROTOCOLS:
                    _take_only(opened, self._protocol)
                opened.bind((self._interface, _ALL_PROTOCOLS))
            except OSError:
                opened.close()
                raise
        except OSError as error:
            raise LinkError(f"packet socket on {self._interface}: {error.strerror}") from error
        self._socket = opened
        return bytes(opened.getsockname()[4])

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, frame: bytes) -> None:
        """Send it; a full queue loses it, as the wire would."""
        if self._socket is None:
            raise LinkError(f"{self._interface} is not open")
        try:
            self._socket.send(frame)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            raise LinkError(f"{self._interface}: {error.strerror}") from error

    async def receive(self) -> bytes:
        """The next frame that is addressed to this host or broadcast; frames between others are left out."""
        while True:
            opened = self._socket
            if opened is None:
                raise LinkError(f"{self._interface} is not open")
            try:
                data, address = await asyncio.get_running_loop().sock_recvfrom(opened, _LONGEST_FRAME)
            except OSError as error:
                raise LinkError(f"{self._interface}: {error.strerror}") from error
            if address[2] in _FOR_US or (self._protocol != ETHERTYPE and address[2] != _OUTGOING):
                return data


def _take_only(opened: socket.socket, protocol: int) -> None:
    """Let the kernel drop frames of other protocols, and those with a VLAN tag.

    ISO 15118-3 has no tags: such a frame comes from another network. The kernel removes the tag before it
    passes a frame to a socket that is bound to one protocol, so the socket is bound to all of them.
    """
    tag_present = 0xFFFFF000 + 48  # SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (_LOAD_HALF, 0, 0, 12),
            (_JUMP_EQUAL, 0, 3, protocol),
            (_LOAD_WORD, 0, 0, tag_present),
            (_JUMP_EQUAL, 0, 1, 0),
            (_RETURN, 0, 0, 0xFFFFFFFF),  # all of it
            (_RETURN, 0, 0, 0),  # drop it
        )
    )
    buffer = ctypes.create_string_buffer(program, len(program))
    address = ctypes.addressof(buffer)
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program) // 8, address))


_LOAD_WORD, _LOAD_HALF, _JUMP_EQUAL, _RETURN = 0x20, 0x28, 0x15, 0x06  # instructions of the classic BPF
_ALL_PROTOCOLS = 3  # ETH_P_ALL
_SO_ATTACH_FILTER = 26
_RECEIVE_BUFFER = 1 << 18  # bytes: what a flood may occupy in the kernel
_LONGEST_FRAME = 2048  # longer ones are cut, and then too long for any message
_FOR_US = (0, 1)  # PACKET_HOST, PACKET_BROADCAST
_OUTGOING = 4  # PACKET_OUTGOING
