"""Outlets for the checks of controllers: one for AC and one for DC, which keep the contract.

Times are those of the event loop. `wrong_drivers` has those that break a row of it.
"""

from __future__ import annotations

import asyncio
import math
import time

from secc.ports import EvseController, ReportsChanges
from secc.session.outlet import ControlPilot, EvseSnapshot, IsolationLevel, MeterReading
from secc.sim import SimulatedDcEvse
from secc.sim.physics import DcOutput
from secc.testing import Rig


def now() -> float:
    return asyncio.get_running_loop().time()


class AcOutlet(EvseController, ReportsChanges):
    """Keeps the contract: contacts with a delay, a lease, one generation of commands."""

    closing, opening = 0.05, 0.02

    def __init__(self) -> None:
        self.pilot = ControlPilot.B
        self.shut = False
        self.until = -math.inf
        self.held_open = False
        self.broken = False
        self.orders = 0
        self.moved = asyncio.Event()

    @property
    def closed(self) -> bool:
        self.shut = self.shut and now() <= self.until
        return self.shut

    def snapshot(self) -> EvseSnapshot:
        return EvseSnapshot(
            control_pilot=self.pilot, utc=time.time(), contactor_closed=self.closed, meter=self.meter()
        )

    def meter(self) -> MeterReading | None:
        return MeterReading("M1", 1000)

    def lease(self, seconds: float) -> None:
        if not self.closed:
            self.shut = False
        self.until = now() + seconds

    async def close_contactor(self) -> bool:
        self.reach()
        order = self.orders
        if now() > self.until:
            return False
        await asyncio.sleep(self.closing)
        if order == self.orders and not self.held_open and now() <= self.until:
            self.shut = True
        return self.closed

    async def open_contactor(self) -> bool:
        self.reach()
        self.orders += 1
        await asyncio.sleep(self.opening)
        self.shut = False
        return True

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        return IsolationLevel.INVALID

    async def set_output(self, voltage: float, current: float) -> None:
        pass

    async def make_safe(self) -> None:
        self.reach()
        self.orders += 1
        self.until = -math.inf
        self.shut = False

    async def changed(self) -> None:
        await self.moved.wait()
        self.moved.clear()

    def reach(self) -> None:
        if self.broken:
            raise OSError("no answer from the contactor board")

    def move(self, pilot: ControlPilot) -> None:
        self.pilot = pilot
        self.moved.set()

    def hold(self, held: bool) -> None:
        self.held_open = held

    def fail(self, broken: bool) -> None:
        self.broken = broken

    def rig(self) -> Rig:
        return Rig(pilot=self.move, hold_contactor=self.hold, fail_hardware=self.fail)


class DcOutlet(SimulatedDcEvse):
    """The simulated one, on the clock of the loop."""

    discharge = 2000.0

    def __init__(self) -> None:
        self.broken = False
        super().__init__(clock=now, output=DcOutput(discharge=self.discharge))

    async def set_output(self, voltage: float, current: float) -> None:
        self.reach()
        await super().set_output(voltage, current)

    async def open_contactor(self) -> bool:
        self.reach()
        return await super().open_contactor()

    def reach(self) -> None:
        if self.broken:
            raise OSError("no answer from the power stage")

    def fail(self, broken: bool) -> None:
        self.broken = broken

    def rig(self) -> Rig:
        return Rig(pilot=self.cable.set_pilot, fail_hardware=self.fail)
