"""A stop by the station: what is noted, and which of two orders counts."""

from __future__ import annotations

import pytest

from secc.session.agreed import Stop
from secc.session.inputs import StopRequested
from secc.session.outputs import Notice, NoticeKind
from secc.session.states import Timer
from tests.support.bench import DC, Bench


def notes(bench: Bench) -> list[str]:
    """The reasons of the stops that were noted."""
    return [one.text for one in bench.outputs if isinstance(one, Notice) and one.kind is NoticeKind.STOP]


@pytest.mark.inv("INV-29")
def test_the_first_of_two_orders_counts_and_is_noted_once() -> None:
    bench = Bench(DC).to_demand()
    bench.feed(StopRequested("maintenance"))
    bench.feed(StopRequested("another reason"))
    assert notes(bench) == ["maintenance"]
    delay = bench.session.config.timing.stop_delay
    assert bench.session.stop == Stop("maintenance", bench.session.now + delay)
    assert Timer.STOP_DELAY in bench.session.timers.due


@pytest.mark.inv("INV-29")
def test_an_order_to_stop_at_once_takes_the_time_of_the_ev_away() -> None:
    bench = Bench(DC).to_demand()
    bench.feed(StopRequested("maintenance"))
    bench.feed(StopRequested("emergency", at_once=True))
    assert notes(bench) == ["maintenance", "emergency"]
    assert bench.session.stop == Stop("emergency", bench.session.now)
    assert Timer.STOP_DELAY not in bench.session.timers.due
    assert Timer.STOP_GRACE in bench.session.timers.due


@pytest.mark.inv("INV-29")
def test_a_stop_that_is_due_is_not_ordered_again() -> None:
    bench = Bench(DC).to_demand()
    bench.feed(StopRequested("emergency", at_once=True))
    before = bench.session.stop
    bench.feed(StopRequested("once more", at_once=True))
    assert notes(bench) == ["emergency"]
    assert bench.session.stop is before
