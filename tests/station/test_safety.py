"""Making an outlet safe: also after a cancellation, and until it has succeeded."""

import asyncio

import pytest

from secc.station.safety import Safety
from tests.support.reports import HeardReports
from tests.support.wire import RecordingOutlet, eventually


async def test_making_safe_survives_a_cancelled_caller() -> None:
    gate = asyncio.Event()

    class Slow(RecordingOutlet):
        async def make_safe(self) -> None:
            await gate.wait()
            await super().make_safe()

    slow = Slow()
    task = asyncio.create_task(Safety(slow, 1.0, HeardReports()).make())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slow.calls == ["make_safe"]


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [("fail", "make_safe: RuntimeError: make_safe failed"), ("hang", "make_safe: no answer in time")],
)
async def test_a_failure_is_reported_once_and_tried_again(trouble: str, problem: str) -> None:
    outlet, complaints = RecordingOutlet(), list[str]()
    getattr(outlet, trouble).add("make_safe")
    safety = Safety(outlet, 0.01, HeardReports(complaints))
    await safety.make()
    assert safety.problem == problem
    running = asyncio.create_task(safety.run())
    await eventually(lambda: len(outlet.calls) == 2)
    getattr(outlet, trouble).clear()
    await eventually(lambda: not safety.problem)
    running.cancel()
    assert complaints == [problem]


async def test_an_outlet_that_obeys_is_asked_once() -> None:
    outlet = RecordingOutlet()
    safety = Safety(outlet, 1.0, HeardReports())
    await safety.make()
    assert (safety.problem, outlet.calls) == ("", ["make_safe"])
