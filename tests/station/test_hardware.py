"""When an outlet is looked at: by its report, or so long after the last look."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import cast

import pytest

from secc.boundary.controller import CheckedController
from secc.station.hardware import watch
from tests.support.fasttime import play_fast
from tests.support.reports import HeardReports


class Silent:
    """A controller that does not report changes."""

    changes = None


class Reporting:
    """A controller that reports once, and then fails."""

    def __init__(self) -> None:
        self.changes = self
        self.calls = 0

    async def changed(self) -> None:
        self.calls += 1
        if self.calls > 1:
            raise OSError("no bus")


def looks_of(
    controller: object, seconds: float, *, looked_at: Callable[[], float] = lambda: -math.inf
) -> tuple[list[tuple[float, bool]], list[str]]:
    """When `watch` looks within these seconds, whether by a report, and its complaints."""

    async def scenario() -> tuple[list[tuple[float, bool]], list[str]]:
        loop = asyncio.get_running_loop()
        began, looks, complaints = loop.time(), list[tuple[float, bool]](), list[str]()
        task = loop.create_task(
            watch(
                cast(CheckedController, controller),
                lambda reported: looks.append((round(loop.time() - began, 3), reported)),
                HeardReports(complaints),
                looked_at=lambda: looked_at() + began,
            )
        )
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        before = len(looks)
        await asyncio.sleep(0.1)
        assert len(looks) == before
        return looks, complaints

    return play_fast(scenario(), sockets=False)


@pytest.mark.inv("INV-03")
def test_an_outlet_that_reports_nothing_is_looked_at_each_20_ms() -> None:
    looks, complaints = looks_of(Silent(), 0.105)
    assert [round(at, 2) for at, _ in looks] == [0.02, 0.04, 0.06, 0.08, 0.1]
    assert not any(reported for _, reported in looks)
    assert complaints == []


@pytest.mark.inv("INV-03")
def test_a_look_by_a_message_puts_off_the_next_one_by_no_more_than_20_ms() -> None:
    looks, _ = looks_of(Silent(), 0.065, looked_at=lambda: 0.015)
    assert [round(at, 3) for at, _ in looks] == [
        pytest.approx(0.035, abs=0.002),
        pytest.approx(0.055, abs=0.003),
    ]


@pytest.mark.inv("INV-03")
def test_a_controller_whose_report_fails_is_polled_from_then_on() -> None:
    looks, complaints = looks_of(Reporting(), 0.045)
    assert [reported for _, reported in looks] == [False, True, False, False]
    assert complaints == ["changed: OSError: no bus; polling instead"]
