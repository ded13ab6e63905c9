"""The link-local address of the charging interface, as Linux reports it."""

import asyncio
import dataclasses
import functools
import io
import ipaddress
import socket
import weakref
from ipaddress import IPv6Address
from pathlib import Path

from secc.errors import ConfigError

__all__ = ["LinkLocal", "find_link_local", "link_local_now", "require_interface"]

INET6_TABLE = Path("/proc/net/if_inet6")


@dataclasses.dataclass(frozen=True, slots=True)
class LinkLocal:
    """Where the station can be reached on one interface."""

    interface: str
    address: IPv6Address
    scope_id: int
    """Index of the interface; 0 for the loopback interface, whose address needs no scope."""


def find_link_local(interface: str, *, table: Path = INET6_TABLE) -> LinkLocal | None:
    """The address to announce, or None while there is none.

    An address whose duplicate detection is running or has failed is not one yet. The loopback interface has
    no link-local address; `::1` takes its place, for demonstrations and tests: discovery is then by unicast.
    """
    return _link_local(interface, _read(table))


def link_local_now(interface: str) -> LinkLocal | None:
    """`find_link_local` for outlets that look again and again: all of one event loop share a table that is
    at most 50 ms old."""
    loop = asyncio.get_running_loop()
    now, seen = loop.time(), _SEEN.get(loop)
    if seen is None or now >= seen[0] + _FRESH:
        seen = _SEEN[loop] = (now, _read(INET6_TABLE))
    return _link_local(interface, seen[1])


_FRESH = 0.05  # s
_SEEN: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[float, bytes]] = weakref.WeakKeyDictionary()
"""When the table was read, and its content."""


def _read(table: Path) -> bytes:
    """The table; empty where there is none."""
    try:
        with io.FileIO(table) as opened:
            return opened.read()
    except OSError:
        return b""


@functools.lru_cache(maxsize=256)  # each outlet looks four times a second, and the table hardly ever changes
def _link_local(interface: str, text: bytes) -> LinkLocal | None:
    end = f" {interface}".encode()
    for line in text.splitlines():
        if not line.endswith(end):  # the table has a line for each address of each interface
            continue
        digits, index, _prefix, scope, flags, _name = line.decode().split()
        if int(flags, 16) & (_TENTATIVE | _DAD_FAILED):
            continue
        address = IPv6Address(bytes.fromhex(digits))
        if int(scope, 16) == _LINK_SCOPE:
            return LinkLocal(interface, address, int(index, 16))
        if address == _LOOPBACK:
            return LinkLocal(interface, address, 0)
    return None


def require_interface(name: str) -> None:
    """Raises ConfigError when the machine has no such interface."""
    known = [found for _, found in socket.if_nameindex()]
    if name not in known:
        raise ConfigError(f"interface: there is no {name}; found {', '.join(known)}", setting="interface")


_LOOPBACK = ipaddress.IPv6Address("::1")
_LINK_SCOPE = 0x20
_TENTATIVE = 0x40
_DAD_FAILED = 0x08
