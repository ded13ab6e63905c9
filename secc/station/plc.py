"""A station with SLAC: matching, control pilot and sessions of one outlet on the power line.

`machines` holds matching and pilot sequence, `modem_line` the modem, `pilot_watch` looks at the control pilot
and at the ends of sessions; the `Station` below runs the sessions.
"""

import asyncio
import os
from collections.abc import Callable

from secc import pilot
from secc.boundary.calls import what
from secc.boundary.controller import checked_controller
from secc.boundary.modem import checked_modem
from secc.errors import ConfigError
from secc.ports import (
    Backend,
    ChargesBasically,
    DrivesPilot,
    EvseController,
    OcspSource,
    PlcModem,
    Reporter,
)
from secc.records import LinkEvent, LinkRecord, Record
from secc.sdp import SDP_PORT
from secc.settings.config import SeccConfig
from secc.slac import events as slac
from secc.slac.states import SlacState
from secc.station.journal import Journal
from secc.station.log import LogReporter
from secc.station.machines import Machines
from secc.station.modem_line import ModemLine
from secc.station.ownership import OutletClaim
from secc.station.pilot_watch import PilotWatch
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
        """As `Station`. `modem`: by default the one behind the interface of the configuration.

        Raises ConfigError when SLAC is off, or the controller does not declare `secc.ports.DrivesPilot`.
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
        self._log = LogReporter() if reporter is None else None
        self._reporter: Reporter = reporter or self._log or LogReporter()
        self._modem = ModemLine(checked_modem(modem if modem is not None else RawModem(config.interface)))
        self._commands = _Commands(self._modem, controller.pilot, controller.basic)
        self._machines = Machines(config, self._commands, PowerLineLog(recorder), random_bytes)
        self._watch = PilotWatch(config, controller, self._machines, lambda: self.station.power_limit)
        self._tasks: list[asyncio.Task[None]] = []
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
        """The station below: sessions, health, and all that does not concern the power line."""
        self._commands.station = self.station
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
        self._tasks = [
            loop.create_task(self._modem.run(self._machines)),
            loop.create_task(self._watch.run()),
        ]
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.station.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._machines.to_matching(slac.LeaveLink("the station stops"))
        self._modem.close()
        self._commands.drive(pilot.STEADY)
        if self._log is not None:
            self._log.close()

    # --- for the owner -------------------------------------------------------------------------------------

    @property
    def matching_state(self) -> SlacState:
        """State of the matching, for displays."""
        matching = self._machines.matching
        return SlacState.DOWN if matching is None else matching.state

    @property
    def pilot_state(self) -> pilot.PilotState:
        """State of the sequence of the control pilot, for displays."""
        return self._machines.sequence.state

    def wake_up(self) -> None:
        """Wake an EV whose session is paused or finished."""
        self.station.thread.check("wake_up")
        self._machines.to_sequence(pilot.WakeUp())

    def pause_charging(self) -> None:
        """As `Station.pause_charging`; in basic charging the oscillator stops (X1), and the outlet switches
        off after that."""
        self.station.pause_charging()

    def resume_charging(self) -> None:
        """As `Station.resume_charging`, and wake an EV whose session is paused."""
        self.station.resume_charging()
        if self.pilot_state is pilot.PilotState.PAUSED:
            self.wake_up()

    def charge_basically(self) -> None:
        """AC: the EV is authorized without a message, offer the nominal duty cycle now."""
        self.station.thread.check("charge_basically")
        self._machines.to_sequence(pilot.BasicWanted())

    def _observe(self, record: Record) -> None:
        """A record of the station below."""
        self._watch.record(record)
        self._reporter(record)


class _Commands:
    """What the machines command (`Surroundings`): modem, control pilot, and the link of the station."""

    station: Station
    """Set as soon as it is made."""

    def __init__(self, modem: ModemLine, driver: DrivesPilot, basic: ChargesBasically | None) -> None:
        self._modem = modem
        self._driver = driver
        self._basic = basic

    def send(self, data: bytes) -> None:
        self._modem.send(data)

    def put_to_sleep(self, asleep: bool) -> None:
        if problem := self._modem.put_to_sleep(asleep):
            self._complain(problem)

    def drive(self, signal: pilot.PilotSignal) -> None:
        """Set a signal; a failing driver must not stop the reception from the power line."""
        try:
            self._driver.drive_pilot(signal)
        except Exception as error:
            self._complain(f"drive_pilot: {what(error)}")

    def allow_basic_charging(self, allowed: bool) -> None:
        """Allow or withdraw basic charging, where the controller can do it."""
        if self._basic is None:
            return
        try:
            self._basic.basic_charging(allowed)
        except Exception as error:
            why = f"basic_charging: {what(error)}"
            self._complain(why)
            if not allowed:  # the outlet may still be on
                self.station.distrust(why)

    def link_up(self) -> None:
        self.station.link_up()

    def link_down(self, reason: str = "data link lost") -> None:
        self.station.link_down(reason)

    def record(self, record: Record) -> None:
        self.station.record(record)

    def _complain(self, text: str) -> None:
        self.record(LinkRecord(asyncio.get_running_loop().time(), LinkEvent.COMPLAINT, text))


class ThreadsafePlcStation(ThreadsafeStation):
    """As `ThreadsafeStation`, with the methods of `PlcStation`."""

    def __init__(self, plc: PlcStation, station: Station) -> None:
        """Made by `PlcStation.threadsafe`."""
        super().__init__(station, station.thread)
        self._plc = plc

    def wake_up(self) -> Answer:
        """As `PlcStation.wake_up`."""
        return self._thread.submit("wake_up", self._plc.wake_up)

    def resume_charging(self) -> Answer:
        """As `PlcStation.resume_charging`."""
        return self._thread.submit("resume_charging", self._plc.resume_charging)

    def charge_basically(self) -> Answer:
        """As `PlcStation.charge_basically`."""
        return self._thread.submit("charge_basically", self._plc.charge_basically)
