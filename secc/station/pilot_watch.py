"""The control pilot and the ends of sessions, as inputs of matching and pilot sequence."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable

from secc import pilot
from secc.boundary.controller import CheckedController
from secc.records import Direction, LinkEvent, LinkRecord, MessageRecord, OutputRecord, Record
from secc.session.outlet import ControlPilot
from secc.session.outputs import Authorize, EndReason, EndSession
from secc.settings.config import SeccConfig
from secc.settings.energy import EnergyMode
from secc.settings.slac import AuthorizedDuty
from secc.slac import events as slac
from secc.station.machines import Machines
from secc.station.milestones import Authorised, Milestone, Milestones


class PilotWatch:
    """One per station with SLAC; give it a task for `run`, and every record of the station."""

    def __init__(
        self,
        config: SeccConfig,
        controller: CheckedController,
        machines: Machines,
        power_limit: Callable[[], float | None],
    ) -> None:
        """`power_limit`: W that may flow now, None for no limit."""
        self._config = config
        self._controller = controller
        self._machines = machines
        self._power_limit = power_limit
        ac, three = config.energy.ac, EnergyMode.AC_THREE_PHASE_CORE in config.energy.modes
        self._volts = ac.nominal_voltage * (3 if three else 1)
        self._seen = ControlPilot.A
        self._current = config.energy.ac.max_current
        self._end: EndSession | None = None
        self._end_limit = 0.0
        self._speaks_din = self._external = False
        self._milestones = Milestones(self._reached)
        self._retain_until = 0.0
        self._connections = 0

    async def run(self) -> None:
        """Look at the pilot often enough for a validation, and at each deadline, until cancelled."""
        loop, machines = asyncio.get_running_loop(), self._machines
        trouble = ""
        while True:
            try:
                self._look()
                trouble = ""
            except Exception as error:  # a controller that fails must not end the watch
                if trouble != (trouble := f"{type(error).__name__}: {error}"):
                    machines.report(LinkEvent.COMPLAINT, f"control pilot: {trouble}")
            due = machines.deadline
            wait = _INTERVAL if due is None else min(_INTERVAL, due - loop.time())
            machines.moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(wait, 0.0)):
                    await machines.moved.wait()

    def record(self, record: Record) -> None:
        """Follow the session: one that is over leaves the link after its connection is closed
        [V2G-DC-940]."""
        loop = asyncio.get_running_loop()
        match record:
            case MessageRecord(direction=Direction.SENT):
                self._speaks_din = type(record.message).__module__ == "secc.messages.din"
            case OutputRecord(output=Authorize()):
                self._external = True
            case OutputRecord(output=EndSession() as end):
                self._ended(end)
            case LinkRecord(event=LinkEvent.OPENED):
                self._connected(1)
            case LinkRecord(event=LinkEvent.CLOSED):
                self._connected(-1)
                if self._end is not None:
                    loop.call_at(self._retain_until, self._session_over)
            case LinkRecord(event=LinkEvent.SETUP_EXPIRED):
                loop.call_soon(self._machines.to_sequence, pilot.SetupOver())
        if self._config.slac.authorized_duty is AuthorizedDuty.NOMINAL:
            self._milestones(record)

    def _reached(self, milestone: Milestone) -> None:
        """The answer that completes the authorization has been sent [V2G2-931]."""
        if isinstance(milestone, Authorised) and self._external:
            asyncio.get_running_loop().call_soon(self._machines.to_sequence, pilot.Authorized())

    def _ended(self, end: EndSession) -> None:
        """The last response is sent. In DIN SPEC 70121 the oscillator goes off at once after a FAILED one
        [V2G-DC-942], and stays on for a while after SessionStopRes [V2G-DC-968]."""
        loop = asyncio.get_running_loop()
        self._end, self._external = end, False
        self._retain_until = loop.time()
        self._end_limit = loop.time() + self._config.timing.close_delay + _FAREWELL
        if self._speaks_din and end.reason is EndReason.TERMINATED:
            self._retain_until += self._config.slac.oscillator_retain
        elif self._speaks_din and end.reason is EndReason.REFUSED:
            loop.call_soon(self._machines.to_sequence, pilot.ResponseFailed())

    def _connected(self, change: int) -> None:
        self._connections += change
        used = slac.LinkUsed(self._connections > 0)
        asyncio.get_running_loop().call_soon(self._machines.to_matching, used)

    def _session_over(self) -> None:
        end, self._end = self._end, None
        if end is not None:
            self._machines.to_sequence(pilot.SessionOver(end.reason, end.established, end.only_read))

    def _look(self) -> None:
        now, machines = asyncio.get_running_loop().time(), self._machines
        snapshot = self._controller.snapshot()
        self._follow_limit(snapshot.max_current)
        seen = snapshot.control_pilot
        if seen is not self._seen:
            before, self._seen = self._seen, seen
            if before.connected and seen.connected and before.wants_energy is not seen.wants_energy:
                machines.to_matching(slac.PilotMoved(seen.wants_energy))
        machines.to_sequence(pilot.PilotSeen(seen))
        if machines.matching is not None and (machines.matching.deadline or now + 1.0) <= now:
            machines.to_matching(slac.SlacTick())
        if self._end is not None and now >= max(self._end_limit, self._retain_until):
            self._session_over()

    def _follow_limit(self, momentary: float | None) -> None:
        """A nominal duty cycle shows the configured current, or less when the outlet may give less, or load
        management and operator permit less. Of the phases only those of the outlet are known."""
        limit = self._config.energy.ac.max_current
        if (watts := self._power_limit()) is not None:
            limit = min(limit, watts / self._volts)
        if momentary is not None:
            limit = min(limit, momentary) if math.isfinite(momentary) else 0.0
        if limit != self._current:
            self._current = limit
            self._machines.to_sequence(pilot.LimitChanged(limit))


_INTERVAL = 0.02  # s: a phase of a validation lasts at least 0.2 s
_FAREWELL = 1.0  # s beyond the close delay after which the connection counts as closed
