"""DC: isolation, pre-charge, start, end, welding detection."""

import dataclasses

import pytest

from secc.messages.iso20_common import ChargeProgress, EvseNotification, Processing
from secc.session.inputs import CableCheckReported, StopRequested
from secc.session.iso20.states import Iso20State as S
from secc.session.outlet import ControlPilot, EvseFault, IsolationLevel
from secc.session.outputs import SetOutput, StartCableCheck
from secc.settings import CompatConfig, SeccConfig
from tests.support import iso20 as r
from tests.support.iso20 import DC, DYNAMIC, Bench20, code
from tests.support.iso20_config import with_iso20


def strict(config: SeccConfig) -> SeccConfig:
    return dataclasses.replace(config, compat=CompatConfig.strict())


# --- isolation ---


@pytest.mark.inv("INV-06")
def test_the_cable_check_is_ongoing_until_there_is_a_good_result() -> None:
    bench = Bench20(DC).to_cable_check()
    bench.outlet(control_pilot=ControlPilot.C)
    assert bench.ask(r.cable_check()).evse_processing is Processing.ONGOING
    assert any(isinstance(output, StartCableCheck) for output in bench.last)
    assert bench.ask(r.cable_check()).evse_processing is Processing.ONGOING
    bench.isolation()
    response = bench.ask(r.cable_check())
    assert (code(response), response.evse_processing) == ("OK", Processing.FINISHED)


@pytest.mark.inv("INV-06", "INV-30")
@pytest.mark.parametrize("level", [IsolationLevel.FAULT, IsolationLevel.INVALID, IsolationLevel.NO_IMD])
def test_a_bad_isolation_ends_the_session(level: IsolationLevel) -> None:
    bench = Bench20(DC).to_cable_check()
    bench.outlet(control_pilot=ControlPilot.C)
    bench.ask(r.cable_check())
    bench.isolation(level)
    assert code(bench.ask(r.cable_check())) == "FAILED"
    assert bench.ended


@pytest.mark.req("V2G20-1418")
def test_the_cable_check_waits_for_the_pilot_and_not_for_long() -> None:
    bench = Bench20(DC).to_cable_check()
    assert bench.ask(r.cable_check()) is None
    bench.outlet(control_pilot=ControlPilot.C)
    assert bench.session.state is S.WAIT_CABLE_CHECK_RESULT
    bench = Bench20(DC).to_cable_check()
    bench.ask(r.cable_check())
    outputs = bench.tick(1.5)
    assert code(r_said(outputs)) == "FAILED"


def r_said(outputs: tuple[object, ...]) -> object:
    from tests.support.iso20 import said

    return said(outputs)


@pytest.mark.req("V2G20-2122")
def test_a_start_without_an_isolation_test_is_refused() -> None:
    assert code(Bench20(DC).to_cable_check().ask(r.start())) == "FAILED_SequenceError"
    assert code(Bench20(DC).to_pre_charge().ask(r.start())) == "FAILED_SequenceError"


# --- pre-charge ---


@pytest.mark.inv("INV-05")
@pytest.mark.req("V2G20-1433", "V2G20-2005")
def test_pre_charge_brings_the_output_to_the_voltage_with_little_current() -> None:
    bench = Bench20(DC).to_pre_charge()
    bench.ask(r.pre_charge(processing=Processing.ONGOING))
    assert SetOutput(380.0, 2.0) in bench.last
    assert bench.session.state is S.WAIT_PRE_CHARGE_AGAIN
    bench.outlet(present_voltage=380.0)
    response = bench.ask(r.pre_charge(processing=Processing.ONGOING))
    assert response.evse_present_voltage.value == 380


