"""Runs of several EVs at once: a new start, the same run id, and bounds under a flood."""

from __future__ import annotations

import pytest

from secc.slac import events as e
from secc.slac import messages as m
from secc.slac.frames import BROADCAST
from secc.slac.runs import MAX_PENDING, MAX_RUNS
from secc.slac.states import SlacState
from tests.support.matching import EV, EV_2, MODEM, RUN, RUN_2, Bench


@pytest.mark.req("V2G3-A09-16")
@pytest.mark.parametrize("run", [RUN, RUN_2])
def test_an_ev_may_start_again_in_the_middle_of_its_sounding(run: bytes) -> None:
    bench = Bench()
    bench.measure(count=4)
    bench.measure(run=run)
    told = [message for message in bench.take() if isinstance(message, m.AttenCharInd)]
    assert told == [m.AttenCharInd(EV, run, 10, bytes([20] * 58))]


def test_the_key_is_not_given_for_an_older_run() -> None:
    bench = Bench()
    bench.measure()
    bench.acknowledge()
    bench.measure(run=RUN_2)
    bench.acknowledge(run=RUN_2)
    bench.take()
    bench.choose(run=RUN)
    assert bench.take() == []


def test_two_evs_of_one_maker_with_the_same_run_id_are_kept_apart() -> None:
    bench = Bench()
    bench.ask()
    bench.ask(EV_2)
    bench.start()
    bench.start(EV_2)
    bench.sound(level=10)
    bench.sound(ev=EV_2, level=50)
    told = [message for message in bench.take() if isinstance(message, m.AttenCharInd)]
    assert set(told) == {
        m.AttenCharInd(EV, RUN, 10, bytes([10] * 58)),
        m.AttenCharInd(EV_2, RUN, 10, bytes([50] * 58)),
    }
    bench.acknowledge()
    bench.choose()
    assert [type(message) for message in bench.take()] == [m.SlacMatchCnf]
    assert list(bench.matching.runs) == []


def test_an_ev_that_did_not_get_the_key_may_start_again() -> None:
    bench = Bench()
    bench.match()
    bench.ask()
    assert bench.take() == [m.SlacParmCnf(RUN, EV)]
    assert bench.matching.state is SlacState.UNMATCHED
    bench.match()


def test_everything_remembered_is_bounded_under_a_flood() -> None:
    bench = Bench()
    for i in range(2000):
        ev = b"\x02" + i.to_bytes(5, "big")
        bench.ask(ev)
        bench.hear(ev, BROADCAST, m.StartAttenCharInd(RUN, ev))
        bench.now += 0.001
    assert len(bench.matching.runs) <= MAX_RUNS
    assert len(bench.matching.pending) <= MAX_PENDING


@pytest.mark.threat("SLAC-09")
def test_a_real_ev_is_matched_in_a_flood_of_a_thousand_requests_a_second() -> None:
    bench = Bench()
    serial = 0

    def flood(seconds: float) -> None:
        nonlocal serial
        for _ in range(round(seconds * 1000)):
            serial += 1
            bench.ask(b"\x06" + serial.to_bytes(5, "big"))
            bench.wait(0.001)

    flood(1.0)
    for _ in range(3):  # as a car does, until it is answered
        bench.take()
        bench.ask()
        if bench.take():
            break
        flood(0.2)
    flood(0.1)
    for _ in range(3):
        bench.hear(EV, BROADCAST, m.StartAttenCharInd(RUN, EV))
        flood(0.03)
    for _ in range(10):
        bench.hear(EV, BROADCAST, m.MnbcSoundInd(RUN, 0))
        bench.hear(MODEM, BROADCAST, m.AttenProfileInd(EV, bytes(58)))
        flood(0.03)
    bench.acknowledge()
    bench.take()
    bench.choose()
    assert [type(message) for message in bench.take()] == [m.SlacMatchCnf]


def test_one_ev_is_not_answered_more_than_ten_times_a_second() -> None:
    bench = Bench()
    for _ in range(100):
        bench.ask()
        bench.now += 0.001
    assert len(bench.take()) == 10
    assert bench.matching.counts[e.FrameVerdict.RATE] == 90
