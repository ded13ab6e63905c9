"""Controllers and back ends are looked at when the station is made: a method that is missing, misspelt or of
another shape refuses the start."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from secc.boundary.abilities import (
    BACKEND,
    CONTROLLER,
    MODEM,
    OCSP_SOURCE,
    Ability,
    Method,
    PortRole,
    examine,
)
from secc.errors import ConfigError
from secc.ports import (
    ChargesBasically,
    ContractBackend,
    Discharges,
    DrivesPilot,
    EvseController,
    ReportsChanges,
)
from secc.settings import DcConfig, EnergyConfig, EnergyMode, Payment, PncConfig, SeccConfig, ServiceConfig
from secc.sim import SimulatedAcEvse, SimulatedBackend, SimulatedDcEvse
from secc.station.ocsp import HttpFetcher
from secc.station.raw_modem import RawModem
from secc.station.station import Station
from tests.support.wire import GrantingBackend, RecordingOutlet, ReportingOutlet, config

REQUIRED = {
    "snapshot",
    "lease",
    "close_contactor",
    "open_contactor",
    "check_cable",
    "set_output",
    "make_safe",
}


@pytest.mark.parametrize(
    ("controller", "more"),
    [
        (RecordingOutlet(), set()),
        (ReportingOutlet(), {ReportsChanges}),
        (SimulatedAcEvse(), {ReportsChanges, DrivesPilot, ChargesBasically}),
        (SimulatedDcEvse(), {ReportsChanges, DrivesPilot, ChargesBasically, Discharges}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_abilities_that_a_controller_declares_are_found(controller: object, more: set[type]) -> None:
    assert examine(CONTROLLER, controller) == more


def test_the_back_ends_and_modems_of_the_library_are_accepted() -> None:
    assert examine(BACKEND, SimulatedBackend()) == set()
    assert examine(OCSP_SOURCE, HttpFetcher()) == set()
    assert examine(MODEM, RawModem("lo")) == set()


def test_mocks_are_accepted() -> None:
    assert examine(CONTROLLER, MagicMock()) == set()
    assert examine(BACKEND, AsyncMock(spec=["authorize_external", "schedules"])) == set()


def without(name: str, base: Any = RecordingOutlet, **members: Any) -> object:
    """An object whose class lacks a method and has others."""
    return type("Mine", (base,), {name: None, **members})()


async def waits(self: object, *arguments: object) -> None: ...


def immediate(self: object, *arguments: object) -> None: ...


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_missing_method_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"Mine has no {name}, expected (async )?def {name}\("):
        examine(CONTROLLER, without(name))


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_required_method_that_is_only_inherited_from_the_port_is_missing(name: str) -> None:
    mine = type("Mine", (RecordingOutlet, EvseController), {name: getattr(EvseController, name)})()
    with pytest.raises(ConfigError, match=f"Mine has no {name}, .*; it declares EvseController"):
        examine(CONTROLLER, mine)


@pytest.mark.parametrize(
    ("name", "slip"), [("set_output", "set_ouput"), ("open_contactor", "openContactor"), ("lease", "leese")]
)
def test_a_misspelt_method_is_named_beside_the_right_one(name: str, slip: str) -> None:
    with pytest.raises(ConfigError) as caught:
        examine(CONTROLLER, without(name, **{slip: waits}))
    assert f"Mine has no {name}" in str(caught.value)
    assert (f"it has {slip}: is that a misspelling?" in str(caught.value)) is (slip != "leese")


@pytest.mark.parametrize("name", sorted(REQUIRED - {"snapshot", "lease"}))
def test_a_method_that_should_wait_and_does_not_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"Mine.{name} is def {name}\(.*, expected async def {name}\("):
        examine(CONTROLLER, without("_", **{name: immediate}))


@pytest.mark.parametrize("name", ["snapshot", "lease"])
def test_a_method_that_waits_and_should_not_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"Mine.{name} is async def {name}\(.*, expected def {name}\("):
        examine(CONTROLLER, without("_", **{name: waits}))


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_method_with_another_number_of_arguments_is_refused(name: str) -> None:
    async def slow(self: object, one: object, two: object, three: object) -> None: ...

    def quick(self: object, one: object, two: object, three: object) -> None: ...

    made = quick if name in ("snapshot", "lease") else slow
    with pytest.raises(ConfigError, match=rf"Mine.{name} is .*\(one.*, expected"):
        examine(CONTROLLER, without("_", **{name: made}))


def test_an_attribute_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Mine.snapshot is int and cannot be called"):
        examine(CONTROLLER, without("_", snapshot=5))


def test_a_class_in_place_of_an_object_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"controller: RecordingOutlet is a class, expected an object"):
        examine(CONTROLLER, RecordingOutlet)


def test_a_property_that_raises_is_named() -> None:
    def broken(self: object) -> None:
        raise OSError("no bus")

    with pytest.raises(ConfigError, match=r"Mine.lease raises OSError when it is looked up: no bus"):
        examine(CONTROLLER, without("_", lease=property(broken)))


# --- optional abilities ------------------------------------------------------------------------------------

SLIPS = [
    ("authorise_contract", "authorize_contract"),
    ("authorizeContract", "authorize_contract"),
    ("authorize_contracts", "authorize_contract"),
    ("validate_contracts", "validate_contract"),
    ("provisions", "provision"),
    ("revokation", "revocation"),
    ("expirings", "expiring"),
    ("value_aded_services", "value_added_services"),
    ("record_contracts", "record_contract"),
    ("sign_certificat", "sign_certificate"),
]


@pytest.mark.parametrize(("slip", "meant"), SLIPS)
def test_a_misspelt_optional_method_is_refused_and_the_nearest_one_named(slip: str, meant: str) -> None:
    quick = meant == "value_added_services"
    backend = without("_", GrantingBackend, **{slip: immediate if quick else waits})
    with pytest.raises(ConfigError, match=f"Mine has {slip}, which no port knows; the nearest is {meant}"):
        examine(BACKEND, backend)


def test_a_misspelling_of_a_long_name_is_found_in_any_shape() -> None:
    with pytest.raises(ConfigError, match="the nearest is authorize_contract"):
        examine(BACKEND, without("_", GrantingBackend, authorise_contract=immediate))


def test_further_methods_of_an_integrator_are_no_misspellings() -> None:
    own = ("change", "charge", "services", "present", "judge", "set_fault", "close", "_authorise_contract")
    assert examine(BACKEND, without("_", GrantingBackend, **dict.fromkeys(own, immediate))) == set()
    assert examine(CONTROLLER, without("_", **dict.fromkeys(own, immediate))) == set()


OPTIONAL = [
    (CONTROLLER, RecordingOutlet, ability, method)
    for ability in CONTROLLER.optional
    for method in ability.methods
] + [
    (BACKEND, GrantingBackend, ability, method) for ability in BACKEND.optional for method in ability.methods
]
EACH_METHOD = pytest.mark.parametrize(
    ("role", "base", "ability", "method"), OPTIONAL, ids=[method.name for *_, method in OPTIONAL]
)


def declaring(base: type, ability: Ability, **members: Any) -> object:
    """An object whose class declares an ability; each method that is not given has the right shape."""
    whole = {method.name: waits if method.waits else immediate for method in ability.methods}
    return type("Mine", (base, ability.port), {**whole, **members})()


@EACH_METHOD
def test_a_declared_ability_is_found(role: PortRole, base: type, ability: Ability, method: Method) -> None:
    assert examine(role, declaring(base, ability)) == {ability.port}


@EACH_METHOD
def test_a_declared_method_of_another_shape_is_refused(
    role: PortRole, base: type, ability: Ability, method: Method
) -> None:
    mine = declaring(base, ability, **{method.name: immediate if method.waits else waits})
    with pytest.raises(ConfigError, match=f"Mine.{method.name} is"):
        examine(role, mine)


@EACH_METHOD
def test_a_declared_ability_without_its_method_is_refused(
    role: PortRole, base: type, ability: Ability, method: Method
) -> None:
    mine = declaring(base, ability)
    delattr(type(mine), method.name)  # what is left is the port's own, which does nothing
    with pytest.raises(
        ConfigError, match=f"Mine has no {method.name}, .*; it declares {ability.port.__name__}"
    ):
        examine(role, mine)


@EACH_METHOD
def test_a_method_of_an_ability_that_is_not_declared_is_refused(
    role: PortRole, base: type, ability: Ability, method: Method
) -> None:
    mine = type("Mine", (base,), {method.name: waits if method.waits else immediate})()
    with pytest.raises(
        ConfigError, match=f"Mine has {method.name} and does not declare {ability.port.__name__}: de"
    ):
        examine(role, mine)


def test_an_optional_method_that_is_none_is_not_there() -> None:
    assert examine(CONTROLLER, without("_", changed=None)) == set()


# --- shapes that only a call shows -------------------------------------------------------------------------


def test_a_method_that_returns_an_awaitable_is_accepted_when_it_says_so() -> None:
    def make_safe(self: object) -> Awaitable[None]:
        return asyncio.sleep(0)

    assert examine(CONTROLLER, without("_", make_safe=make_safe)) == set()


def test_a_wrapped_method_and_a_partial_one_are_looked_through() -> None:
    def logged(call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def wrapper(*arguments: object) -> Any:
            return call(*arguments)

        return wrapper

    outlet = RecordingOutlet()
    outlet.make_safe = functools.partial(waits, outlet)  # type: ignore[method-assign]
    outlet.open_contactor = logged(outlet.open_contactor)  # type: ignore[method-assign]
    assert examine(CONTROLLER, outlet) == set()


# --- contracts ---------------------------------------------------------------------------------------------


def offering(**pnc: Any) -> SeccConfig:
    service = ServiceConfig(payment_options=(Payment.CONTRACT, Payment.EXTERNAL))
    return SeccConfig(interface="lo", service=service, pnc=PncConfig(**pnc))


def test_contract_without_a_back_end_that_decides_about_it_refuses_to_start() -> None:
    with pytest.raises(ConfigError, match=r"^service.payment_options has Contract, .* GrantingBackend"):
        Station(offering(), RecordingOutlet(), GrantingBackend())


def test_central_validation_without_a_back_end_that_can_do_it_refuses_to_start() -> None:
    backend: Any = type("Mine", (GrantingBackend, ContractBackend), {"authorize_contract": waits})()
    assert Station(offering(), RecordingOutlet(), backend)
    with pytest.raises(ConfigError, match=r"^pnc.central_validation is true, and the back end Mine does not"):
        Station(offering(central_validation=True), RecordingOutlet(), backend)


def test_a_station_refuses_a_controller_before_it_is_used() -> None:
    outlet: Any = without("set_output")
    with pytest.raises(ConfigError, match="Mine has no set_output"):
        Station(config(), outlet, GrantingBackend())
    assert outlet.calls == []


# --- discharge ---------------------------------------------------------------------------------------------


def discharging(power: float) -> SeccConfig:
    energy = EnergyConfig(modes=(EnergyMode.DC_EXTENDED,), dc=DcConfig(max_discharge_power=power))
    return SeccConfig(interface="lo", energy=energy)


def test_discharge_with_a_controller_that_cannot_refuses_to_start() -> None:
    with pytest.raises(ConfigError, match=r"^energy.dc.max_discharge_power is 1000 W, .* RecordingOutlet"):
        Station(discharging(1000.0), RecordingOutlet(), GrantingBackend())
    assert Station(discharging(0.0), RecordingOutlet(), GrantingBackend())
    assert Station(discharging(1000.0), SimulatedDcEvse(), GrantingBackend())