@pytest.mark.req("V2G20-1434", "V2G20-2006")
def test_the_request_with_finished_opens_the_start() -> None:
    bench = Bench20(DC).to_power_on_dc()
    assert bench.session.state is S.WAIT_POWER_ON_DC
    assert code(bench.ask(r.start())) == "OK"
    assert bench.session.state.name == "WAIT_FIRST_LOOP_DC"
    bench = Bench20(DC).to_power_on_dc()
    assert code(bench.ask(r.pre_charge())) == "FAILED_SequenceError"


@pytest.mark.req("V2G20-2005")
def test_a_start_without_finished_is_a_leniency_that_still_needs_the_voltage() -> None:
    for config, expected in ((DC, "OK"), (strict(DC), "FAILED_SequenceError")):
        bench = Bench20(config).to_pre_charge()
        bench.ask(r.pre_charge(processing=Processing.ONGOING))
        bench.outlet(present_voltage=380.0)
        assert code(bench.ask(r.start())) == expected
    bench = Bench20(DC).to_pre_charge()
    bench.ask(r.pre_charge(processing=Processing.ONGOING))
    assert bench.ask(r.start()) is None
    assert code(r_said(bench.tick(1.5))) == "FAILED_PowerDeliveryNotApplied"


def test_a_target_above_the_limit_of_the_ev_counts_as_that_limit() -> None:
    bench = Bench20(DC).to_pre_charge()
    bench.ask(r.pre_charge(20_000))
    assert SetOutput(420.0, 2.0) in bench.last
    assert code(Bench20(strict(DC)).to_pre_charge().ask(r.pre_charge(421))) == "FAILED_WrongChargeParameter"


@pytest.mark.inv("INV-04")
@pytest.mark.parametrize("volts", [0, -380, 149])
def test_a_target_that_no_battery_has_is_refused(volts: float) -> None:
    bench = Bench20(DC).to_pre_charge()
    assert code(bench.ask(r.pre_charge(volts))) == "FAILED"
    assert bench.ended


def test_pre_charge_has_ten_seconds() -> None:
    bench = Bench20(DC).to_pre_charge()
    for _ in range(9):
        assert code(bench.ask(r.pre_charge(processing=Processing.ONGOING))) == "OK"
        bench.tick(1.0)
    bench.tick(1.5)
    assert bench.session.energised is None
    assert code(bench.ask(r.pre_charge(processing=Processing.ONGOING))) == "FAILED"


@pytest.mark.inv("INV-03")
def test_an_emergency_stop_in_pre_charge_switches_off_at_once() -> None:
    bench = Bench20(DC).to_pre_charge()
    bench.ask(r.pre_charge(processing=Processing.ONGOING))
    assert SetOutput(0.0, 0.0) in bench.outlet(fault=EvseFault.EMERGENCY_STOP)


# --- start ---


def test_a_start_that_is_ongoing_is_answered_and_begins_nothing() -> None:
    bench = Bench20(DC).to_power_on_dc()
    for _ in range(5):
        request = r.power_delivery(ChargeProgress.START, None, Processing.ONGOING)
        assert code(bench.ask(request)) == "OK"
        assert bench.session.state is S.WAIT_POWER_ON_DC
    assert code(bench.ask(r.start())) == "OK"


@pytest.mark.req("V2G20-1521", "V2G20-1546")
def test_a_scheduled_start_needs_a_profile_of_scheduled_mode() -> None:
    for request in (r.dynamic_start(), r.start(r.profile(tuple_id=None))):
        bench = Bench20(DC).to_power_on_dc()
        assert code(bench.ask(request)) == "FAILED_EVPowerProfileInvalid"
        assert bench.ended


def test_a_dynamic_start_needs_none_and_takes_no_scheduled_one() -> None:
    assert code(Bench20(DC).to_power_on_dc(2, DYNAMIC).ask(r.dynamic_start())) == "OK"
    bench = Bench20(DC).to_power_on_dc(2, DYNAMIC)
    assert code(bench.ask(r.start(r.profile(tuple_id=None)))) == "OK"
    assert code(Bench20(DC).to_power_on_dc(2, DYNAMIC).ask(r.start())) == "FAILED_EVPowerProfileInvalid"


