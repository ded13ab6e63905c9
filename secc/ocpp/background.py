"""Tasks beside the main loop of a back end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from secc.errors import LinkError


async def cancel_and_wait(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel each task once and wait for its end: a second cancellation would interrupt its cleanup."""
    for task in tasks:
        if not task.cancelling():
            task.cancel()
    if tasks:
        await asyncio.wait(tasks)


class BackgroundTasks:
    """Runs calls concurrently and reports their failures."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, call: Coroutine[object, object, None]) -> None:
        """Run a call in a new task; a LinkError is reported."""

        async def reported() -> None:
            try:
                await call
            except LinkError as error:
                self._report(str(error))

        task = asyncio.get_running_loop().create_task(reported())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cancel(self) -> None:
        """Cancel all tasks and wait for their ends."""
        await cancel_and_wait(list(self._tasks))
