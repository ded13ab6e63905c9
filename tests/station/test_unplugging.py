"""A cable that is unplugged for a short time, and an outlet that cannot be switched off."""

import asyncio

import msgspec
import pytest

from secc.records import LinkEvent
from secc.session.outlet import ControlPilot, EvseFault, EvseSnapshot
from tests.support import requests
from tests.support.wire import (
    Car,
    RecordingOutlet,
    ReportingOutlet,
    config,
    eventually,
    running,
    to_charge_loop,
    to_session,
)


@pytest.mark.parametrize("reporting", [True, False])
async def test_an_unplug_of_120_ms_between_two_sessions_is_seen(reporting: bool) -> None:
    outlet = ReportingOutlet() if reporting else RecordingOutlet()
    async with running(outlet=outlet) as bed:
        outlet.weld.add("open_contactor")
        car = await Car.connect(bed.plain_port)
        await to_session(car)
        car.close()
        await bed.until_idle()
        assert bed.station.health.reason.startswith("fault not reset: contactor does not follow")
        outlet.weld.clear()
        bed.station.reset_fault()
        assert bed.station.health.blocked
        for pilot in (ControlPilot.A, ControlPilot.B):
            if isinstance(outlet, ReportingOutlet):
                outlet.plug(pilot)
            outlet.pilot = pilot
            await asyncio.sleep(0.12)
        assert not bed.station.health.blocked
        assert bed.station.health.serving


@pytest.mark.inv("INV-30")
@pytest.mark.parametrize("trouble", ["fail", "hang", "weld"])
async def test_an_off_that_fails_at_the_end_blocks_the_outlet_and_is_reported_once(trouble: str) -> None:
    async with running(config(controller_call=0.2)) as bed:
        car = await Car.connect(bed.plain_port)
        await to_charge_loop(car, bed.outlet)
        getattr(bed.outlet, trouble).add("open_contactor")
        assert await car.ask(requests.stop()) == "OK"
        bed.outlet.pilot = ControlPilot.B
        car.close()
        await bed.until_idle()
        assert bed.station.health.blocked
        assert not bed.station.health.serving
        assert len(bed.events(LinkEvent.BLOCKED)) == 1
        assert "open_contactor" in bed.events(LinkEvent.BLOCKED)[0].text
        getattr(bed.outlet, trouble).clear()
        bed.station.reset_fault()
        bed.outlet.pilot = ControlPilot.A
        await eventually(lambda: bed.station.health.serving)


async def test_a_short_unplug_while_the_outlet_is_made_safe_is_seen() -> None:
    outlet = ReportingOutlet()
    async with running(outlet=outlet) as bed:
        outlet.weld.add("open_contactor")
        for _ in range(2):
            car = await Car.connect(bed.plain_port)
            await to_session(car)
            car.close()
            if outlet.weld:
                await bed.until_idle()
                outlet.weld.clear()
                bed.station.reset_fault()
                gate = outlet.gates["make_safe"] = asyncio.Event()
                made_safe = outlet.calls.count("make_safe")
        await eventually(lambda: outlet.calls.count("make_safe") > made_safe)
        assert bed.station.health.blocked
        outlet.plug(ControlPilot.A)
        await asyncio.sleep(0.1)
        outlet.plug(ControlPilot.B)
        gate.set()
        await bed.until_idle()
        assert not bed.station.health.blocked


@pytest.mark.inv("INV-30")
async def test_a_fault_of_a_snapshot_that_latches_is_reported_once() -> None:
    async with running(outlet=_Stopped()) as bed:
        await eventually(lambda: bed.station.health.blocked)
        await asyncio.sleep(0.2)
        assert [record.text for record in bed.events(LinkEvent.BLOCKED)] == ["emergency stop"]


class _Stopped(RecordingOutlet):
    """The emergency stop button has been pressed."""

    def snapshot(self) -> EvseSnapshot:
        return msgspec.structs.replace(super().snapshot(), fault=EvseFault.EMERGENCY_STOP)
