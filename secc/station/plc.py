"""SLAC and the control pilot around a `Station`: the part that has sockets and clocks.

`PlcStation` runs three machines that know nothing of each other: the matching (`secc.slac.matching`), the
sequence of the control pilot (`secc.pilot`) and the station. What one of them tells becomes an input of the
next, in the order in which it was told; nothing here decides anything.
"""

import asyncio
import collections
import contextlib
import math
import os
from collections.abc import Callable
from typing import cast

from secc import pilot
from secc.errors import ConfigError, LinkError
from secc.pilot import PilotSequence
from secc.ports import (
    Backend,
    EvseController,
    OcspSource,
    PlcModem,
    Reporter,
)
from secc.records import LinkEvent, LinkRecord, OutputRecord, PlcRecord, Record
from secc.sdp import SDP_PORT
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndSession
from secc.settings.config import SeccConfig
from secc.slac import events as slac
from secc.slac.matching import Matching
from secc.slac.states import LISTENING, NETWORKED, SlacState
from secc.station.boundary.calls import what
from secc.station.boundary.controller import checked_controller
from secc.station.boundary.modem import checked_modem
from secc.station.journal import Journal
from secc.station.log import LogReporter
from secc.station.ownership import OutletClaim
from secc.station.power_line import PowerLineLog
from secc.station.raw_modem import RawModem
from secc.station.station import Station
from secc.station.threads import Answer, ThreadsafeStation
from secc.trace.recorder import Recorder

__all__ = ["PlcStation", "ThreadsafePlcStation"]


