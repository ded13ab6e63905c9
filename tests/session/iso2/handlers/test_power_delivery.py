"""PowerDelivery, AC and DC: what a start needs, charging profiles, the contactor."""

import dataclasses

import pytest

from secc.messages.iso2 import BodyElement, ChargeProgress, CurrentDemandReq, PhysicalValue, PreChargeReq
from secc.session.agreed import Demand, EvLimits
from secc.session.iso2.states import State
from secc.session.limits import set_point
from secc.session.outlet import ControlPilot, EvseFault, IsolationLevel
from secc.session.outputs import CloseContactor, OpenContactor, SetOutput
from secc.session.quantities import ChargeLimit, milli
from tests.support import requests as r
from tests.support.bench import AC, DC, Bench, code, sent
from tests.support.states import in_state


def ready_ac() -> Bench:
    bench = Bench(AC).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C)
    return bench


@pytest.mark.inv("INV-01")
@pytest.mark.req("V2G2-479", "V2G2-773")
@pytest.mark.parametrize("bench", [ready_ac(), Bench(DC).to_power_on_dc()], ids=["AC", "DC"])
def test_schedule_that_was_not_offered_is_refused(bench: Bench) -> None:
    assert code(bench.request(r.power_delivery(schedule_id=2))) == "FAILED_TariffSelectionInvalid"
    assert not any(isinstance(output, CloseContactor) for output in bench.last)


@pytest.mark.req("V2G2-225", "V2G2-478")
@pytest.mark.parametrize(
    "profile",
    [
        ((0, r.watts(22_081)),),
        ((0, r.watts(2209, 1)),),
        ((0, r.watts(1000)), (3600, r.watts(30_000))),
        ((86_400, r.watts(1000)),),
        ((0, r.watts(1000)), (0, r.watts(1000))),
        ((10, r.watts(1000)), (5, r.watts(1000))),
        ((0, r.watts(-1)),),
        ((0, r.amperes(10)),),
    ],
)
def test_profile_above_the_schedule_or_beside_it_is_refused(
    profile: tuple[tuple[int, PhysicalValue], ...],
) -> None:
    bench = ready_ac()
    assert code(bench.request(r.power_delivery(profile=profile))) == "FAILED_ChargingProfileInvalid"
    assert not any(isinstance(output, CloseContactor) for output in bench.outputs)


@pytest.mark.req("V2G2-224")
@pytest.mark.parametrize(
    "profile",
    [
        ((0, r.watts(22_080)),),
        ((0, r.watts(0)),),
        ((60, r.watts(11_000)), (3600, r.watts(22_080)), (86_399, r.watts(1))),
    ],
)
def test_profile_within_the_schedule_is_accepted(profile: tuple[tuple[int, PhysicalValue], ...]) -> None:
    bench = ready_ac()
    bench.request(r.power_delivery(profile=profile))
    assert code(bench.contactor()) == "OK"


@pytest.mark.req("V2G2-812")
@pytest.mark.parametrize("bench", [ready_ac(), Bench(DC).to_power_on_dc()], ids=["AC", "DC"])
def test_renegotiation_before_the_start_fails(bench: Bench) -> None:
    assert code(bench.request(r.renegotiate())) == "FAILED"
    assert bench.ended


@pytest.mark.req("V2G2-812")
@pytest.mark.parametrize("state", [State.WAIT_STATUS, State.WAIT_DEMAND], ids=lambda state: state.name)
def test_second_start_fails_with_the_output_off_first(state: State) -> None:
    bench = in_state(state)
    assert code(bench.request(r.start())) == "FAILED"
    assert OpenContactor() in bench.last


@pytest.mark.parametrize("bench", [ready_ac(), Bench(DC).to_power_on_dc()], ids=["AC", "DC"])
def test_the_ev_may_give_up_before_the_start(bench: Bench) -> None:
    assert code(bench.request(r.power_delivery(ChargeProgress.STOP))) == "OK"
    assert bench.session.state in (State.WAIT_STOP_AC, State.WAIT_STOP_DC)


