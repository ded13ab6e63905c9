"""The methods of a controller, a back end or a modem, and whether they can be called as their port says.

The methods of a role are required and are looked up by name. An optional ability is declared: the class
derives from the port of the ability (`class Csms(Backend, ContractBackend)`). A declared ability without its
methods, and a method of an ability that is not declared, would both disable the ability silently. So both
prevent the start, and so do a misspelt name and a method with another signature.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from secc import ports
from secc.errors import ConfigError

P = TypeVar("P")
A = TypeVar("A")


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
class Ability:
    """An optional port and its methods."""

    port: type
    methods: tuple[Method, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class PortRole:
    """What the station uses an object for."""

    name: str
    port: type
    """The port that every such object has the methods of."""
    required: tuple[Method, ...]
    optional: tuple[Ability, ...]

    @property
    def known(self) -> Iterator[Method]:
        """Every method that the station may call."""
        yield from self.required
        for ability in self.optional:
            yield from ability.methods


def _methods(port: type) -> tuple[Method, ...]:
    found = []
    for name, function in vars(port).items():
        if inspect.isfunction(function) and not name.startswith("_"):
            parameters = tuple(inspect.signature(function).parameters)[1:]
            found.append(Method(name, inspect.iscoroutinefunction(function), parameters))
    return tuple(found)


def _role(name: str, required: type, *optional: type) -> PortRole:
    return PortRole(
        name, required, _methods(required), tuple(Ability(port, _methods(port)) for port in optional)
    )


CONTROLLER = _role(
    "controller",
    ports.EvseController,
    ports.Discharges,
    ports.SetsReactivePower,
    ports.ReportsChanges,
    ports.DrivesPilot,
    ports.ChargesBasically,
)
BACKEND = _role(
    "back end",
    ports.Backend,
    ports.PricesEnergy,
    ports.GridRules,
    ports.AuthorizesVehicles,
    ports.ContractBackend,
    ports.CentralValidation,
    ports.ProvisioningBackend,
    ports.InstallationBackend,
    ports.RevocationBackend,
    ports.VehicleStatusBackend,
    ports.RecordsContracts,
    ports.ReportsExpiry,
    ports.OffersServices,
    ports.FollowsNeeds,
    ports.ReadsBatteries,
    ports.CertificateSigner,
    ports.WantsRenewal,
)
OCSP_SOURCE = _role("OCSP source", ports.OcspSource)
MODEM = _role("modem", ports.PlcModem, ports.SleepsModem)


def examine(role: PortRole, thing: object) -> frozenset[type]:
    """The optional ports that `thing` declares.

    Raises ConfigError for a method that is missing, misspelt, of another shape, or not declared.
    """
    kind = type(thing).__name__
    if isinstance(thing, type):
        raise ConfigError(f"{role.name}: {thing.__name__} is a class, expected an object: {thing.__name__}()")
    others = _others(role, thing)
    for method in role.required:
        _require(role, kind, thing, method, others, role.port)
    declared = []
    for ability in role.optional:
        if declares(thing, ability.port):
            for method in ability.methods:
                _require(role, kind, thing, method, others, ability.port)
            declared.append(ability.port)
        else:
            _refuse_undeclared(role, kind, thing, ability, others)
    return frozenset(declared)


def declares(thing: object, port: object) -> bool:
    """Whether the class of `thing` derives from `port`."""
    return port in type(thing).__mro__


def adapted(thing: object, port: Callable[..., P], adapter: Callable[[P], A]) -> A | None:
    """The adapter around `thing` where it declares `port`, else None."""
    return adapter(cast(P, thing)) if declares(thing, port) else None


def _require(role: PortRole, kind: str, thing: object, method: Method, others: list[str], port: type) -> None:
    """Raise ConfigError unless the method is there, implemented, and can be called as its port says."""
    found = _look_up(role, kind, thing, method)
    inherited = getattr(type(thing), method.name, None) is getattr(port, method.name)
    if found is None or inherited:
        near = _nearest(method, others)
        why = f"; it declares {port.__name__}" if declares(thing, port) else ""
        hint = f"; it has {near}: is that a misspelling?" if near else ""
        raise ConfigError(f"{role.name}: {kind} has no {method.name}, expected {method}{why}{hint}")
    misfit = misfit_of(found, method)
    if misfit:
        raise ConfigError(f"{role.name}: {kind}.{method.name} is {misfit}, expected {method}")


def _refuse_undeclared(role: PortRole, kind: str, thing: object, ability: Ability, others: list[str]) -> None:
    """Raise ConfigError for a method of an ability that the class does not derive from, misspelt or not."""
    port = ability.port.__name__
    for method in ability.methods:
        if method.name in dir(thing) and getattr(thing, method.name, None) is not None:
            raise ConfigError(
                f"{role.name}: {kind} has {method.name} and does not declare {port}: derive {kind} "
                f"from secc.ports.{port}, or begin the name with _ where it is something else"
            )
        near = _nearest(method, others)
        if near and (_unmistakable(near, method) or not misfit_of(getattr(thing, near), method)):
            raise ConfigError(
                f"{role.name}: {kind} has {near}, which no port knows; the nearest is {method.name}, "
                f"expected {method}; rename it and derive {kind} from secc.ports.{port}, "
                "or begin its name with _ where it is something else"
            )


def _look_up(role: PortRole, kind: str, thing: object, method: Method) -> object:
    try:
        return getattr(thing, method.name, None)
    except Exception as error:
        raise ConfigError(
            f"{role.name}: {kind}.{method.name} raises {type(error).__name__} when it is looked up: {error}"
        ) from error


def misfit_of(found: object, method: Method) -> str:
    """The defect of a method; empty when it can be called as its port says."""
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
    """Whether a call must be awaited; None where only the call shows it."""
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


def _others(role: PortRole, thing: object) -> list[str]:
    """Public methods of the object that no port knows."""
    known = {method.name for method in role.known}
    names = (name for name in dir(thing) if not name.startswith("_") and name not in known)
    return [name for name in names if callable(inspect.getattr_static(thing, name, None))]


def _nearest(method: Method, others: list[str]) -> str:
    """The name most similar to that of the method; empty without a similar one."""
    plain = {_plain(name): name for name in others}
    near = difflib.get_close_matches(_plain(method.name), plain, n=1, cutoff=_LIKE)
    return plain[near[0]] if near else ""


def _plain(name: str) -> str:
    """The name without differences of spelling: case, underscores, British endings."""
    return name.replace("_", "").lower().replace("ise", "ize").replace("isation", "ization")


def _unmistakable(name: str, method: Method) -> bool:
    """So similar that the shape of the method does not matter; short names need the same shape."""
    ratio = difflib.SequenceMatcher(None, _plain(name), _plain(method.name)).ratio()
    return len(method.name) >= _LONG and ratio >= _VERY_LIKE


_LONG, _VERY_LIKE = 10, 0.9
_LIKE = 0.85  # `chnaged` is like `changed`, `charge` is not
