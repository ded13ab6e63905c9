"""A stop by the operator or the back end before energy flows: the EV is informed and the session ends in
order; nothing is switched on after it, and the time for it is bounded.

This applies to ISO 15118-2 and DIN SPEC 70121 alike.
"""

import dataclasses
from collections.abc import Callable

import pytest

from secc.messages import din, iso2
from secc.session.din.states import DinState
from secc.session.inputs import AuthorizationDecided, StopRequested
from secc.session.iso2.states import State
from secc.session.outlet import ControlPilot
from secc.session.outputs import (
    Authorize,
    CloseContactor,
    EndReason,
    OpenContactor,
    Output,
    RenewLease,
    Send,
    SetOutput,
    StartCableCheck,
)
from secc.settings import TimingConfig
from tests.support import din as d
from tests.support import requests as r
from tests.support.bench import AC, Bench, code, sent
from tests.support.din import DinBench
from tests.support.states import in_state

ISO: dict[State, Callable[[], iso2.BodyElement]] = {
    State.WAIT_CABLE_CHECK: r.cable_check,
    State.WAIT_CABLE_CHECK_RESULT: r.cable_check,
    State.WAIT_PRE_CHARGE: r.pre_charge,
    State.WAIT_POWER_ON_DC: r.start,
    State.WAIT_POWER_ON_AC: r.start,
}
DIN: dict[DinState, Callable[[], din.BodyElement]] = {
    DinState.WAIT_CABLE_CHECK: d.cable_check,
    DinState.WAIT_CABLE_CHECK_RESULT: d.cable_check,
    DinState.WAIT_PRE_CHARGE: d.pre_charge,
    DinState.WAIT_POWER_ON_DC: lambda: d.power(True),
}
OWING = [State.AWAITING_PILOT_AC, State.CLOSING_CONTACTOR, State.AWAITING_PILOT_DC, State.AWAITING_VOLTAGE]
OWING_DIN = [DinState.AWAITING_PILOT_DC, DinState.AWAITING_VOLTAGE]


def energising(outputs: list[Output]) -> list[Output]:
    """Commands and leases that put, or keep, energy at the output."""
    return [
        output
        for output in outputs
        if isinstance(output, CloseContactor | StartCableCheck | RenewLease)
        or (isinstance(output, SetOutput) and output.voltage > 0)
    ]


def stop(bench: Bench, by: str) -> int:
    """Order the stop; the number of outputs up to then."""
    if by == "operator":
        bench.feed(StopRequested())
    else:
        bench.feed(AuthorizationDecided(bench.ticket(Authorize), granted=False))
    return len(bench.outputs) - len(bench.last)


def tells_the_stop(response: object) -> bool:
    for name in ("evse_status", "dc_evse_status", "ac_evse_status"):
        match getattr(response, name, None):
            case iso2.ACEVSEStatus(evse_notification=notification):
                return notification is iso2.EVSENotification.STOP_CHARGING
            case iso2.DCEVSEStatus(evse_notification=notification, evse_status_code=status):
                shutdown = status is iso2.DCEVSEStatusCode.EVSE_SHUTDOWN
                return shutdown and notification is iso2.EVSENotification.STOP_CHARGING
            case din.DCEVSEStatus(evse_status_code=status):
                return status is din.DCEVSEStatusCode.EVSE_SHUTDOWN
    return False


@pytest.mark.inv("INV-29")
@pytest.mark.parametrize("by", ["operator", "back end"])
@pytest.mark.parametrize("state", ISO, ids=lambda state: state.name)
def test_the_next_request_is_answered_with_the_stop_and_the_session_ends_in_order(
    state: State, by: str
) -> None:
    bench = in_state(state)
    before = stop(bench, by)
    bench.outlet(control_pilot=ControlPilot.C)
    response = bench.request(ISO[state]())
    assert code(response) == "OK"
    assert tells_the_stop(response)
    bench.tick(5.0)
    assert code(bench.request(r.session_stop())) == "OK"
    assert bench.end is not None
    assert bench.end.reason is EndReason.TERMINATED
    assert not energising(bench.outputs[before:])


@pytest.mark.inv("INV-29")
@pytest.mark.req("V2G-DC-500", "V2G-DC-650")
@pytest.mark.parametrize("by", ["operator", "back end"])
@pytest.mark.parametrize("state", DIN, ids=lambda state: state.name)
def test_in_din_too(state: DinState, by: str) -> None:
    bench = d.in_state(state)
    before = stop(bench, by)
    bench.outlet(control_pilot=ControlPilot.C)
    response = bench.ask(DIN[state]())
    assert code(response) == "OK"
    assert tells_the_stop(response)
    bench.tick(4.0)
    assert code(bench.ask(din.SessionStop())) == "OK"
    assert not energising(bench.outputs[before:])


@pytest.mark.inv("INV-29")
@pytest.mark.parametrize(
    "state", [*OWING, *OWING_DIN], ids=lambda state: f"{type(state).__name__}.{state.name}"
)
def test_an_answer_that_waits_for_the_outlet_is_given_at_once_with_the_stop(state: State | DinState) -> None:
    bench = d.in_state(state) if isinstance(state, DinState) else in_state(state)
    outputs = bench.feed(StopRequested())
    (answer,) = [output.message.body for output in outputs if isinstance(output, Send)]
    assert code(answer) == "OK"
    assert tells_the_stop(answer)
    assert not energising(list(outputs))
    assert bench.session.energised is None
    assert not bench.ended


