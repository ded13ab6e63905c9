"""One station per interface and outlet.

A station binds a name in the abstract namespace of Unix sockets before it touches the hardware, and holds it
until it has made the outlet safe. The kernel frees the name when the process ends for any reason, and
gives others the process id. The names belong to the network namespace, as interfaces do. No file, no
privilege.

* An interface has one station: two would both answer discovery.
* An EVSE id has one station, too, where one is configured: two services that were copied from one another
  would drive the same outlet. The default id says nothing about an outlet and is not claimed.
* A controller object has one station in a process.

On the loopback interface, which is for tests and demonstrations, stations live side by side, each with a
port for discovery: there the port is claimed instead, and nothing when any port will do.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
import weakref
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from secc.errors import ConfigError, InUseError
from secc.settings.config import SeccConfig

__all__ = ["OutletClaim", "claims", "owner", "process"]


class OutletClaim:
    """The names that a station claims; `acquire` them before the hardware is used."""

    def __init__(self, config: SeccConfig, sdp_port: int) -> None:
        self._claims = tuple(claims(config, sdp_port))
        self._held: list[socket.socket] = []
        self._controller: object = None

    def acquire(self, controller: object = None) -> None:
        """Raises InUseError, and holds nothing, when another one has it; may repeat.

        `controller`: the object that drives the outlet, when it is known.
        """
        if controller is not None and self._controller is not controller:
            if any(one is controller for one in (claim._controller for claim in _ACTIVE)):
                text = (
                    f"the controller {type(controller).__name__} is in use by another station of this process"
                )
                raise InUseError(text, pid=os.getpid())
            self._controller = controller
        _ACTIVE.add(self)
        if self._held:
            return
        try:
            for name, what in self._claims:
                self._held.append(_bind(name, what))
        except ConfigError:
            self.release()
            raise

    def answer(self) -> None:
        """Take the connections of those who ask for the process id, from now on; in the running loop."""
        loop = asyncio.get_running_loop()
        for held in self._held:
            loop.add_reader(held, _hang_up, held)

    def release(self) -> None:
        """Another process may have it; may be called again."""
        with contextlib.suppress(RuntimeError):
            loop = asyncio.get_running_loop()
            for held in self._held:
                loop.remove_reader(held)
        for held in self._held:
            held.close()
        self._held.clear()
        self._controller = None
        _ACTIVE.discard(self)

    def __enter__(self) -> OutletClaim:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


_ACTIVE: weakref.WeakSet[OutletClaim] = weakref.WeakSet()


def claims(config: SeccConfig, sdp_port: int) -> Iterable[tuple[str, str]]:
    """Names to bind, each with its meaning."""
    if config.interface == "lo":
        if sdp_port:
            yield f"lo/{sdp_port}", f"discovery port {sdp_port} of the loopback interface"
        return
    yield f"interface/{config.interface}", f"interface {config.interface}"
    if config.evse_id != SeccConfig().evse_id:
        yield f"evse/{config.evse_id}", f"outlet {config.evse_id} (evse_id)"


def owner(name: str) -> int | None:
    """Process id of the station that has bound a name; None when there is none, 0 when it cannot be seen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(_address(name))
        except ConnectionRefusedError:
            return None
        except OSError:
            return 0
        credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return int(_CREDENTIALS.unpack(credentials)[0])


_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


def process(pid: int) -> str:
    """`process 17 (python3)`, with what can be found out."""
    if not pid:
        return "a process of another user or namespace"
    try:
        return f"process {pid} ({Path(f'/proc/{pid}/comm').read_text().strip()})"
    except OSError:
        return f"process {pid}"


def _bind(name: str, what: str) -> socket.socket:
    problem = ""
    for _ in range(_ATTEMPTS):
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            opened.bind(_address(name))
            opened.listen(_BACKLOG)
        except OSError as error:
            opened.close()
            problem = str(error.strerror)
            pid = owner(name) if error.errno == errno.EADDRINUSE else None
            if pid is None:  # it has just been released, or it is something else
                continue
            who = "another station of this process" if pid == os.getpid() else process(pid)
            raise InUseError(f"{what} is in use by {who}; one station for each", pid=pid or None) from error
        return opened
    raise ConfigError(f"{what} cannot be claimed: {problem}")


_ATTEMPTS = 3
_BACKLOG = 16


def _address(name: str) -> bytes:
    return b"\0secc-station/" + name.encode()


def _hang_up(held: socket.socket) -> None:
    with contextlib.suppress(OSError):
        held.accept()[0].close()


def _forget() -> None:
    """A child of `fork` has no claim: it could outlive the station."""
    for claim in list(_ACTIVE):
        for held in claim._held:
            held.close()
        claim._held.clear()


os.register_at_fork(after_in_child=_forget)
