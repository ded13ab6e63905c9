"""A custom EvseController: an AC outlet behind a fictitious driver.

The seven methods are the complete interface to the hardware. Note the lease: the driver must open the
contactor when the lease is not renewed, so here a watchdog runs beside the station.
"""

import asyncio
import time

from secc import ControlPilot, EvseSnapshot, IsolationLevel, SeccConfig, Station
from secc.messages.iso2 import EnergyTransferMode
from secc.sim import Plan, ScriptedEvcc, SimulatedBackend, SimulatedCable

PORT = 25120  # of discovery; a real station keeps to the 15118 of the standard


class MyOutlet:
    """Replace the body of each method by a call of your driver."""

    def __init__(self, cable: SimulatedCable) -> None:
        self._cable = cable
        self._wanted = self._closed = False
        self._on_until = 0.0

    def snapshot(self) -> EvseSnapshot:
        pilot: ControlPilot = self._cable.pilot  # your driver: the duty cycle generator's measurement
        return EvseSnapshot(control_pilot=pilot, utc=time.time(), contactor_closed=self._closed)

    def lease(self, seconds: float) -> None:
        self._on_until = time.monotonic() + seconds

    async def watchdog(self) -> None:
        """Belongs into the driver or the hardware, where it runs on when Python does not."""
        while True:
            if self._closed and time.monotonic() > self._on_until:
                await self.open_contactor()
            await asyncio.sleep(0.05)

    async def close_contactor(self) -> bool:
        self._wanted = True
        await asyncio.sleep(0.05)  # the coil; make_safe may come meanwhile
        self._closed = self._wanted  # your driver: what the feedback says
        print("contactor closed")
        return self._closed

    async def open_contactor(self) -> bool:
        self._wanted = self._closed = False
        print("contactor open")
        return not self._closed

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        return IsolationLevel.INVALID  # AC: never asked

    async def set_output(self, voltage: float, current: float) -> None:
        """AC: never asked."""

    async def make_safe(self) -> None:
        await self.open_contactor()


async def main() -> None:
    cable = SimulatedCable()
    outlet = MyOutlet(cable)
    watchdog = asyncio.create_task(outlet.watchdog())
    async with Station(SeccConfig(interface="lo"), outlet, SimulatedBackend(), sdp_port=PORT):
        plan = Plan(mode=EnergyTransferMode.AC_SINGLE_PHASE_CORE, loops=5)
        result = await ScriptedEvcc(plan, cable=cable, interface="lo", sdp_port=PORT).charge()
    watchdog.cancel()
    assert result.completed, result.error
    print("charged for", len(result.exchanges), "messages")


if __name__ == "__main__":
    asyncio.run(main())
