"""Standby: no power, an EV that shows it is there, and the ways out."""

from typing import Any

import pytest

from secc.messages.iso20_common import ChargeProgress, EvseNotification, Processing
from secc.session.inputs import EnergyTargeted, StandbyExitRequested, StopRequested
from secc.session.iso20.states import Iso20State as S
from secc.session.outlet import ControlPilot, EvseFault
from secc.session.outputs import CloseContactor, EndReason, Notice, OpenContactor, SetOutput
from tests.support import iso20 as r
from tests.support.iso20 import AC, AC_BPT, DC, DC_BPT, DYNAMIC, SCHEDULED, Bench20, code, said
from tests.support.iso20_config import with_iso20
from tests.support.states20 import STANDBY_AC, STANDBY_DC, in_state


def dc(parameter_set: int = 1) -> Bench20:
    """In standby, DC, after a current."""
    bench = Bench20(STANDBY_DC).to_first_loop_dc(parameter_set=parameter_set)
    bench.outlet(present_voltage=380.0, present_current=10.0)
    bench.ask(r.dc_loop(400, 40) if parameter_set == 1 else r.dc_dynamic_loop())
    assert current(bench) > 0.0
    assert code(bench.ask(r.standby())) == "OK"
    bench.outlet(present_current=0.0)
    return bench


def ac() -> Bench20:
    return in_state(S.WAIT_STANDBY_AC)


def closed(bench: Bench20) -> Any:
    """The contactor closes, and its feedback shows it; the response to the start."""
    bench.contactor()
    return said(bench.outlet(contactor_closed=True))


def current(bench: Bench20) -> float:
    """A of the last set-point."""
    return [output for output in bench.outputs if isinstance(output, SetOutput)][-1].current


@pytest.mark.req("V2G20-1615")
@pytest.mark.parametrize(("config", "loop"), [(DC, S.WAIT_LOOP_DC), (AC, S.WAIT_LOOP_AC)], ids=["DC", "AC"])
def test_by_default_standby_is_refused_with_a_warning_and_power_goes_on(config: Any, loop: S) -> None:
    bench = in_state(loop, config)
    assert code(bench.ask(r.standby())) == "WARNING_StandbyNotAllowed"
    assert bench.session.state is loop
    assert bench.session.energised is not None


@pytest.mark.req("V2G20-1311", "V2G20-1385")
def test_dc_stands_by_with_no_current_and_keeps_the_voltage() -> None:
    bench = dc()
    assert bench.session.state is S.WAIT_STANDBY_DC
    assert current(bench) == 0.0
    assert bench.session.energised is not None
    assert OpenContactor() not in bench.outputs


@pytest.mark.req("V2G20-1311")
def test_ac_stands_by_with_the_contactor_open() -> None:
    bench = ac()
    assert bench.session.state is S.WAIT_STANDBY_AC
    assert OpenContactor() in bench.outputs
    assert bench.session.energised is None


@pytest.mark.parametrize("parameter_set", [1, DYNAMIC])
def test_in_standby_dc_gives_no_current(parameter_set: int) -> None:
    bench = dc(parameter_set)
    request = r.dc_loop(400, 80) if parameter_set == 1 else r.dc_dynamic_loop()
    for _ in range(5):
        bench.tick(1.0)
        assert code(bench.ask(request)) == "OK"
        bench.feed(EnergyTargeted(20_000.0))
        assert current(bench) == 0.0
    assert bench.session.state is S.WAIT_STANDBY_DC


@pytest.mark.inv("INV-31")
def test_another_target_right_after_standby_gives_no_current() -> None:
    bench = dc(DYNAMIC)
    bench.feed(EnergyTargeted(20_000.0))
    assert current(bench) == 0.0


@pytest.mark.parametrize(("service", "parameter_set"), [(1, 1), (1, DYNAMIC), (5, DYNAMIC)])
def test_in_standby_the_power_of_ac_is_zero(service: int, parameter_set: int) -> None:
    config = with_iso20(AC_BPT if service == 5 else AC, standby=True, discharge=service == 5)
    bench = Bench20(config).to_first_loop_ac(service, parameter_set)
    loop = {(1, 1): r.ac_loop, (1, 2): r.ac_dynamic_loop, (5, 2): r.ac_bpt_dynamic_loop}[
        service, parameter_set
    ]()
    bench.ask(loop)
    bench.ask(r.standby())
    bench.feed(EnergyTargeted(-5000.0 if service == 5 else 5000.0))
    response = bench.ask(loop)
    assert response.cl_res_control_mode.evse_target_active_power.value == 0


