"""A whole station with drivers that are slow, use threads, or meet a loop that is held up."""

from __future__ import annotations

import asyncio
import time

import pytest

from secc.records import OutputRecord, Record
from secc.session.outlet import ControlPilot
from secc.session.outputs import CloseContactor, EndSession, RenewLease
from tests.support import requests
from tests.support.attacks import DcOutlet, at, attacked, due
from tests.support.wire import Bed, RecordingOutlet, eventually


class ThreadOutlet(DcOutlet):
    """Each command blocks in a thread, so a cancelled call would go on writing."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = 0.01
        self.hardware: list[str] = []
        self.cancelled = False

    async def set_output(self, voltage: float, current: float) -> None:
        await super().set_output(voltage, current)
        await self._write(f"set {voltage:g}", 0.01 if voltage == 0 else self.slow)

    async def close_contactor(self) -> bool:
        closed = await super().close_contactor()
        await self._write("close", self.slow)
        return closed

    async def open_contactor(self) -> bool:
        opened = await super().open_contactor()
        await self._write("open", 0.01)
        return opened

    async def _write(self, what: str, seconds: float) -> None:
        def thread() -> None:
            time.sleep(seconds)
            self.hardware.append(what)

        try:
            await asyncio.to_thread(thread)
        except asyncio.CancelledError:
            self.cancelled = True
            raise


@pytest.mark.inv("INV-03")
@pytest.mark.parametrize("dc", [True, False])
async def test_a_write_of_a_thread_lands_before_the_off_and_not_after_it(dc: bool) -> None:
    outlet = ThreadOutlet()
    async with attacked(dc=dc, outlet=outlet) as bed:
        car = await at(bed, "loop" if dc else "power on", dc=dc)
        outlet.slow, outlet.pilot = 0.2, ControlPilot.C
        body = requests.current_demand(current=requests.amperes(7)) if dc else requests.start()
        await car.send(car.encode(body))
        await asyncio.sleep(0.05)
        outlet.pilot = ControlPilot.A
        await bed.until_idle()
        energised = "set 400" if dc else "close"
        assert outlet.hardware[outlet.hardware.index(energised) :][-1] == "open"
        assert not outlet.cancelled
        car.close()


@pytest.mark.inv("INV-02", "INV-16")
@pytest.mark.parametrize("slow", [0.2, 0.4])
async def test_an_off_behind_a_slow_call_is_heard_before_the_ev_gets_its_refusal(slow: float) -> None:
    outlet = ThreadOutlet()
    async with attacked(dc=False, outlet=outlet) as bed:
        car = await at(bed, "power on", dc=False)
        outlet.slow, outlet.pilot = slow, ControlPilot.C
        await car.send(car.encode(requests.start()))
        await asyncio.sleep(0.05)
        outlet.pilot = ControlPilot.B
        assert await car.answer() == "FAILED"
        assert "open_contactor" in outlet.calls
        car.close()


class SlowOutlet(DcOutlet):
    """Takes 3 s for a set-point in the charge loop, and obeys its lease."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = 0.0
        self.until = 0.0

    def lease(self, seconds: float) -> None:
        super().lease(seconds)
        self.until = max(self.until, time.monotonic() + seconds)

    async def set_output(self, voltage: float, current: float) -> None:
        await super().set_output(voltage, current)
        if voltage:
            await asyncio.sleep(self.slow)


@pytest.mark.inv("INV-08", "INV-31")
async def test_a_lowered_limit_behind_a_slow_set_point_stops_the_lease_and_ends_the_charge() -> None:
    outlet = SlowOutlet()
    async with attacked(dc=True, outlet=outlet, timing={"stop_delay": 0.1}) as bed:
        car = await at(bed, "loop", dc=True)
        outlet.slow = 3.0
        assert await car.ask(requests.current_demand(current=requests.amperes(7))) == "OK"
        await asyncio.sleep(0.3)
        lowered = time.monotonic()
        bed.station.limit_power(400.0)
        await eventually(lambda: "make_safe" in outlet.calls[1:])
        assert outlet.until <= lowered + 0.5
        car.close()
        await bed.until_idle()
        assert outlet.calls[-3:] == ["set_output 0 0", "open_contactor", "make_safe"]


class HeldUp(RecordingOutlet):
    """Asks when the lease was passed on last whenever something energises."""

    def __init__(self) -> None:
        super().__init__()
        self.until = 0.0
        self.late: list[str] = []

    def lease(self, seconds: float) -> None:
        super().lease(seconds)
        self.until = time.monotonic() + seconds

    async def close_contactor(self) -> bool:
        if time.monotonic() > self.until:
            self.late.append("close_contactor")
        return await super().close_contactor()


def hold_up(bed: Bed, kind: type) -> None:
    """The loop stands still for longer than a lease when the session has decided it."""
    inner = bed.records.append

    def slow(record: Record) -> None:
        inner(record)
        if isinstance(record, OutputRecord) and isinstance(record.output, kind):
            bed.station._reports._reporter = inner
            time.sleep(0.6)

    bed.station._reports._reporter = slow


@pytest.mark.inv("INV-31")
@pytest.mark.parametrize("kind", [CloseContactor, RenewLease])
async def test_after_the_loop_was_held_up_nothing_energises_with_a_lapsed_lease(kind: type) -> None:
    outlet = HeldUp()
    async with attacked(outlet=outlet) as bed:
        car = await at(bed, "power on")
        outlet.pilot = ControlPilot.C
        hold_up(bed, kind)
        assert await car.ask(due("power on")) == "FAILED"
        assert "close_contactor" not in outlet.calls
        await bed.until_idle()
        (end,) = [
            record.output
            for record in bed.records
            if isinstance(record, OutputRecord) and isinstance(record.output, EndSession)
        ]
        assert "too slow" in end.detail or "lease" in end.detail
        assert bed.station.health.loop_lag > 0.3
        outlet.pilot = ControlPilot.B
        car.close()
