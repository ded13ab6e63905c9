"""A station with an AC outlet that reads the state of charge first, and simulated cars of several kinds."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from secc.connection import Connection, Data
from secc.errors import ConfigError
from secc.messages.iso2 import ChargeParameterDiscoveryReq, EnergyTransferMode
from secc.pilot import Drive, PilotState
from secc.ports import ReadsBatteries
from secc.records import OutputRecord
from secc.sap import DIN, ISO2
from secc.session.battery_events import EvBattery, SocReading
from secc.session.machine import Session
from secc.session.outlet import ControlPilot, EvseSnapshot
from secc.session.outputs import EndReason, EndSession
from secc.settings import SeccConfig, SlacConfig, SocConfig, SocThen
from secc.settings.energy import EnergyConfig, EnergyMode
from secc.settings.protocols import ProtocolName
from secc.sim import Plan, SimulatedBackend
from secc.sim.moves import Move, Vanish
from secc.station.battery import BatteryWatch, modem_address
from secc.station.reporting import Reports
from secc.v2gtp import frame
from tests.support.plc import World
from tests.support.wire import offer

pytestmark = pytest.mark.loop("loopback")
EV = bytes.fromhex("02005E100001")
DC_OUTLET = EnergyConfig(modes=(EnergyMode.DC_EXTENDED,))


class Keeping(SimulatedBackend, ReadsBatteries):
    """A back end that keeps the reports."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[EvBattery] = []

    async def battery_read(self, evse_id: str, battery: EvBattery) -> None:
        self.read.append(battery)


def plan(protocol: ProtocolName, **more: object) -> Plan:
    return Plan(protocol=protocol, mode=EnergyTransferMode.DC_EXTENDED, pace=0.01, evcc_id=EV, **more)  # type: ignore[arg-type]


def ends(world: World) -> list[EndSession]:
    found = [one.output for one in world.records if isinstance(one, OutputRecord)]
    return [one for one in found if isinstance(one, EndSession)]


@pytest.mark.parametrize("protocol", [ProtocolName.ISO15118_2, ProtocolName.DIN70121])
async def test_a_car_is_read_and_then_offered_basic_charging_through_x1(protocol: ProtocolName) -> None:
    backend = Keeping()
    world = World(soc=SocConfig(read=True), backend=backend)
    async with world.plc:
        await world.match()
        result = await world.follow(plan(protocol))
        assert not result.error
        await world.until(lambda: world.plc.pilot_state is PilotState.STEP_X1)
        assert world.evse.pilot_signal.drive is Drive.STEADY
        assert not world.evse.basic_charging_allowed
        await world.until(lambda: world.plc.pilot_state is PilotState.BASIC)
        assert world.evse.basic_charging_allowed
        (read,) = backend.read
        assert (read.soc, read.evccid) == (35, "02005E100001")
        assert world.plc.station.battery == read
        assert not [what for _, what in world.evse.commands if what.startswith(("close", "lease"))]
        world.cable.unplug()
        await world.until(lambda: world.plc.station.battery is None)
    (end,) = ends(world)
    assert (end.reason, end.only_read) == (EndReason.TERMINATED, True)


async def test_a_car_that_closes_the_connection_without_a_word_is_charged_basically_too() -> None:
    def leave(request: object, number: int) -> Move | None:
        return Vanish() if isinstance(request, ChargeParameterDiscoveryReq) and number else None

    backend = Keeping()
    world = World(soc=SocConfig(read=True), backend=backend)
    async with world.plc:
        await world.match()
        await world.follow(plan(ProtocolName.ISO15118_2, tamper=leave))
        await world.until(lambda: world.plc.pilot_state is PilotState.BASIC)
        assert [one.soc for one in backend.read] == [35]
    assert [end.only_read for end in ends(world)] == [True]


async def test_after_the_reading_a_car_charges_by_messages_where_the_settings_want_it() -> None:
    world = World(soc=SocConfig(read=True, then=SocThen.DIGITAL))
    async with world.plc:
        await world.match()
        read = await world.follow(plan(ProtocolName.ISO15118_2))
        assert not read.error
        await world.until(lambda: world.plc.pilot_state is PilotState.OFFERING)
        charged = await world.charge()
        assert charged.completed, charged.error
    assert [end.only_read for end in ends(world)] == [True, False]


def test_an_ev_is_declined_by_the_address_of_its_modem_and_read_once_per_plug_in() -> None:
    watch = BatteryWatch(SeccConfig(soc=SocConfig(read=True)), SimulatedBackend(), Reports(lambda _: None))
    tesla, other = "fe80::9aed:5cff:fe00:1%eth1", "fe80::5ec:daff:fe06:c772%eth1"
    assert [watch.reading(peer) for peer in (tesla, other)] == [SocReading.DECLINE, SocReading.ASK]
    watch.session_ended(EndSession(reason=EndReason.NO_PROTOCOL, only_read=True))
    assert watch.reading(other) is SocReading.OFF
    watch.observe(EvseSnapshot(control_pilot=ControlPilot.A))
    assert watch.reading(other) is SocReading.ASK


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("fe80::9aed:5cff:fe00:1%eth1", "98:ed:5c:00:00:01"),
        ("fe80::1234:5678:9abc:def0", ""),
        ("::1", ""),
        ("2001:db8::9aed:5cff:fe00:1", ""),
        ("no address", ""),
    ],
)
def test_the_address_of_a_modem_is_read_from_a_link_local_address(peer: str, address: str) -> None:
    assert modem_address(peer).hex(":") == address


def test_a_declined_ev_finds_no_protocol_and_the_end_says_that_charging_follows() -> None:
    config = SeccConfig(soc=SocConfig(read=True))
    session = Session(
        config,
        random_bytes=os.urandom,
        snapshot=EvseSnapshot(control_pilot=ControlPilot.B),
        now=0.0,
        soc_reading=SocReading.DECLINE,
    )
    outputs = Connection(session).handle(Data(frame(offer(ISO2.namespace, DIN.namespace)), session.evse), 0.1)
    (end,) = [output for output in outputs if isinstance(output, EndSession)]
    assert (end.reason, end.only_read) == (EndReason.NO_PROTOCOL, True)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (lambda: SeccConfig(soc=SocConfig(read=True), energy=DC_OUTLET), "a DC outlet"),
        (lambda: SeccConfig(soc=SocConfig(read=True), slac=SlacConfig(nominal_first=True)), "nominal_first"),
        (lambda: SocConfig(decline=("98-ED",)), "soc.decline"),
        (lambda: SocConfig(patience=0), "soc.patience"),
    ],
)
def test_settings_that_cannot_be_are_refused(config: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config()