def test_standby_lasts_for_the_time_of_a_sequence_and_not_of_the_loop() -> None:
    for bench in (dc(), ac()):
        bench.tick(59.0)
        assert not bench.ended
        bench.ask(r.ac_loop() if bench.config is STANDBY_AC else r.dc_loop())
        bench.tick(59.0)
        assert not bench.ended
        bench.tick(2.0)
        assert bench.end is not None
        assert bench.end.reason is EndReason.SEQUENCE_TIMEOUT


@pytest.mark.req("V2G20-1386", "V2G20-2122")
def test_dc_goes_on_with_start_and_without_another_isolation_test() -> None:
    bench = dc()
    assert code(bench.ask(r.start())) == "OK"
    assert bench.session.state is S.WAIT_FIRST_LOOP_DC
    bench.ask(r.dc_loop(400, 40))
    assert current(bench) == 40.0


@pytest.mark.inv("INV-05")
@pytest.mark.parametrize("present", [0.0, 340.0, 420.0])
def test_dc_does_not_start_at_another_voltage_than_that_of_the_battery(present: float) -> None:
    bench = dc()
    bench.outlet(present_voltage=present)
    assert code(bench.ask(r.start())) == "FAILED_PowerDeliveryNotApplied"
    assert current(bench) == 0.0


@pytest.mark.inv("INV-05")
def test_after_standby_the_current_is_that_of_pre_charge_while_another_voltage_is_read() -> None:
    bench = dc()
    assert code(bench.ask(r.start())) == "OK"
    bench.outlet(present_voltage=300.0)
    bench.ask(r.dc_loop(400, 40))
    assert current(bench) <= bench.config.energy.dc.pre_charge_current


@pytest.mark.req("V2G20-1386")
def test_ac_goes_on_when_the_contactor_has_closed_again() -> None:
    bench = ac()
    bench.ask(r.start())
    assert any(isinstance(output, CloseContactor) for output in bench.last)
    assert code(closed(bench)) == "OK"
    assert bench.session.state is S.WAIT_FIRST_LOOP_AC
    assert not bench.side.resting


@pytest.mark.req("V2G20-1386")
def test_standby_ends_with_stop() -> None:
    bench = dc()
    assert code(bench.ask(r.stop())) == "OK"
    assert bench.session.state is S.WAIT_WELDING
    bench = ac()
    assert code(bench.ask(r.stop())) == "OK"
    assert bench.session.state is S.WAIT_SESSION_STOP


@pytest.mark.req("V2G20-1386")
def test_standby_ends_with_a_new_schedule() -> None:
    bench = dc()
    for request in (r.renegotiate(), r.scheduled()):
        assert code(bench.ask(request)) == "OK"
        assert current(bench) == 0.0
    assert code(bench.ask(r.start())) == "OK"
    assert bench.session.state is S.WAIT_LOOP_DC
    bench.ask(r.dc_loop(400, 40))
    assert current(bench) == 40.0


@pytest.mark.inv("INV-02")
@pytest.mark.parametrize("last", [r.start(), r.renegotiate(r.profile())], ids=["start", "renegotiation"])
def test_a_new_schedule_out_of_standby_closes_the_contactor_of_ac_with_the_choice(last: Any) -> None:
    bench = ac()
    for request in (r.renegotiate(), r.ac_parameters(), r.scheduled()):
        assert code(bench.ask(request)) == "OK"
        assert bench.session.energised is None
    bench.ask(last)
    assert code(closed(bench)) == "OK"
    assert bench.session.state is S.WAIT_FIRST_LOOP_AC


def test_a_start_that_is_not_finished_keeps_standby() -> None:
    request = r.power_delivery(ChargeProgress.START, r.profile(), Processing.ONGOING)
    for bench, state in ((dc(), S.WAIT_STANDBY_DC), (ac(), S.WAIT_STANDBY_AC)):
        assert code(bench.ask(request)) == "OK"
        assert bench.session.state is state


def test_standby_in_standby_changes_nothing() -> None:
    for bench in (dc(), ac()):
        state = bench.session.state
        assert code(bench.ask(r.standby())) == "OK"
        assert bench.session.state is state


@pytest.mark.req("V2G20-1386")
def test_the_station_asks_the_ev_to_leave_standby() -> None:
    bench = dc()
    bench.feed(StandbyExitRequested())
    status = bench.ask(r.dc_loop()).evse_status
    assert status.evse_notification is EvseNotification.EXIT_STANDBY
    assert status.notification_max_delay == 30
    bench.ask(r.start())
    assert bench.ask(r.dc_loop()).evse_status is None


