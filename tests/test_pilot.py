"""The sequence of the control pilot: time is a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc import pilot as p
from secc.pilot import Drive, PilotState, nominal_duty
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason
from secc.settings.slac import AuthorizedDuty, Fallback
from secc.settings.soc import SocConfig, SocStep, SocThen
from tests.support.pilot import PilotBench as Bench


def test_the_oscillator_starts_only_when_the_modem_has_its_key() -> None:
    bench = Bench(plugged=False)
    bench.see(ControlPilot.B)
    assert bench.shown() == ["X1"]
    bench.put(p.MatchingChanged(ready=True))
    assert bench.take() == [p.Show(p.PilotSignal(Drive.PWM, 0.05)), p.Expect(digital=True)]


def test_the_link_reaches_the_station() -> None:
    bench = Bench()
    bench.put(p.LinkUp())
    assert bench.take() == [p.StationLink(up=True)]
    assert bench.sequence.state is PilotState.CONNECTED


def test_an_ev_that_matches_again_changes_nothing_at_the_pilot() -> None:
    bench = Bench()
    bench.connect()
    bench.put(p.LinkDown("the EV starts matching again", failed=False))
    assert bench.take() == [p.StationLink(up=False, reason="the EV starts matching again")]
    bench.put(p.LinkUp())
    assert bench.take() == [p.StationLink(up=True)]
    assert bench.sequence.state is PilotState.CONNECTED


def test_a_link_that_is_reported_again_while_basic_charging_begins_reaches_the_station_once() -> None:
    bench = Bench()
    bench.connect()
    bench.put(p.BasicWanted())
    bench.put(p.LinkUp())
    assert not [output for output in bench.take() if isinstance(output, p.StationLink)]
    bench.put(p.LinkDown("lost"))
    assert p.StationLink(up=False, reason="lost") in bench.take()


@pytest.mark.req("V2G3-M06-05", "V2G3-M06-07", "V2G3-M06-09")
def test_an_ac_ev_that_does_not_begin_is_woken_twice_and_then_charged_basically() -> None:
    bench = Bench()
    for _ in range(3):
        bench.put(p.InitTimeout())
        bench.wait(3.9)
        assert bench.sequence.state is PilotState.STEP_EF
        bench.wait(0.2)
    assert bench.shown() == ["E/F", "X1", "5 %", "E/F", "X1", "5 %", "E/F", "X1", "53 %"]
    assert bench.sequence.state is PilotState.BASIC


def test_basic_charging_is_allowed_and_withdrawn() -> None:
    bench = Bench(nominal_first=True)
    assert bench.sequence.state is PilotState.BASIC
    bench.see(ControlPilot.A)
    assert p.BasicCharging(allowed=False) in bench.take()


def charging_basically() -> Bench:
    bench = Bench(nominal_first=True)
    bench.see(ControlPilot.C)
    bench.take()
    return bench


def test_a_lower_limit_shows_at_once_in_the_nominal_duty_cycle() -> None:
    bench = charging_basically()
    bench.put(p.LimitChanged(16.0))
    assert bench.take() == [p.Show(p.PilotSignal(Drive.PWM, nominal_duty(16.0)))]


def test_a_higher_limit_waits_until_the_ev_has_followed_the_last_change() -> None:
    bench = charging_basically()
    bench.put(p.LimitChanged(10.0))
    bench.put(p.LimitChanged(16.0))
    bench.put(p.LimitChanged(20.0))
    assert bench.shown() == ["17 %"]
    bench.wait(4.9)
    assert bench.shown() == []
    bench.wait(0.2)
    assert bench.shown() == ["33 %"]


def test_less_than_six_amperes_stops_the_ev_by_x1_before_the_outlet_switches_off() -> None:
    bench = charging_basically()
    bench.put(p.LimitChanged(5.9))
    assert bench.take() == [p.Show(p.STEADY)]
    bench.wait(2.9)
    assert bench.take() == []
    bench.wait(0.2)
    assert bench.take() == [p.BasicCharging(allowed=False)]
    bench.put(p.LimitChanged(8.0))
    assert bench.take() == [
        p.Show(p.PilotSignal(Drive.PWM, nominal_duty(8.0))),
        p.BasicCharging(allowed=True),
    ]


@pytest.mark.req("V2G3-M07-33")
def test_a_limit_that_comes_back_soon_switches_nothing_off_and_keeps_x1_for_three_seconds() -> None:
    bench = charging_basically()
    bench.put(p.LimitChanged(0.0))
    bench.wait(1.0)
    bench.put(p.LimitChanged(32.0))
    bench.wait(1.9)
    assert bench.take() == [p.Show(p.STEADY)]
    bench.wait(0.2)
    assert bench.take() == [p.Show(p.PilotSignal(Drive.PWM, nominal_duty(32.0)))]


def test_an_outlet_without_current_begins_basic_charging_when_there_is_some() -> None:
    bench = Bench(plugged=False, nominal_first=True)
    bench.put(p.LimitChanged(0.0))
    bench.see(ControlPilot.B)
    bench.put(p.MatchingChanged(ready=True))
    assert bench.sequence.state is PilotState.BASIC
    assert [output for output in bench.take() if isinstance(output, p.BasicCharging)] == []
    bench.wait(10.0)
    bench.put(p.LimitChanged(16.0))
    assert bench.take()[-1] == p.BasicCharging(allowed=True)


def test_a_limit_changes_nothing_at_five_percent() -> None:
    bench = Bench()
    bench.put(p.LimitChanged(10.0))
    assert bench.take() == []


def test_a_dc_ev_that_does_not_begin_gets_nothing() -> None:
    bench = Bench(dc=True)
    for _ in range(3):
        bench.put(p.InitTimeout())
        bench.wait(4.1)
    assert bench.sequence.state is PilotState.FINISHED
    assert bench.sequence.signal.drive is Drive.STEADY


def test_without_fallback_an_ac_ev_gets_nothing_either() -> None:
    bench = Bench(fallback=Fallback.NONE)
    for _ in range(3):
        bench.put(p.InitTimeout())
        bench.wait(4.1)
    assert bench.sequence.state is PilotState.FINISHED


@pytest.mark.req("V2G3-M07-05", "V2G3-M07-08")
def test_an_error_goes_through_x1_and_ef_and_leaves_the_network() -> None:
    bench = Bench()
    bench.connect()
    bench.put(p.SessionOver(EndReason.SEQUENCE_TIMEOUT))
    assert bench.take() == [
        p.StationLink(up=False, reason="sequence timeout"),
        p.Leave("D-LINK_ERROR", failed=True),
        p.Show(p.STEADY),
    ]
    bench.wait(3.0)
    assert bench.shown() == ["E/F"]
    bench.wait(4.0)
    assert bench.shown() == ["X1", "5 %"]
    assert bench.sequence.state is PilotState.OFFERING


def test_an_error_may_be_answered_without_touching_the_pilot() -> None:
    bench = Bench(rearm_instead_of_error=True)
    bench.connect()
    bench.put(p.LinkDown("lost"))
    assert bench.shown() == []
    bench.put(p.MatchingChanged(ready=True))
    assert bench.take() == [p.Expect(digital=True)]


def test_an_ev_that_was_refused_in_a_session_is_not_charged_without_one() -> None:
    bench = Bench()
    for _ in range(3):
        bench.connect()
        bench.put(p.SessionOver(EndReason.REFUSED, spoken=True))
        bench.wait(8.0)
    assert bench.sequence.state is PilotState.FINISHED


def test_an_ac_ev_whose_link_always_fails_is_charged_basically() -> None:
    bench = Bench()
    for _ in range(3):
        bench.connect()
        bench.put(p.LinkDown("lost"))
        bench.wait(8.0)
    assert bench.sequence.state is PilotState.BASIC


@pytest.mark.req("V2G3-M09-17")
def test_a_terminated_session_leaves_the_network_and_stops_the_oscillator() -> None:
    bench = Bench()
    bench.connect()
    bench.put(p.SessionOver(EndReason.TERMINATED))
    told = bench.take()
    assert p.Leave("D-LINK_TERMINATE") in told
    assert p.Show(p.STEADY) in told
    assert bench.sequence.state is PilotState.FINISHED


@pytest.mark.parametrize("reason", [EndReason.TERMINATED, EndReason.LINK_LOST, EndReason.NO_PROTOCOL])
def test_after_a_session_that_only_read_basic_charging_begins_through_x1(reason: EndReason) -> None:
    bench = Bench()
    bench.connect()
    bench.put(p.SessionOver(reason, only_read=True))
    told = bench.take()
    assert [one for one in told if isinstance(one, (p.Leave, p.StationLink))] == [
        p.StationLink(up=False, reason="state of charge read"),
        p.Leave("D-LINK_TERMINATE"),
    ]
    assert (bench.sequence.state, bench.sequence.signal) == (PilotState.STEP_X1, p.STEADY)
    bench.wait(2.9)
    assert bench.take() == []
    bench.wait(0.2)
    assert bench.sequence.state is PilotState.BASIC
    assert p.BasicCharging(allowed=True) in bench.take()


def test_after_a_session_that_only_read_the_ev_may_match_again_through_state_f() -> None:
    bench = Bench(soc=SocConfig(then=SocThen.DIGITAL, step=SocStep.EF))
    bench.connect()
    bench.put(p.SessionOver(EndReason.TERMINATED, only_read=True))
    assert bench.shown() == ["E/F"]
    bench.wait(4.1)
    assert bench.shown() == ["X1", "5 %"]
    assert bench.sequence.state is PilotState.OFFERING


@pytest.mark.req("V2G3-M07-20", "V2G3-M07-24", "V2G2-725")
@pytest.mark.parametrize("by_the_ev", [True, False])
def test_a_paused_session_keeps_the_network_and_is_woken_by_either_side(by_the_ev: bool) -> None:
    bench = Bench()
    bench.connect()
    bench.put(p.SessionOver(EndReason.PAUSED))
    assert bench.take() == [p.StationLink(up=False, reason="paused"), p.Pause(), p.Show(p.STEADY)]
    bench.wait(10.0)
    if by_the_ev:
        bench.see(ControlPilot.C)
        bench.wait(0.2)
        bench.see(ControlPilot.B)
    else:
        bench.put(p.WakeUp())
    assert bench.take() == [p.Show(p.PilotSignal(Drive.PWM, 0.05)), p.Resume()]
    bench.put(p.LinkUp())
    assert bench.take() == [p.StationLink(up=True)]


def paused() -> Bench:
    bench = Bench()
    bench.connect()
    bench.put(p.SessionOver(EndReason.PAUSED))
    bench.take()
    return bench


def test_a_bouncing_pilot_wakes_no_ev() -> None:
    bench = paused()
    bench.wait(10.0)
    bench.see(ControlPilot.C)
    bench.wait(0.05)
    bench.see(ControlPilot.B)
    bench.wait(10.0)
    assert bench.sequence.state is PilotState.PAUSED


@pytest.mark.req("V2G3-M07-33")
@pytest.mark.parametrize("by_the_ev", [True, False])
def test_the_oscillator_stays_off_for_three_seconds_before_it_wakes_the_ev(by_the_ev: bool) -> None:
    bench = paused()
    bench.wait(1.0)
    if by_the_ev:
        bench.see(ControlPilot.C)
        bench.wait(0.3)
        bench.see(ControlPilot.B)
        bench.wait(1.6)
    else:
        bench.put(p.WakeUp())
        bench.wait(1.0)
        bench.see(ControlPilot.C)  # a bounce takes nothing back
        bench.see(ControlPilot.B)
        bench.wait(0.9)
    assert bench.shown() == []
    bench.wait(0.2)
    assert bench.shown() == ["5 %"]


def test_unplugging_a_paused_ev_forgets_that_it_was_to_be_woken() -> None:
    bench = paused()
    bench.put(p.WakeUp())
    bench.see(ControlPilot.A)
    bench.wait(5.0)
    assert bench.sequence.state is PilotState.UNPLUGGED
    assert bench.shown() == []


@pytest.mark.req("V2G3-M07-26")
def test_an_ev_that_does_not_wake_is_followed_by_the_error_routine() -> None:
    bench = paused()
    bench.wait(10.0)
    bench.put(p.WakeUp())
    bench.take()
    bench.put(p.LinkDown("no link within T_conn_resume"))
    bench.wait(8.0)
    assert bench.shown() == ["X1", "E/F", "X1", "5 %"]


@pytest.mark.req("V2G3-M06-06", "V2G3-M06-08")
@pytest.mark.parametrize(("running", "shown"), [(False, ["E/F", "X1", "53 %"]), (True, ["X1", "53 %"])])
def test_the_way_to_the_nominal_duty_cycle_depends_on_the_matching(running: bool, shown: list[str]) -> None:
    bench = Bench()
    bench.put(p.MatchingChanged(ready=True, running=running))
    bench.put(p.BasicWanted())
    bench.wait(5.0)
    assert bench.shown() == shown


@pytest.mark.req("V2G3-M07-10", "V2G3-M07-12")
def test_with_a_nominal_duty_cycle_an_error_interrupts_nothing() -> None:
    bench = Bench(nominal_first=True)
    bench.put(p.LinkUp())
    bench.take()
    bench.put(p.LinkDown("lost"))
    assert bench.take() == [p.StationLink(up=False, reason="lost")]
    assert bench.sequence.state is PilotState.BASIC


@pytest.mark.parametrize("pilot", [ControlPilot.A, ControlPilot.E, ControlPilot.F])
def test_unplugging_and_pilot_errors_end_everything(pilot: ControlPilot) -> None:
    bench = Bench()
    bench.connect()
    bench.see(pilot)
    told = bench.take()
    assert told[-2:] == [p.GiveUp(), p.Show(p.STEADY)]
    assert isinstance(told[0], p.StationLink)


def test_a_step_to_f_by_the_station_is_no_error_of_the_cable() -> None:
    bench = Bench()
    bench.put(p.InitTimeout())
    bench.see(ControlPilot.F)
    bench.wait(4.1)
    bench.see(ControlPilot.F)
    assert bench.shown() == ["E/F", "X1", "5 %"]
    bench.wait(1.1)
    bench.see(ControlPilot.F)
    assert bench.sequence.state is PilotState.FAULT


def test_an_expired_setup_is_an_error() -> None:
    bench = Bench()
    bench.connect()
    bench.put(p.SetupOver())
    assert bench.sequence.state is PilotState.STEP_X1


@pytest.mark.parametrize(
    ("amperes", "duty"),
    [(6.0, 0.10), (16.0, 0.2667), (32.0, 0.5333), (51.0, 0.85), (63.0, 0.892), (80.0, 0.96)],
)
def test_the_duty_cycle_says_the_current(amperes: float, duty: float) -> None:
    assert round(nominal_duty(amperes), 4) == duty


EVENTS: tuple[p.Input, ...] = (
    *(p.PilotSeen(pilot) for pilot in ControlPilot),
    p.MatchingChanged(ready=True),
    p.MatchingChanged(ready=True, running=True),
    p.MatchingChanged(ready=False),
    p.InitTimeout(),
    p.LinkUp(),
    p.LinkDown("lost"),
    p.LinkDown("wanted", failed=False),
    *(p.SessionOver(reason) for reason in (EndReason.TERMINATED, EndReason.PAUSED, EndReason.REFUSED)),
    p.SessionOver(EndReason.SEQUENCE_TIMEOUT),
    p.Authorized(),
    p.ResponseFailed(),
    p.SetupOver(),
    p.WakeUp(),
    p.BasicWanted(),
    p.LimitChanged(0.0),
    p.LimitChanged(16.0),
    p.LimitChanged(32.0),
    p.PilotTick(),
)


@given(
    st.lists(st.tuples(st.sampled_from(EVENTS), st.sampled_from([0.0, 0.5, 3.0, 5.0])), max_size=60),
    st.booleans(),
)
def test_random_histories_keep_the_promises_of_the_pilot(
    history: list[tuple[p.Input, float]], dc: bool
) -> None:
    bench = Bench(dc=dc, plugged=False, authorized_duty=AuthorizedDuty.NOMINAL)
    link = basic = False
    limit = 32.0
    for event, seconds in history:
        bench.wait(seconds)
        bench.put(event)
        limit = event.current if isinstance(event, p.LimitChanged) else limit
        for output in bench.take():
            if isinstance(output, p.StationLink):
                assert output.up is not link
                link = output.up
            if isinstance(output, p.BasicCharging):
                assert output.allowed is not basic
                basic = output.allowed
            assert not (dc and isinstance(output, p.BasicCharging))
        if bench.sequence.state in (PilotState.UNPLUGGED, PilotState.FAULT, PilotState.FINISHED):
            assert bench.sequence.signal.drive is Drive.STEADY
            assert not link
            assert not basic
        if bench.sequence.state is PilotState.CONNECTED:
            assert not basic
        shown = bench.sequence.signal
        if shown.drive is Drive.PWM and shown.duty >= 0.1:
            assert shown.duty <= nominal_duty(limit)
