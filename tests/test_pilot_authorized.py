"""The pilot after external identification, and after the last response of DIN SPEC 70121."""

from __future__ import annotations

import pytest

from secc import pilot as p
from secc.pilot import Drive, PilotState, nominal_duty
from secc.session.outputs import EndReason
from secc.settings.slac import AuthorizedDuty, Fallback
from tests.support.pilot import PilotBench


def authorized(*, fallback: Fallback = Fallback.BASIC) -> PilotBench:
    """A session whose EV may charge, at the nominal duty cycle."""
    bench = PilotBench(authorized_duty=AuthorizedDuty.NOMINAL, fallback=fallback)
    bench.connect()
    bench.put(p.Authorized())
    bench.wait(3.0)
    return bench


@pytest.mark.req("V2G2-853", "V2G2-931", "V2G3-M06-06")
def test_after_a_positive_authorization_the_nominal_duty_cycle_is_shown_through_x1() -> None:
    bench = PilotBench(authorized_duty=AuthorizedDuty.NOMINAL)
    bench.connect()
    bench.put(p.Authorized())
    bench.wait(2.9)
    assert bench.shown() == ["X1"]
    bench.wait(0.1)
    assert bench.take() == [p.Show(p.PilotSignal(Drive.PWM, nominal_duty(32.0)))]
    assert bench.sequence.state is PilotState.CONNECTED


@pytest.mark.req("V2G2-931")
def test_by_default_the_session_continues_at_five_percent() -> None:
    bench = PilotBench()
    bench.connect()
    bench.put(p.Authorized())
    bench.wait(10.0)
    assert bench.take() == []


def test_a_dc_outlet_stays_at_five_percent() -> None:
    bench = PilotBench(dc=True, authorized_duty=AuthorizedDuty.NOMINAL)
    bench.connect()
    bench.put(p.Authorized())
    assert bench.take() == []


def test_in_a_session_the_duty_cycle_follows_the_limit_and_basic_charging_is_not_permitted() -> None:
    bench = authorized()
    bench.take()
    bench.put(p.LimitChanged(16.0))
    assert bench.take() == [p.Show(p.PilotSignal(Drive.PWM, nominal_duty(16.0)))]
    bench.put(p.LimitChanged(0.0))
    bench.wait(10.0)
    assert bench.shown() == ["X1"]


def test_a_second_authorization_changes_nothing() -> None:
    bench = authorized()
    bench.take()
    bench.put(p.Authorized())
    bench.put(p.BasicWanted())
    bench.wait(10.0)
    assert bench.take() == []


@pytest.mark.parametrize(("reason", "state"), [("TERMINATED", "FINISHED"), ("PAUSED", "PAUSED")])
def test_a_session_that_the_ev_ends_turns_the_oscillator_off(reason: str, state: str) -> None:
    bench = authorized()
    bench.take()
    bench.put(p.SessionOver(EndReason[reason]))
    assert bench.shown() == ["X1"]
    assert bench.sequence.state is PilotState[state]
    bench.wait(60.0)
    assert bench.shown() == []


@pytest.mark.req("V2G3-M07-10", "V2G3-M07-12")
@pytest.mark.parametrize(
    "event",
    [p.SessionOver(EndReason.SEQUENCE_TIMEOUT), p.SessionOver(EndReason.LINK_LOST), p.LinkDown("lost")],
)
def test_an_error_of_the_communication_does_not_interrupt_authorized_charging(event: p.Input) -> None:
    bench = authorized()
    bench.take()
    bench.put(event)
    told = bench.take()
    assert p.BasicCharging(allowed=True) in told
    assert not any(isinstance(output, p.Show) for output in told)
    assert bench.sequence.state is PilotState.BASIC


def test_an_error_during_x1_keeps_x1_for_its_time() -> None:
    bench = PilotBench(authorized_duty=AuthorizedDuty.NOMINAL)
    bench.connect()
    bench.put(p.Authorized())
    bench.wait(1.0)
    bench.put(p.LinkDown("lost"))
    bench.wait(1.9)
    assert bench.shown() == ["X1"]
    bench.wait(0.2)
    assert bench.shown() == ["53 %"]


def test_a_refusal_ends_authorized_charging() -> None:
    bench = authorized()
    bench.take()
    bench.put(p.SessionOver(EndReason.REFUSED))
    assert p.BasicCharging(allowed=True) not in bench.take()
    assert bench.sequence.state is PilotState.STEP_X1


def test_without_fallback_an_error_runs_the_error_routine() -> None:
    bench = authorized(fallback=Fallback.NONE)
    bench.put(p.LinkDown("lost"))
    assert bench.sequence.state is PilotState.STEP_X1


# --- the last response --------------------------------------------------------------------------------------


@pytest.mark.req("V2G-DC-942")
def test_a_failed_response_turns_the_oscillator_off_at_once_and_the_error_routine_follows() -> None:
    bench = PilotBench(dc=True)
    bench.connect()
    bench.put(p.ResponseFailed())
    assert bench.take() == [p.Show(p.STEADY)]
    bench.now += 2.0
    bench.put(p.SessionOver(EndReason.REFUSED))
    bench.wait(3.0)
    assert bench.shown() == ["E/F"]


def test_a_failed_response_without_a_link_changes_nothing() -> None:
    bench = PilotBench(dc=True)
    bench.put(p.ResponseFailed())
    assert bench.take() == []
