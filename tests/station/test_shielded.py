"""Work that is finished although its caller is cancelled."""

import asyncio

import pytest

from secc.station.shielded import finish

pytestmark = pytest.mark.loop("virtual")


async def test_work_is_waited_for() -> None:
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(1.0)
        done.append("work")

    await finish(work())
    assert done == ["work"]


async def test_a_failure_reaches_the_caller() -> None:
    async def work() -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await finish(work())


async def test_a_caller_that_is_cancelled_twice_is_cancelled_after_the_work() -> None:
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(1.0)
        done.append("work")

    caller = asyncio.create_task(finish(work()))
    for _ in range(2):
        await asyncio.sleep(0.1)
        caller.cancel()
    assert not done
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert done == ["work"]
