"""A controller on its bench: the hardware is real, the control pilot comes from a simulated cable."""

from __future__ import annotations

import msgspec

from secc.ports import EvseController
from secc.session.outlet import EvseSnapshot, IsolationLevel
from secc.sim.cable import SimulatedCable

__all__ = ["PilotFromCable"]


class PilotFromCable(EvseController):
    """Shows the control pilot of a `SimulatedCable` in place of the one that the controller measures.

    For trials without a pilot wire to the EV: everything else is passed to the controller. A station polls,
    also when the controller declares `ReportsChanges`. The controller is energised with no EV plugged in.
    """

    def __init__(self, controller: EvseController, cable: SimulatedCable) -> None:
        """`cable` is moved by a `ScriptedEvcc` in this process, or by `AutoPilot`."""
        self.controller = controller
        """The controller under trial."""
        self._cable = cable

    def snapshot(self) -> EvseSnapshot:
        """As of the controller, with the pilot of the cable."""
        return msgspec.structs.replace(self.controller.snapshot(), control_pilot=self._cable.pilot)

    def lease(self, seconds: float) -> None:
        """As of the controller."""
        self.controller.lease(seconds)

    async def close_contactor(self) -> bool:
        """As of the controller."""
        return await self.controller.close_contactor()

    async def open_contactor(self) -> bool:
        """As of the controller."""
        return await self.controller.open_contactor()

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        """As of the controller."""
        return await self.controller.check_cable(max_voltage)

    async def set_output(self, voltage: float, current: float) -> None:
        """As of the controller."""
        await self.controller.set_output(voltage, current)

    async def make_safe(self) -> None:
        """As of the controller."""
        await self.controller.make_safe()
