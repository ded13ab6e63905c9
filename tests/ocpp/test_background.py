"""Tasks beside the main loop: their failures are reported, and each is cancelled once."""

from __future__ import annotations

import asyncio

from secc.errors import LinkError
from secc.ocpp.background import BackgroundTasks, cancel_and_wait


async def test_a_link_error_of_a_call_is_reported() -> None:
    reported: asyncio.Queue[str] = asyncio.Queue()
    tasks = BackgroundTasks(reported.put_nowait)

    async def call() -> None:
        raise LinkError("no answer")

    tasks.spawn(call())
    assert await reported.get() == "no answer"


async def test_a_second_cancellation_does_not_interrupt_the_cleanup_of_the_first() -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    steps: list[str] = []

    async def call() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            steps.append("cleanup")
            await go_on.wait()
            steps.append("cleaned up")

    tasks = BackgroundTasks(steps.append)
    tasks.spawn(call())
    await started.wait()
    both = asyncio.gather(tasks.cancel(), tasks.cancel())
    await asyncio.sleep(0)
    go_on.set()
    await both
    assert steps == ["cleanup", "cleaned up"]


async def test_without_tasks_there_is_nothing_to_wait_for() -> None:
    await cancel_and_wait([])
