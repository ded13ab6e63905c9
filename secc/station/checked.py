"""Adapters around the integrator's objects: what they return is checked at the boundary, once.

Whatever takes a controller, a back end, a source of OCSP responses or a modem puts it into its adapter first;
an object that is in one already stays as it is. An adapter has exactly the methods that its object has.
A result that is refused looks to the caller like a call that raises, and has the same consequences: a command
has failed, an authorization is not given, the outlet has a malfunction.
"""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Callable, Coroutine
from typing import Any, cast

from secc.errors import IntegrationError, LinkError
from secc.ports import Backend, EvseController, OcspSource, PlcModem
from secc.session.outlet import EvseSnapshot, IsolationLevel
from secc.session.schedules import EnergyNeed, ScheduleOffer
from secc.station.abilities import BACKEND, CONTROLLER, MODEM, OCSP_SOURCE, Role, examine
from secc.station.boundary import RESULTS, accept, octets, shown


class CheckedController:
    """An `EvseController` whose results can be relied on."""

    def __init__(self, controller: EvseController) -> None:
        """Raises ConfigError when a method is missing, misspelt or cannot be called as its port says."""
        self.inner = controller
        """The integrator's object."""
        self.complain: Callable[[str], None] = lambda _text: None
        """Hears of a snapshot that is refused, once until there is a good one."""
        self.problem = ""
        """Why the last snapshot could not be used; empty while all is well."""
        _add_optional(self, CONTROLLER, controller)

    def snapshot(self) -> EvseSnapshot:
        """The outlet now; whatever it raises is a fault of the outlet."""
        try:
            found = cast(EvseSnapshot, _take("snapshot", self.inner.snapshot()))
        except Exception as error:
            problem = str(error) if isinstance(error, IntegrationError) else f"snapshot: {_what(error)}"
            if not self.problem:
                self.complain(problem)
            self.problem = problem
            raise
        self.problem = ""
        return found

    def lease(self, seconds: float) -> None:
        call: Callable[[float], object] = self.inner.lease
        _take("lease", call(seconds))

    async def close_contactor(self) -> bool:
        return cast(bool, await _awaited("close_contactor", self.inner.close_contactor()))

    async def open_contactor(self) -> bool:
        return cast(bool, await _awaited("open_contactor", self.inner.open_contactor()))

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        return cast(IsolationLevel, await _awaited("check_cable", self.inner.check_cable(max_voltage)))

    async def set_output(self, voltage: float, current: float) -> None:
        await _awaited("set_output", self.inner.set_output(voltage, current))

    async def make_safe(self) -> None:
        await _awaited("make_safe", self.inner.make_safe())


class CheckedBackend:
    """A `Backend` whose results can be relied on."""

    def __init__(self, backend: Backend) -> None:
        """Raises ConfigError when a method is missing, misspelt or cannot be called as its port says."""
        self.inner = backend
        """The integrator's object."""
        _add_optional(self, BACKEND, backend)

    async def authorize_external(self, evse_id: str) -> bool:
        return cast(bool, await _awaited("authorize_external", self.inner.authorize_external(evse_id)))

    async def schedules(self, evse_id: str, need: EnergyNeed) -> ScheduleOffer | None:
        found = await _awaited("schedules", self.inner.schedules(evse_id, need))
        return cast(ScheduleOffer | None, found)


class CheckedOcspSource:
    """An `OcspSource` whose results can be relied on."""

    def __init__(self, source: OcspSource) -> None:
        self.inner = source
        """The integrator's object."""
        examine(OCSP_SOURCE, source)

    async def ocsp_response(self, question: Any) -> bytes | None:
        return cast(bytes | None, await _awaited("ocsp_response", self.inner.ocsp_response(question)))


class CheckedModem:
    """A `PlcModem`: whatever it raises, or returns that cannot be used, means that the interface is gone."""

    def __init__(self, modem: PlcModem) -> None:
        self.inner = modem
        """The integrator's object."""
        _add_optional(self, MODEM, modem)

    def open(self) -> bytes:
        with _LinkErrors():
            return cast(bytes, _take("open", self.inner.open()))

    def close(self) -> None:
        with contextlib.suppress(Exception):  # nobody can do anything about it
            self.inner.close()

    def send(self, frame: bytes) -> None:
        call: Callable[[bytes], object] = self.inner.send
        with _LinkErrors():
            _take("send", call(frame))

    async def receive(self) -> bytes:
        with _LinkErrors():
            return cast(bytes, await _awaited("receive", self.inner.receive()))


def checked_controller(controller: EvseController) -> CheckedController:
    """Its adapter; raises ConfigError."""
    return controller if isinstance(controller, CheckedController) else CheckedController(controller)


def checked_backend(backend: Backend) -> CheckedBackend:
    """Its adapter; raises ConfigError."""
    return backend if isinstance(backend, CheckedBackend) else CheckedBackend(backend)


def checked_ocsp(source: OcspSource | None) -> CheckedOcspSource | None:
    """Its adapter, if there is one; raises ConfigError."""
    return source if source is None or isinstance(source, CheckedOcspSource) else CheckedOcspSource(source)


def checked_modem(modem: PlcModem) -> CheckedModem:
    """Its adapter; raises ConfigError."""
    return modem if isinstance(modem, CheckedModem) else CheckedModem(modem)


def checked_random(source: Callable[[int], bytes], complain: Callable[[str], None]) -> Callable[[int], bytes]:
    """The source, and that of the operating system whenever it fails: a session must not end by it."""

    def draw(size: int) -> bytes:
        try:
            return accept("random_bytes", octets(size, size), source(size))
        except Exception as error:
            complain(_what(error))
            return os.urandom(size)

    return draw


def _add_optional(adapter: object, role: Role, thing: object) -> None:
    """The optional methods that the object has."""
    found = examine(role, thing)
    for ability in role.optional:
        for method in ability:
            if method.name in found:
                make = _waiting if method.waits else _immediate
                setattr(adapter, method.name, make(method.name, getattr(thing, method.name)))


def _immediate(name: str, call: Callable[..., object]) -> Callable[..., object]:
    def checked(*arguments: object) -> object:
        return _take(name, call(*arguments))

    return checked


def _waiting(name: str, call: Callable[..., object]) -> Callable[..., Coroutine[Any, Any, object]]:
    async def checked(*arguments: object) -> object:
        return await _awaited(name, call(*arguments))

    return checked


def _take(name: str, result: object) -> object:
    """The result of a method that returns at once."""
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise IntegrationError(name, "it returns an awaitable", "a method that is not async")
    return accept(name, RESULTS[name], result)


async def _awaited(name: str, call: object) -> object:
    """The result of a method that is awaited."""
    if not inspect.isawaitable(call):
        raise IntegrationError(name, f"it returned {shown(call)} at once", "an async method")
    return accept(name, RESULTS[name], await call)


class _LinkErrors:
    """Turns what a modem raises into LinkError."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, LinkError):
            raise LinkError(f"modem: {_what(error)}") from error


def _what(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
