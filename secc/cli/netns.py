"""A separate network for a demonstration: a new namespace with a veth pair. Linux, root.

This process enters the namespace; the namespace ends with the process, and nothing outside is changed.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from secc.errors import ConfigError
from secc.station.interface import find_link_local

STATION_END = "evse0"
EV_END = "ev0"


def enter_new_network() -> None:
    """Enter a new network, connect `evse0` to `ev0`, and wait for their addresses.

    Raises ConfigError without the privilege, or when `ip` is missing.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise ConfigError(f"--netns: {os.strerror(ctypes.get_errno())}; needs root")
    _ip("link", "set", "lo", "up")
    _ip("link", "add", STATION_END, "type", "veth", "peer", "name", EV_END)
    for end in (STATION_END, EV_END):
        # Otherwise the address is tentative, and unusable, for more than a second.
        Path(f"/proc/sys/net/ipv6/conf/{end}/accept_dad").write_text("0")
        _ip("link", "set", end, "up")
    limit = time.monotonic() + _ADDRESS_TIME
    while find_link_local(STATION_END) is None or find_link_local(EV_END) is None:
        if time.monotonic() > limit:
            raise ConfigError("--netns: no link-local address; check that IPv6 is enabled in this kernel")
        time.sleep(0.02)


STATION_MODEM = "plc0"
EV_MODEM = "plc1"


def lay_power_line() -> None:
    """Enter a new network with a link from the station to its modem and another for the EV.

    Raises ConfigError as `enter_new_network` does.
    """
    _unshare()
    for host, modem in ((STATION_END, STATION_MODEM), (EV_END, EV_MODEM)):
        _ip("link", "add", host, "type", "veth", "peer", "name", modem)
        Path(f"/proc/sys/net/ipv6/conf/{modem}/disable_ipv6").write_text("1")
        _ip("link", "set", modem, "up")
    raise_host_end(STATION_END)


def enter_ev_network(moved: Callable[[], None]) -> None:
    """Enter a new network in the EV process; `moved` makes the other process move the link into it."""
    _unshare()
    moved()
    limit = time.monotonic() + _ADDRESS_TIME
    while EV_END not in [name for _, name in socket.if_nameindex()]:
        if time.monotonic() > limit:
            raise ConfigError("the link did not arrive in the network of the EV")
        time.sleep(0.01)
    raise_host_end(EV_END)


def push_cable(process: int) -> None:
    """Move the EV end of its link to the network of that process."""
    _ip("link", "set", EV_END, "netns", str(process))


def _unshare() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise ConfigError(f"{os.strerror(ctypes.get_errno())}; a separate network needs root")
    _ip("link", "set", "lo", "up")


def raise_host_end(name: str) -> None:
    """Set up, with an address at once, and with real checksums: frames pass a bridge in user space."""
    Path(f"/proc/sys/net/ipv6/conf/{name}/accept_dad").write_text("0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        value = ctypes.create_string_buffer(struct.pack("II", _ETHTOOL_STXCSUM, 0))
        request = struct.pack("16sP", name.encode(), ctypes.addressof(value))
        fcntl.ioctl(control, _SIOCETHTOOL, request)
    _ip("link", "set", name, "up")
    limit = time.monotonic() + _ADDRESS_TIME
    while find_link_local(name) is None:
        if time.monotonic() > limit:
            raise ConfigError("no link-local address; check that IPv6 is enabled in this kernel")
        time.sleep(0.02)


_SIOCETHTOOL = 0x8946
_ETHTOOL_STXCSUM = 0x17
_CLONE_NEWNET = 0x40000000
_ADDRESS_TIME = 5.0  # s


def _ip(*arguments: str) -> None:
    try:
        done = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    except OSError as error:
        raise ConfigError(f"--netns needs the command ip: {error}") from error
    if done.returncode:
        raise ConfigError(f"--netns: ip {' '.join(arguments)}: {done.stderr.strip()}")
