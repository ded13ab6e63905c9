"""Which process holds a port: bind as a station does, and where that fails look at the kernel's tables."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from secc.aio.interface import LinkLocal
from secc.aio.ownership import process

PROC = Path("/proc")


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """A port that cannot be bound."""

    reason: str
    """Of the system."""
    holders: tuple[str, ...]
    """Processes that hold the port on this interface, as far as they can be seen."""

    def __str__(self) -> str:
        return f"{self.reason}{': ' * bool(self.holders)}{', '.join(self.holders)}"


def udp(interface: str, port: int) -> Taken | None:
    """Whether discovery can be served: bound to this interface only, as a station does it. Sockets on other
    interfaces are not in the way."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            if interface == "lo":
                probe.bind(("::1", port))
            else:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
                probe.bind(("::", port))
        except OSError as error:
            return Taken(error.strerror or str(error), tuple(_holders("udp6", port)))
    return None


def tcp(link: LinkLocal, port: int) -> Taken | None:
    """Whether a listener can be opened on the address of this interface."""
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a listener of a station
        try:
            probe.bind((str(link.address), port, 0, link.scope_id))
            probe.listen(1)
        except OSError as error:
            return Taken(error.strerror or str(error), tuple(_holders("tcp6", port)))
    return None


_LISTEN = "0A"


def _holders(table: str, port: int) -> Iterator[str]:
    """Processes with a socket at this port, listening where it is TCP."""
    inodes = set()
    with contextlib.suppress(OSError):
        for line in (PROC / "net" / table).read_text().splitlines()[1:]:
            words = line.split()
            here = int(words[1].rpartition(":")[2], 16) == port
            if here and (table == "udp6" or words[3] == _LISTEN):
                inodes.add(words[9])
    for pid in sorted(int(folder.name) for folder in PROC.iterdir() if folder.name.isdigit()):
        if not inodes.isdisjoint(_sockets(pid)):
            yield process(pid)


def _sockets(pid: int) -> set[str]:
    """Inodes of the sockets of a process; none where it may not be looked at."""
    found = set()
    with contextlib.suppress(OSError):
        folder = PROC / str(pid) / "fd"
        for descriptor in os.listdir(folder):
            with contextlib.suppress(OSError):  # closed meanwhile
                target = os.readlink(folder / descriptor)
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
