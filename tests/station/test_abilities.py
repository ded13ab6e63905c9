"""Controllers and back ends are looked at when the station is made: a method that is missing, misspelt or of
another shape refuses the start."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from secc.errors import ConfigError
from secc.settings import Payment, PncConfig, SeccConfig, ServiceConfig
from secc.sim import SimulatedAcEvse, SimulatedBackend, SimulatedDcEvse
from secc.station.abilities import BACKEND, CONTROLLER, MODEM, OCSP_SOURCE, examine
from secc.station.ocsp import HttpFetcher
from secc.station.plc import RawModem
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
        (ReportingOutlet(), {"changed"}),
        (SimulatedAcEvse(), {"changed", "drive_pilot", "basic_charging"}),
        (SimulatedDcEvse(), {"changed", "drive_pilot", "basic_charging"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_controller_can_do_is_found(controller: object, more: set[str]) -> None:
    assert examine(CONTROLLER, controller) == REQUIRED | more


def test_the_back_ends_and_modems_of_the_library_are_accepted() -> None:
    assert examine(BACKEND, SimulatedBackend()) == {"authorize_external", "schedules"}
    assert examine(OCSP_SOURCE, HttpFetcher()) == {"ocsp_response"}
    assert examine(MODEM, RawModem("lo")) == {"open", "close", "send", "receive"}


def test_mocks_are_accepted() -> None:
    assert examine(CONTROLLER, MagicMock()) >= REQUIRED
    assert examine(BACKEND, AsyncMock(spec=["authorize_external", "schedules"]))


def without(name: str, base: Any = RecordingOutlet, **members: Any) -> object:
    """An object whose class lacks a method and has others."""
    return type("Mine", (base,), {name: None, **members})()


async def waits(self: object, *arguments: object) -> None: ...


def immediate(self: object, *arguments: object) -> None: ...


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_missing_method_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"Mine has no {name}, expected (async )?def {name}\("):
        examine(CONTROLLER, without(name))


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


def test_a_misspelling_of_a_long_name_is_found_whatever_its_shape() -> None:
    with pytest.raises(ConfigError, match="the nearest is authorize_contract"):
        examine(BACKEND, without("_", GrantingBackend, authorise_contract=immediate))


def test_methods_of_an_integrators_own_are_no_misspellings() -> None:
    own = ("change", "charge", "services", "present", "judge", "set_fault", "close", "_authorise_contract")
    assert examine(BACKEND, without("_", GrantingBackend, **dict.fromkeys(own, immediate)))
    assert examine(CONTROLLER, without("_", **dict.fromkeys(own, immediate))) == REQUIRED


@pytest.mark.parametrize("name", ["changed", "drive_pilot", "basic_charging"])
def test_an_optional_method_of_another_shape_is_refused(name: str) -> None:
    made = immediate if name == "changed" else waits
    with pytest.raises(ConfigError, match=f"Mine.{name} is"):
        examine(CONTROLLER, without("_", **{name: made}))


def test_an_optional_method_that_is_none_is_not_there() -> None:
    assert examine(CONTROLLER, without("_", changed=None)) == REQUIRED


def test_methods_of_one_ability_belong_together() -> None:
    with pytest.raises(ConfigError, match="value_added_services and services_chosen belong together"):
        examine(BACKEND, without("_", GrantingBackend, value_added_services=immediate))


# --- shapes that only a call shows -------------------------------------------------------------------------


def test_a_method_that_returns_an_awaitable_is_accepted_when_it_says_so() -> None:
    def make_safe(self: object) -> Awaitable[None]:
        return asyncio.sleep(0)

    assert examine(CONTROLLER, without("_", make_safe=make_safe)) == REQUIRED


def test_a_wrapped_method_and_a_partial_one_are_looked_through() -> None:
    def logged(call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def wrapper(*arguments: object) -> Any:
            return call(*arguments)

        return wrapper

    outlet = RecordingOutlet()
    outlet.make_safe = functools.partial(waits, outlet)  # type: ignore[method-assign]
    outlet.open_contactor = logged(outlet.open_contactor)  # type: ignore[method-assign]
    assert examine(CONTROLLER, outlet) == REQUIRED


# --- contracts ---------------------------------------------------------------------------------------------


def offering(**pnc: Any) -> SeccConfig:
    service = ServiceConfig(payment_options=(Payment.CONTRACT, Payment.EXTERNAL))
    return SeccConfig(interface="lo", service=service, pnc=PncConfig(**pnc))


def test_contract_without_a_back_end_that_decides_about_it_refuses_to_start() -> None:
    with pytest.raises(ConfigError, match=r"^service.payment_options has Contract, .* GrantingBackend"):
        Station(offering(), RecordingOutlet(), GrantingBackend())


def test_central_validation_without_a_back_end_that_can_do_it_refuses_to_start() -> None:
    backend: Any = without("_", GrantingBackend, authorize_contract=waits)
    assert Station(offering(), RecordingOutlet(), backend)
    with pytest.raises(ConfigError, match=r"^pnc.central_validation is true, and the back end Mine has no"):
        Station(offering(central_validation=True), RecordingOutlet(), backend)


def test_a_station_refuses_a_controller_before_it_is_used() -> None:
    outlet: Any = without("set_output")
    with pytest.raises(ConfigError, match="Mine has no set_output"):
        Station(config(), outlet, GrantingBackend())
    assert outlet.calls == []