@pytest.mark.req("V2G20-479")
def test_a_schedule_that_was_not_offered_is_refused() -> None:
    bench = Bench20(DC).to_power_on_dc()
    assert code(bench.ask(r.start(r.profile(tuple_id=2)))) == "FAILED_ScheduleSelectionInvalid"


@pytest.mark.req("V2G20-478", "V2G20-1070", "V2G20-1559")
def test_a_profile_within_the_offer_is_accepted_and_one_above_it_is_refused() -> None:
    assert code(Bench20(DC).to_power_on_dc().ask(r.start(r.profile((60, 50_000), (60, 0))))) == "OK"
    bench = Bench20(DC).to_power_on_dc()
    found = r.profile((60, 10_000), (60, 50_100))
    assert code(bench.ask(r.start(found))) == "FAILED_EVPowerProfileInvalid"


@pytest.mark.req("V2G20-1944", "V2G20-1945", "V2G20-1946")
def test_the_tolerance_that_was_offered_is_confirmed_or_not() -> None:
    from secc.messages.iso20_common import PowerToleranceAcceptance as Acceptance
    from secc.settings import ToleranceRefused

    yes = r.profile(tolerance=Acceptance.POWER_TOLERANCE_CONFIRMED)
    no = r.profile(tolerance=Acceptance.POWER_TOLERANCE_NOT_CONFIRMED)
    config = with_iso20(DC, power_tolerance=500.0)
    assert code(Bench20(config).to_power_on_dc().ask(r.start(yes))) == "OK_PowerToleranceConfirmed"
    bench = Bench20(config).to_power_on_dc()
    assert code(bench.ask(r.start(no))) == "WARNING_PowerToleranceNotConfirmed"
    assert bench.session.state is S.WAIT_POWER_ON_DC
    assert code(bench.ask(r.start(yes))) == "OK_PowerToleranceConfirmed"
    config = with_iso20(DC, power_tolerance=500.0, tolerance_refused=ToleranceRefused.STOP)
    bench = Bench20(config).to_power_on_dc()
    assert code(bench.ask(r.start(no))) == "FAILED_PowerToleranceNotConfirmed"
    assert code(Bench20(DC).to_power_on_dc().ask(r.start(yes))) == "OK"  # nothing was offered


def test_standby_is_not_entered_and_the_state_stays() -> None:
    for way, state in (
        (Bench20(DC).to_power_on_dc(), S.WAIT_POWER_ON_DC),
        (Bench20(DC).to_first_loop_dc(), S.WAIT_LOOP_DC),
    ):
        if state is S.WAIT_LOOP_DC:
            way.ask(r.dc_loop())
        assert code(way.ask(r.standby())) == "WARNING_StandbyNotAllowed"
        assert way.session.state is state


@pytest.mark.inv("INV-29")
def test_a_start_after_a_stop_is_answered_with_terminate_and_no_energy() -> None:
    bench = Bench20(DC).to_power_on_dc()
    bench.feed(StopRequested())
    response = bench.ask(r.start())
    assert code(response) == "OK"
    assert response.evse_status.evse_notification is EvseNotification.TERMINATE
    assert bench.session.energised is None


# --- end ---


@pytest.mark.req("V2G20-459")
def test_a_second_start_is_out_of_order() -> None:
    bench = Bench20(DC).to_first_loop_dc()
    bench.ask(r.dc_loop())
    assert code(bench.ask(r.start())) == "FAILED_SequenceError"


