"""The models are functions of time: every number here is exact."""

import pytest

from secc.sim.physics import Contactor, DcOutput, Lease, Load, Meter


def test_a_lease_holds_until_its_end_and_not_longer() -> None:
    lease = Lease()
    lease.renew(0.5, 10.0)
    assert lease.holds(10.5)
    assert not lease.holds(10.51)


def test_a_shorter_lease_does_not_cut_a_longer_one() -> None:
    lease = Lease()
    lease.renew(0.5, 10.0)
    lease.renew(0.1, 10.1)
    assert lease.until == 10.5


def test_a_dropped_lease_is_over_at_once() -> None:
    lease = Lease()
    lease.renew(0.5, 10.0)
    lease.drop()
    assert not lease.holds(10.0)


def test_the_meter_counts_watts_over_time_and_never_falls() -> None:
    meter = Meter(start=5.0)
    meter.add(3600.0, 2.0)
    meter.add(-3600.0, 3.0)
    assert meter.energy == 7.0
    assert meter.exported == 3.0


def test_contacts_follow_the_coil_after_the_closing_time() -> None:
    contactor = Contactor(closing_time=0.05)
    contactor.command(close=True, now=1.0)
    contactor.advance(1.04)
    assert not contactor.closed
    contactor.advance(1.05)
    assert contactor.closed
    assert contactor.due is None


def test_a_coil_released_before_the_contacts_came_leaves_them_open() -> None:
    contactor = Contactor(closing_time=0.05)
    contactor.command(close=True, now=1.0)
    contactor.command(close=False, now=1.02)
    contactor.advance(2.0)
    assert not contactor.closed


def test_a_welded_contactor_stays_closed() -> None:
    contactor = Contactor()
    contactor.command(close=True, now=1.0)
    contactor.advance(1.1)
    contactor.welded = True
    contactor.command(close=False, now=2.0)
    contactor.advance(3.0)
    assert contactor.closed


def test_a_stuck_contactor_stays_open() -> None:
    contactor = Contactor()
    contactor.stuck = True
    contactor.command(close=True, now=1.0)
    contactor.advance(2.0)
    assert not contactor.closed


def test_voltage_rises_by_its_slew_rate_to_the_set_point() -> None:
    output = DcOutput(voltage_slew=1000.0)
    output.set(400.0, 2.0)
    output.advance(0.1, None)
    assert output.voltage == pytest.approx(100.0)
    output.advance(1.0, None)
    assert output.voltage == 400.0
    assert output.current == 0.0


def test_current_rises_by_its_slew_rate_into_a_battery_and_lifts_its_voltage() -> None:
    output = DcOutput(voltage_slew=100_000.0, current_slew=100.0)
    output.set(450.0, 50.0)
    battery = Load(350.0, resistance=0.1)
    output.advance(0.25, battery)
    assert output.current == pytest.approx(25.0)
    output.advance(1.0, battery)
    assert output.current == 50.0
    assert output.voltage == pytest.approx(355.0)


def test_the_set_voltage_limits_the_current_near_the_end_of_a_charge() -> None:
    output = DcOutput()
    output.set(351.0, 50.0)
    output.advance(5.0, Load(350.0, resistance=0.1))
    assert output.current == pytest.approx(10.0)
    assert output.voltage == pytest.approx(351.0)


def test_no_current_flows_out_of_a_battery_with_a_higher_voltage() -> None:
    output = DcOutput()
    output.set(300.0, 50.0)
    output.advance(5.0, Load(350.0))
    assert output.current == 0.0
    assert output.voltage == 300.0


def test_switching_off_stops_the_current_at_once_and_the_voltage_decays() -> None:
    output = DcOutput(discharge=2000.0)
    output.set(400.0, 50.0)
    output.advance(5.0, Load(350.0))
    output.set(0.0, 0.0)
    assert output.current == 0.0
    output.advance(0.1, None)
    assert output.voltage == pytest.approx(352.5 - 200.0)
    output.advance(0.1, None)
    assert output.voltage == 0.0


def test_energy_into_a_battery_is_voltage_times_current_over_time() -> None:
    output = DcOutput()
    battery = Load(350.0, resistance=0.1)
    output.set(450.0, 50.0)
    output.advance(5.0, battery)
    assert output.advance(10.0, battery) == pytest.approx(355.0 * 50.0 * 10.0)


def test_many_small_steps_give_the_energy_of_one_large_step() -> None:
    battery = Load(350.0)
    coarse, fine = DcOutput(), DcOutput()
    coarse.set(450.0, 100.0)
    fine.set(450.0, 100.0)
    once = coarse.advance(2.0, battery)
    often = sum(fine.advance(0.001, battery) for _ in range(2000))
    assert once == pytest.approx(often, rel=1e-3)


# --- discharge ---------------------------------------------------------------------------------------------


def discharging(least_voltage: float, current: float, load: Load | None) -> DcOutput:
    output = DcOutput(voltage_slew=1000.0, current_slew=400.0)
    output.set(400.0, 10.0)
    output.advance(2.0, load)
    output.discharge(least_voltage, current)
    return output


def test_discharge_takes_current_through_zero_by_the_slew_rate() -> None:
    load = Load(400.0, 0.1)
    output = DcOutput(voltage_slew=10_000.0, current_slew=400.0)
    output.set(401.0, 40.0)
    output.advance(1.0, load)
    assert output.current == pytest.approx(10.0)
    output.discharge(350.0, 50.0)
    output.advance(0.025, load)
    assert output.current == pytest.approx(0.0, abs=0.01)
    output.advance(1.0, load)
    assert output.current == -50.0


def test_the_battery_holds_the_voltage_while_it_discharges() -> None:
    load = Load(400.0, 0.1)
    output = discharging(350.0, 50.0, load)
    joules = output.advance(1.0, load)
    assert output.voltage == pytest.approx(395.0)
    assert joules < 0.0
    assert output.advance(1.0, load) == pytest.approx(-50.0 * 395.0)


def test_discharge_ends_where_the_least_voltage_is_reached() -> None:
    load = Load(400.0, 0.1)
    output = discharging(399.0, 50.0, load)
    output.advance(2.0, load)
    assert output.current == pytest.approx(-10.0)
    assert output.voltage == pytest.approx(399.0)
    empty = Load(390.0, 0.1)
    output.advance(2.0, empty)
    assert output.current == 0.0


def test_a_sink_without_a_battery_has_neither_current_nor_voltage() -> None:
    output = discharging(350.0, 50.0, None)
    output.advance(2.0, None)
    assert (output.voltage, output.current) == (0.0, 0.0)


def test_switching_off_ends_a_discharge_at_once() -> None:
    load = Load(400.0, 0.1)
    output = discharging(350.0, 50.0, load)
    output.advance(1.0, load)
    output.set(0.0, 0.0)
    assert output.current == 0.0
    assert output.advance(1.0, load) == 0.0
