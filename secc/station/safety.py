"""The outlet must report that it is safe before a session may use it: at start, and after each session.

A controller whose `make_safe` fails or hangs still has its lease, which is not renewed any more [INV-31]. But
its real state is unknown, so no session starts until a repeated call has succeeded.
"""

import asyncio

from secc.boundary.calls import Complaints
from secc.ports import EvseController
from secc.station.shielded import finish


class Safety:
    """One per outlet; give it a task for `run`."""

    def __init__(self, controller: EvseController, limit: float, reports: Complaints) -> None:
        """`limit`: seconds that one call may take. `reports` reports each problem once."""
        self._controller = controller
        self._limit = limit
        self._reports = reports
        self._failed = asyncio.Event()
        self._one = asyncio.Lock()
        self.problem = ""
        """Why no session may use the outlet; empty while it is safe, or in a session."""

    async def make(self) -> None:
        """Switch everything off, in every case: a cancelled caller is cancelled afterwards.

        A call of `make_safe` in progress is awaited, and then a new one is made.
        """
        await finish(self._call())

    async def run(self) -> None:
        """Repeat after a failure, until it succeeds; until cancelled."""
        while True:
            await self._failed.wait()
            await asyncio.sleep(_PAUSE)
            await self.make()

    async def _call(self) -> None:
        async with self._one:
            try:
                async with asyncio.timeout(self._limit):
                    await self._controller.make_safe()
            except Exception as error:
                in_time = "no answer in time" if isinstance(error, TimeoutError) else ""
                problem = f"make_safe: {in_time or f'{type(error).__name__}: {error}'.removesuffix(': ')}"
                if problem != self.problem:
                    self._reports.complaint(problem)
                self.problem = problem
                self._failed.set()
            else:
                self.problem = ""
                self._failed.clear()


_PAUSE = 0.5  # s between a failure and the next call
