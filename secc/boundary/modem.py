"""The adapter around a modem: an exception or an unusable result means that the interface is gone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from secc.boundary.abilities import MODEM, adapted, examine
from secc.boundary.calls import awaited, returned, what
from secc.errors import LinkError
from secc.ports import PlcModem, SleepsModem


class CheckedModem:
    """A `PlcModem` that raises LinkError and nothing else."""

    def __init__(self, modem: PlcModem) -> None:
        """Raises ConfigError when a method is missing, misspelt, not declared, or of another shape."""
        examine(MODEM, modem)
        self.inner = modem
        """The integrator's object."""
        self.sleeper = adapted(modem, SleepsModem, _Sleeper)
        """Present when the modem declares `SleepsModem`."""

    def open(self) -> bytes:
        with _LinkErrors():
            address: bytes = returned("open", self.inner.open())
            return address

    def close(self) -> None:
        with contextlib.suppress(Exception):  # a modem that cannot be closed leaves nothing to do
            self.inner.close()

    def send(self, frame: bytes) -> None:
        call: Callable[[bytes], object] = self.inner.send
        with _LinkErrors():
            returned("send", call(frame))

    async def receive(self) -> bytes:
        with _LinkErrors():
            frame: bytes = await awaited("receive", self.inner.receive())
            return frame


class _Sleeper:
    """A checked `SleepsModem`."""

    def __init__(self, inner: SleepsModem) -> None:
        self._inner = inner

    def sleep(self) -> None:
        call: Callable[[], object] = self._inner.sleep
        returned("sleep", call())

    def wake(self) -> None:
        call: Callable[[], object] = self._inner.wake
        returned("wake", call())


class _LinkErrors:
    """Turns what a modem raises into LinkError."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, LinkError):
            raise LinkError(f"modem: {what(error)}") from error


def checked_modem(modem: PlcModem | CheckedModem) -> CheckedModem:
    """Its adapter, or itself when it is one; raises ConfigError."""
    return modem if isinstance(modem, CheckedModem) else CheckedModem(modem)