@pytest.mark.req("V2G2-480")
@pytest.mark.parametrize("bench", [ready_ac(), Bench(DC).to_power_on_dc()], ids=["AC", "DC"])
def test_start_is_not_applied_while_the_outlet_is_not_ready(bench: Bench) -> None:
    bench.outlet(ready=False)
    assert code(bench.request(r.start())) == "FAILED_PowerDeliveryNotApplied"


# --- AC: pilot and contactor ---


@pytest.mark.inv("INV-02")
@pytest.mark.req("V2G2-862")
def test_contactor_that_does_not_close_in_3_seconds_is_opened_then_reported() -> None:
    bench = in_state(State.CLOSING_CONTACTOR)
    bench.tick(2.9)
    assert not bench.ended
    outputs = bench.tick(0.2)
    assert code(sent(outputs)) == "FAILED_ContactorError"
    assert outputs.index(OpenContactor()) < len(outputs) - 2


@pytest.mark.req("V2G2-862")
def test_contactor_that_reports_failure_is_reported_at_once() -> None:
    bench = in_state(State.CLOSING_CONTACTOR)
    assert code(bench.contactor(False)) == "FAILED_ContactorError"


def test_contactor_that_falls_open_while_charging_ends_the_charge() -> None:
    bench = Bench(AC).to_status()
    bench.contactor(False)
    assert OpenContactor() in bench.last
    assert code(bench.request(r.charging_status())) == "FAILED"


@pytest.mark.inv("INV-01")
@pytest.mark.req("V2G2-847", "V2G2-860")
def test_contactor_closes_only_when_the_pilot_shows_c_after_the_request() -> None:
    bench = Bench(AC).to_power_on_ac()
    assert bench.request(r.start()) is None
    assert list(bench.last) == []
    bench.outlet(control_pilot=ControlPilot.D)
    assert any(isinstance(output, CloseContactor) for output in bench.last)


@pytest.mark.inv("INV-01")
@pytest.mark.req("V2G2-847")
def test_start_with_pilot_b_fails_after_the_detection_time_with_the_contactor_open() -> None:
    bench = Bench(AC).to_power_on_ac()
    bench.request(r.start())
    outputs = bench.tick(1.6)
    assert code(sent(outputs)) == "FAILED"
    assert not any(isinstance(output, CloseContactor) for output in bench.outputs)


# --- DC: pre-charge ---


def _waiting_for_the_voltage() -> Bench:
    bench = Bench(DC).to_power_on_dc()
    bench.outlet(present_voltage=350.0)
    assert bench.request(r.start()) is None
    return bench


@pytest.mark.req("V2G2-480")
def test_start_without_the_voltage_is_not_applied_after_2_seconds() -> None:
    bench = _waiting_for_the_voltage()
    assert sent(bench.tick(1.9)) is None
    assert code(sent(bench.tick(0.2))) == "FAILED_PowerDeliveryNotApplied"
    assert bench.ended


def test_start_waits_for_a_reading_that_comes_late() -> None:
    bench = _waiting_for_the_voltage()
    bench.tick(0.85)
    bench.outlet(present_voltage=372.0)
    assert code(sent(bench.tick(0.1))) == "OK"
    assert bench.stands_in(State.WAIT_FIRST_DEMAND)


@pytest.mark.inv("INV-05")
def test_output_stays_in_pre_charge_while_the_start_waits_for_the_voltage() -> None:
    bench = _waiting_for_the_voltage()
    bench.tick(1.5)
    bench.outlet(max_current=1.0)
    bench.tick(0.3)
    points = [output.current for output in bench.outputs if isinstance(output, SetOutput)]
    assert points == [0.0, 2.0, 1.0]  # after the isolation test, in pre-charge, by the lower limit


