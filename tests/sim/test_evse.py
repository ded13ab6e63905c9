"""Simulated outlets obey the port, the lease above all. Time is a number."""

import asyncio
from collections.abc import Callable

import pytest

from secc.ports import EvseController, ReportsChanges
from secc.session.outlet import ControlPilot, EvseFault, IsolationLevel
from secc.sim import Contactor, DcOutput, Load, SimulatedAcEvse, SimulatedCable, SimulatedDcEvse
from tests.support.clock import Clock


def ac_outlet(clock: Clock, *, contactor: Contactor | None = None) -> SimulatedAcEvse:
    cable = SimulatedCable(ControlPilot.C)
    return SimulatedAcEvse(
        cable, contactor=contactor, clock=clock, wall_clock=lambda: 1_700_000_000.0, sleep=clock.sleep
    )


def dc_outlet(clock: Clock, *, isolation: IsolationLevel = IsolationLevel.VALID) -> SimulatedDcEvse:
    cable = SimulatedCable(ControlPilot.C)
    return SimulatedDcEvse(
        cable,
        output=DcOutput(voltage_slew=1000.0, discharge=2000.0),
        isolation=isolation,
        clock=clock,
        wall_clock=lambda: 1_700_000_000.0,
        sleep=clock.sleep,
    )


async def renew(outlet: EvseController, clock: Clock, seconds: float) -> None:
    """Pass time as a living session does."""
    while seconds > 0.0:
        outlet.lease(0.5)
        step = min(seconds, 0.2)
        clock.forward(step)
        seconds -= step


async def checked(outlet: SimulatedDcEvse, max_voltage: float) -> IsolationLevel:
    """A cable check with a lease that is renewed all the while."""
    outlet.lease(60.0)
    return await outlet.check_cable(max_voltage)


# --- AC ----------------------------------------------------------------------------------------------------


def test_both_outlets_are_controllers_that_report_changes() -> None:
    outlets: list[EvseController] = [ac_outlet(Clock()), dc_outlet(Clock())]
    reporting: list[ReportsChanges] = [ac_outlet(Clock()), dc_outlet(Clock())]
    assert len(outlets) == len(reporting) == 2


async def test_an_ac_outlet_says_closed_when_the_feedback_does() -> None:
    clock = Clock(100.0)
    outlet = ac_outlet(clock)
    outlet.lease(0.5)
    assert await outlet.close_contactor()
    assert clock.now == pytest.approx(100.05)
    assert outlet.snapshot().contactor_closed
    assert outlet.voltage == 230.0


async def test_an_ac_outlet_does_not_close_without_a_lease() -> None:
    outlet = ac_outlet(Clock())
    assert not (await outlet.close_contactor())
    assert not outlet.snapshot().contactor_closed


async def test_a_contactor_opens_by_itself_when_the_lease_is_not_renewed() -> None:
    clock = Clock()
    outlet = ac_outlet(clock)
    outlet.lease(0.5)
    await outlet.close_contactor()
    clock.forward(0.44)
    assert outlet.snapshot().contactor_closed
    clock.forward(0.1)
    assert not outlet.snapshot().contactor_closed
    moment, what = outlet.commands[-1]
    assert what == "lease lapsed"
    assert moment == pytest.approx(100.5)


async def test_an_ac_meter_counts_what_the_charger_draws_while_the_contactor_is_closed() -> None:
    clock = Clock()
    outlet = ac_outlet(clock)
    outlet.lease(0.5)
    await outlet.close_contactor()
    outlet.cable.take(10.0, 3)
    await renew(outlet, clock, 36.0)
    assert outlet.current == 10.0
    assert outlet.energy == pytest.approx(230.0 * 10.0 * 3 * 36.0 / 3600.0)


async def test_an_output_that_lapsed_long_ago_counts_no_energy_since() -> None:
    clock = Clock()
    outlet = ac_outlet(clock, contactor=Contactor(closing_time=0.0, opening_time=0.0))
    outlet.cable.take(10.0, 1)
    outlet.lease(0.5)
    await outlet.close_contactor()
    clock.forward(3600.0)
    assert outlet.energy == pytest.approx(2300.0 * 0.5 / 3600.0)


