"""Reports of transactions to the service of the operator: `secc csms --cpo`.

A report waits until the service has confirmed it. Reports are idempotent: one that was confirmed while the
answer was lost is sent again without harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable

from secc.errors import LinkError
from secc.ocpp.fake.records import RecordedTransaction
from secc.ocpp.model import Payload

__all__ = ["SessionReports", "session_report"]

RETRY = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between attempts while the service is not reachable; the last one repeats."""


class SessionReports:
    """Sends the start and the end of each transaction, in order."""

    def __init__(
        self,
        send: Callable[[Payload], Awaitable[bool]],
        *,
        show: Callable[[str], None] = lambda _line: None,
        retry: tuple[float, ...] = RETRY,
    ) -> None:
        """`send` posts a report; it returns False for one that the service refuses and raises LinkError
        while the service is not reachable."""
        self._send = send
        self._show = show
        self._retry = retry
        self._waiting: asyncio.Queue[Payload] = asyncio.Queue()

    def add(self, transaction: RecordedTransaction) -> None:
        """Report the present state of a transaction."""
        self._waiting.put_nowait(session_report(dataclasses.replace(transaction)))

    async def drained(self) -> None:
        """Wait until every report has been confirmed or refused."""
        await self._waiting.join()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Context in which reports are sent."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            report = await self._waiting.get()
            await self._deliver(report)
            self._waiting.task_done()

    async def _deliver(self, report: Payload) -> None:
        attempt = 0
        while True:
            try:
                if not await self._send(report):
                    self._show(f"the service of the operator refuses session {report['id']}")
                return
            except LinkError as error:
                pause = self._retry[min(attempt, len(self._retry) - 1)]
                self._show(f"session {report['id']} is reported again in {pause:g} s: {error}")
                attempt += 1
                await asyncio.sleep(pause)


def session_report(transaction: RecordedTransaction) -> Payload:
    """Return a transaction in the form of `POST /v1/sessions`; energy and readings in Wh."""
    start, stop = transaction.meter_start, transaction.meter_stop
    energy = None if start is None or stop is None else max(0, stop - start)
    return {
        "id": transaction.id.replace(" ", "_")[-64:],
        "station": transaction.station,
        "evse_id": transaction.outlet or "1",
        "emaid": transaction.token[:36],
        "started_at": transaction.times[0],
        "ended_at": transaction.times[-1] if transaction.ended else None,
        "energy_wh": energy if transaction.ended else None,
        "reason": transaction.reason,
        "meter_start_wh": start,
        "meter_stop_wh": stop if transaction.ended else None,
    }