@pytest.mark.inv("INV-04", "INV-29")
@pytest.mark.parametrize("trouble", ["pilot", "fault"])
def test_start_that_waits_for_the_voltage_is_refused_at_once_in_trouble(trouble: str) -> None:
    bench = _waiting_for_the_voltage()
    match trouble:
        case "pilot":
            outputs = bench.outlet(control_pilot=ControlPilot.B)
        case _:
            outputs = bench.outlet(fault=EvseFault.MALFUNCTION)
    assert SetOutput(0.0, 0.0) in outputs
    assert code(sent(outputs)) == "FAILED"
    assert bench.ended


@pytest.mark.req("V2G2-605")
def test_pre_charge_that_does_not_arrive_in_5_seconds_is_switched_off() -> None:
    bench = Bench(DC).to_pre_charge()
    bench.request(r.pre_charge())
    assert SetOutput(0.0, 0.0) not in bench.tick(4.9)
    assert SetOutput(0.0, 0.0) in bench.tick(0.2)
    assert code(bench.request(r.pre_charge())) == "FAILED"


def test_pre_charge_that_has_arrived_may_last_20_seconds() -> None:
    bench = Bench(DC).to_power_on_dc()
    assert SetOutput(0.0, 0.0) not in bench.tick(19.9)
    assert SetOutput(0.0, 0.0) in bench.tick(0.2)
    assert code(bench.request(r.start())) == "FAILED"


def test_polling_does_not_prolong_pre_charge() -> None:
    bench = Bench(DC).to_pre_charge()
    codes = []
    for _ in range(7):
        codes.append(code(bench.request(r.pre_charge())))
        bench.tick(1.0)
    assert codes == ["OK"] * 5 + ["FAILED", "no response"]


@pytest.mark.inv("INV-05")
@pytest.mark.parametrize(
    ("voltage", "current", "expected"),
    [
        (r.volts(380), r.amperes(1), SetOutput(380.0, 1.0)),
        (r.volts(380), r.amperes(200), SetOutput(380.0, 2.0)),
        (r.volts(32767, 3), r.amperes(32767, 3), SetOutput(410.0, 2.0)),
        (r.volts(3333, -1), r.amperes(1999, -3), SetOutput(333.3, 1.999)),
    ],
)
def test_pre_charge_stays_below_every_limit(
    voltage: PhysicalValue, current: PhysicalValue, expected: SetOutput
) -> None:
    bench = Bench(DC).to_pre_charge()
    assert code(bench.request(r.pre_charge(voltage, current))) == "OK"
    assert expected in bench.last


@pytest.mark.inv("INV-07")
@pytest.mark.parametrize(
    "request_",
    [
        r.pre_charge(r.volts(-1), r.amperes(1)),
        r.pre_charge(r.volts(1), r.amperes(-1)),
        r.pre_charge(r.amperes(1), r.amperes(1)),
    ],
)
def test_pre_charge_with_a_negative_target_or_a_wrong_unit_is_refused(request_: PreChargeReq) -> None:
    bench = Bench(DC).to_pre_charge()
    assert code(bench.request(request_)) == "FAILED"
    assert all(output.voltage == 0 for output in bench.outputs if isinstance(output, SetOutput))


# --- DC: isolation ---


@pytest.mark.parametrize("level", [IsolationLevel.VALID, IsolationLevel.WARNING])
def test_isolation_that_is_sound_leads_to_pre_charge(level: IsolationLevel) -> None:
    bench = Bench(DC).to_cable_check_result()
    bench.isolation(level)
    assert code(bench.request(r.cable_check())) == "OK"
    assert bench.stands_in(State.WAIT_PRE_CHARGE)


@pytest.mark.inv("INV-06")
@pytest.mark.parametrize("level", [IsolationLevel.INVALID, IsolationLevel.FAULT, IsolationLevel.NO_IMD])
def test_isolation_that_is_not_sound_is_refused(level: IsolationLevel) -> None:
    bench = Bench(DC).to_cable_check_result()
    bench.isolation(level)
    assert code(bench.request(r.cable_check())) == "FAILED"
    assert bench.end is not None
    assert bench.end.fault is (EvseFault.ISOLATION if level is IsolationLevel.FAULT else None)


# --- DC: set-points ---


