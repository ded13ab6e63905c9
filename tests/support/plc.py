"""A station and an EV with a modem each, on a simulated power line and on loopback."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable

from secc.messages.iso2 import ChargingSession, EnergyTransferMode
from secc.pilot import Drive
from secc.ports import Backend
from secc.records import PlcRecord, Record
from secc.session.outlet import ControlPilot
from secc.settings import EnergyConfig, EnergyMode, SeccConfig, SocConfig, TimingConfig
from secc.settings.slac import SlacConfig
from secc.sim import (
    EvResult,
    Noise,
    Plan,
    PowerLine,
    ScriptedEvcc,
    SimulatedAcEvse,
    SimulatedBackend,
    SimulatedCable,
    SimulatedPlc,
    SlacEv,
)
from secc.slac.states import SlacState
from secc.station.plc import PlcStation
from secc.trace.recorder import Recorder

EVSE = bytes.fromhex("0200000000c1")
EV = bytes.fromhex("0200000000e1")


class World:
    """A station and an EV with a modem each."""

    def __init__(
        self,
        *,
        noise: Noise | None = None,
        write: Callable[[str], object] | None = None,
        soc: SocConfig | None = None,
        backend: Backend | None = None,
        **settings: object,
    ) -> None:
        """`write` takes the lines of a trace."""
        self.cable = SimulatedCable(ControlPilot.A)
        self.line = PowerLine(join_time=0.05, clock=lambda: asyncio.get_running_loop().time(), noise=noise)
        self.station_plc = SimulatedPlc(self.line, EVSE, bytes.fromhex("0200000000aa"))
        self.ev_plc = SimulatedPlc(self.line, EV, bytes.fromhex("0200000000ab"))
        self.records: collections.deque[Record] = collections.deque(maxlen=2_000)
        self.evse = SimulatedAcEvse(self.cable, clock=self.line.clock)
        self.config = SeccConfig(
            interface="lo",
            slac=SlacConfig(enabled=True, **settings),  # type: ignore[arg-type]  # literal settings of the tests
            energy=EnergyConfig(modes=(EnergyMode.AC_THREE_PHASE_CORE,)),
            timing=TimingConfig(close_delay=0.2),
            soc=soc or SocConfig(),
        )
        self.plc = PlcStation(
            self.config,
            self.evse,
            backend or SimulatedBackend(),
            modem=self.station_plc,
            reporter=self.records.append,
            sdp_port=0,
            recorder=None if write is None else Recorder(write, self.config, now=self.line.clock(), wall=0.0),
        )

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  # conditions of many kinds
                await asyncio.sleep(0.01)

    def told(self, kind: type) -> list[object]:
        return [r.what for r in self.records if isinstance(r, PlcRecord) and isinstance(r.what, kind)]

    async def match(self) -> None:
        """Plug in and match."""
        self.cable.plug_in()
        await self.until(lambda: self.evse.pilot_signal.drive is Drive.PWM)
        await SlacEv(self.ev_plc).match()
        await self.until(lambda: self.plc.matching_state is SlacState.MATCHED)

    async def charge(self, end: ChargingSession = ChargingSession.TERMINATE) -> EvResult:
        """Plug in, match, charge."""
        await self.match()
        return await self.talk(end=end)

    async def talk(
        self, end: ChargingSession = ChargingSession.TERMINATE, session_id: bytes = b"\0"
    ) -> EvResult:
        """One session on a link that is there."""
        return await self.follow(
            Plan(
                mode=EnergyTransferMode.AC_THREE_PHASE_CORE,
                loops=3,
                pace=0.01,
                end=end,
                session_id=session_id,
            )
        )

    async def follow(self, plan: Plan) -> EvResult:
        """A session as the EV plans it, on a link that is there."""
        ev = ScriptedEvcc(
            plan,
            cable=self.cable,
            interface="lo",
            sdp_port=self.plc.station.sdp_port or 0,
            patience=4.0,
        )
        return await ev.charge()
