"""Matching and pilot sequence of a station with SLAC, and the data between them.

The two machines (`secc.slac.matching`, `secc.pilot`) and the station are independent of each other. An output
of one becomes an input of the next, in the order of the outputs; this module makes no decisions.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable
from typing import Protocol, cast

from secc import pilot
from secc.pilot import PilotSequence
from secc.records import LinkEvent, LinkRecord, PlcRecord, Record
from secc.settings.config import SeccConfig
from secc.slac import events as slac
from secc.slac.matching import Matching
from secc.slac.states import LISTENING, NETWORKED, SlacState
from secc.station.power_line import PowerLineLog


class Surroundings(Protocol):
    """What the machines command."""

    def send(self, data: bytes) -> None:
        """Send a frame."""
        ...

    def put_to_sleep(self, asleep: bool) -> None:
        """Put the modem to sleep, or wake it."""
        ...

    def drive(self, signal: pilot.PilotSignal) -> None:
        """Show a signal on the control pilot."""
        ...

    def allow_basic_charging(self, allowed: bool) -> None:
        """Allow or withdraw charging without a message."""
        ...

    def link_up(self) -> None:
        """The data link is up."""
        ...

    def link_down(self, reason: str = ...) -> None:
        """The data link is gone."""
        ...

    def record(self, record: Record) -> None:
        """Report a record."""
        ...


class Machines:
    """Both machines of one station. Inputs go through `to_matching` and `to_sequence`."""

    def __init__(
        self,
        config: SeccConfig,
        surroundings: Surroundings,
        log: PowerLineLog,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._config = config
        self._surroundings = surroundings
        self._log = log
        self._random_bytes = random_bytes
        self.matching: Matching | None = None
        """None until the modem has been opened."""
        self.sequence = PilotSequence(
            config.slac,
            dc=not config.energy.offers_ac,
            max_current=config.energy.ac.max_current,
            soc=config.soc,
        )
        self.moved = asyncio.Event()
        """Set when a deadline has changed."""
        self._pending: collections.deque[tuple[Callable[..., tuple[object, ...]], object]] = (
            collections.deque()
        )
        self._busy = False
        self._reported: collections.deque[float] = collections.deque(maxlen=_MOST_RECORDS)

    def modem_opened(self, address: bytes) -> None:
        """The modem is ready and has this address."""
        if self.matching is None or self.matching.evse_mac != address:
            self.matching = Matching(self._config.slac, evse_mac=address, random_bytes=self._random_bytes)
        self.to_matching(slac.ModemOpened())
        if self.sequence.state in (pilot.PilotState.OFFERING, pilot.PilotState.BASIC):
            digital = self.sequence.state is pilot.PilotState.OFFERING
            within = self.sequence.wait_for_ev if digital else None
            self.to_matching(slac.VehicleConnected(digital, within))

    def to_matching(self, event: slac.Input) -> None:
        """Pass an input to the matching; without a modem there is none."""
        if self.matching is not None:
            self._pass_on(self.matching.handle, event)

    def to_sequence(self, event: pilot.Input) -> None:
        """Pass an input to the sequence of the control pilot."""
        self._pass_on(self.sequence.handle, event)

    def report(self, event: LinkEvent, text: str) -> None:
        """Report an event around the machines."""
        self._surroundings.record(LinkRecord(asyncio.get_running_loop().time(), event, text))

    @property
    def deadline(self) -> float | None:
        """The earlier one of both machines."""
        return min((due for due in self._deadlines() if due is not None), default=None)

    def _deadlines(self) -> tuple[float | None, float | None]:
        return self.sequence.deadline, None if self.matching is None else self.matching.deadline

    def _pass_on(self, machine: Callable[..., tuple[object, ...]], event: object) -> None:
        """Handle inputs one after the other, also those that outputs cause meanwhile."""
        self._pending.append((machine, event))
        if self._busy:
            return
        self._busy = True
        try:
            while self._pending:
                self._handle(*self._pending.popleft())
        finally:
            self._busy = False

    def _handle(self, machine: Callable[..., tuple[object, ...]], event: object) -> None:
        before, now = self._deadlines(), asyncio.get_running_loop().time()
        accepted = self._accepted
        outputs = machine(event, now)
        if isinstance(event, slac.FrameReceived) and self._accepted > accepted:
            self._log.heard(event.data, now)
        for output in outputs:
            self._log.done(output, now)
            self._perform(output)
        if self._deadlines() != before:
            self.moved.set()

    @property
    def _accepted(self) -> int:
        """Frames that the matching has accepted."""
        return 0 if self.matching is None else self.matching.counts.get(slac.FrameVerdict.ACCEPTED, 0)

    def _perform(self, output: object) -> None:
        match output:
            case slac.SendFrame():
                self._surroundings.send(output.data)
                return
            case slac.StateChanged(state):
                running = state is SlacState.MATCHING or state in NETWORKED
                self.to_sequence(pilot.MatchingChanged(state in LISTENING or state in NETWORKED, running))
            case slac.NoRequest():
                self.to_sequence(pilot.InitTimeout())
            case slac.SleepModem() | slac.WakeModem():
                self._surroundings.put_to_sleep(isinstance(output, slac.SleepModem))
            case slac.LinkReady():
                self.to_sequence(pilot.LinkUp())
            case slac.LinkGone():
                self.to_sequence(pilot.LinkDown(output.reason, output.failed))
            case _:
                self._perform_of_sequence(output)
        now = asyncio.get_running_loop().time()
        if not isinstance(output, _FREQUENT) or self._calm(now):
            self._surroundings.record(PlcRecord(now, cast(slac.Output | pilot.Output, output)))

    def _perform_of_sequence(self, output: object) -> None:
        match output:
            case pilot.Show():
                self._surroundings.drive(output.signal)
            case pilot.BasicCharging():
                self._surroundings.allow_basic_charging(output.allowed)
            case pilot.Expect():
                self.to_matching(slac.VehicleConnected(output.digital, output.within))
            case pilot.GiveUp():
                self.to_matching(slac.VehicleGone())
            case pilot.Leave():
                self.to_matching(slac.LeaveLink(output.reason, output.failed))
            case pilot.Pause():
                self.to_matching(slac.PauseLink())
            case pilot.Resume():
                self.to_matching(slac.ResumeLink())
            case pilot.StationLink(up=True):
                self._surroundings.link_up()
            case pilot.StationLink():
                self._surroundings.link_down(output.reason)

    def _calm(self, now: float) -> bool:
        """Frames of others on the power line cause at most 20 records in a second [INV-26]."""
        if len(self._reported) == _MOST_RECORDS and now - self._reported[0] < 1.0:
            return False
        self._reported.append(now)
        return True


_FREQUENT = (slac.RunReport, slac.StateChanged, slac.Suspicious)
_MOST_RECORDS = 20
