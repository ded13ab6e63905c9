"""The modem of a station: kept open, read, and reopened after its interface has failed."""

from __future__ import annotations

import asyncio
import contextlib

from secc.boundary.calls import what
from secc.boundary.modem import CheckedModem
from secc.errors import LinkError
from secc.records import LinkEvent
from secc.slac import events as slac
from secc.station.machines import Machines


class ModemLine:
    """One per station with SLAC; give it a task for `run`."""

    def __init__(self, modem: CheckedModem) -> None:
        self._modem = modem
        self._reopen = asyncio.Event()

    async def run(self, machines: Machines) -> None:
        """Pass frames to the matching, until cancelled. After a failure it is opened again after 0.5 s, then
        less often, each 5 s at the latest."""
        patience = _REOPEN
        problem = ""
        while True:
            try:
                machines.modem_opened(self._modem.open())
                patience, problem = _REOPEN, ""
                await self._receive(machines)
            except LinkError as error:
                self._modem.close()
                machines.to_matching(slac.ModemLost(str(error)))
                if problem != (problem := str(error)):
                    machines.report(LinkEvent.DEAF, problem)
            self._reopen.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._reopen.wait()
            patience = min(2 * patience, _REOPEN_AT_MOST)

    async def _receive(self, machines: Machines) -> None:
        """A few frames at a time, so that a flood cannot delay charging."""
        while True:
            for _ in range(_FRAMES_PER_TURN):
                machines.to_matching(slac.FrameReceived(await self._modem.receive()))
            await asyncio.sleep(0)

    def send(self, data: bytes) -> None:
        """Send a frame; after a failure the reader opens the modem again."""
        try:
            self._modem.send(data)
        except LinkError:
            self._modem.close()

    def put_to_sleep(self, asleep: bool) -> str:
        """Put the modem to sleep or wake it, if it can; returns the error."""
        problem = ""
        if (sleeper := self._modem.sleeper) is not None:
            try:
                (sleeper.sleep if asleep else sleeper.wake)()
            except Exception as error:
                problem = f"modem: {what(error)}"
            if not asleep:
                self._reopen.set()  # at once, not at the next try
        return problem

    def close(self) -> None:
        """Close it."""
        self._modem.close()


_FRAMES_PER_TURN = 16
_REOPEN = 0.5  # s
_REOPEN_AT_MOST = 5.0
