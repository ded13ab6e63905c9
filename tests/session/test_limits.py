"""Numbers of set-points and limits: the lowest of everything, to the last volt and ampere [INV-07]."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from secc.messages.iso2 import CurrentDemandRes
from secc.session import limits
from secc.session.agreed import Demand, EvLimits
from secc.session.outputs import SetOutput
from secc.session.quantities import ChargeLimit, milli
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer
from secc.settings import DcConfig, EnergyConfig
from tests.support import requests as r
from tests.support.bench import AC, DC, DC_MODES, Bench
from tests.support.dc_car import PROTOCOLS, DcCar

both = pytest.mark.parametrize("protocol", PROTOCOLS)


def charging(protocol: str = "ISO 15118-2", **dc: Any) -> DcCar:
    """In the charge loop at 380 V, with a battery that takes current."""
    config = dataclasses.replace(DC, energy=EnergyConfig(modes=DC_MODES, dc=DcConfig(**dc)))
    car = DcCar(protocol, config).to_charge(380.0)
    car.bench.outlet(present_current=50.0)
    return car


def flags(car: DcCar, volts: float, amperes: float) -> tuple[bool, bool, bool]:
    """Limits of voltage, current and power in the answer to the EV."""
    value = r.current_demand(r.volts(int(volts)), r.amperes(int(amperes)))
    response = car.bench.request(value)
    assert isinstance(response, CurrentDemandRes)
    return (
        response.evse_voltage_limit_achieved,
        response.evse_current_limit_achieved,
        response.evse_power_limit_achieved,
    )


@both
@pytest.mark.inv("INV-07")
@pytest.mark.parametrize(
    ("outlet", "expected"),
    [
        ({"max_voltage": 385.0}, SetOutput(385.0, 50.0)),
        ({"max_current": 20.0}, SetOutput(390.0, 20.0)),
        ({"max_current": 0.5}, SetOutput(390.0, 0.5)),
        ({"max_current": 0.0}, SetOutput(390.0, 0.0)),
        ({"max_power": 3900.0}, SetOutput(390.0, 10.0)),
        ({"max_power": 0.0}, SetOutput(390.0, 0.0)),
        ({"max_voltage": 100.0}, SetOutput(0.0, 0.0)),
    ],
)
def test_a_momentary_limit_of_the_outlet_is_the_set_point(
    protocol: str, outlet: dict[str, float], expected: SetOutput
) -> None:
    car = charging(protocol)
    car.bench.outlet(**outlet)
    assert car.demand(390, 50) == "OK"
    assert car.set_points[-1] == expected


@both
@pytest.mark.inv("INV-07")
@pytest.mark.parametrize(
    ("dc", "expected"),
    [
        ({"max_voltage": 385.0}, SetOutput(385.0, 50.0)),
        ({"max_current": 20.0}, SetOutput(390.0, 20.0)),
        ({"max_power": 3900.0}, SetOutput(390.0, 10.0)),
    ],
)
def test_a_limit_of_the_configuration_is_the_set_point(
    protocol: str, dc: dict[str, float], expected: SetOutput
) -> None:
    car = charging(protocol, **dc)
    assert car.demand(390, 50) == "OK"
    assert car.set_points[-1] == expected


@both
@pytest.mark.parametrize("amperes", [0.5, 0.1, 1.0])
def test_less_than_an_ampere_is_delivered_too(protocol: str, amperes: float) -> None:
    car = charging(protocol)
    assert car.demand(390, amperes) == "OK"
    assert car.set_points[-1] == SetOutput(390.0, amperes)


@both
def test_no_current_leaves_the_voltage(protocol: str) -> None:
    car = charging(protocol)
    assert car.demand(390, 0) == "OK"
    assert car.set_points[-1] == SetOutput(390.0, 0.0)


@pytest.mark.parametrize(
    ("outlet", "expected"),
    [
        ({}, (False, False, False)),
        ({"max_voltage": 390.0}, (False, False, False)),
        ({"max_voltage": 389.9}, (True, False, False)),
        ({"max_current": 50.0}, (False, False, False)),
        ({"max_current": 49.9}, (False, True, False)),
        ({"max_power": 19_500.0}, (False, False, False)),
        ({"max_power": 19_499.0}, (False, False, True)),
    ],
)
def test_the_ev_learns_what_keeps_its_demand_down_and_nothing_else(
    outlet: dict[str, float], expected: tuple[bool, bool, bool]
) -> None:
    car = charging()
    car.bench.outlet(**outlet)
    assert flags(car, 390, 50) == expected


@both
@pytest.mark.inv("INV-05")
def test_as_much_current_as_in_pre_charge_shows_no_battery_and_more_does(protocol: str) -> None:
    car = charging(protocol)
    car.bench.outlet(present_current=0.0)
    fresh = DcCar(protocol).to_charge(200.0)
    fresh.bench.outlet(present_voltage=225.0, present_current=2.0)
    fresh.demand(400, 100)
    assert fresh.set_points[-1] == SetOutput(230.0, 100.0)
    fresh.bench.outlet(present_voltage=225.0, present_current=2.1)
    fresh.demand(400, 100)
    assert fresh.set_points[-1] == SetOutput(255.0, 100.0)


@both
@pytest.mark.inv("INV-05")
@pytest.mark.parametrize(("volts", "amperes"), [(410.0, 100.0), (350.0, 100.0), (410.1, 2.0), (349.9, 2.0)])
def test_the_battery_counts_as_lost_beyond_the_window_and_not_at_it(
    protocol: str, volts: float, amperes: float
) -> None:
    car = DcCar(protocol).to_charge(380.0)
    car.bench.outlet(present_voltage=volts)
    car.demand(380, 100)
    assert car.set_points[-1] == SetOutput(380.0, amperes)


@both
@pytest.mark.inv("INV-05")
@pytest.mark.parametrize(("volts", "amperes"), [(350.0, 100.0), (349.0, 0.0)])
def test_a_demand_at_the_lower_end_of_the_window_gets_current_and_one_below_it_none(
    protocol: str, volts: float, amperes: float
) -> None:
    car = DcCar(protocol).to_charge(380.0)
    car.demand(volts, 100)
    assert car.set_points[-1] == SetOutput(volts, amperes)


@both
@pytest.mark.inv("INV-05")
@pytest.mark.parametrize(("volts", "expected"), [(390.0, 420.0), (370.0, 410.0), (380.0, 410.0)])
def test_a_battery_that_takes_current_has_the_highest_voltage_that_was_read(
    protocol: str, volts: float, expected: float
) -> None:
    car = DcCar(protocol).to_charge(380.0)
    car.bench.outlet(present_voltage=volts, present_current=50.0)
    session = car.bench.session
    assert session.parameters is not None
    far = EvLimits(milli(500), ChargeLimit(milli(100)))
    point = limits.set_point(session, Demand(milli(500), milli(50), far))
    assert point.voltage == milli(expected)


@both
@pytest.mark.inv("INV-07")
@pytest.mark.parametrize(("volts", "point"), [(150.0, (150.0, 50.0)), (149.9, (0.0, 0.0))])
def test_the_lowest_voltage_of_the_outlet_is_still_delivered(
    protocol: str, volts: float, point: tuple[float, float]
) -> None:
    car = DcCar(protocol).to_charge(160.0)
    assert car.demand(volts, 50) == "OK"
    assert car.set_points[-1] == SetOutput(*point)


# --- by schedule ---


def with_schedule(*steps: tuple[int, float]) -> Bench:
    """A DC charge that follows these steps (seconds, watts) from now on."""
    bench = Bench(DC).to_demand()
    schedule = PowerSchedule(1, tuple(PowerStep(start, watts) for start, watts in steps), 3600)
    assert bench.session.offer is not None
    bench.session.offer = msgspec.structs.replace(
        bench.session.offer, offered_at=bench.clock.now, schedule_id=1, schedules=ScheduleOffer((schedule,))
    )
    return bench


@pytest.mark.inv("INV-07")
def test_the_step_of_the_schedule_that_has_begun_is_the_limit() -> None:
    bench = with_schedule((0, 8000.0), (10, 4000.0), (20, 6000.0))
    began = bench.clock.now
    found = []
    for seconds in (0.0, 9.9, 10.0, 19.9, 20.0, 9000.0):
        bench.session.now = began + seconds
        found.append(limits.scheduled_power(bench.session))
    assert found == [milli(watts) for watts in (8000, 8000, 4000, 4000, 6000, 6000)]
    bench.session.now = began - 5.0
    assert limits.scheduled_power(bench.session) == milli(8000)


def test_before_a_start_no_schedule_limits_anything() -> None:
    assert limits.scheduled_power(Bench(DC).to_parameters().session) is None


# --- AC ---


@pytest.mark.inv("INV-07")
@pytest.mark.parametrize(
    ("outlet", "amperes"),
    [
        ({}, milli(32)),
        ({"max_current": 10.0}, milli(10)),
        ({"max_power": 6900.0}, milli(10)),
        ({"max_power": 6900.0, "max_current": 8.0}, milli(8)),
    ],
)
def test_the_current_of_an_ac_outlet_is_that_of_each_of_its_three_phases(
    outlet: dict[str, float], amperes: int
) -> None:
    bench = Bench(AC).to_power_on_ac()
    bench.outlet(**outlet)
    assert limits.ac_current(bench.session) == amperes


@pytest.mark.inv("INV-08")
def test_what_can_be_offered_is_the_lowest_of_hardware_limits_and_load_management() -> None:
    session = Bench(AC).to_power_on_ac()
    assert limits.offerable(session.session, dc=False) == milli(230 * 32 * 3)
    session.outlet(max_current=10.0)
    assert limits.offerable(session.session, dc=False) == milli(230 * 10 * 3)
    session.outlet(max_power=5000.0)
    assert limits.offerable(session.session, dc=False) == milli(5000)
    session.session.external_limit = 4000.0
    assert limits.offerable(session.session, dc=False) == milli(4000)
    assert limits.offerable(session.session, dc=True) == milli(4000)


def test_before_the_parameters_one_phase_is_reckoned_with() -> None:
    assert limits.phases(Bench(AC).to_parameters().session) == 1
    assert limits.phases(Bench(AC).to_power_on_ac().session) == 3


# --- the energy that an EV gets ---


def test_the_energy_is_that_of_all_steps_but_no_more_than_the_ev_wants() -> None:
    bench = Bench(DC).to_cable_check()
    session = bench.session
    assert session.parameters is not None
    assert session.latest_offer is not None
    schedule = PowerSchedule(1, (PowerStep(0, 8000.0), PowerStep(1800, 4000.0)), 3600)
    session.latest_offer = msgspec.structs.replace(
        session.latest_offer, schedule_id=1, schedules=ScheduleOffer((schedule,))
    )
    session.parameters = msgspec.structs.replace(session.parameters, energy=milli(50_000))
    assert limits.deliverable(session) == milli(8000)
    session.parameters = msgspec.structs.replace(session.parameters, energy=milli(7_999))
    assert limits.deliverable(session) == milli(7999)
    session.parameters = msgspec.structs.replace(session.parameters, energy=None)
    assert limits.deliverable(session) is None
    session.parameters = None
    assert limits.deliverable(session) is None


def test_without_an_offer_the_energy_is_not_known() -> None:
    session = Bench(DC).to_cable_check().session
    assert session.parameters is not None
    session.parameters = msgspec.structs.replace(session.parameters, energy=milli(50_000))
    session.latest_offer = None
    assert limits.deliverable(session) is None