@pytest.mark.req("V2G20-1448", "V2G20-1461", "V2G20-1573", "V2G20-1631", "V2G20-2020")
def test_welding_detection_follows_the_stop_and_ends_with_finished() -> None:
    bench = Bench20(DC).to_first_loop_dc()
    bench.ask(r.dc_loop())
    assert code(bench.ask(r.stop())) == "OK"
    assert SetOutput(0.0, 0.0) in bench.last
    bench.outlet(present_voltage=350.0)
    for _ in range(3):
        response = bench.ask(r.welding(Processing.ONGOING))
        assert response.evse_present_voltage.value == 350
        assert bench.session.state is S.WAIT_WELDING
    bench.ask(r.welding())
    assert bench.session.state is S.WAIT_SESSION_STOP
    assert code(bench.ask(r.session_stop())) == "OK"


def test_a_car_that_skips_welding_detection_is_let_go() -> None:
    for config, expected in ((DC, "OK"), (strict(DC), "FAILED_SequenceError")):
        bench = Bench20(config).to_first_loop_dc()
        bench.ask(r.dc_loop())
        bench.ask(r.stop())
        assert code(bench.ask(r.session_stop())) == expected


# --- a new schedule under power ---


@pytest.mark.req("V2G20-1045", "V2G20-1046", "V2G20-1048", "V2G20-1050", "V2G20-1052", "V2G20-2122")
@pytest.mark.parametrize("parameters", [True, False])
def test_a_new_schedule_is_negotiated_under_power_and_counts_from_the_next_loop(parameters: bool) -> None:
    bench = Bench20(DC).to_first_loop_dc()
    bench.ask(r.dc_loop(400, 80))
    assert code(bench.ask(r.renegotiate())) == "OK"
    assert bench.session.energised is not None
    if parameters:
        assert code(bench.ask(r.dc_parameters())) == "OK"
    bench.session.external_limit = 8000.0
    assert code(bench.ask(r.scheduled())) == "OK"
    assert code(bench.ask(r.renegotiate(r.profile((60, 8000))))) == "OK"
    assert bench.session.state is S.WAIT_LOOP_DC
    assert bench.session.energised is not None
    bench.ask(r.dc_loop(400, 80))
    assert SetOutput(400.0, 20.0) in bench.last


def test_the_new_profile_is_checked_like_the_first() -> None:
    bench = Bench20(DC).to_first_loop_dc()
    bench.ask(r.dc_loop())
    bench.ask(r.renegotiate())
    bench.ask(r.scheduled())
    response = bench.ask(r.renegotiate(r.profile(tuple_id=9)))
    assert code(response) == "FAILED_ScheduleSelectionInvalid"
    assert bench.session.energised is None


def test_no_renegotiation_after_a_stop_and_the_state_stays() -> None:
    bench = Bench20(DC).to_first_loop_dc()
    bench.ask(r.dc_loop())
    bench.feed(StopRequested())
    assert code(bench.ask(r.renegotiate())) == "WARNING_ScheduleRenegotiationFailed"
    assert bench.session.state is S.WAIT_LOOP_DC


def test_an_ev_that_gives_up_before_the_start_may_stop() -> None:
    for bench in (
        Bench20(DC).to_cable_check(),
        Bench20(DC).to_pre_charge(),
        Bench20(DC).to_power_on_dc(),
        Bench20(DC).to_first_loop_dc(),
    ):
        assert code(bench.ask(r.stop())) == "OK"
        assert bench.session.state is S.WAIT_WELDING
        assert bench.session.energised is None


@pytest.mark.inv("INV-06", "INV-30")
def test_a_fault_of_the_isolation_after_the_ev_has_given_up_blocks_the_outlet() -> None:
    bench = Bench20(DC).to_cable_check()
    bench.outlet(control_pilot=ControlPilot.C)
    bench.ask(r.cable_check())
    ticket = bench.ticket(StartCableCheck)
    assert code(bench.ask(r.stop())) == "OK"
    bench.feed(CableCheckReported(ticket, IsolationLevel.FAULT))
    assert bench.session.fault is EvseFault.ISOLATION
    bench.ask(r.welding())
    bench.ask(r.session_stop())
    assert bench.end is not None
    assert bench.end.fault is EvseFault.ISOLATION
