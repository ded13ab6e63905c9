"""Which methods a controller, a back end or a modem has, and whether they can be called as their port says.

Optional abilities are found by the names of their methods. A name that is misspelt, or a method of another
shape, would silently switch the ability off; so both are refused when the station is made.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from secc import ports
from secc.errors import ConfigError
from secc.settings.config import SeccConfig
from secc.settings.services import Payment


@dataclasses.dataclass(frozen=True, slots=True)
class Method:
    """A method of a port."""

    name: str
    waits: bool
    """Declared with `async def`."""
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        return f"{'async ' * self.waits}def {self.name}({', '.join(self.parameters)})"


@dataclasses.dataclass(frozen=True, slots=True)
class Role:
    """What an object of the integrator is used as."""

    name: str
    required: tuple[Method, ...]
    optional: tuple[tuple[Method, ...], ...]
    """Methods of one ability stand together: all of them or none."""

    @property
    def known(self) -> Iterator[Method]:
        """Every method that is ever called."""
        yield from self.required
        for ability in self.optional:
            yield from ability


def _methods(port: type) -> tuple[Method, ...]:
    found = []
    for name, function in vars(port).items():
        if inspect.isfunction(function) and not name.startswith("_"):
            parameters = tuple(inspect.signature(function).parameters)[1:]
            found.append(Method(name, inspect.iscoroutinefunction(function), parameters))
    return tuple(found)


def _role(name: str, required: type, *optional: type) -> Role:
    return Role(name, _methods(required), tuple(_methods(port) for port in optional))


PILOT = Role("controller", _methods(ports.DrivesPilot), ())
"""What SLAC needs beside the rest."""
CONTROLLER = _role(
    "controller",
    ports.EvseController,
    ports.ReportsChanges,
    ports.DrivesPilot,
    ports.ChargesBasically,
)
BACKEND = _role(
    "back end",
    ports.Backend,
    ports.ContractBackend,
    ports.CentralValidation,
    ports.ProvisioningBackend,
    ports.RevocationBackend,
    ports.RecordsContracts,
    ports.ReportsExpiry,
    ports.OffersServices,
    ports.CertificateSigner,
    ports.WantsRenewal,
)
OCSP_SOURCE = _role("OCSP source", ports.OcspSource)
MODEM = _role("modem", ports.PlcModem, ports.SleepsModem)


def examine(role: Role, thing: object) -> frozenset[str]:
    """Names of the methods that `thing` has; raises ConfigError for a missing, misspelt or unfit one."""
    kind = type(thing).__name__
    if isinstance(thing, type):
        raise ConfigError(f"{role.name}: {thing.__name__} is a class, expected an object: {thing.__name__}()")
    found = frozenset(method.name for method in role.known if _fits(role, kind, thing, method))
    others = _others(role, thing)
    for method in role.required:
        if method.name not in found:
            near = _nearest(method, others)
            hint = f"; it has {near}: is that a misspelling?" if near else ""
            raise ConfigError(f"{role.name}: {kind} has no {method.name}, expected {method}{hint}")
    for ability in role.optional:
        missing = [method for method in ability if method.name not in found]
        if 0 < len(missing) < len(ability):
            names = " and ".join(method.name for method in ability)
            text = f"{role.name}: {kind} has no {missing[0].name}, expected {missing[0]}"
            raise ConfigError(f"{text}: {names} belong together")
        for method in missing:
            _refuse_misspelling(role, kind, thing, method, others)
    return found


def check_contracts(config: SeccConfig, backend: object) -> None:
    """Raises ConfigError when contracts are offered and the back end cannot decide about them."""
    if Payment.CONTRACT not in config.service.payment_options:
        return
    kind = type(getattr(backend, "inner", backend)).__name__
    if getattr(backend, "authorize_contract", None) is None:
        raise ConfigError(
            f"service.payment_options has Contract, and the back end {kind} has no authorize_contract: "
            "expected one that decides about contracts (secc.ports.ContractBackend), or ExternalPayment alone"
        )
    if config.pnc.central_validation and getattr(backend, "validate_contract", None) is None:
        raise ConfigError(
            f"pnc.central_validation is true, and the back end {kind} has no validate_contract: expected one "
            "that judges chains (secc.ports.CentralValidation), or false"
        )


def check_arguments(config: object, on_event: object, random_bytes: object, sdp_port: object) -> None:
    """Raises ConfigError for an argument of `Station` that is of another type than declared."""
    if not isinstance(config, SeccConfig):
        raise ConfigError(f"config is an object of {type(config).__name__}, expected a SeccConfig")
    for name, call in (("on_event", on_event), ("random_bytes", random_bytes)):
        if call is None and name == "on_event":
            continue
        misfit = _misfit(call, Method(name, False, ("value",)))
        if misfit:
            raise ConfigError(f"{name} is {misfit}, expected a function of one argument that is not async")
    if isinstance(sdp_port, bool) or not isinstance(sdp_port, int) or not 0 <= sdp_port <= 65_535:
        raise ConfigError(f"sdp_port is {sdp_port!r:.40}, expected a port from 0 to 65535")


def _refuse_misspelling(role: Role, kind: str, thing: object, method: Method, others: list[str]) -> None:
    near = _nearest(method, others)
    if near and (_unmistakable(near, method) or not _misfit(getattr(thing, near), method)):
        raise ConfigError(
            f"{role.name}: {kind} has {near}, which no port knows; the nearest is {method.name}, expected "
            f"{method}; rename it, or begin its name with _ where it is something else"
        )


def _fits(role: Role, kind: str, thing: object, method: Method) -> bool:
    """Whether the method is there; raises ConfigError when it cannot be called as its port says."""
    try:
        found = getattr(thing, method.name, None)
    except Exception as error:
        raise ConfigError(
            f"{role.name}: {kind}.{method.name} raises {type(error).__name__} when it is looked up: {error}"
        ) from error
    if found is None:
        return False
    misfit = _misfit(found, method)
    if misfit:
        raise ConfigError(f"{role.name}: {kind}.{method.name} is {misfit}, expected {method}")
    return True


def _misfit(found: object, method: Method) -> str:
    """What is wrong with a method; empty when it can be called as its port says."""
    if not callable(found):
        return f"{type(found).__name__} and cannot be called"
    waits = _waits(found)
    if waits is not None and waits is not method.waits:
        return f"{'async ' * waits}def {method.name}{_signature(found)}"
    try:
        inspect.signature(found).bind(*method.parameters)
    except TypeError:
        return f"def {method.name}{_signature(found)}"
    except ValueError:  # a built-in function without a signature
        pass
    return ""


def _waits(found: Callable[..., Any]) -> bool | None:
    """Whether a call has to be awaited; None where only the call shows it."""
    innermost = inspect.unwrap(found)
    for candidate in (found, innermost, getattr(innermost, "__call__", None)):  # noqa: B004 - its method
        if inspect.iscoroutinefunction(candidate):
            return True
    if not (inspect.isfunction(innermost) or inspect.ismethod(innermost)):
        return None
    returned = getattr(innermost, "__annotations__", {}).get("return", "")
    words = returned if isinstance(returned, str) else repr(returned)
    return None if any(word in words for word in _AWAITABLE) else False


_AWAITABLE = ("Awaitable", "Coroutine", "Future", "Task")


def _signature(found: Callable[..., Any]) -> str:
    try:
        return str(inspect.signature(found))
    except (TypeError, ValueError):
        return "(...)"


def _others(role: Role, thing: object) -> list[str]:
    """Public methods of the object that no port knows."""
    known = {method.name for method in role.known}
    names = (name for name in dir(thing) if not name.startswith("_") and name not in known)
    return [name for name in names if callable(inspect.getattr_static(thing, name, None))]


def _nearest(method: Method, others: list[str]) -> str:
    """The name that is most like that of the method, if any is."""
    plain = {_plain(name): name for name in others}
    near = difflib.get_close_matches(_plain(method.name), plain, n=1, cutoff=_LIKE)
    return plain[near[0]] if near else ""


def _plain(name: str) -> str:
    """Without what people write in different ways."""
    return name.replace("_", "").lower().replace("ise", "ize").replace("isation", "ization")


def _unmistakable(name: str, method: Method) -> bool:
    """So much alike that the shape of the method does not matter; short names need the same shape."""
    ratio = difflib.SequenceMatcher(None, _plain(name), _plain(method.name)).ratio()
    return len(method.name) >= _LONG and ratio >= _VERY_LIKE


_LONG, _VERY_LIKE = 10, 0.9
_LIKE = 0.85  # `chnaged` is like `changed`, `charge` is not
