"""An EV that has lost its state while its modem kept the key starts again without waiting for a timeout."""

from __future__ import annotations

import pytest

from secc.slac import events as e
from secc.slac import messages as m
from secc.slac.states import SlacState
from tests.support.matching import EV, EV_2, RUN_2, Bench


def matched() -> Bench:
    bench = Bench()
    bench.link()
    return bench


@pytest.mark.req("V2G3-A09-16")
def test_a_matched_ev_that_asks_again_is_answered_and_the_link_stays() -> None:
    bench = matched()
    bench.ask(run=RUN_2)
    assert [type(message) for message in bench.take()] == [m.SlacParmCnf]
    assert bench.matching.state is SlacState.MATCHED
    assert bench.told == []


def test_a_matched_ev_that_sounds_again_leaves_the_link_and_gets_the_same_key() -> None:
    bench = matched()
    key = bench.matching.key
    bench.ask(run=RUN_2)
    bench.start(run=RUN_2)
    assert bench.all_told(e.LinkGone) == [e.LinkGone("the EV starts matching again", failed=False)]
    assert bench.matching.state is SlacState.MATCHING
    bench.sound(run=RUN_2)
    bench.acknowledge(run=RUN_2)
    bench.take()
    bench.choose(run=RUN_2)
    (answer,) = bench.take()
    assert isinstance(answer, m.SlacMatchCnf)
    assert (answer.nid, answer.nmk) == (key.nid, key.nmk)


def test_an_ev_with_a_connection_does_not_start_again() -> None:
    bench = matched()
    bench.put(e.LinkUsed(used=True))
    bench.ask(run=RUN_2)
    bench.start(run=RUN_2)
    assert (bench.take(), bench.told) == ([], [])
    bench.put(e.LinkUsed(used=False))
    bench.ask(run=RUN_2)
    assert [type(message) for message in bench.take()] == [m.SlacParmCnf]


def test_another_ev_cannot_start_while_one_is_matched() -> None:
    bench = matched()
    bench.ask(EV_2, RUN_2)
    bench.start(EV_2, RUN_2)
    assert (bench.take(), bench.told) == ([], [])


def test_a_start_without_an_answered_request_does_not_end_the_link() -> None:
    bench = matched()
    bench.start(run=RUN_2)
    bench.ask(run=RUN_2)
    bench.wait(0.5)
    bench.start(run=RUN_2)
    assert bench.told == []
    assert bench.matching.state is SlacState.MATCHED


def test_a_restarted_ev_that_does_not_continue_is_reported() -> None:
    bench = matched()
    bench.ask(run=RUN_2)
    bench.start(run=RUN_2)
    bench.wait(41.0)
    assert bench.all_told(e.NoRequest) == [e.NoRequest()]


def test_an_ev_that_has_forgotten_its_pause_starts_again() -> None:
    bench = matched()
    bench.put(e.PauseLink())
    bench.put(e.ResumeLink())
    bench.take()
    bench.ask(run=RUN_2)
    bench.start(run=RUN_2)
    assert bench.matching.state is SlacState.MATCHING
    assert [run.ev_mac for run in bench.matching.runs.values()] == [EV]
