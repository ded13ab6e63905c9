"""A charging cable made of two network namespaces and a veth pair, as root on Linux.

Both ends get an IPv6 link-local address at once (no duplicate address detection), as the SECC and the EVCC
need one. Everything is removed at the end of the context, also after an exception.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True)
class End:
    """One end of the cable: the namespace of a process and its only interface."""

    namespace: str
    interface: str

    def command(self, *argv: str) -> list[str]:
        """The command line that runs `argv` at this end."""
        return ["ip", "netns", "exec", self.namespace, *argv]


class Cable:
    """Context manager: a cable with the ends `station` and `ev`."""

    def __init__(self) -> None:
        self.station = End(f"secc{os.getpid()}s", "evse0")
        self.ev = End(f"secc{os.getpid()}e", "ev0")

    def __enter__(self) -> Cable:
        try:
            self._plug()
        except BaseException:
            self._unplug()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unplug()

    def cut(self) -> None:
        """Block everything from now on, also a closing message."""
        _ip("-n", self.ev.namespace, "link", "set", self.ev.interface, "down")

    def mend(self) -> None:
        """As good as new."""
        _ip("-n", self.ev.namespace, "link", "set", self.ev.interface, "up")
        for end in (self.station, self.ev):
            _wait_for_address(end)

    def _plug(self) -> None:
        for end in (self.station, self.ev):
            _ip("netns", "add", end.namespace)
        _ip(
            *("link", "add", self.station.interface, "netns", self.station.namespace, "type", "veth"),
            *("peer", "name", self.ev.interface, "netns", self.ev.namespace),
        )
        for end in (self.station, self.ev):
            # Without this the link-local address is tentative, and useless, for more than a second.
            switch = f"/proc/sys/net/ipv6/conf/{end.interface}/accept_dad"
            _run(*end.command("sh", "-c", f"echo 0 > {switch}"))
            _ip("-n", end.namespace, "link", "set", "lo", "up")
            _ip("-n", end.namespace, "link", "set", end.interface, "up")
        for end in (self.station, self.ev):
            _wait_for_address(end)

    def _unplug(self) -> None:
        for end in (self.station, self.ev):
            subprocess.run(["ip", "netns", "del", end.namespace], check=False, capture_output=True)


def _wait_for_address(end: End, seconds: float = 5.0) -> None:
    """The kernel gives out the link-local address a moment after both ends are up."""
    limit = time.monotonic() + seconds
    while "fe80::" not in _run("ip", "-n", end.namespace, "-6", "addr", "show", "dev", end.interface):
        if time.monotonic() > limit:
            raise RuntimeError(f"{end.interface} got no link-local address; is IPv6 enabled?")
        time.sleep(0.05)


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
