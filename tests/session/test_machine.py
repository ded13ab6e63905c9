"""The guarantees of the machine for every handler: ids, timers, lease, faults, stops."""

import dataclasses

import msgspec
import pytest

from secc.messages.iso2 import CurrentDemandReq, DCEVErrorCode, EVSENotification
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    ControllerFault,
    LinkLost,
    PeerMisbehaved,
    PowerLimited,
    RenegotiationRequested,
    StopRequested,
)
from secc.session.iso2.states import State
from secc.session.outlet import ControlPilot, EvseFault, IsolationLevel
from secc.session.outputs import (
    Authorize,
    CloseContactor,
    EndReason,
    Notice,
    NoticeKind,
    OpenContactor,
    RenewLease,
    SetOutput,
)
from secc.session.ticket import Ticket
from secc.settings import SeccConfig
from tests.support import requests as r
from tests.support.bench import AC, DC, Bench, code, dc_code, fast, sent
from tests.support.states import in_state

OFF = SetOutput(0.0, 0.0)


def kinds(bench: Bench) -> list[NoticeKind]:
    return [output.kind for output in bench.last if isinstance(output, Notice)]


# --- identity ---


@pytest.mark.req("V2G2-756", "V2G2-462")
def test_unknown_session_id_at_setup_gets_a_new_one() -> None:
    bench = Bench(AC)
    response = bench.request(r.session_setup(), bytes.fromhex("1122334455667788"))
    assert code(response) == "OK_NewSessionEstablished"
    assert bench.session.session_id == bytes.fromhex("0000000000000001")


@pytest.mark.req("V2G2-756")
def test_the_proposed_session_id_is_never_the_new_one() -> None:
    bench = Bench(AC)
    bench.request(r.session_setup(), bytes.fromhex("0000000000000001"))
    assert bench.session.session_id == bytes.fromhex("0000000000000002")


@pytest.mark.inv("INV-12")
@pytest.mark.req("V2G2-750", "V2G2-835")
def test_session_id_is_neither_zero_nor_a_recent_one() -> None:
    draws = iter([bytes(8), b"recently", b"new-one!"])
    bench = Bench(AC, random_bytes=lambda size: next(draws), recent_ids={b"recently"})
    assert bench.session.session_id == b"new-one!"


@pytest.mark.req("V2G2-460")
def test_unknown_session_wins_over_sequence_error() -> None:
    bench = Bench(AC).to_authorization()
    assert code(bench.request(r.current_demand(), b"somebody")) == "FAILED_UnknownSession"


# --- timers ---


@pytest.mark.req("V2G2-716", "V2G2-723")
def test_setup_must_be_over_after_18_seconds() -> None:
    bench = Bench(AC)
    bench.tick(17.9)
    assert not bench.ended
    bench.tick(0.2)
    assert bench.end is not None
    assert bench.end.reason is EndReason.SETUP_TIMEOUT


@pytest.mark.inv("INV-17")
@pytest.mark.req("V2G2-443")
def test_sequence_timer_runs_from_the_response() -> None:
    bench = Bench(AC).to_authorization()
    bench.tick(59.9)
    bench.request(r.authorization())
    bench.tick(59.9)
    assert not bench.ended
    bench.tick(0.2)
    assert bench.end is not None
    assert bench.end.reason is EndReason.SEQUENCE_TIMEOUT


@pytest.mark.inv("INV-17")
def test_an_answer_of_the_back_end_does_not_prolong_the_sequence_timer() -> None:
    bench = Bench(AC).to_authorization()
    bench.request(r.authorization())
    bench.tick(59.0)
    bench.authorize()
    bench.tick(1.1)
    assert bench.end is not None


def test_request_after_its_time_is_late_even_if_no_tick_came() -> None:
    bench = Bench(AC).to_authorization()
    bench.clock.advance(60.1)
    assert bench.request(r.authorization()) is None
    assert bench.end is not None
    assert bench.end.reason is EndReason.SEQUENCE_TIMEOUT


@pytest.mark.req("V2G2-712", "V2G2-713")
def test_authorization_polled_without_end_fails_after_55_seconds() -> None:
    bench = Bench(AC).to_authorization()
    answers = []
    for _ in range(56):
        answers.append(code(bench.request(r.authorization())))
        bench.tick(1.0)
    assert answers == ["OK"] * 55 + ["FAILED"]
    assert bench.end is not None


def test_a_grant_after_55_seconds_comes_too_late() -> None:
    bench = Bench(AC).to_authorization()
    bench.request(r.authorization())
    bench.tick(55.0)
    bench.authorize()
    assert code(bench.request(r.authorization())) == "FAILED"


