"""A station with modems made of captured layouts: matching, resets, lost keys, unfit modems."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable

import pytest

from secc.pilot import Drive
from secc.records import PlcRecord, Record
from secc.session.outlet import ControlPilot
from secc.settings import EnergyConfig, EnergyMode, SeccConfig
from secc.settings.slac import SlacConfig
from secc.sim import SimulatedAcEvse, SimulatedBackend, SimulatedCable
from secc.slac import events as slac
from secc.slac.fitness import Shortcoming
from secc.slac.states import SlacState
from secc.station.plc import PlcStation
from tests.support.captured_modem import CapturedModem, Lumissil, Qualcomm, RawEv

pytestmark = pytest.mark.loop("loopback")


class Outlet:
    """A station on loopback with one of the captured modems and a car at it."""

    def __init__(self, modem: CapturedModem, **settings: object) -> None:
        self.modem, self.ev = modem, RawEv(modem)
        self.cable = SimulatedCable(ControlPilot.A)
        self.evse = SimulatedAcEvse(self.cable)
        self.records: collections.deque[Record] = collections.deque(maxlen=2_000)
        config = SeccConfig(
            interface="lo",
            slac=SlacConfig(enabled=True, **settings),  # type: ignore[arg-type]  # literal settings of the tests
            energy=EnergyConfig(modes=(EnergyMode.AC_THREE_PHASE_CORE,)),
        )
        report = self.records.append
        self.plc = PlcStation(config, self.evse, SimulatedBackend(), modem=modem, reporter=report, sdp_port=0)

    def told(self, kind: type) -> list[object]:
        return [r.what for r in self.records if isinstance(r, PlcRecord) and isinstance(r.what, kind)]

    async def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  # conditions of many kinds
                await asyncio.sleep(0.01)

    async def plug_in(self) -> None:
        self.cable.plug_in()
        await self.until(lambda: self.evse.pilot_signal.drive is Drive.PWM)


@pytest.mark.parametrize("modem", [Qualcomm, Lumissil])
async def test_a_car_is_matched_and_its_link_seen(modem: type[CapturedModem]) -> None:
    outlet = Outlet(modem())
    async with outlet.plc:
        await outlet.plug_in()
        assert await outlet.ev.match() == outlet.modem.nmk
        await outlet.until(lambda: outlet.plc.matching_state is SlacState.MATCHED)
    assert outlet.told(slac.ModemUnfit) == []
    (report,) = outlet.told(slac.RunReport)
    assert isinstance(report, slac.RunReport)
    assert (report.profiles, report.outcome) == (10, slac.Outcome.MATCHED)


async def test_a_modem_without_link_status_serves_cars_by_the_assumed_link() -> None:
    outlet = Outlet(Qualcomm(answers_link=False))
    async with outlet.plc:
        await outlet.plug_in()
        assert await outlet.ev.match() is not None
        await outlet.until(lambda: outlet.plc.matching_state is SlacState.MATCHED)
    assert outlet.told(slac.LinkUnwatched) == [slac.LinkUnwatched()]


async def test_a_modem_in_the_role_of_an_ev_is_named_and_measures_nothing() -> None:
    outlet = Outlet(Qualcomm(role=1))
    async with outlet.plc:
        await outlet.plug_in()
        await outlet.until(lambda: outlet.told(slac.ModemUnfit) != [])
        assert await outlet.ev.match() is None
    assert outlet.told(slac.ModemUnfit) == [slac.ModemUnfit(Shortcoming.EV_ROLE)]


@pytest.mark.parametrize("modem", [Qualcomm, Lumissil])
async def test_a_modem_that_hangs_is_reset_and_serves_the_same_car(modem: type[CapturedModem]) -> None:
    outlet = Outlet(modem(), reset_after=2)
    async with outlet.plc:
        await outlet.plug_in()
        outlet.modem.hangs = True
        assert await outlet.ev.match() is None
        await asyncio.sleep(0.4)
        assert await outlet.ev.match() is None
        await outlet.until(lambda: outlet.modem.restarts == 1)
        await outlet.until(lambda: outlet.plc.matching_state is SlacState.UNMATCHED)
        assert await outlet.ev.match() == outlet.modem.nmk
        await outlet.until(lambda: outlet.plc.matching_state is SlacState.MATCHED)
    assert outlet.told(slac.ModemReset) == [slac.ModemReset("2 failed matches in a row")]


async def test_a_modem_that_lost_its_supply_has_its_key_again_before_the_next_car() -> None:
    outlet = Outlet(Qualcomm(), key_check=5.0)
    async with outlet.plc:
        await outlet.until(lambda: outlet.modem.nmk != b"")
        await asyncio.sleep(6.0)
        outlet.modem.power_cycle()
        await outlet.until(lambda: outlet.modem.nmk != b"", seconds=7.0)
        assert outlet.told(slac.KeyLost) == [slac.KeyLost()]
        await outlet.plug_in()
        assert await outlet.ev.match() == outlet.modem.nmk


async def test_a_modem_that_lost_its_supply_just_before_a_car_has_its_key_when_the_car_asks() -> None:
    outlet = Outlet(Qualcomm(), key_check=5.0)
    async with outlet.plc:
        await outlet.until(lambda: outlet.modem.nmk != b"")
        await asyncio.sleep(6.0)
        outlet.modem.power_cycle()
        await outlet.plug_in()
        await asyncio.sleep(0.1)
        assert await outlet.ev.match() == outlet.modem.nmk
