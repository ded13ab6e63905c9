"""The timers of a session, alone."""

import pytest

from secc.session.states import Timer
from secc.session.timers import Timers
from secc.settings import TimingConfig


@pytest.fixture
def timers() -> Timers:
    return Timers(TimingConfig(pre_charge=5.0, sequence=60.0))


def test_a_timer_runs_for_its_whole_time_from_each_start(timers: Timers) -> None:
    timers.start(Timer.SEQUENCE, 100.0)
    timers.start(Timer.SEQUENCE, 130.0)
    assert timers.due == {Timer.SEQUENCE: 190.0}
    assert timers.deadline == 190.0


def test_without_a_timer_there_is_no_deadline(timers: Timers) -> None:
    assert timers.deadline is None
    assert timers.take(1e9, ()) is None


@pytest.mark.req("V2G2-712")
def test_a_budget_is_started_once_and_not_again_after_it_has_run_out(timers: Timers) -> None:
    timers.start_once(Timer.PRE_CHARGE, 100.0)
    timers.start_once(Timer.PRE_CHARGE, 104.0)
    assert timers.due[Timer.PRE_CHARGE] == 105.0
    assert timers.take(105.0, ()) is Timer.PRE_CHARGE
    timers.start_once(Timer.PRE_CHARGE, 106.0)
    assert timers.due == {}
    assert timers.expired == {Timer.PRE_CHARGE}


def test_a_stop_forgets_that_a_timer_has_run_out(timers: Timers) -> None:
    timers.start(Timer.PRE_CHARGE, 100.0)
    timers.take(200.0, ())
    timers.stop(Timer.PRE_CHARGE)
    timers.start_once(Timer.PRE_CHARGE, 300.0)
    assert timers.due == {Timer.PRE_CHARGE: 305.0}
    assert timers.expired == set()


def test_the_earliest_timer_that_is_due_comes_first_and_what_waits_stays(timers: Timers) -> None:
    timers.start(Timer.SEQUENCE, 100.0)
    timers.start(Timer.PRE_CHARGE, 100.0)
    assert timers.take(104.9, ()) is None
    assert timers.take(160.0, {Timer.PRE_CHARGE}) is Timer.SEQUENCE
    assert timers.take(160.0, {Timer.PRE_CHARGE}) is None
    assert timers.take(160.0, ()) is Timer.PRE_CHARGE


def test_a_timer_is_brought_forward_and_never_put_off(timers: Timers) -> None:
    timers.start(Timer.SEQUENCE, 100.0)
    timers.bring_forward(Timer.SEQUENCE, 130.0)
    timers.bring_forward(Timer.SEQUENCE, 150.0)
    assert timers.due == {Timer.SEQUENCE: 130.0}


def test_the_end_stops_everything(timers: Timers) -> None:
    timers.start(Timer.SEQUENCE, 100.0)
    timers.clear()
    assert timers.deadline is None
