"""What the machine refuses to its handlers, and what it says of an end: the guards behind the table."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from secc.messages import iso2
from secc.messages.iso2 import ResponseCode
from secc.session import ending, output
from secc.session.agreed import Purpose, SetPoint
from secc.session.context import Context
from secc.session.inputs import (
    AuthorizationDecided,
    ControllerFault,
    LinkLost,
    PowerLimited,
    Received,
    RenegotiationRequested,
    StopRequested,
    Tick,
)
from secc.session.iso2 import table
from secc.session.iso2.refusals import Iso2Refused
from secc.session.iso2.table import ISO2
from secc.session.outlet import ControlPilot, EvseFault
from secc.session.outputs import (
    Authorize,
    EndReason,
    Notice,
    NoticeKind,
    OpenContactor,
    RenewLease,
    Send,
    SetOutput,
)
from secc.session.quantities import milli
from secc.session.refusals import Cause, Refused
from secc.session.states import Stage, Timer
from secc.settings import DcConfig, EnergyConfig
from tests.support import requests as r
from tests.support.bench import AC, DC, DC_MODES, Bench, code, sent

OFF = SetOutput(0.0, 0.0)


def notices(bench: Bench) -> list[tuple[NoticeKind, str]]:
    return [(output.kind, output.text) for output in bench.outputs if isinstance(output, Notice)]


# --- dialect and answers ---


def test_the_protocol_is_not_changed_after_the_first_message() -> None:
    bench = Bench(AC)
    bench.session.speak(table.ISO2)
    bench.request(r.session_setup(), b"\0")
    with pytest.raises(RuntimeError, match="too late"):
        bench.session.speak(table.ISO2)


def test_an_answer_needs_a_request_and_its_type() -> None:
    bench = Bench(AC)
    with pytest.raises(RuntimeError, match="SessionStopRes does not answer NoneType"):
        bench.session.answer(iso2.SessionStopRes(response_code=ResponseCode.OK))
    bench.session.owed = r.session_setup()
    with pytest.raises(RuntimeError, match="SessionStopRes does not answer SessionSetupReq"):
        bench.session.answer(iso2.SessionStopRes(response_code=ResponseCode.OK))


@pytest.mark.parametrize(
    ("body", "detail"),
    [(None, "an empty body is not a request"), (r.session_stop, "SessionStopRes is not a request")],
)
def test_what_is_no_request_ends_the_session_by_its_name(body: object, detail: str) -> None:
    bench = Bench(AC)
    bench.request(iso2.SessionStopRes(response_code=ResponseCode.OK) if body else None)
    assert bench.end is not None
    assert (bench.end.reason, bench.end.detail) == (EndReason.PROTOCOL_ERROR, detail)


def test_the_bytes_of_a_request_are_kept_while_it_is_handled() -> None:
    bench = Bench(AC)
    bench.feed(Received(r.message(b"\0", r.session_setup(), None), bench.evse, b"as it came"))
    assert bench.session.received_payload == b"as it came"


# --- energy ---


@pytest.mark.inv("INV-29")
def test_nothing_is_energised_after_a_stop_even_if_a_handler_asks_for_it() -> None:
    bench = Bench(AC).to_power_on_ac()
    bench.feed(StopRequested("the operator"))
    with pytest.raises(Refused, match="INV-29") as refused:
        output.energise(bench.session, Purpose.AC)
    assert refused.value.cause is Cause.FAILED
    assert bench.session.energised is None


@pytest.mark.inv("INV-31")
def test_a_lease_begins_when_the_output_goes_on_and_not_when_the_session_began() -> None:
    bench = Bench(AC).to_power_on_ac()
    bench.clock.advance(20.0)
    bench.outlet(control_pilot=ControlPilot.C)
    bench.request(r.start())
    assert bench.last.count(RenewLease(0.5)) == 1
    bench.clock.advance(0.5)
    bench.feed(Tick(bench.evse))
    assert not bench.ended
    bench.clock.advance(0.51)
    bench.feed(Tick(bench.evse))
    assert bench.end is not None
    assert bench.end.reason is EndReason.LEASE_LAPSED


def test_a_renewal_without_energy_gives_no_lease() -> None:
    bench = Bench(AC).to_power_on_ac()
    output.renew(bench.session)
    assert bench.session._outputs == []
    assert Timer.LEASE_RENEWAL not in bench.session.timers.due


@pytest.mark.inv("INV-03")
def test_a_set_point_is_said_once_and_again_after_an_off() -> None:
    bench = Bench(DC).to_demand()
    point = next(output for output in reversed(bench.outputs) if isinstance(output, SetOutput))
    before = len(bench.outputs)
    bench.request(r.current_demand())
    assert point not in bench.outputs[before:]
    output.off(bench.session)
    output.command(bench.session, SetPoint(milli(point.voltage), milli(point.current)))
    assert bench.session._outputs[-1] == point


def test_the_current_rises_from_zero_with_its_ramp_and_falls_at_once() -> None:
    dc = DcConfig(current_ramp=10.0)
    bench = Bench(dataclasses.replace(DC, energy=EnergyConfig(modes=DC_MODES, dc=dc))).to_power_on_dc()
    session = bench.session
    output.off(session)
    found = []
    for seconds, amperes in ((0.0, 50.0), (0.1, 50.0), (0.2, 50.0), (0.0, 1.0), (0.1, 50.0)):
        session.now += seconds
        output.command(session, SetPoint(milli(400.0), milli(amperes)))
        assert session.commanded is not None
        found.append(session.commanded.current)
    assert found == [0.0, 1.0, 3.0, 1.0, 2.0]


def test_an_off_with_a_reason_is_a_notice_about_the_output() -> None:
    bench = Bench(AC).to_status()
    bench.outlet(control_pilot=ControlPilot.B)
    assert (NoticeKind.OUTPUT, "output off: control pilot B") in notices(bench)


# --- an output that is switched off in the middle ---


@pytest.mark.inv("INV-29")
def test_a_stop_in_the_middle_marks_the_charge_as_interrupted() -> None:
    bench = Bench(DC).to_cable_check_result()
    bench.feed(StopRequested("the operator"))
    assert bench.session.interrupted
    assert bench.session.energised is None


def test_a_stop_while_the_ev_must_speak_is_not_answered() -> None:
    bench = Bench(AC).to_power_on_ac()
    bench.feed(StopRequested("the operator"))
    assert not [output for output in bench.last if isinstance(output, Send)]
    assert not bench.ended


@pytest.mark.inv("INV-30")
def test_a_fault_that_latches_is_seen_beside_one_that_does_not_and_not_the_other_way_round() -> None:
    bench = Bench(AC).to_power_on_ac()
    seen = []
    for fault in (EvseFault.MALFUNCTION, EvseFault.EMERGENCY_STOP, EvseFault.MALFUNCTION):
        bench.outlet(fault=fault)
        seen.append(bench.session.fault)
    assert seen == [EvseFault.MALFUNCTION, EvseFault.EMERGENCY_STOP, EvseFault.EMERGENCY_STOP]


def test_the_same_fault_is_not_reported_again() -> None:
    bench = Bench(AC).to_status()
    bench.outlet(fault=EvseFault.MALFUNCTION)
    before = len(bench.outputs)
    bench.outlet(max_current=10.0)
    assert len(bench.outputs) == before


@pytest.mark.parametrize(
    ("pilot", "reason"), [(ControlPilot.A, EndReason.UNPLUGGED), (ControlPilot.F, EndReason.PILOT_ERROR)]
)
def test_an_unplugged_car_with_a_fault_in_the_same_look_is_unplugged(
    pilot: ControlPilot, reason: EndReason
) -> None:
    bench = Bench(AC).to_power_on_ac()
    bench.outlet(control_pilot=pilot, fault=EvseFault.MALFUNCTION)
    assert bench.end is not None
    assert bench.end.reason is reason
    assert bench.end.fault is None


# --- the end ---


@pytest.mark.inv("INV-03")
@pytest.mark.parametrize(("config", "off"), [(AC, [OpenContactor()]), (DC, [OFF, OpenContactor()])])
def test_every_end_switches_everything_off_first(config: object, off: list[object]) -> None:
    bench = Bench(config)  # type: ignore[arg-type]
    bench.feed(LinkLost("gone"))
    assert list(bench.last[:-1]) == off
    assert bench.end is not None
    assert (bench.end.detail, bench.end.established, bench.end.fault) == ("gone", False, None)


@pytest.mark.inv("INV-16")
def test_an_end_with_a_request_at_hand_answers_it_failed() -> None:
    bench = Bench(AC).to_power_on_ac()
    assert bench.request(r.start()) is None
    bench.outlet(control_pilot=ControlPilot.A)
    assert code(sent(bench.last)) == "FAILED"
    assert bench.end is not None
    assert bench.end.established


def test_a_lost_link_is_not_answered() -> None:
    bench = Bench(AC).to_power_on_ac()
    bench.request(r.start())
    bench.feed(LinkLost("gone"))
    assert not [output for output in bench.last if isinstance(output, Send)]


def test_a_second_end_changes_nothing() -> None:
    bench = Bench(AC)
    bench.feed(LinkLost("gone"))
    bench.session.end(EndReason.TERMINATED)
    assert bench.session._outputs == []
    bench.session.run(LinkLost, LinkLost("again"))
    assert bench.session._outputs == []


@pytest.mark.inv("INV-30")
def test_the_fault_of_an_earlier_session_is_not_reported_as_one_of_this() -> None:
    bench = Bench(AC, blocked=True)
    bench.feed(LinkLost("gone"))
    assert bench.end is not None
    assert bench.end.fault is None
    bench = Bench(AC, blocked=True)
    bench.feed(ControllerFault("stuck", EvseFault.SWITCH_OFF))
    bench.feed(LinkLost("gone"))
    assert bench.end is not None
    assert (bench.end.fault, bench.end.fault_detail) == (EvseFault.SWITCH_OFF, "stuck")


def test_a_refusal_without_a_request_is_an_end_with_its_code() -> None:
    bench = Bench(AC).to_power_on_ac()
    bench.session.refuse(Iso2Refused(ResponseCode.FAILED_METERING_SIGNATURE_NOT_VALID, "no reason"))
    end = bench.session._outputs[-1]
    assert bench.session.state.ended
    assert (end.reason, end.code) == (  # type: ignore[union-attr]
        EndReason.REFUSED,
        ResponseCode.FAILED_METERING_SIGNATURE_NOT_VALID,
    )


def test_a_refusal_is_a_notice_with_its_code_and_reason() -> None:
    bench = Bench(AC).to_power_on_ac()
    bench.request(r.charging_status())
    kind, text = notices(bench)[-1]
    assert kind is NoticeKind.REFUSED
    assert text.startswith("ChargingStatusReq: FAILED_SequenceError, ")


# --- timers ---


def test_the_timers_of_a_new_session_are_those_of_setup_and_sequence() -> None:
    session = Bench(AC).session
    assert session.timers.due == {Timer.COMMUNICATION_SETUP: 1018.0, Timer.SEQUENCE: 1060.0}
    assert session.deadline == 1018.0


def test_the_earliest_of_two_timers_that_are_due_comes_first() -> None:
    bench = Bench(AC)
    bench.clock.advance(100.0)
    bench.feed(Tick(bench.evse))
    assert bench.end is not None
    assert bench.end.reason is EndReason.SETUP_TIMEOUT


def test_a_budget_that_has_run_out_does_not_begin_again_by_itself() -> None:
    session = Bench(AC).session
    session.timers.start_once(Timer.PRE_CHARGE, session.now)
    session.now += 1.0
    session.timers.start_once(Timer.PRE_CHARGE, session.now)
    assert session.timers.due[Timer.PRE_CHARGE] == 1005.0
    del session.timers.due[Timer.PRE_CHARGE]
    session.timers.expired.add(Timer.PRE_CHARGE)
    session.timers.start_once(Timer.PRE_CHARGE, session.now)
    assert Timer.PRE_CHARGE not in session.timers.due
    with pytest.raises(Refused, match="pre_charge time is used up"):
        ending.check_budget(session, Timer.PRE_CHARGE)
    session.timers.stop(Timer.PRE_CHARGE)
    ending.check_budget(session, Timer.PRE_CHARGE)
    session.timers.start(Timer.PRE_CHARGE, session.now)
    assert session.timers.due[Timer.PRE_CHARGE] == 1006.0


def test_the_sequence_timer_rests_while_an_answer_is_owed() -> None:
    bench = Bench(AC).to_power_on_ac()
    assert Timer.SEQUENCE in bench.session.timers.due
    bench.request(r.start())
    assert Timer.SEQUENCE not in bench.session.timers.due


def test_a_timer_of_a_state_ends_with_it() -> None:
    bench = Bench(AC).to_first_status()
    assert Timer.PILOT not in bench.session.timers.due
    assert Timer.CONTACTOR not in bench.session.timers.due
    assert Timer.LEASE_RENEWAL in bench.session.timers.due


# --- what a handler may not do ---


def test_a_handler_that_leaves_the_table_is_a_defect() -> None:
    bench = Bench(AC).to_power_on_ac()
    rule = ISO2.find(bench.session.state, type(r.start()), AC.compat)
    assert rule is not None
    lost = msgspec.structs.replace(rule, handler=lambda session, _: session.state)
    with pytest.raises(RuntimeError, match="the table says"):
        bench.session._apply(lost, None)
    silent = msgspec.structs.replace(lost, leads_to=frozenset({bench.session.state}))
    bench.session.owed = r.start()
    with pytest.raises(RuntimeError, match="with the answer"):
        bench.session._apply(silent, None)


@pytest.mark.inv("INV-27")
def test_what_a_refusing_handler_has_emitted_is_dropped() -> None:
    bench = Bench(AC).to_power_on_ac()
    rule = ISO2.find(bench.session.state, type(r.start()), AC.compat)
    assert rule is not None

    def refusing(session: Context, _: Any) -> Stage:
        bench.session.emit(RenewLease(9.0))
        raise Refused(Cause.FAILED, "no reason")

    bench.session._apply(msgspec.structs.replace(rule, handler=refusing), None)
    assert RenewLease(9.0) not in bench.session._outputs
    assert bench.session.state.ended


def test_an_answer_of_the_back_end_after_the_end_is_nothing() -> None:
    bench = Bench(AC).to_authorization()
    bench.request(r.authorization())
    ticket = bench.ticket(Authorize)
    bench.feed(LinkLost("gone"))
    assert bench.feed(AuthorizationDecided(ticket, True)) == ()


# --- what an input without a look must not lose ---


@pytest.mark.inv("INV-31")
def test_a_lease_that_is_due_is_renewed_by_an_input_without_a_look_too() -> None:
    bench = Bench(AC).to_status()
    bench.clock.advance(0.2)
    assert RenewLease(0.5) in bench.feed(PowerLimited(5000.0))
    bench.clock.advance(0.2)
    assert RenewLease(0.5) in bench.feed(PowerLimited(5000.0))


def test_a_lapsed_lease_says_for_how_long() -> None:
    bench = Bench(AC).to_status()
    bench.clock.advance(0.75)
    bench.feed(Tick(bench.evse))
    assert bench.end is not None
    assert bench.end.detail == "the station was too slow: the lease was over for 0.250 s"


@pytest.mark.inv("INV-15", "INV-02")
def test_a_second_request_switches_off_before_the_first_is_refused() -> None:
    bench = Bench(AC).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C)
    assert bench.request(r.start()) is None
    bench.request(r.charging_status())
    kinds = [type(output) for output in bench.last]
    assert kinds.index(OpenContactor) < kinds.index(Send)
    assert bench.ended


def test_a_car_may_come_before_the_pilot_shows_it() -> None:
    bench = Bench(AC, pilot=ControlPilot.A)
    assert code(bench.request(r.session_setup(), b"\0")) == "OK_NewSessionEstablished"
    bench.outlet(control_pilot=ControlPilot.B)
    assert not bench.ended


def test_a_blocked_outlet_shows_an_emergency_stop() -> None:
    assert Bench(AC, blocked=True).session.fault is EvseFault.EMERGENCY_STOP
    assert Bench(AC).session.fault is None


def test_a_clock_that_jumps_back_does_not_take_the_session_with_it() -> None:
    bench = Bench(AC)
    bench.session.handle(Tick(bench.evse), 1005.0)
    bench.session.handle(Tick(bench.evse), 1001.0)
    assert bench.session.now == 1005.0


def test_a_timer_that_was_started_again_has_not_run_out() -> None:
    session = Bench(AC).session
    session.timers.expired.add(Timer.PRE_CHARGE)
    session.timers.start(Timer.PRE_CHARGE, session.now)
    assert Timer.PRE_CHARGE not in session.timers.expired


# --- a renegotiation ---


def test_a_renegotiation_that_the_ev_has_followed_is_not_asked_for_again() -> None:
    bench = Bench(AC).to_status()
    bench.feed(RenegotiationRequested())
    bench.session.offer_outdated = True
    assert code(bench.request(r.renegotiate())) == "OK"
    assert not bench.session.renegotiation_wanted
    assert not bench.session.offer_outdated


@pytest.mark.inv("INV-30")
def test_no_renegotiation_at_fault() -> None:
    bench = Bench(AC).to_status()
    bench.outlet(fault=EvseFault.MALFUNCTION)
    assert code(bench.request(r.renegotiate())) == "FAILED"


@pytest.mark.inv("INV-05")
def test_the_pre_charge_after_a_renegotiation_knows_nothing_of_the_voltage_before() -> None:
    bench = Bench(DC).to_demand()
    output.off(bench.session)
    assert bench.session.pre_charge is None
    assert bench.session.match is None