class PlcStation:
    """A station that finds its EV on the power line; an async context manager, or `await serve()`."""

    def __init__(
        self,
        config: SeccConfig,
        controller: EvseController,
        backend: Backend,
        *,
        modem: PlcModem | None = None,
        reporter: Reporter | None = None,
        sdp_port: int = SDP_PORT,
        random_bytes: Callable[[int], bytes] = os.urandom,
        ocsp: OcspSource | None = None,
        recorder: Recorder | None = None,
        journal: Journal | None = None,
        claim: OutletClaim | None = None,
    ) -> None:
        """As `Station`; the controller has to be able to drive the pilot, see `secc.ports.DrivesPilot`.

        `modem`: the interface of the configuration unless told otherwise. Raises ConfigError.
        """
        if isinstance(config, SeccConfig) and not config.slac.enabled:
            raise ConfigError("slac.enabled: expected true; without SLAC a Station is enough")
        controller = checked_controller(controller)
        if controller.pilot is None:
            kind = type(controller.inner).__name__
            raise ConfigError(
                f"slac.enabled is true, and the controller {kind} does not declare DrivesPilot: "
                f"derive {kind} from secc.ports.DrivesPilot"
            )
        self._pilot_driver = controller.pilot
        self._config = config
        self._controller = controller
        self._log = PowerLineLog(recorder)
        self._default_log = LogReporter() if reporter is None else None
        self._reporter: Reporter = reporter or self._default_log or LogReporter()
        self._random_bytes = random_bytes
        self._modem = checked_modem(modem if modem is not None else RawModem(config.interface))
        self._matching: Matching | None = None
        self._sequence = PilotSequence(
            config.slac, dc=not config.energy.offers_ac, max_current=config.energy.ac.max_current
        )
        self._pending: collections.deque[tuple[Callable[..., tuple[object, ...]], object]] = (
            collections.deque()
        )
        self._busy = False
        self._reported: collections.deque[float] = collections.deque(maxlen=20)
        self._pilot = ControlPilot.A
        self._current = config.energy.ac.max_current
        self._end: EndSession | None = None
        self._end_limit = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._moved = asyncio.Event()
        self._reopen = asyncio.Event()
        self.station = Station(
            config,
            controller,
            backend,
            reporter=self._observe,
            sdp_port=sdp_port,
            random_bytes=random_bytes,
            ocsp=ocsp,
            recorder=recorder,
            journal=journal,
            claim=claim,
        )
        """The station below, for everything that has nothing to do with the power line."""
        self.threadsafe = ThreadsafePlcStation(self, self.station)
        """The methods of this station and of the one below, for calls from other threads."""

    # --- life ----------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Start, run until cancelled, stop."""
        async with self:
            await asyncio.Event().wait()

    async def __aenter__(self) -> "PlcStation":
        await self.station.start()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._listen()), loop.create_task(self._keep_time())]
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.station.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._to_matching(slac.LeaveLink("the station stops"))
        self._modem.close()
        self._drive(pilot.STEADY)
        if self._default_log is not None:
            self._default_log.close()

    # --- for the owner -------------------------------------------------------------------------------------

    @property
    def matching_state(self) -> SlacState:
        """Where the matching stands, for displays."""
        return SlacState.DOWN if self._matching is None else self._matching.state

    @property
    def pilot_state(self) -> pilot.PilotState:
        """Where the sequence of the control pilot stands, for displays."""
        return self._sequence.state

    def wake_up(self) -> None:
        """Bring a paused, or finished, EV back."""
        self.station.thread.check("wake_up")
        self._to_sequence(pilot.WakeUp())

    def charge_basically(self) -> None:
        """AC: authorized without a message, offer the nominal duty cycle now."""
        self.station.thread.check("charge_basically")
        self._to_sequence(pilot.BasicWanted())

    # --- tasks ---------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Frames in; an interface that is gone is opened again, less and less often."""
        patience = _REOPEN
        complained = ""
        while True:
            try:
                self._open()
                patience, complained = _REOPEN, ""
                await self._receive()
            except LinkError as error:
                self._modem.close()
                self._to_matching(slac.ModemLost(str(error)))
                if complained != (complained := str(error)):
                    self._event(LinkEvent.DEAF, complained)
            self._reopen.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._reopen.wait()
            patience = min(2 * patience, _REOPEN_AT_MOST)

    def _open(self) -> None:
        address = self._modem.open()
        if self._matching is None or self._matching.evse_mac != address:
            self._matching = Matching(self._config.slac, evse_mac=address, random_bytes=self._random_bytes)
        self._to_matching(slac.ModemOpened())
        if self._sequence.state in (pilot.PilotState.OFFERING, pilot.PilotState.BASIC):
            self._to_matching(slac.VehicleConnected(self._sequence.state is pilot.PilotState.OFFERING))

    async def _receive(self) -> None:
        """A few frames at a time, so that a flood cannot keep the loop from charging."""
        while True:
            for _ in range(_FRAMES_PER_TURN):
                self._to_matching(slac.FrameReceived(await self._modem.receive()))
            await asyncio.sleep(0)

    async def _keep_time(self) -> None:
        """Look at the pilot often enough for a validation, and never miss a deadline."""
        loop = asyncio.get_running_loop()
        trouble = ""
        while True:
            try:
                self._look()
                trouble = ""
            except Exception as error:  # a controller that fails must not end the watching
                if trouble != (trouble := f"{type(error).__name__}: {error}"):
                    self._event(LinkEvent.COMPLAINT, f"control pilot: {trouble}")
            matching = self._matching
            dues = [self._sequence.deadline, None if matching is None else matching.deadline]
            wait = min([_PILOT_POLL, *(due - loop.time() for due in dues if due is not None)])
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(wait, 0.0)):
                    await self._moved.wait()

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        snapshot = self._controller.snapshot()
        self._follow_limit(snapshot.max_current)
        seen = snapshot.control_pilot
        if seen is not self._pilot:
            before, self._pilot = self._pilot, seen
            if before.connected and seen.connected and before.wants_energy is not seen.wants_energy:
                self._to_matching(slac.PilotMoved(seen.wants_energy))
        self._to_sequence(pilot.PilotSeen(seen))
        if self._matching is not None and (self._matching.deadline or now + 1.0) <= now:
            self._to_matching(slac.SlacTick())
        if self._end is not None and now >= self._end_limit:
            self._session_over()

    def _follow_limit(self, momentary: float | None) -> None:
        """What a nominal duty cycle says: the configured current, or less when the outlet may give less."""
        limit = self._config.energy.ac.max_current
        if momentary is not None:
            limit = min(limit, momentary) if math.isfinite(momentary) else 0.0
        if limit != self._current:
            self._current = limit
            self._to_sequence(pilot.LimitChanged(limit))

    # --- between the machines ------------------------------------------------------------------------------

    def _to_matching(self, event: slac.Input) -> None:
        if self._matching is not None:
            self._pass_on(self._matching.handle, event)

    def _to_sequence(self, event: pilot.Input) -> None:
        self._pass_on(self._sequence.handle, event)

    def _pass_on(self, machine: Callable[..., tuple[object, ...]], event: object) -> None:
        """One input after the other, also those that come up meanwhile."""
        self._pending.append((machine, event))
        if self._busy:
            return
        self._busy = True
        try:
            while self._pending:
                handle, event = self._pending.popleft()
                before, now = self._deadline(), asyncio.get_running_loop().time()
                accepted = self._accepted
                outputs = handle(event, now)
                if isinstance(event, slac.FrameReceived) and self._accepted > accepted:
                    self._log.heard(event.data, now)
                for output in outputs:
                    self._log.done(output, now)
                    self._perform(output)
                if self._deadline() != before:
                    self._moved.set()
        finally:
            self._busy = False

    @property
    def _accepted(self) -> int:
        """Frames that meant something to the matching."""
        return 0 if self._matching is None else self._matching.counts.get(slac.FrameVerdict.ACCEPTED, 0)

    def _deadline(self) -> tuple[float | None, float | None]:
        return self._sequence.deadline, None if self._matching is None else self._matching.deadline

    def _perform(self, output: object) -> None:
        match output:
            case slac.SendFrame():
                self._send(output.data)
                return
            case slac.StateChanged(state):
                running = state is SlacState.MATCHING or state in NETWORKED
                self._to_sequence(pilot.MatchingChanged(state in LISTENING or state in NETWORKED, running))
            case slac.NoRequest():
                self._to_sequence(pilot.InitTimeout())
            case slac.SleepModem() | slac.WakeModem():
                self._put_to_sleep(isinstance(output, slac.SleepModem))
            case slac.LinkReady():
                self._to_sequence(pilot.LinkUp())
            case slac.LinkGone():
                self._to_sequence(pilot.LinkDown(output.reason, output.failed))
            case pilot.Show():
                self._drive(output.signal)
            case pilot.BasicCharging():
                self._charge_basically(output.allowed)
            case pilot.Expect():
                self._to_matching(slac.VehicleConnected(output.digital))
            case pilot.GiveUp():
                self._to_matching(slac.VehicleGone())
            case pilot.Leave():
                self._to_matching(slac.LeaveLink(output.reason))
            case pilot.Pause():
                self._to_matching(slac.PauseLink())
            case pilot.Resume():
                self._to_matching(slac.ResumeLink())
            case pilot.StationLink(up=True):
                self.station.link_up()
            case pilot.StationLink():
                self.station.link_down(output.reason)
        now = asyncio.get_running_loop().time()
        if not isinstance(output, _FREQUENT) or self._calm(now):
            self._report(PlcRecord(now, cast(slac.Output | pilot.Output, output)))

    def _drive(self, signal: pilot.PilotSignal) -> None:
        """Show it; a driver that fails must not end the listening to the power line."""
        try:
            self._pilot_driver.drive_pilot(signal)
        except Exception as error:
            self._event(LinkEvent.COMPLAINT, f"drive_pilot: {what(error)}")

    def _charge_basically(self, allowed: bool) -> None:
        """Allow or withdraw basic charging, where the controller can do it."""
        if (basic := self._controller.basic) is None:
            return
        try:
            basic.basic_charging(allowed)
        except Exception as error:
            why = f"basic_charging: {what(error)}"
            self._event(LinkEvent.COMPLAINT, why)
            if not allowed:  # the outlet may still be on
                self.station.distrust(why)

    def _calm(self, now: float) -> bool:
        """Whatever is heard on the power line makes at most 20 records in a second [INV-26]."""
        if len(self._reported) == self._reported.maxlen and now - self._reported[0] < 1.0:
            return False
        self._reported.append(now)
        return True

    def _put_to_sleep(self, asleep: bool) -> None:
        if (sleeper := self._modem.sleeper) is None:
            return
        try:
            (sleeper.sleep if asleep else sleeper.wake)()
        except Exception as error:
            self._event(LinkEvent.COMPLAINT, f"modem: {what(error)}")
        if not asleep:
            self._reopen.set()  # now, not when patience is over

    def _send(self, data: bytes) -> None:
        try:
            self._modem.send(data)
        except LinkError:
            self._modem.close()  # the reader finds out and opens it again

    # --- what the station reports --------------------------------------------------------------------------

    def _observe(self, record: Record) -> None:
        """A session that is over leaves the link, after its connection is closed [V2G-DC-940]."""
        loop = asyncio.get_running_loop()
        match record:
            case OutputRecord(output=EndSession() as end):
                self._end = end
                self._end_limit = loop.time() + self._config.timing.close_delay + _FAREWELL
            case LinkRecord(event=LinkEvent.CLOSED) if self._end is not None:
                loop.call_soon(self._session_over)
            case LinkRecord(event=LinkEvent.SETUP_EXPIRED):
                loop.call_soon(self._to_sequence, pilot.SetupOver())
        self._reporter(record)

    def _session_over(self) -> None:
        end, self._end = self._end, None
        if end is not None:
            self._to_sequence(pilot.SessionOver(end.reason, end.established))

    def _event(self, event: LinkEvent, text: str) -> None:
        self._report(LinkRecord(asyncio.get_running_loop().time(), event, text))

    def _report(self, record: Record) -> None:
        self.station.record(record)


class ThreadsafePlcStation(ThreadsafeStation):
    """As `ThreadsafeStation`, with the methods of `PlcStation`."""

    def __init__(self, plc: PlcStation, station: Station) -> None:
        """Made by `PlcStation.threadsafe`."""
        super().__init__(station, station.thread)
        self._plc = plc

    def wake_up(self) -> Answer:
        """As `PlcStation.wake_up`."""
        return self._thread.submit("wake_up", self._plc.wake_up)

    def charge_basically(self) -> Answer:
        """As `PlcStation.charge_basically`."""
        return self._thread.submit("charge_basically", self._plc.charge_basically)


_FREQUENT = (slac.RunReport, slac.StateChanged, slac.Suspicious)
_PILOT_POLL = 0.02  # s: a phase of a validation lasts at least 0.2 s
_FRAMES_PER_TURN = 16
_REOPEN = 0.5  # s
_REOPEN_AT_MOST = 5.0
_FAREWELL = 1.0  # s beyond the close delay after which the connection counts as closed