@pytest.mark.req("V2G2-605")
def test_cable_check_without_a_result_switches_off_after_38_seconds() -> None:
    bench = Bench(DC).to_cable_check_result()
    bench.tick(37.9)
    assert OFF not in bench.outputs
    assert OFF in bench.tick(0.2)
    assert code(bench.request(r.cable_check())) == "FAILED"


def test_time_that_runs_backwards_changes_nothing() -> None:
    bench = Bench(AC).to_status()
    bench.clock.now -= 500.0
    assert code(bench.request(r.charging_status())) == "OK"


# --- generation ---


@pytest.mark.inv("INV-20")
def test_answers_to_other_questions_change_nothing() -> None:
    bench = in_state(State.CLOSING_CONTACTOR)
    old = Ticket(0, 1)
    assert bench.feed(ContactorReported(old, True)) != ()
    assert kinds(bench) == [NoticeKind.STALE]
    assert bench.session.state is State.CLOSING_CONTACTOR
    bench.feed(CableCheckReported(Ticket(7, 2), IsolationLevel.VALID))
    bench.feed(AuthorizationDecided(Ticket(7, 1), False))
    assert kinds(bench) == [NoticeKind.STALE]
    assert bench.session.granted


def test_nothing_has_an_effect_after_the_end() -> None:
    bench = in_state(State.ENDED)
    assert bench.request(r.session_setup()) is None
    assert bench.feed(StopRequested()) == ()
    assert bench.tick(100.0) == ()


# --- lease ---


@pytest.mark.inv("INV-31")
def test_energised_output_gets_a_lease_of_half_a_second_each_200_ms() -> None:
    bench = Bench(AC).to_status()
    began = len(bench.trace)
    bench.tick(1.05)
    times = [round(now - 1000.0, 3) for now, _, out in bench.trace[began:] if RenewLease(0.5) in out]
    assert times == [0.2, 0.4, 0.6, 0.8, 1.0]


@pytest.mark.inv("INV-31")
def test_a_lapsed_lease_ends_the_session_and_no_catching_up_energises_again() -> None:
    bench = Bench(DC).to_demand()
    bench.clock.advance(10.0)
    assert bench.request(r.current_demand()) is None
    assert bench.end is not None
    assert bench.end.reason is EndReason.LEASE_LAPSED
    assert [output for output in bench.last if not isinstance(output, Notice)][:2] == [OFF, OpenContactor()]


def test_no_lease_without_energy() -> None:
    bench = Bench(DC).to_pre_charge()
    assert RenewLease(0.5) not in bench.tick(3.0)


# --- pilot, faults ---


@pytest.mark.inv("INV-03")
@pytest.mark.req("V2G2-025")
@pytest.mark.parametrize(
    ("pilot", "reason"),
    [
        (ControlPilot.A, EndReason.UNPLUGGED),
        (ControlPilot.E, EndReason.PILOT_ERROR),
        (ControlPilot.F, EndReason.PILOT_ERROR),
    ],
)
def test_unplugging_or_a_pilot_error_ends_the_session_at_once(pilot: ControlPilot, reason: EndReason) -> None:
    bench = Bench(AC).to_status()
    outputs = bench.outlet(control_pilot=pilot)
    assert outputs[0] == OpenContactor()
    assert bench.end is not None
    assert bench.end.reason is reason


def test_pilot_b_opens_the_contactor_at_once_and_the_ev_may_still_stop_properly() -> None:
    bench = Bench(AC).to_status()
    assert OpenContactor() in bench.outlet(control_pilot=ControlPilot.B)
    status = bench.request(r.charging_status())
    assert code(status) == "OK"
    assert status.ac_evse_status.evse_notification is EVSENotification.STOP_CHARGING  # type: ignore[union-attr]
    assert code(bench.request(r.stop())) == "OK"


@pytest.mark.inv("INV-29")
def test_a_pilot_toggle_does_not_switch_the_output_on_again() -> None:
    bench = Bench(DC).to_demand()
    bench.outlet(control_pilot=ControlPilot.B)
    bench.outlet(control_pilot=ControlPilot.C)
    response = bench.request(r.current_demand())
    assert code(response) == "OK"
    assert dc_code(response) == "EVSE_Shutdown"
    assert not any(isinstance(output, SetOutput) for output in bench.last)


