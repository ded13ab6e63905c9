"""Pause and continuation of a session."""

import dataclasses

import pytest

from secc.messages import iso2
from secc.messages.iso2 import ChargingSession, PaymentOption
from secc.session.outlet import ControlPilot, EvseSnapshot
from secc.session.outputs import AskSchedules, EndReason, EndSession, SetOutput
from secc.session.pause import PauseMemory
from secc.session.paused import PausedSession
from secc.session.schedules import Offer, PowerSchedule, PowerStep, ScheduleOffer
from secc.settings import EnergyConfig
from tests.session.iso2.handlers.test_parameters import schedule
from tests.support import requests
from tests.support import requests as r
from tests.support.bench import AC, DC, DC_MODES, Bench, code
from tests.support.pnc import (
    PncBench,
)

OLD_ID = b"old-one!"
SCHEDULE = PowerSchedule(5, (PowerStep(0, 20_000), PowerStep(600, 5_000), PowerStep(1200, 8_000)), 3600)
PAUSED = PausedSession(OLD_ID, Offer(ScheduleOffer((SCHEDULE,)), 300.0, 5))  # the bench starts at 1000 s
ASKING = dataclasses.replace(DC, energy=EnergyConfig(modes=DC_MODES, ask_backend_for_schedules=True))
PLUGGED = EvseSnapshot(control_pilot=ControlPilot.B)


def ended(reason: EndReason, paused: PausedSession | None = None) -> EndSession:
    return EndSession(reason=reason, session_id=OLD_ID, established=True, paused=paused)


# --- the session ---


def test_pause_hands_over_id_and_schedule() -> None:
    bench = Bench(AC).to_status()
    bench.request(r.stop())
    bench.request(r.session_stop(ChargingSession.PAUSE))
    assert bench.end is not None
    assert bench.end.reason is EndReason.PAUSED
    assert bench.end.paused is not None
    assert bench.end.paused.session_id == bytes.fromhex("0000000000000001")
    assert bench.end.paused.offer is not None
    assert bench.end.paused.offer.schedule_id == 1


def test_terminate_hands_over_nothing() -> None:
    bench = Bench(AC).to_status()
    bench.request(r.session_stop())
    assert bench.end is not None
    assert bench.end.paused is None


@pytest.mark.inv("INV-13")
@pytest.mark.req("V2G2-463", "V2G2-753", "V2G2-754")
def test_the_id_of_the_paused_session_joins_it() -> None:
    bench = Bench(DC, paused=PAUSED)
    assert code(bench.request(r.session_setup(), OLD_ID)) == "OK_OldSessionJoined"
    assert bench.session.session_id == OLD_ID
    assert code(bench.request(r.service_discovery(), OLD_ID)) == "OK"


@pytest.mark.inv("INV-13")
@pytest.mark.req("V2G2-756", "V2G2-750")
@pytest.mark.parametrize("session_id", [b"", b"\0", bytes(8), b"old-one?", b"old-one"])
def test_any_other_id_begins_a_new_session(session_id: bytes) -> None:
    bench = Bench(DC, paused=PAUSED)
    assert code(bench.request(r.session_setup(), session_id)) == "OK_NewSessionEstablished"
    assert bench.session.session_id not in (OLD_ID, session_id, bytes(8))
    assert bench.session.joined is None


@pytest.mark.inv("INV-13")
@pytest.mark.inv("INV-11")
def test_a_withdrawal_counts_for_a_paused_session_until_another_one_is_set_up() -> None:
    assert not Bench(DC).session.may_continue
    bench = Bench(DC, paused=PAUSED)
    assert bench.session.may_continue
    bench.request(r.session_setup(), OLD_ID)
    assert bench.session.may_continue
    bench = Bench(DC, paused=PAUSED)
    bench.request(r.session_setup(), bytes(8))
    assert not bench.session.may_continue


