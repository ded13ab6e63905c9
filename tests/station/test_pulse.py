"""One timer of the loop for all stations in it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from secc.station.pulse import INTERVAL, Pulse, each_beat, pulse
from tests.support.fasttime import play_fast

Beats = list[tuple[float, float]]


class Clock:
    """A loop whose time and timers are set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[tuple[float, Any]] = []
        self.problems: list[dict[str, Any]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Any) -> asyncio.TimerHandle:
        self.calls.append((when, call))
        loop: Any = self
        return asyncio.TimerHandle(when, call, (), loop)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.calls.clear()

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.problems.append(context)

    def fire(self, late: float = 0.0) -> None:
        when, call = self.calls.pop(0)
        self.now = when + late
        call()


def made() -> tuple[Clock, Pulse]:
    clock: Any = Clock()
    return clock, Pulse(clock)


def test_each_beat_reports_the_time_and_how_late_the_loop_is() -> None:
    clock, beating = made()
    beats: Beats = []
    beating.join(lambda now, late: beats.append((round(now, 3), round(late, 3))))
    clock.fire()
    clock.fire(late=0.25)
    clock.fire()
    assert beats == [(0.1, 0.0), (0.45, 0.25), (0.55, 0.0)]


def test_all_beats_share_one_timer_which_ends_with_the_last_one() -> None:
    clock, beating = made()
    one: Beats = []
    other: Beats = []

    def first(now: float, late: float) -> None:
        one.append((now, late))

    def second(now: float, late: float) -> None:
        other.append((now, late))

    beating.join(first)
    beating.join(second)
    assert len(clock.calls) == 1
    clock.fire()
    beating.leave(first)
    clock.fire()
    assert (len(one), len(other)) == (1, 2)
    beating.leave(second)
    assert clock.calls == []
    beating.join(first)
    assert len(clock.calls) == 1


def test_a_beat_that_fails_is_reported_and_the_others_go_on() -> None:
    clock, beating = made()
    beats: Beats = []

    def broken(now: float, late: float) -> None:
        raise RuntimeError("defect")

    beating.join(broken)
    beating.join(lambda now, late: beats.append((now, late)))
    clock.fire()
    clock.fire()
    assert len(beats) == 2
    assert [str(problem["exception"]) for problem in clock.problems] == ["defect", "defect"]


def test_a_task_beats_until_it_is_cancelled() -> None:
    async def scenario() -> None:
        beats: Beats = []
        task = asyncio.get_running_loop().create_task(each_beat(lambda now, late: beats.append((now, late))))
        await asyncio.sleep(2.5 * INTERVAL)
        assert len(beats) == 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(2.0 * INTERVAL)
        assert len(beats) == 2

    play_fast(scenario(), sockets=False)


def test_the_stations_of_a_loop_have_the_same_pulse_and_another_loop_has_another() -> None:
    async def scenario() -> Pulse:
        assert pulse() is pulse()
        return pulse()

    one = play_fast(scenario(), sockets=False)
    other = play_fast(scenario(), sockets=False)
    assert one is not other
