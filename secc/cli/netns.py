"""A network of one's own for a demonstration: a fresh namespace with a cable (veth pair) in it. Linux, root.

This process moves into the namespace; it goes away with the process, and nothing outside is touched.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from pathlib import Path

from secc.aio.interface import find_link_local
from secc.errors import ConfigError

STATION_END = "evse0"
EV_END = "ev0"


def enter_new_network() -> None:
    """Leave the host's network, lay a cable from `evse0` to `ev0`, wait for its addresses.

    Raises ConfigError without the privilege, or when `ip` is missing.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise ConfigError(f"--netns: {os.strerror(ctypes.get_errno())}; it needs root")
    _ip("link", "set", "lo", "up")
    _ip("link", "add", STATION_END, "type", "veth", "peer", "name", EV_END)
    for end in (STATION_END, EV_END):
        # Without this the address is tentative, and useless, for more than a second.
        Path(f"/proc/sys/net/ipv6/conf/{end}/accept_dad").write_text("0")
        _ip("link", "set", end, "up")
    limit = time.monotonic() + _ADDRESS_TIME
    while find_link_local(STATION_END) is None or find_link_local(EV_END) is None:
        if time.monotonic() > limit:
            raise ConfigError("--netns: no link-local address; is IPv6 switched on in this kernel?")
        time.sleep(0.02)


_CLONE_NEWNET = 0x40000000
_ADDRESS_TIME = 5.0  # s


def _ip(*arguments: str) -> None:
    try:
        done = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    except OSError as error:
        raise ConfigError(f"--netns needs the command ip: {error}") from error
    if done.returncode:
        raise ConfigError(f"--netns: ip {' '.join(arguments)}: {done.stderr.strip()}")
