"""The energy side of the simulated EV."""

import pytest

from secc.sim import Load, Vehicle


def test_the_battery_voltage_rises_with_the_state_of_charge() -> None:
    assert Vehicle(soc=0.0).open_voltage == 330.0
    assert Vehicle(soc=0.5).open_voltage == 370.0
    assert Vehicle(soc=0.5).load() == Load(370.0, 0.05)


def test_energy_taken_raises_the_state_of_charge() -> None:
    vehicle = Vehicle(capacity=60_000.0, soc=0.5)
    vehicle.take(36_000.0, 600.0)
    assert vehicle.received == pytest.approx(6000.0)
    assert vehicle.soc == pytest.approx(0.6)
    assert vehicle.percent == 60


def test_a_battery_is_never_more_than_full() -> None:
    vehicle = Vehicle(soc=0.99)
    vehicle.take(50_000.0, 3600.0)
    assert vehicle.soc == 1.0
    assert vehicle.percent == 100
    assert vehicle.full


def test_the_wanted_current_is_limited_by_power_and_by_the_distance_to_the_highest_voltage() -> None:
    assert Vehicle(soc=0.5, max_power=37_000.0).wanted_current == 100.0
    assert Vehicle(soc=1.0, max_voltage=412.0).wanted_current == 40.0
    assert Vehicle(soc=1.0, max_voltage=400.0).wanted_current == 0.0