async def test_welded_contacts_are_reported_as_not_opened_and_as_a_fault() -> None:
    outlet = ac_outlet(Clock())
    outlet.lease(0.5)
    await outlet.close_contactor()
    outlet.contactor.welded = True
    assert not (await outlet.open_contactor())
    assert outlet.snapshot().fault is EvseFault.CONTACTOR
    with pytest.raises(RuntimeError, match="does not open"):
        await outlet.make_safe()


async def test_stuck_contacts_are_reported_as_not_closed() -> None:
    outlet = ac_outlet(Clock())
    outlet.contactor.stuck = True
    outlet.lease(0.5)
    assert not (await outlet.close_contactor())


async def test_an_ac_outlet_has_no_isolation_monitor_and_no_set_point() -> None:
    outlet = ac_outlet(Clock())
    await outlet.set_output(400.0, 10.0)
    assert (await outlet.check_cable(500.0)) is IsolationLevel.NO_IMD
    assert outlet.voltage == 0.0


async def test_a_fault_opens_the_contactor_and_forbids_to_close_it() -> None:
    clock = Clock()
    outlet = ac_outlet(clock)
    outlet.lease(0.5)
    await outlet.close_contactor()
    outlet.inject(EvseFault.RESIDUAL_CURRENT)
    clock.forward(0.05)
    assert outlet.snapshot().fault is EvseFault.RESIDUAL_CURRENT
    assert not outlet.snapshot().contactor_closed
    outlet.lease(0.5)
    assert not (await outlet.close_contactor())
    outlet.repair()
    assert outlet.snapshot().fault is None


async def test_make_safe_opens_and_drops_the_lease() -> None:
    clock = Clock()
    outlet = ac_outlet(clock)
    outlet.lease(0.5)
    await outlet.close_contactor()
    await outlet.make_safe()
    assert not outlet.snapshot().contactor_closed
    assert not (await outlet.close_contactor())


# --- DC ----------------------------------------------------------------------------------------------------


async def test_a_cable_check_takes_its_time_and_leaves_no_voltage() -> None:
    clock = Clock(100.0)
    outlet = dc_outlet(clock)
    assert (await checked(outlet, 420.0)) is IsolationLevel.VALID
    assert 100.8 < clock.now < 101.2
    assert outlet.voltage <= 60.0
    assert outlet.snapshot().isolation is IsolationLevel.VALID
    assert not outlet.enabled


async def test_a_cable_check_finds_the_fault_that_was_injected() -> None:
    outlet = dc_outlet(Clock(), isolation=IsolationLevel.FAULT)
    assert (await checked(outlet, 420.0)) is IsolationLevel.FAULT


async def test_a_cable_check_whose_lease_lapses_has_no_result() -> None:
    outlet = dc_outlet(Clock())
    outlet.lease(0.2)
    assert (await outlet.check_cable(420.0)) is IsolationLevel.INVALID
    assert not outlet.enabled


async def test_a_cable_check_that_is_switched_off_in_between_has_no_result() -> None:
    outlet = dc_outlet(Clock())
    outlet.lease(60.0)

    async def both() -> IsolationLevel:
        check = asyncio.ensure_future(outlet.check_cable(420.0))
        await asyncio.sleep(0)
        await outlet.open_contactor()
        return await check

    assert (await both()) is IsolationLevel.INVALID


async def test_a_cable_check_at_fault_is_not_begun() -> None:
    outlet = dc_outlet(Clock())
    outlet.inject(EvseFault.EMERGENCY_STOP)
    assert (await checked(outlet, 420.0)) is IsolationLevel.INVALID


async def test_a_set_point_without_a_lease_changes_nothing() -> None:
    clock = Clock()
    outlet = dc_outlet(clock)
    await outlet.set_output(400.0, 10.0)
    clock.forward(1.0)
    assert outlet.voltage == 0.0


async def test_a_dc_output_ramps_charges_and_counts() -> None:
    clock = Clock()
    outlet = dc_outlet(clock)
    outlet.cable.connect(Load(350.0, resistance=0.1))
    outlet.lease(0.5)
    await outlet.set_output(420.0, 100.0)
    await renew(outlet, clock, 2.0)
    assert outlet.current == 100.0
    assert outlet.voltage == pytest.approx(360.0)
    before = outlet.energy
    await renew(outlet, clock, 3.6)
    assert outlet.energy - before == pytest.approx(36.0)