def test_a_joined_session_needs_a_new_authorization_and_is_off() -> None:
    bench = Bench(DC, paused=PAUSED)
    bench.request(r.session_setup(), OLD_ID)
    assert not bench.session.granted
    assert not any(isinstance(output, SetOutput) for output in bench.outputs)
    assert code(bench.request(r.dc_parameters())) == "FAILED_SequenceError"


@pytest.mark.req("V2G2-741")
def test_a_joined_session_is_offered_its_schedule_shortened_by_the_time_gone() -> None:
    bench = Bench(ASKING, paused=PAUSED)
    bench.request(r.session_setup(), OLD_ID)
    bench.request(r.service_discovery())
    bench.request(r.payment_selection())
    bench.request(r.authorization())
    bench.authorize()
    bench.request(r.authorization())
    response = bench.request(r.dc_parameters())
    assert schedule(response) == [(0, None, 5000.0), (500, 3600, 8000.0)]
    assert bench.session.schedule_id == 5
    assert not any(isinstance(output, AskSchedules) for output in bench.outputs)


def test_a_schedule_that_ended_in_the_pause_is_asked_for_again() -> None:
    over = PausedSession(OLD_ID, Offer(ScheduleOffer((SCHEDULE,)), -9000.0, 5))
    bench = Bench(ASKING, paused=over)
    bench.request(r.session_setup(), OLD_ID)
    bench.request(r.service_discovery())
    bench.request(r.payment_selection())
    bench.request(r.authorization())
    bench.authorize()
    bench.request(r.authorization())
    bench.request(r.dc_parameters())
    assert any(isinstance(output, AskSchedules) for output in bench.last)


# --- the memory ---


def test_memory_keeps_a_paused_session_for_its_lifetime() -> None:
    memory = PauseMemory(100.0)
    memory.session_ended(ended(EndReason.PAUSED, PAUSED), 1000.0)
    memory.observe(PLUGGED)
    assert memory.paused(1099.0) == PAUSED
    assert memory.paused(1100.0) is None


@pytest.mark.inv("INV-13")
def test_unplugging_forgets() -> None:
    memory = PauseMemory(100.0)
    memory.session_ended(ended(EndReason.PAUSED, PAUSED), 1000.0)
    memory.observe(EvseSnapshot(control_pilot=ControlPilot.A))
    assert memory.paused(1001.0) is None


@pytest.mark.parametrize("reason", [EndReason.TERMINATED, EndReason.REFUSED, EndReason.LINK_LOST])
def test_the_end_of_another_session_forgets(reason: EndReason) -> None:
    memory = PauseMemory(100.0)
    memory.session_ended(ended(EndReason.PAUSED, PAUSED), 1000.0)
    memory.session_ended(ended(reason), 1001.0)
    assert memory.paused(1002.0) is None


def test_a_connection_that_never_became_a_session_does_not_forget() -> None:
    memory = PauseMemory(100.0)
    memory.session_ended(ended(EndReason.PAUSED, PAUSED), 1000.0)
    memory.session_ended(EndSession(reason=EndReason.PROTOCOL_ERROR, session_id=b"another!"), 1001.0)
    assert memory.paused(1002.0) == PAUSED


@pytest.mark.req("V2G2-754")
@pytest.mark.parametrize(("emaid", "expected"), [("DEABC000000001G", "OK"), ("DEABC000000002", "FAILED_")])
def test_who_continues_a_paused_session_shows_the_same_contract(emaid: str, expected: str) -> None:
    paused = PausedSession(b"12345678", None, emaid)
    bench = PncBench(paused=paused)
    bench.request(requests.session_setup(), b"12345678")
    bench.request(requests.service_discovery())
    bench.request(requests.payment_selection(PaymentOption.CONTRACT))
    assert code(bench.show()).startswith(expected)


def test_a_paused_session_remembers_who_paid() -> None:
    bench = PncBench().to_granted()
    bench.request(requests.session_stop(iso2.ChargingSession.PAUSE))
    assert bench.end is not None
    assert bench.end.paused is not None
    assert bench.end.paused.emaid == "DEABC000000001G"