def test_pilot_b_while_the_contactor_closes_is_answered_failed_with_the_output_off_first() -> None:
    bench = in_state(State.CLOSING_CONTACTOR)
    bench.outlet(control_pilot=ControlPilot.B)
    assert code(sent(bench.last)) == "FAILED"
    assert next(output for output in bench.last if not isinstance(output, Notice)) == OpenContactor()


@pytest.mark.inv("INV-03")
@pytest.mark.parametrize("fault", EvseFault)
def test_a_fault_switches_off_at_once_and_fails_the_next_request(fault: EvseFault) -> None:
    bench = Bench(DC).to_demand()
    assert OFF in bench.outlet(fault=fault)
    response = bench.request(r.current_demand())
    assert code(response) == "FAILED"
    stop = fault is EvseFault.EMERGENCY_STOP
    assert dc_code(response) == ("EVSE_EmergencyShutdown" if stop else "EVSE_Malfunction")
    assert bench.end is not None
    assert bench.end.fault is fault


def test_a_fault_that_goes_away_still_ends_the_charge() -> None:
    bench = Bench(AC).to_status()
    bench.outlet(fault=EvseFault.MALFUNCTION)
    bench.outlet(fault=None)
    assert code(bench.request(r.charging_status())) == "FAILED"


@pytest.mark.inv("INV-03")
def test_a_driver_that_fails_switches_off() -> None:
    bench = Bench(AC).to_status()
    assert OpenContactor() in bench.feed(ControllerFault("set_output raised"))


def test_a_blocked_outlet_refuses_to_start() -> None:
    bench = Bench(AC, blocked=True).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C)
    assert code(bench.request(r.start())) == "FAILED_PowerDeliveryNotApplied"
    assert not any(isinstance(output, CloseContactor) for output in bench.outputs)


@pytest.mark.inv("INV-03")
@pytest.mark.req("V2G2-727")
def test_lost_link_opens_first() -> None:
    bench = Bench(AC).to_status()
    assert bench.feed(LinkLost("reset"))[0] == OpenContactor()
    assert bench.end is not None
    assert bench.end.reason is EndReason.LINK_LOST


def test_undecodable_bytes_end_the_session_without_an_answer() -> None:
    bench = Bench(AC).to_status()
    assert sent(bench.feed(PeerMisbehaved("not EXI"))) is None
    assert bench.end is not None
    assert bench.end.reason is EndReason.PROTOCOL_ERROR


# --- stop, withdrawal, renegotiation, limits ---


def test_ordered_stop_is_announced_and_forced_after_its_delay() -> None:
    bench = Bench(AC).to_status()
    bench.feed(StopRequested("remote"))
    status = bench.request(r.charging_status())
    assert status.ac_evse_status.evse_notification is EVSENotification.STOP_CHARGING  # type: ignore[union-attr]
    assert status.ac_evse_status.notification_max_delay == 10  # type: ignore[union-attr]
    assert OpenContactor() not in bench.tick(9.9)
    assert OpenContactor() in bench.tick(0.2)
    assert code(bench.request(r.charging_status())) == "FAILED"


def test_an_ev_that_follows_an_ordered_stop_is_answered_ok() -> None:
    bench = Bench(DC).to_demand()
    bench.feed(StopRequested())
    assert dc_code(bench.request(r.current_demand())) == "EVSE_Shutdown"
    assert code(bench.request(r.stop())) == "OK"


@pytest.mark.inv("INV-29")
def test_after_an_ordered_stop_nothing_starts_again() -> None:
    bench = Bench(AC).to_status()
    bench.feed(StopRequested())
    bench.request(r.renegotiate())
    bench.request(r.ac_parameters())
    response = bench.request(r.start())
    assert code(response) == "OK"
    assert response.evse_status.evse_notification is EVSENotification.STOP_CHARGING  # type: ignore[union-attr]
    assert OpenContactor() in bench.last
    assert not any(isinstance(output, CloseContactor | RenewLease) for output in bench.last)


def test_stop_during_the_isolation_test_switches_off_at_once() -> None:
    bench = Bench(DC).to_cable_check_result()
    assert OFF in bench.feed(StopRequested())


@pytest.mark.inv("INV-11")
def test_withdrawn_authorization_switches_off_at_once_and_cannot_come_back() -> None:
    bench = Bench(AC).to_status()
    bench.authorize(False)
    assert OpenContactor() in bench.last
    bench.authorize(True)
    assert not bench.session.granted
    response = bench.request(r.charging_status())
    assert code(response) == "OK"
    assert response.ac_evse_status.evse_notification is EVSENotification.STOP_CHARGING  # type: ignore[union-attr]
    bench.tick(10.1)
    assert code(bench.request(r.charging_status())) == "FAILED"
    after = bench.outputs[bench.outputs.index(OpenContactor()) :]
    assert not any(isinstance(output, CloseContactor | RenewLease) for output in after)


