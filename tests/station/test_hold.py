"""Pause by the station: with messages, and by the pilot alone; live limits of basic charging."""

from __future__ import annotations

import asyncio

import pytest

from secc.messages.iso2 import ChargingStatusRes, EnergyTransferMode
from secc.messages.numbers import number
from secc.pilot import Drive, PilotState, nominal_duty
from secc.sim import Plan
from tests.support.plc import World

pytestmark = pytest.mark.loop("loopback")


async def basic() -> World:
    return World(slac_init=1.0, step_ef=0.05)


async def charging(world: World) -> None:
    world.cable.plug_in()
    await world.until(lambda: world.plc.pilot_state is PilotState.BASIC, 15.0)


async def test_the_duty_cycle_of_basic_charging_follows_load_management() -> None:
    world = await basic()
    async with world.plc:
        await charging(world)
        world.plc.station.limit_power(3 * 230 * 10)
        await world.until(lambda: world.evse.pilot_signal.duty == pytest.approx(nominal_duty(10.0)))
        assert world.evse.basic_charging_allowed
        world.plc.station.limit_power(None)
        await world.until(lambda: world.evse.pilot_signal.duty == pytest.approx(nominal_duty(32.0)))


async def test_a_pause_of_basic_charging_stops_the_oscillator_first_and_the_outlet_after_it() -> None:
    world = await basic()
    async with world.plc:
        await charging(world)
        world.plc.pause_charging()
        await world.until(lambda: world.evse.pilot_signal.drive is Drive.STEADY)
        assert world.evse.basic_charging_allowed
        await world.until(lambda: not world.evse.basic_charging_allowed)
        world.plc.resume_charging()
        await world.until(lambda: world.evse.pilot_signal.drive is Drive.PWM)
        assert world.evse.basic_charging_allowed


async def test_a_hold_ends_when_the_cable_is_unplugged() -> None:
    world = World()
    async with world.plc:
        world.cable.plug_in()
        world.plc.pause_charging()
        assert world.plc.station.power_limit == 0.0
        world.cable.unplug()
        await world.until(lambda: world.plc.station.power_limit is None)


async def test_a_session_of_iso_15118_2_goes_on_without_energy_and_then_with_it() -> None:
    world = World()
    async with world.plc:
        await world.match()
        plan = Plan(mode=EnergyTransferMode.AC_THREE_PHASE_CORE, loops=60, pace=0.02)
        task = asyncio.ensure_future(world.follow(plan))
        await world.until(lambda: world.evse.snapshot().contactor_closed is True)
        world.plc.pause_charging()
        await asyncio.sleep(0.1)  # some messages of the loop
        world.plc.resume_charging()
        result = await task
        assert result.completed, result.error
    limits = [
        number(exchange.response.evse_max_current)
        for exchange in result.exchanges
        if isinstance(exchange.response, ChargingStatusRes) and exchange.response.evse_max_current
    ]
    assert 0.0 in limits
    assert limits[-1] == 32.0


async def test_another_thread_pauses_and_resumes() -> None:
    world = World()
    async with world.plc:
        world.cable.plug_in()
        await asyncio.to_thread(world.plc.threadsafe.pause_charging)
        assert world.plc.station.power_limit == 0.0
        await asyncio.to_thread(world.plc.threadsafe.resume_charging)
        assert world.plc.station.power_limit is None