@pytest.mark.inv("INV-07")
@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (r.current_demand(r.volts(400), r.amperes(80)), SetOutput(400.0, 80.0)),
        (r.current_demand(r.volts(405), r.amperes(500)), SetOutput(405.0, 100.0)),
        (r.current_demand(r.volts(900), r.amperes(10)), SetOutput(410.0, 10.0)),
        (r.current_demand(max_current=r.amperes(7)), SetOutput(400.0, 7.0)),
        (r.current_demand(max_current=r.amperes(5000)), SetOutput(400.0, 80.0)),
        (r.current_demand(max_voltage=r.volts(300)), SetOutput(300.0, 80.0)),
        (r.current_demand(max_power=r.watts(1000)), SetOutput(400.0, 2.5)),
        (r.current_demand(r.volts(300), r.amperes(80), max_power=r.watts(1000)), SetOutput(300.0, 3.333)),
        (r.current_demand(r.volts(0), r.amperes(10)), SetOutput(0.0, 0.0)),
    ],
)
def test_set_point_is_the_lowest_of_everything(request_: CurrentDemandReq, expected: SetOutput) -> None:
    bench = Bench(DC).to_first_demand()
    bench.outlet(present_current=5.0)  # the battery is there
    assert code(bench.request(request_)) == "OK"
    assert expected in bench.last


def test_power_limit_of_the_parameters_counts_beside_that_of_the_outlet() -> None:
    bench = Bench(DC).to_cable_check()
    ev = EvLimits(milli(410), ChargeLimit(milli(300)), ChargeLimit(milli(60_000)))
    demand = Demand(milli(400), milli(300), ev)
    assert set_point(bench.session, demand).current == milli(125)
    bench.outlet(max_power=20_000.0)
    assert set_point(bench.session, demand).current == milli(50)


def test_power_of_the_outlet_limits_the_current() -> None:
    energy = dataclasses.replace(DC.energy, dc=dataclasses.replace(DC.energy.dc, max_power=10_000.0))
    bench = Bench(dataclasses.replace(DC, energy=energy)).to_first_demand()
    response = bench.request(r.current_demand(r.volts(400), r.amperes(80)))
    assert SetOutput(400.0, 25.0) in bench.last
    assert response.evse_power_limit_achieved is True  # type: ignore[union-attr]


# --- DC: pilot at both ends ---


@pytest.mark.req("V2G2-916", "V2G2-918")
def test_cable_check_without_pilot_c_fails_after_the_detection_time() -> None:
    bench = Bench(DC).to_cable_check()
    bench.request(r.cable_check())
    assert bench.tick(1.35) == ()
    assert code(sent(bench.tick(0.2))) == "FAILED"


@pytest.mark.req("V2G2-922")
@pytest.mark.parametrize("request_", [r.welding_detection(), r.session_stop()], ids=["welding", "stop"])
def test_after_the_stop_pilot_b_must_be_seen(request_: BodyElement) -> None:
    bench = Bench(DC).to_stop_dc()
    bench.request(request_)
    assert code(sent(bench.tick(1.6))) == "FAILED"
    assert bench.ended


@pytest.mark.req("V2G2-601", "V2G2-921")
def test_session_stop_straight_after_the_dc_stop_is_answered_when_pilot_b_is_seen() -> None:
    bench = Bench(DC).to_stop_dc()
    assert bench.request(r.session_stop()) is None
    assert code(sent(bench.outlet(control_pilot=ControlPilot.B))) == "OK"
    assert bench.ended


@pytest.mark.req("V2G2-601")
def test_after_the_dc_stop_the_ev_may_charge_again() -> None:
    bench = Bench(DC).to_stop_dc()
    assert code(bench.request(r.dc_parameters())) == "OK"
    assert bench.session.state is State.WAIT_CABLE_CHECK


def test_welding_detection_without_end_is_bounded() -> None:
    bench = in_state(State.WAIT_WELDING)
    bench.tick(20.1)
    assert code(bench.request(r.welding_detection())) == "FAILED"