@pytest.mark.inv("INV-10")
@pytest.mark.parametrize("config", [AC, DC], ids=["AC", "DC"])
def test_nothing_is_energised_without_a_grant(config: SeccConfig) -> None:
    bench = Bench(config)
    bench = bench.to_power_on_dc() if config is DC else bench.to_power_on_ac()
    bench.feed(AuthorizationDecided(bench.ticket(Authorize), granted=False))
    bench.request(r.start())
    assert not any(isinstance(output, CloseContactor) for output in bench.outputs)
    assert [o for o in bench.last if isinstance(o, SetOutput)] in ([], [OFF])


def test_denied_authorization_is_sent_with_the_next_request() -> None:
    bench = Bench(AC).to_authorization()
    bench.request(r.authorization())
    bench.authorize(False)
    assert code(bench.request(r.authorization())) == "FAILED"


def test_the_back_end_is_asked_once() -> None:
    bench = Bench(AC).to_authorization()
    for _ in range(20):
        bench.request(r.authorization())
    assert sum(isinstance(output, Authorize) for output in bench.outputs) == 1


@pytest.mark.req("V2G2-841", "V2G2-680")
def test_renegotiation_is_announced_until_the_ev_follows() -> None:
    bench = Bench(DC).to_demand()
    bench.feed(RenegotiationRequested())
    response = bench.request(r.current_demand())
    assert response.dc_evse_status.evse_notification is EVSENotification.RE_NEGOTIATION  # type: ignore[union-attr]
    response = bench.request(r.renegotiate())
    assert response.evse_status.evse_notification is EVSENotification.NONE  # type: ignore[union-attr]


def test_renegotiation_outside_a_loop_is_ignored() -> None:
    bench = Bench(AC).to_power_on_ac()
    bench.feed(RenegotiationRequested())
    assert kinds(bench) == [NoticeKind.IGNORED]


@pytest.mark.inv("INV-08")
def test_a_lower_limit_acts_with_the_next_renewal_of_the_lease() -> None:
    bench = Bench(DC).to_demand()
    bench.evse = msgspec.structs.replace(bench.evse, max_power=10_000.0)
    assert SetOutput(400.0, 25.0) in bench.tick(0.25)


@pytest.mark.req("V2G2-260")
@pytest.mark.inv("INV-08")
def test_load_management_acts_on_the_set_point_and_on_what_is_announced() -> None:
    bench = Bench(DC).to_demand()
    bench.feed(PowerLimited(20_000.0))
    assert SetOutput(400.0, 50.0) in bench.tick(0.25)
    response = bench.request(r.current_demand())
    assert response.evse_maximum_power_limit == r.watts(20_000)  # type: ignore[union-attr]
    assert response.evse_power_limit_achieved is True  # type: ignore[union-attr]


@pytest.mark.req("V2G2-844")
def test_lower_limits_reach_the_ac_vehicle_with_the_next_status() -> None:
    bench = Bench(AC).to_status()
    bench.outlet(max_current=16.0)
    status = bench.request(r.charging_status())
    assert status.evse_max_current == r.amperes(16)  # type: ignore[union-attr]
    bench.feed(PowerLimited(6_900.0))
    status = bench.request(r.charging_status())
    assert status.evse_max_current == r.amperes(10)  # type: ignore[union-attr]


# --- what the EV says in the DC loop ---


@pytest.mark.parametrize(
    "request_", [r.current_demand(complete=True), r.current_demand(status=r.dc_ev_status(ready=False))]
)
def test_full_or_not_ready_means_no_output(request_: CurrentDemandReq) -> None:
    bench = Bench(DC).to_demand()
    assert code(bench.request(request_)) == "OK"
    assert SetOutput(0.0, 0.0) in bench.last


def test_an_error_of_the_ev_means_no_output_and_a_stop() -> None:
    bench = Bench(DC).to_demand()
    error = r.dc_ev_status(error=DCEVErrorCode.FAILED_RESS_TEMPERATURE_INHIBIT)
    response = bench.request(r.current_demand(status=error))
    assert SetOutput(0.0, 0.0) in bench.last
    assert dc_code(response) == "EVSE_Shutdown"


def test_short_timers_are_taken_from_the_configuration() -> None:
    bench = Bench(dataclasses.replace(AC, timing=fast(sequence=2.0))).to_authorization()
    bench.tick(2.1)
    assert bench.end is not None