@pytest.mark.inv("INV-09", "INV-29")
def test_while_authorization_is_waited_for_nothing_is_finished_and_the_ev_may_leave() -> None:
    bench = in_state(State.WAIT_AUTHORIZATION)
    bench.feed(StopRequested())
    response = bench.request(r.authorization())
    assert isinstance(response, iso2.AuthorizationRes)
    assert code(response) == "OK"
    assert response.evse_processing is not iso2.EVSEProcessing.FINISHED
    assert not any(isinstance(output, Authorize) for output in bench.outputs)
    assert code(bench.request(r.session_stop())) == "OK"
    other = d.in_state(DinState.WAIT_AUTHORIZATION)
    other.feed(StopRequested())
    answer = other.ask(din.ContractAuthenticationReq())
    assert isinstance(answer, din.ContractAuthenticationRes)
    assert answer.evse_processing is din.EVSEProcessing.ONGOING
    assert code(other.ask(din.SessionStop())) == "OK"


@pytest.mark.inv("INV-29")
@pytest.mark.parametrize("state", ISO, ids=lambda state: state.name)
def test_an_ev_that_goes_on_asking_is_refused_in_the_end(state: State) -> None:
    bench = in_state(state)
    bench.feed(StopRequested())
    for _ in range(200):
        if bench.ended:
            break
        bench.tick(0.2)
        follow = r.charging_status if state is State.WAIT_POWER_ON_AC else r.current_demand
        started = bench.session.state in (State.WAIT_FIRST_DEMAND, State.WAIT_FIRST_STATUS)
        goes_on = started or bench.session.state in (State.WAIT_DEMAND, State.WAIT_STATUS)
        bench.request(follow() if goes_on else ISO[state]())
    assert bench.end is not None
    assert bench.end.reason is EndReason.REFUSED
    assert bench.clock.now - bench.trace[0][0] < 11.0


def test_the_time_for_it_can_be_set() -> None:
    config = dataclasses.replace(d.DIN, timing=TimingConfig(stop_grace=2.0))
    bench = d.in_state(DinState.WAIT_CABLE_CHECK, config)
    bench.feed(StopRequested())
    bench.tick(1.9)
    assert code(bench.ask(d.cable_check())) == "OK"
    bench.tick(0.2)
    assert code(bench.ask(d.cable_check())) == "FAILED"


@pytest.mark.inv("INV-29", "INV-02")
def test_a_contactor_that_closes_after_the_stop_changes_nothing() -> None:
    bench = in_state(State.CLOSING_CONTACTOR)
    outputs = bench.feed(StopRequested())
    assert OpenContactor() in outputs
    bench.contactor(closed=True)
    assert bench.session.energised is None
    assert not energising(list(bench.tick(1.0)))


def test_a_person_who_was_never_admitted_is_refused_as_before() -> None:
    bench = Bench(AC).to_authorization()
    bench.request(r.authorization())
    bench.authorize(False)
    assert code(bench.request(r.authorization())) == "FAILED"


# --- a car that changes its mind ---


@pytest.mark.parametrize("state", [State.WAIT_FIRST_STATUS, State.WAIT_FIRST_DEMAND], ids=lambda s: s.name)
def test_a_stop_directly_after_the_start_is_taken_by_a_leniency(state: State) -> None:
    bench = in_state(state)
    assert code(bench.request(r.stop())) == "OK"
    assert bench.session.energised is None
    assert any("stop_after_start" in getattr(output, "text", "") for output in bench.last)
    bench.outlet(control_pilot=ControlPilot.B)
    assert code(bench.request(r.session_stop())) == "OK"
    strict = in_state(state, dataclasses.replace(bench.config, compat=AC.compat.strict()))
    assert code(strict.request(r.stop())) == "FAILED_SequenceError"


def test_a_stop_directly_after_the_start_is_taken_in_din_too() -> None:
    bench = d.in_state(DinState.WAIT_FIRST_DEMAND)
    assert code(bench.ask(d.power(False))) == "OK"
    assert bench.session.energised is None
    strict = d.in_state(DinState.WAIT_FIRST_DEMAND, d.STRICT_DIN)
    assert code(strict.ask(d.power(False))) == "FAILED_SequenceError"


@pytest.mark.req("V2G2-812")
@pytest.mark.parametrize("state", [State.WAIT_FIRST_STATUS, State.WAIT_FIRST_DEMAND], ids=lambda s: s.name)
@pytest.mark.parametrize("again", [r.start, r.renegotiate])
def test_nothing_else_comes_directly_after_the_start(
    state: State, again: Callable[[], iso2.BodyElement]
) -> None:
    bench = in_state(state)
    assert code(bench.request(again())) == "FAILED_SequenceError"
    assert isinstance(sent(bench.last), iso2.PowerDeliveryRes)


def test_a_din_session_that_is_stopped_leaves_no_timer_of_the_demand_loop() -> None:
    bench = DinBench().at_power_on()
    bench.feed(StopRequested())
    bench.ask(d.power(True))
    bench.tick(6.0)
    assert code(bench.ask(d.power(False))) == "OK"
