"""No current before the output is at the voltage of the battery [INV-04] [INV-05], in both DC protocols."""

import dataclasses

import pytest

from secc.errors import ConfigError
from secc.session.outputs import SetOutput
from secc.settings import DcConfig, EnergyConfig
from tests.support.bench import DC, DC_MODES
from tests.support.dc_car import PROTOCOLS, DcCar

both = pytest.mark.parametrize("protocol", PROTOCOLS)
LOW = dataclasses.replace(DC, energy=EnergyConfig(modes=DC_MODES, dc=DcConfig(min_voltage=0.0)))


@both
@pytest.mark.inv("INV-04", "INV-05")
@pytest.mark.parametrize("volts", [0, 0.1, 19, 20, 59, 149.9])
def test_a_pre_charge_to_less_than_a_battery_has_is_refused(protocol: str, volts: float) -> None:
    car = DcCar(protocol).to_pre_charge()
    before = len(car.set_points)
    assert car.pre_charge(volts) == "FAILED"
    assert all(point.voltage == 0.0 for point in car.set_points[before:])
    assert car.bench.ended


@both
@pytest.mark.inv("INV-04")
@pytest.mark.parametrize(("volts", "code"), [(59.9, "FAILED"), (60, "OK")])
def test_an_outlet_without_a_minimum_has_the_safe_voltage_as_one(
    protocol: str, volts: float, code: str
) -> None:
    assert DcCar(protocol, LOW).to_pre_charge().pre_charge(volts) == code


def test_the_tolerance_of_pre_charge_cannot_reach_down_to_an_output_that_is_off() -> None:
    with pytest.raises(ConfigError, match="pre_charge_tolerance"):
        DcConfig(min_voltage=0.0, pre_charge_tolerance=60.0)


@both
@pytest.mark.inv("INV-05")
def test_pre_charge_that_is_lowered_after_it_was_reached_does_not_start(protocol: str) -> None:
    car = DcCar(protocol).to_pre_charge()
    car.pre_charge(380)
    car.bench.outlet(present_voltage=380.0)
    assert car.pre_charge(200) == "OK"
    assert car.start() == "no response"
    car.bench.tick(5.0)
    assert car.bench.ended
    assert max(point.current for point in car.set_points) <= 2.0


@both
@pytest.mark.inv("INV-05")
def test_a_limit_of_the_outlet_that_comes_in_pre_charge_is_no_matched_battery(protocol: str) -> None:
    """380 V were asked for; an outlet that may deliver 0 V now is at 0 V, and that is not the battery."""
    car = DcCar(protocol).to_pre_charge()
    car.pre_charge(380)
    car.bench.outlet(max_voltage=0.0, present_voltage=0.0)
    assert car.start() == "no response"
    car.bench.tick(5.0)
    assert car.bench.ended


@both
@pytest.mark.inv("INV-05")
@pytest.mark.parametrize("volts", [400.0, 410.0])
def test_a_demand_far_above_pre_charge_rises_only_with_a_battery_that_takes_current(
    protocol: str, volts: float
) -> None:
    car = DcCar(protocol).to_charge(200.0)
    assert car.demand(volts, 100) == "OK"
    assert car.set_points[-1] == SetOutput(230.0, 100.0)
    car.bench.outlet(present_voltage=230.0)
    car.demand(volts, 100)
    car.bench.tick(1.0)
    assert car.set_points[-1] == SetOutput(230.0, 100.0)
    car.bench.outlet(present_voltage=225.0, present_current=60.0)
    car.demand(volts, 100)
    assert car.set_points[-1] == SetOutput(255.0, 100.0)
    car.bench.outlet(present_voltage=390.0, present_current=60.0)
    car.demand(volts, 100)
    assert car.set_points[-1] == SetOutput(volts, 100.0)


@both
@pytest.mark.inv("INV-05")
def test_a_demand_far_below_pre_charge_gets_no_current(protocol: str) -> None:
    car = DcCar(protocol).to_charge(380.0)
    assert car.demand(200, 100) == "OK"
    assert car.set_points[-1] == SetOutput(200.0, 0.0)
    car.demand(390, 100)
    assert car.set_points[-1] == SetOutput(390.0, 100.0)


@both
@pytest.mark.inv("INV-05")
@pytest.mark.parametrize("volts", [0.0, 345.0, 500.0])
def test_a_voltage_that_is_lost_after_the_start_keeps_the_current_of_pre_charge(
    protocol: str, volts: float
) -> None:
    car = DcCar(protocol).to_charge(380.0)
    car.bench.outlet(present_voltage=volts)
    car.demand(390, 100)
    assert car.set_points[-1] == SetOutput(390.0, 2.0)
    car.bench.outlet(present_voltage=375.0)
    car.demand(390, 100)
    assert car.set_points[-1] == SetOutput(390.0, 100.0)


@both
@pytest.mark.inv("INV-07")
@pytest.mark.parametrize("volts", [0.1, 20, 100, 149.9])
def test_a_set_point_below_the_minimum_never_leaves_the_core(protocol: str, volts: float) -> None:
    car = DcCar(protocol).to_charge(160.0)
    assert car.demand(volts, 10) == "OK"
    assert car.set_points[-1] == SetOutput(0.0, 0.0)
    car.bench.outlet(max_voltage=volts)
    car.demand(170, 10)
    car.bench.tick(1.0)
    assert all(point.voltage >= 150.0 or point.voltage == 0.0 for point in car.set_points)
