"""How late the event loop is, and when that is worth a line."""

import asyncio
import itertools

import pytest

from secc.station.lag import LoopLag
from tests.support.fasttime import play_fast


class _Stalls:
    """A clock of the loop that jumps: the loop is late at each look."""

    def __init__(self, *stalls: float) -> None:
        self._stalls = itertools.chain(stalls, itertools.repeat(0.0))

    def before(self) -> float:
        return next(self._stalls)


async def measure(made: LoopLag, stalls: _Stalls, looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """`looks` looks of it, each late by the next stall."""
    done = 0
    clock = 1000.0

    async def late_sleep(seconds: float) -> None:
        nonlocal done, clock
        if done == looks:
            raise asyncio.CancelledError
        done += 1
        clock += seconds + stalls.before()

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(asyncio, "sleep", late_sleep)
    monkeypatch.setattr(loop, "time", lambda: clock)
    try:
        await made.run()
    except asyncio.CancelledError:
        monkeypatch.undo()


def test_a_delay_of_half_the_margin_is_reported_and_not_again_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = list[str]()
    made = LoopLag(0.3, said.append)
    play_fast(measure(made, _Stalls(0.0, 0.1, 0.2, 0.4, 0.25), 5, monkeypatch))
    assert made.worst == pytest.approx(0.4)
    assert said == ["the event loop was late by 0.200 s, the lease leaves room for 0.300 s"]
    assert made.warnings == ("the event loop was late by 0.400 s, the lease leaves room for 0.300 s",)
    play_fast(measure(made, _Stalls(), 120, monkeypatch))
    assert said[1:] == ["the event loop was late by 0.400 s, the lease leaves room for 0.300 s"]


def test_a_delay_is_forgotten_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    made = LoopLag(0.3, lambda _: None)
    play_fast(measure(made, _Stalls(0.1), 600, monkeypatch))
    assert made.worst == pytest.approx(0.1)
    assert made.warnings == ()
    play_fast(measure(made, _Stalls(), 600, monkeypatch))
    assert made.worst < 0.01