async def test_a_dc_output_falls_when_the_lease_is_not_renewed() -> None:
    clock = Clock(100.0)
    outlet = dc_outlet(clock)
    outlet.cable.connect(Load(350.0))
    outlet.lease(0.5)
    await outlet.set_output(420.0, 100.0)
    await renew(outlet, clock, 2.0)
    clock.forward(0.6)
    assert outlet.current == 0.0
    assert not outlet.enabled
    assert outlet.commands[-1][1] == "lease lapsed"


def test_a_derated_outlet_says_so_in_its_snapshot() -> None:
    outlet = dc_outlet(Clock())
    outlet.derate(max_current=20.0, max_power=7000.0)
    assert outlet.snapshot().max_current == 20.0
    assert outlet.snapshot().max_power == 7000.0


def test_the_meter_shows_whole_watt_hours_and_the_time_of_day() -> None:
    reading = dc_outlet(Clock()).snapshot().meter
    assert reading is not None
    assert (reading.meter_id, reading.energy, reading.utc) == ("SIM00001", 0, 1_700_000_000)


async def test_a_dc_outlet_has_no_contactor_to_close() -> None:
    assert not (await dc_outlet(Clock()).close_contactor())


async def test_changes_of_pilot_fault_and_limit_are_reported() -> None:
    outlet = dc_outlet(Clock())

    changes: list[Callable[[], None]] = [
        lambda: outlet.cable.set_pilot(ControlPilot.B),
        lambda: outlet.inject(EvseFault.MALFUNCTION),
        lambda: outlet.derate(max_power=1000.0),
    ]

    async def wait() -> int:
        seen = 0
        for change in changes:
            change()
            await asyncio.wait_for(outlet.changed(), 1.0)
            seen += 1
        return seen

    assert (await wait()) == 3


# --- discharge ---------------------------------------------------------------------------------------------


async def test_a_dc_outlet_discharges_a_battery_into_the_other_register() -> None:
    clock = Clock(100.0)
    outlet = dc_outlet(clock)
    outlet.cable.connect(Load(400.0, 0.1))
    outlet.lease(0.5)
    await outlet.set_output(401.0, 5.0)
    await renew(outlet, clock, 2.0)
    charged = outlet.energy
    await outlet.set_discharge(350.0, 50.0)
    await renew(outlet, clock, 36.0)
    snapshot = outlet.snapshot()
    assert snapshot.present_current == -50.0
    assert snapshot.present_voltage == pytest.approx(395.0)
    assert outlet.energy - charged < 0.01
    assert outlet.exported == pytest.approx(395.0 * 50.0 / 100.0, rel=0.02)
    assert snapshot.meter is not None
    assert snapshot.meter.exported == int(outlet.exported)


async def test_a_discharge_ends_when_the_lease_is_not_renewed() -> None:
    clock = Clock(100.0)
    outlet = dc_outlet(clock)
    outlet.cable.connect(Load(400.0, 0.1))
    outlet.lease(0.5)
    await outlet.set_discharge(350.0, 50.0)
    await renew(outlet, clock, 1.0)
    clock.forward(1.0)
    assert outlet.current == 0.0
    before = outlet.exported
    clock.forward(10.0)
    assert outlet.exported == before


async def test_a_discharge_without_a_lease_is_not_begun() -> None:
    clock = Clock(100.0)
    outlet = dc_outlet(clock)
    outlet.cable.connect(Load(400.0, 0.1))
    await outlet.set_discharge(350.0, 50.0)
    clock.forward(1.0)
    assert outlet.current == 0.0


async def test_an_ac_outlet_counts_what_the_inverter_gives_back() -> None:
    clock = Clock(100.0)
    outlet = ac_outlet(clock)
    outlet.lease(0.5)
    await outlet.close_contactor()
    outlet.cable.take(-10.0, 3)
    assert outlet.snapshot().present_power == -6900.0
    await renew(outlet, clock, 3600.0)
    assert outlet.exported == pytest.approx(6900.0, rel=0.001)
    assert outlet.energy < 1.0
