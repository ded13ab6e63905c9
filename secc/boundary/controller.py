"""The adapter around a controller: its results are checked here, once.

For the caller a refused result is the same as a call that raises, with the same consequences: a command has
failed, the outlet has a malfunction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from secc.boundary.abilities import CONTROLLER, adapted, examine
from secc.boundary.calls import Complaints, awaited, returned, what
from secc.errors import IntegrationError
from secc.ports import (
    ChargesBasically,
    Discharges,
    DrivesPilot,
    EvseController,
    ReportsChanges,
    SetsReactivePower,
)
from secc.session.outlet import EvseSnapshot, IsolationLevel

if TYPE_CHECKING:
    from secc.pilot import PilotSignal


class CheckedController:
    """An `EvseController` whose results the station relies on."""

    def __init__(self, controller: EvseController) -> None:
        """Raises ConfigError when a method is missing, misspelt, not declared, or of another shape."""
        examine(CONTROLLER, controller)
        self.inner = controller
        """The integrator's object."""
        self.reports: Complaints | None = None
        """Gets the reason when a snapshot is refused: once, until a snapshot is good again."""
        self.problem = ""
        """Why the last snapshot could not be used; empty when it could."""
        self.charges_only = False
        """A DC outlet that cannot take energy from the EV: current that flows back is a fault."""
        self.discharge = adapted(controller, Discharges, _Discharge)
        """Present when the controller declares `Discharges`."""
        self.reactive = adapted(controller, SetsReactivePower, _Reactive)
        """Present when the controller declares `SetsReactivePower`."""
        self.changes = adapted(controller, ReportsChanges, _Changes)
        """Present when the controller declares `ReportsChanges`."""
        self.pilot = adapted(controller, DrivesPilot, _Pilot)
        """Present when the controller declares `DrivesPilot`."""
        self.basic = adapted(controller, ChargesBasically, _Basic)
        """Present when the controller declares `ChargesBasically`."""

    def snapshot(self) -> EvseSnapshot:
        """The outlet now; an exception or a refused value is a fault of the outlet."""
        try:
            found: EvseSnapshot = returned("snapshot", self.inner.snapshot())
            if self.charges_only and found.present_current < _OFFSET:
                raise IntegrationError(
                    "snapshot",
                    f"present_current is {found.present_current:g}",
                    f"{_OFFSET:g} A or more, as the controller does not declare Discharges",
                )
        except Exception as error:
            problem = str(error) if isinstance(error, IntegrationError) else f"snapshot: {what(error)}"
            if not self.problem and self.reports is not None:
                self.reports.complaint(problem)
            self.problem = problem
            raise
        self.problem = ""
        return found

    def lease(self, seconds: float) -> None:
        call: Callable[[float], object] = self.inner.lease
        returned("lease", call(seconds))

    async def close_contactor(self) -> bool:
        closed: bool = await awaited("close_contactor", self.inner.close_contactor())
        return closed

    async def open_contactor(self) -> bool:
        opened: bool = await awaited("open_contactor", self.inner.open_contactor())
        return opened

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        found: IsolationLevel = await awaited("check_cable", self.inner.check_cable(max_voltage))
        return found

    async def set_output(self, voltage: float, current: float) -> None:
        await awaited("set_output", self.inner.set_output(voltage, current))

    async def make_safe(self) -> None:
        await awaited("make_safe", self.inner.make_safe())


_OFFSET = -60.0  # A, the offset of the sensor of a large power stage


class _Discharge:
    """Its `set_discharge`."""

    def __init__(self, inner: Discharges) -> None:
        self._inner = inner

    async def set_discharge(self, least_voltage: float, current: float) -> None:
        await awaited("set_discharge", self._inner.set_discharge(least_voltage, current))


class _Reactive:
    """Its `reactive_power`."""

    def __init__(self, inner: SetsReactivePower) -> None:
        self._inner = inner

    def reactive_power(self, power: float) -> None:
        call: Callable[[float], object] = self._inner.reactive_power
        returned("reactive_power", call(power))


class _Changes:
    """Its `changed`."""

    def __init__(self, inner: ReportsChanges) -> None:
        self._inner = inner

    async def changed(self) -> None:
        await awaited("changed", self._inner.changed())


class _Pilot:
    """Its `drive_pilot`."""

    def __init__(self, inner: DrivesPilot) -> None:
        self._inner = inner

    def drive_pilot(self, signal: PilotSignal) -> None:
        call: Callable[[PilotSignal], object] = self._inner.drive_pilot
        returned("drive_pilot", call(signal))


class _Basic:
    """Its `basic_charging`."""

    def __init__(self, inner: ChargesBasically) -> None:
        self._inner = inner

    def basic_charging(self, allowed: bool) -> None:
        call: Callable[[bool], object] = self._inner.basic_charging
        returned("basic_charging", call(allowed))


def checked_controller(controller: EvseController | CheckedController) -> CheckedController:
    """Its adapter, or itself when it is one; raises ConfigError."""
    return controller if isinstance(controller, CheckedController) else CheckedController(controller)
