"""The power line around a station: matching, control pilot and session together, on loopback."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import os

import pytest

from secc.errors import ConfigError, LinkError
from secc.messages.iso2 import ChargingSession
from secc.pilot import Drive, PilotState
from secc.records import LinkEvent, LinkRecord
from secc.records.text import as_json, as_text
from secc.session.outlet import ControlPilot
from secc.settings import SeccConfig
from secc.settings.slac import SlacConfig
from secc.sim import SimulatedAcEvse, SimulatedBackend, SimulatedPlc, SlacEv
from secc.slac import events as slac
from secc.slac import messages as m
from secc.slac.frames import BROADCAST, Frame, decode, encode
from secc.slac.states import SlacState
from secc.station.plc import PlcStation
from secc.station.raw_modem import RawModem
from tests.support.plc import EV, EVSE, World
from tests.support.wire import RecordingOutlet

pytestmark = pytest.mark.loop("loopback")


async def test_two_evs_one_after_the_other_match_and_charge_with_a_key_each() -> None:
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


async def test_pulling_the_plug_ends_the_link_and_arms_the_station_again() -> None:
    world = World()
    async with world.plc:
        world.cable.plug_in()
        await world.until(lambda: world.evse.pilot_signal.drive is Drive.PWM)
        await SlacEv(world.ev_plc).match()
        await world.until(lambda: world.plc.station.endpoint is not None)
        world.cable.unplug()
        await world.until(lambda: world.plc.station.endpoint is None)
        await world.until(lambda: world.plc.matching_state is SlacState.UNMATCHED)


async def test_an_ev_that_restarts_while_its_modem_keeps_the_key_matches_at_once() -> None:
    world = World()
    async with world.plc:
        world.cable.plug_in()
        await world.until(lambda: world.evse.pilot_signal.drive is Drive.PWM)
        first = await SlacEv(world.ev_plc).match()
        await world.until(lambda: world.plc.station.endpoint is not None)
        again = await SlacEv(world.ev_plc, run_id=b"RESTARTS").match(patience=1.0)
        assert (again.station, again.nid) == (first.station, first.nid)
        await world.until(lambda: world.plc.matching_state is SlacState.MATCHED)
        assert world.evse.pilot_signal.drive is Drive.PWM
        charged = await world.talk()
        assert charged.completed, charged.error


async def test_an_ev_in_a_session_cannot_be_restarted_from_the_power_line() -> None:
    world = World()
    async with world.plc:
        world.cable.plug_in()
        await world.until(lambda: world.evse.pilot_signal.drive is Drive.PWM)
        await SlacEv(world.ev_plc).match()
        await world.until(lambda: world.plc.matching_state is SlacState.MATCHED)
        session = asyncio.ensure_future(world.talk())
        await world.until(lambda: world.plc.station.health.in_session)
        with pytest.raises(LinkError):
            await SlacEv(world.ev_plc, run_id=b"FORGED!!").match(patience=0.01)
        charged = await session
    assert charged.completed, charged.error


async def test_a_paused_session_is_woken_and_joined_again_without_matching() -> None:
    world = World()
    async with world.plc:
        first = await world.charge(end=ChargingSession.PAUSE)
        assert first.completed, first.error
        await world.until(lambda: world.plc.matching_state is SlacState.PAUSED)
        assert world.evse.pilot_signal.drive is Drive.STEADY
        world.plc.wake_up()
        await world.until(lambda: world.plc.station.endpoint is not None)
        second = await world.talk(session_id=first.session_id)
        assert second.completed, second.error
        assert second.session_id == first.session_id
    assert len(world.told(slac.RunReport)) == 1
    assert len(world.told(slac.LinkReady)) == 2


async def test_a_lost_link_is_followed_by_the_error_routine_and_a_new_offer() -> None:
    world = World(step_ef=0.1)
    async with world.plc:
        world.cable.plug_in()
        await world.until(lambda: world.evse.pilot_signal.drive is Drive.PWM)
        await SlacEv(world.ev_plc).match()
        await world.until(lambda: world.plc.matching_state is SlacState.MATCHED)
        world.ev_plc.modem.silent = True
        await world.until(lambda: world.plc.pilot_state is PilotState.STEP_X1, 15.0)
        await world.until(lambda: world.plc.pilot_state is PilotState.OFFERING, 15.0)


async def test_an_ev_that_does_not_speak_is_offered_basic_charging() -> None:
    world = World(slac_init=1.0, step_ef=0.05)
    async with world.plc:
        world.cable.plug_in()
        await world.until(lambda: world.plc.pilot_state is PilotState.BASIC, 15.0)
        assert world.evse.basic_charging_allowed
        assert round(world.evse.pilot_signal.duty, 2) == 0.53
        world.cable.unplug()
        await world.until(lambda: not world.evse.basic_charging_allowed)


async def test_a_missing_interface_is_reported_and_waited_for() -> None:
    world = World()
    modem = RawModem("nosuch0")
    station = PlcStation(
        world.config, world.evse, SimulatedBackend(), modem=modem, reporter=world.records.append, sdp_port=0
    )
    async with station:
        await asyncio.sleep(0.05)
        assert station.matching_state is SlacState.DOWN
    assert any(isinstance(r, LinkRecord) and r.event is LinkEvent.DEAF for r in world.records)


def test_a_raw_modem_that_is_not_open_says_so() -> None:
    with pytest.raises(LinkError, match="not open"):
        RawModem("lo").send(b"")


def test_slac_must_be_switched_on() -> None:
    with pytest.raises(ConfigError, match="enabled"):
        PlcStation(SeccConfig(interface="lo"), SimulatedAcEvse(), SimulatedBackend())


def test_a_controller_that_cannot_drive_the_pilot_is_refused() -> None:
    config = dataclasses.replace(SeccConfig(interface="lo"), slac=SlacConfig(enabled=True))
    with pytest.raises(ConfigError, match="RecordingOutlet does not declare DrivesPilot"):
        PlcStation(config, RecordingOutlet(), SimulatedBackend())


async def test_basic_charging_that_cannot_be_withdrawn_blocks_the_outlet_and_makes_it_safe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stuck(evse: object, allowed: bool) -> None:
        raise OSError("bus error")

    world = World()
    monkeypatch.setattr(type(world.evse), "basic_charging", stuck)
    async with world.plc as plc:
        plc._commands.allow_basic_charging(True)
        assert not plc.station.health.blocked
        before = len(world.evse.commands)
        plc._commands.allow_basic_charging(False)
        assert plc.station.health.blocked
        await world.until(lambda: len(world.evse.commands) > before)
        assert world.evse.commands[-1][1] == "open"


# --- power and sleep ----------------------------------------------------------------------------------------


async def test_a_modem_sleeps_in_a_pause_and_is_woken_by_a_toggle_of_the_ev() -> None:
    world = World(sleep_on_pause=True)
    async with world.plc:
        first = await world.charge(end=ChargingSession.PAUSE)
        assert first.completed, first.error
        await world.until(lambda: world.plc.matching_state is SlacState.PAUSED)
        assert world.station_plc.modem.silent
        assert world.station_plc.modem.nmk == b""
        await asyncio.sleep(5.0)
        world.cable.set_pilot(ControlPilot.C)  # the EV toggles
        await asyncio.sleep(0.3)
        world.cable.set_pilot(ControlPilot.B)
        await world.until(lambda: world.plc.matching_state is SlacState.MATCHED)
        second = await world.talk(session_id=first.session_id)
        assert second.completed, second.error
        assert second.session_id == first.session_id


async def test_a_limit_of_the_transmit_power_reaches_the_stations_modem_and_ends_with_the_link() -> None:
    world = World(apply_amplitude_map=True)
    async with world.plc:
        world.cable.plug_in()
        await world.until(lambda: world.evse.pilot_signal.drive is Drive.PWM)
        await SlacEv(world.ev_plc).match()
        await world.until(lambda: world.plc.matching_state is SlacState.MATCHED)
        wanted = m.AmpMapReq(917, b"\x11" * 459)
        world.ev_plc.send(encode(Frame(EVSE, EV, wanted)))
        await asyncio.sleep(0.1)
        assert world.station_plc.modem.amplitude_map == wanted
        world.cable.unplug()
        await asyncio.sleep(0.1)
        assert world.station_plc.modem.amplitude_map == m.AmpMapReq.without_limit()


async def test_the_nominal_duty_cycle_follows_what_the_outlet_may_give() -> None:
    world = World(nominal_first=True)
    async with world.plc:
        world.cable.plug_in()
        await world.until(lambda: world.evse.basic_charging_allowed)
        world.evse.derate(max_current=16.0)
        await asyncio.sleep(0.1)
        assert round(world.evse.pilot_signal.duty, 2) == 0.27
        world.evse.derate(max_current=0.0)
        await asyncio.sleep(0.1)
        assert world.evse.pilot_signal.drive is Drive.STEADY
        await world.until(lambda: not world.evse.basic_charging_allowed)


# --- peers --------------------------------------------------------------------------------------------------


async def test_a_neighbours_ev_that_is_measured_at_the_same_time_disturbs_nothing() -> None:
    world = World()
    neighbour = SimulatedPlc(world.line, bytes.fromhex("0200000000e2"), bytes.fromhex("0200000000ac"))
    near = {(world.ev_plc.modem.mac, world.station_plc.modem.mac)}
    world.line.attenuation = lambda a, b: 15 if (a.mac, b.mac) in near else 45
    async with world.plc:
        world.cable.plug_in()
        await world.until(lambda: world.evse.pilot_signal.drive is Drive.PWM)
        neighbour.open()
        other = asyncio.create_task(_measure_only(neighbour, bytes.fromhex("0200000000e2")))
        own = await SlacEv(world.ev_plc).match()
        await other
        assert own.attenuation[EVSE] < 20
        result = await world.talk()
        assert result.completed, result.error


async def _measure_only(modem: SimulatedPlc, mac: bytes) -> None:
    """The EV of a neighbour, which then selects another station."""
    run = b"TESLA EV"
    for message in (m.SlacParmReq(run), *[m.StartAttenCharInd(run, mac)] * 3):
        modem.send(encode(Frame(BROADCAST, mac, message)))
        await asyncio.sleep(0.02)
    for i in range(10):
        modem.send(encode(Frame(BROADCAST, mac, m.MnbcSoundInd(run, 9 - i))))
        await asyncio.sleep(0.02)


@pytest.mark.threat("SDP-10")
async def test_after_unplugging_the_next_ev_is_discovered_within_a_second_of_its_match() -> None:
    world = World()
    async with world.plc:
        await world.charge(end=ChargingSession.PAUSE)
        world.cable.unplug()
        await world.until(lambda: world.plc.matching_state is SlacState.UNMATCHED)
        loop = asyncio.get_running_loop()
        world.cable.plug_in()
        await world.until(lambda: world.evse.pilot_signal.drive is Drive.PWM)
        await SlacEv(world.ev_plc).match()
        begun = loop.time()
        await world.until(lambda: world.plc.station.endpoint is not None)
        assert loop.time() < begun + 1.0
        result = await world.talk()
        assert result.completed, result.error


@pytest.mark.inv("INV-25")
async def test_no_record_of_a_whole_matching_and_session_shows_a_network_key() -> None:
    world = World()
    async with world.plc:
        await world.charge()
        world.cable.unplug()
        await asyncio.sleep(0.1)
    keys = {
        message.nmk
        for message in (decode(data).message for data in world.station_plc.sent)
        if isinstance(message, m.SetKeyReq | m.SlacMatchCnf)
    }
    assert len(keys) >= 2
    texts = [repr(record) for record in world.records]
    texts += [as_json(record) for record in world.records]
    texts += [text for text in map(as_text, world.records) if text is not None]
    for key in keys:
        for form in (key.hex(), key.hex(":"), repr(key)[2:-1]):
            assert not any(form in text for text in texts)


def test_keys_come_from_the_operating_system() -> None:
    assert inspect.signature(PlcStation).parameters["random_bytes"].default is os.urandom


async def test_a_modem_that_is_watched_for_its_network_charges_as_ever() -> None:
    world = World(verify_network=True)
    async with world.plc:
        result = await world.charge()
        assert result.completed, result.error
        world.cable.unplug()
        await world.until(lambda: world.plc.matching_state is SlacState.UNMATCHED)
        await world.charge(end=ChargingSession.PAUSE)
    assert not world.told(slac.Suspicious)


# --- things that break --------------------------------------------------------------------------------------


async def test_an_interface_that_goes_away_and_comes_back_matches_the_same_ev() -> None:
    world = World()
    async with world.plc:
        world.cable.plug_in()
        await world.until(lambda: world.evse.pilot_signal.drive is Drive.PWM)
        world.station_plc.gone = True
        await world.until(lambda: world.plc.matching_state is SlacState.DOWN)
        world.station_plc.gone = False
        await world.until(lambda: world.plc.matching_state is not SlacState.DOWN)
        await SlacEv(world.ev_plc).match(patience=20.0)
        await world.until(lambda: world.plc.station.endpoint is not None)
        result = await world.talk()
        assert result.completed, result.error


async def test_a_controller_that_cannot_be_read_is_reported_once_and_looked_at_again() -> None:
    world = World()
    snapshot = world.evse.snapshot
    async with world.plc:
        world.cable.plug_in()
        await world.until(lambda: world.evse.pilot_signal.drive is Drive.PWM)
        world.evse.snapshot = None  # type: ignore[method-assign,assignment]  # whatever: the call raises
        await asyncio.sleep(1.0)
        world.evse.snapshot = snapshot  # type: ignore[method-assign]  # it is mended
        await SlacEv(world.ev_plc).match()
        await world.until(lambda: world.plc.matching_state is SlacState.MATCHED)
        result = await world.talk()
        assert result.completed, result.error
    complaints = [r for r in world.records if isinstance(r, LinkRecord) and "control pilot" in r.text]
    assert len(complaints) == 1
