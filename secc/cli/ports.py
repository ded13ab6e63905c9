"""Which process holds a port: bind as a station does, and on failure read the tables of the kernel."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from secc.station.interface import LinkLocal
from secc.station.ownership import process

PROC = Path("/proc")


@dataclasses.dataclass(frozen=True, slots=True)
class PortTaken:
    """A port that cannot be bound."""

    reason: str
    """Error text of the system."""
    holders: tuple[str, ...]
    """Processes that hold the port on this interface, as far as they are visible."""

    def __str__(self) -> str:
        return f"{self.reason}{': ' * bool(self.holders)}{', '.join(self.holders)}"


def udp(interface: str, port: int) -> PortTaken | None:
    """Return whether discovery can be served, bound to this interface only, as a station does.

    Sockets on other interfaces do not matter.
    """
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
            probe.bind(("::1" if interface == "lo" else "::", port))
        except OSError as error:
            return PortTaken(
                error.strerror or str(error), tuple(_holders(socket.SOCK_DGRAM, port, interface))
            )
    return None


def tcp(link: LinkLocal, port: int) -> PortTaken | None:
    """Return whether a listener can be opened on the address of this interface."""
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # like a listener of a station
        try:
            probe.bind((str(link.address), port, 0, link.scope_id))
            probe.listen(1)
        except OSError as error:
            return PortTaken(
                error.strerror or str(error), tuple(_holders(socket.SOCK_STREAM, port, link.interface))
            )
    return None


@dataclasses.dataclass(frozen=True, slots=True)
class _Socket:
    port: int
    inode: str
    index: int
    """Interface to which the socket is bound; 0 for none."""
    listening: bool


def _holders(kind: socket.SocketKind, port: int, interface: str) -> Iterator[str]:
    """Return processes with a socket at this port, on this interface or on all; for TCP, listening ones."""
    try:
        found = list(_asked(kind))
    except OSError:
        found = list(_read(kind))
    indices = (0, socket.if_nametoindex(interface))
    inodes = {
        one.inode
        for one in found
        if one.port == port and one.index in indices and (one.listening or kind is socket.SOCK_DGRAM)
    }
    for pid in sorted(int(folder.name) for folder in PROC.iterdir() if folder.name.isdigit()):
        if not inodes.isdisjoint(_sockets(pid)):
            yield process(pid)


def _asked(kind: socket.SocketKind) -> Iterator[_Socket]:
    """Read by netlink (`sock_diag(7)`), which reports the interface.

    Raises OSError if the kernel does not support it.
    """
    protocol = socket.IPPROTO_UDP if kind is socket.SOCK_DGRAM else socket.IPPROTO_TCP
    request = _REQUEST.pack(socket.AF_INET6, protocol, 0, _EVERY_STATE)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as asking:
        asking.settimeout(1.0)
        asking.send(_HEADER.pack(_HEADER.size + len(request), _BY_FAMILY, _DUMP, 1, 0) + request)
        while True:
            data = asking.recv(65_536)
            while data:
                length, what, *_ = _HEADER.unpack_from(data)
                if what == _DONE:
                    return
                if what != _BY_FAMILY or length < _HEADER.size:
                    raise OSError("the kernel does not report sockets")
                yield _socket(data[_HEADER.size : length])
                data = data[-(-length // 4) * 4 :]


def _socket(answer: bytes) -> _Socket:
    state, port, index, inode = _ANSWER.unpack_from(answer)
    return _Socket(int.from_bytes(port, "big"), str(inode), index, state == _LISTEN)


_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port id
_REQUEST = struct.Struct("=BBBxI48x")  # family, protocol, extensions, states
_ANSWER = struct.Struct("=xB2x2s34xI24xI")  # state; port, interface of the socket; inode
_SOCK_DIAG, _BY_FAMILY, _DUMP, _DONE = 4, 20, 0x301, 3
_EVERY_STATE = 0xFFFFFFFF
_LISTEN = 10


def _read(kind: socket.SocketKind) -> Iterator[_Socket]:
    """Read the table in /proc, which does not have the interface."""
    table = PROC / "net" / ("udp6" if kind is socket.SOCK_DGRAM else "tcp6")
    with contextlib.suppress(OSError):
        for line in table.read_text().splitlines()[1:]:
            words = line.split()
            port = int(words[1].rpartition(":")[2], 16)
            yield _Socket(port, words[9], 0, int(words[3], 16) == _LISTEN)


def _sockets(pid: int) -> set[str]:
    """Return inodes of the sockets of a process; none without permission."""
    found = set()
    with contextlib.suppress(OSError):
        folder = PROC / str(pid) / "fd"
        for descriptor in os.listdir(folder):
            with contextlib.suppress(OSError):  # closed meanwhile
                target = os.readlink(folder / descriptor)
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