def test_an_ev_that_stays_in_standby_is_not_asked_any_longer() -> None:
    bench = dc()
    bench.feed(StandbyExitRequested())
    bench.tick(31.0)
    assert bench.ask(r.dc_loop()).evse_status is None
    assert any(isinstance(one, Notice) and "exit standby" in one.text for one in bench.last)


def test_outside_standby_there_is_nothing_to_leave() -> None:
    bench = in_state(S.WAIT_LOOP_DC)
    bench.feed(StandbyExitRequested())
    assert bench.ask(r.dc_loop()).evse_status is None


@pytest.mark.inv("INV-03")
def test_a_fault_in_standby_switches_off_and_ends_the_session_with_the_next_message() -> None:
    for bench, request in ((dc(), r.dc_loop()), (dc(), r.start()), (ac(), r.ac_loop()), (ac(), r.start())):
        bench.outlet(fault=EvseFault.RESIDUAL_CURRENT)
        assert bench.session.energised is None
        assert code(bench.ask(request)).startswith("FAILED")
        assert bench.ended


@pytest.mark.inv("INV-06")
@pytest.mark.req("V2G20-2122")
def test_an_output_that_was_switched_off_in_standby_does_not_start_again() -> None:
    bench = dc()
    bench.outlet(control_pilot=ControlPilot.B)
    assert bench.session.energised is None
    bench.outlet(control_pilot=ControlPilot.C)
    assert bench.ask(r.dc_loop()).evse_status.evse_notification is EvseNotification.TERMINATE
    assert code(bench.ask(r.start())) == "FAILED_PowerDeliveryNotApplied"
    assert bench.ended


@pytest.mark.inv("INV-03")
def test_an_ev_that_is_unplugged_in_standby_ends_the_session() -> None:
    for bench in (dc(), ac()):
        bench.outlet(control_pilot=ControlPilot.A)
        assert bench.end is not None
        assert bench.end.reason is EndReason.UNPLUGGED


@pytest.mark.inv("INV-29")
def test_after_a_stop_there_is_no_standby_and_no_way_back_to_power() -> None:
    bench = in_state(S.WAIT_LOOP_DC, STANDBY_DC)
    bench.feed(StopRequested())
    assert code(bench.ask(r.standby())) == "WARNING_StandbyNotAllowed"
    bench = ac()
    bench.feed(StopRequested())
    response = bench.ask(r.start())
    assert response.evse_status.evse_notification is EvseNotification.TERMINATE
    assert not any(isinstance(output, CloseContactor) for output in bench.last)


def test_the_meter_is_watched_in_standby() -> None:
    bench = ac()
    bench.outlet(present_power=3000.0)
    assert code(bench.ask(r.ac_loop())) == "OK"
    bench.tick(11.0)
    assert code(bench.ask(r.ac_loop())) == "WARNING_EVPowerProfileViolation"
    bench.tick(10.0)
    assert code(bench.ask(r.ac_loop())) == "FAILED_EVPowerProfileViolation"


def test_side_streams_are_closed_in_standby() -> None:
    for bench, request in ((dc(), r.dc_parameters()), (ac(), r.ac_parameters())):
        assert bench.session.streams == {}
        assert code(bench.beside(request)) == "FAILED_SequenceError"


def test_a_discharging_ev_stands_by_at_zero() -> None:
    bench = Bench20(with_iso20(DC_BPT, standby=True, discharge=True)).to_first_loop_dc(6)
    bench.outlet(present_voltage=380.0, present_current=10.0)
    bench.ask(r.dc_bpt_loop(400, 20))
    bench.outlet(present_current=0.0)
    bench.ask(r.dc_bpt_loop(400, -20))
    bench.outlet(present_current=0.0)
    bench.ask(r.dc_bpt_loop(400, -20))
    assert current(bench) < 0.0
    bench.ask(r.standby())
    assert current(bench) == 0.0


@pytest.mark.inv("INV-29")
@pytest.mark.parametrize("parameter_set", [SCHEDULED, DYNAMIC], ids=["Scheduled", "Dynamic"])
def test_a_start_out_of_standby_after_a_stop_gives_no_current(parameter_set: int) -> None:
    """The stop is announced, and not due yet."""
    bench = dc(parameter_set)
    bench.feed(StopRequested())
    response = bench.ask(r.start() if parameter_set == SCHEDULED else r.dynamic_start())
    assert code(response) == "OK"
    assert response.evse_status.evse_notification is EvseNotification.TERMINATE
    bench.tick(0.1)
    bench.ask(r.dc_loop() if parameter_set == SCHEDULED else r.dc_dynamic_loop())
    points = [output for output in bench.outputs if isinstance(output, SetOutput)]
    assert points[-1] == SetOutput(0.0, 0.0)
    assert bench.session.energised is None
