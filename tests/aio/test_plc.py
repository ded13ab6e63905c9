"""The power line around a station: matching, control pilot and session together, on loopback."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable

import pytest

from secc.aio.plc import PlcStation, RawModem
from secc.aio.records import LinkEvent, LinkRecord, PlcRecord, Record
from secc.config import EnergyConfig, EnergyMode, SeccConfig, TimingConfig
from secc.errors import ConfigError, LinkError
from secc.messages.iso2 import ChargingSession, EnergyTransferMode
from secc.pilot import Drive, PilotState
from secc.session.events import ControlPilot
from secc.sim import (
    EvResult,
    Plan,
    PowerLine,
    ScriptedEvcc,
    SimulatedAcEvse,
    SimulatedBackend,
    SimulatedCable,
    SimulatedPlc,
    SlacEv,
)
from secc.slac import events as slac
from secc.slac.settings import SlacConfig
from secc.slac.states import State

EVSE = bytes.fromhex("0200000000c1")
EV = bytes.fromhex("0200000000e1")


class World:
    """A station and an EV with a modem each."""

    def __init__(self, **settings: object) -> None:
        self.cable = SimulatedCable(ControlPilot.A)
        self.line = PowerLine(join_time=0.05)
        self.station_plc = SimulatedPlc(self.line, EVSE, bytes.fromhex("0200000000aa"))
        self.ev_plc = SimulatedPlc(self.line, EV, bytes.fromhex("0200000000ab"))
        self.records: list[Record] = []
        self.evse = SimulatedAcEvse(self.cable)
        self.config = SeccConfig(
            interface="lo",
            slac=SlacConfig(enabled=True, **settings),  # type: ignore[arg-type]  # literal settings of the tests
            energy=EnergyConfig(modes=(EnergyMode.AC_THREE_PHASE_CORE,)),
            timing=TimingConfig(close_delay=0.2),
        )
        self.plc = PlcStation(
            self.config,
            self.evse,
            SimulatedBackend(),
            modem=self.station_plc,
            on_event=self.records.append,
            sdp_port=0,
        )

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  # conditions of many kinds
                await asyncio.sleep(0.01)

    def told(self, kind: type) -> list[object]:
        return [r.what for r in self.records if isinstance(r, PlcRecord) and isinstance(r.what, kind)]

    async def charge(self, end: ChargingSession = ChargingSession.TERMINATE) -> EvResult:
        """Plug in, match, charge."""
        self.cable.plug_in()
        await self.until(lambda: self.evse.pilot_signal.drive is Drive.PWM)
        await SlacEv(self.ev_plc).match()
        await self.until(lambda: self.plc.matching_state is State.MATCHED)
        return await self.talk(end=end)

    async def talk(
        self, end: ChargingSession = ChargingSession.TERMINATE, session_id: bytes = b"\0"
    ) -> EvResult:
        """One session on a link that is there."""
        ev = ScriptedEvcc(
            Plan(
                mode=EnergyTransferMode.AC_THREE_PHASE_CORE,
                loops=3,
                pace=0.01,
                end=end,
                session_id=session_id,
            ),
            cable=self.cable,
            interface="lo",
            sdp_port=self.plc.station.sdp_port or 0,
            patience=4.0,
        )
        return await ev.charge()


async def _whole_chain() -> None:
    world = World()
    async with world.plc:
        first = await world.charge()
        assert first.completed, first.error
        await world.until(lambda: world.plc.pilot_state is PilotState.FINISHED)
        assert world.evse.pilot_signal.drive is Drive.STEADY
        world.cable.unplug()
        await world.until(lambda: world.plc.pilot_state is PilotState.UNPLUGGED)
        second = await world.charge()
        assert second.completed, second.error
    keys = {record.nid for record in world.told(slac.LinkReady) if isinstance(record, slac.LinkReady)}
    assert len(keys) == 2
    assert len(world.told(slac.RunReport)) == 2


def test_two_evs_one_after_the_other_match_and_charge_with_a_key_each() -> None:
    asyncio.run(_whole_chain())


async def _unplugged_in_the_link() -> None:
    world = World()
    async with world.plc:
        world.cable.plug_in()
        await world.until(lambda: world.evse.pilot_signal.drive is Drive.PWM)
        await SlacEv(world.ev_plc).match()
        await world.until(lambda: world.plc.station.endpoint is not None)
        world.cable.unplug()
        await world.until(lambda: world.plc.station.endpoint is None)
        await world.until(lambda: world.plc.matching_state is State.UNMATCHED)


def test_pulling_the_plug_ends_the_link_and_arms_the_station_again() -> None:
    asyncio.run(_unplugged_in_the_link())


async def _paused() -> None:
    world = World()
    async with world.plc:
        first = await world.charge(end=ChargingSession.PAUSE)
        assert first.completed, first.error
        await world.until(lambda: world.plc.matching_state is State.PAUSED)
        assert world.evse.pilot_signal.drive is Drive.STEADY
        world.plc.wake_up()
        await world.until(lambda: world.plc.station.endpoint is not None)
        second = await world.talk(session_id=first.session_id)
        assert second.completed, second.error
        assert second.session_id == first.session_id
    assert len(world.told(slac.RunReport)) == 1
    assert len(world.told(slac.LinkReady)) == 2


def test_a_paused_session_is_woken_and_joined_again_without_matching() -> None:
    asyncio.run(_paused())


async def _lost_link() -> None:
    world = World(step_ef=0.1)
    async with world.plc:
        world.cable.plug_in()
        await world.until(lambda: world.evse.pilot_signal.drive is Drive.PWM)
        await SlacEv(world.ev_plc).match()
        await world.until(lambda: world.plc.matching_state is State.MATCHED)
        world.ev_plc.modem.silent = True
        await world.until(lambda: world.plc.pilot_state is PilotState.STEP_X1, 15.0)
        await world.until(lambda: world.plc.pilot_state is PilotState.OFFERING, 15.0)


def test_a_lost_link_is_followed_by_the_error_routine_and_a_new_offer() -> None:
    asyncio.run(_lost_link())


async def _dumb_ev() -> None:
    world = World(slac_init=1.0, step_ef=0.05)
    async with world.plc:
        world.cable.plug_in()
        await world.until(lambda: world.plc.pilot_state is PilotState.BASIC, 15.0)
        assert world.evse.basic_charging_allowed
        assert round(world.evse.pilot_signal.duty, 2) == 0.53
        world.cable.unplug()
        await world.until(lambda: not world.evse.basic_charging_allowed)


def test_an_ev_that_does_not_speak_is_offered_basic_charging() -> None:
    asyncio.run(_dumb_ev())


async def _no_interface() -> None:
    world = World()
    modem = RawModem("nosuch0")
    station = PlcStation(
        world.config, world.evse, SimulatedBackend(), modem=modem, on_event=world.records.append, sdp_port=0
    )
    async with station:
        await asyncio.sleep(0.05)
        assert station.matching_state is State.DOWN
    assert any(isinstance(r, LinkRecord) and r.event is LinkEvent.DEAF for r in world.records)


def test_a_missing_interface_is_told_and_waited_for() -> None:
    asyncio.run(_no_interface())


def test_a_raw_modem_that_is_not_open_says_so() -> None:
    with pytest.raises(LinkError, match="not open"):
        RawModem("lo").send(b"")


def test_slac_has_to_be_switched_on() -> None:
    with pytest.raises(ConfigError, match="enabled"):
        PlcStation(SeccConfig(interface="lo"), SimulatedAcEvse(), SimulatedBackend())


def test_a_controller_that_cannot_drive_the_pilot_is_refused() -> None:
    config = dataclasses.replace(SeccConfig(interface="lo"), slac=SlacConfig(enabled=True))
    with pytest.raises(ConfigError, match="drive_pilot"):
        PlcStation(config, object(), SimulatedBackend())  # type: ignore[arg-type]  # that is the point
