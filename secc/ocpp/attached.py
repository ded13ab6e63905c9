"""The station that a back end controls, and its controller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from secc.boundary.controller import checked_controller
from secc.ports import EvseController
from secc.session.grid import GridCode, GridTargets
from secc.session.outlet import EvseSnapshot


class ControlledStation(Protocol):
    """Operations of a station that the CSMS uses; `secc.station.station.Station` implements them."""

    def stop_charging(self, reason: str = ...) -> None:
        """Ask the EV to stop; force the stop after a delay."""
        ...

    def renegotiate(self) -> None:
        """Ask the EV to renegotiate."""
        ...

    def renegotiate_service(self) -> None:
        """Ask the EV to select a service again, ISO 15118-20."""
        ...

    def limit_power(self, max_power: float | None) -> None:
        """Limit the power to this value in W; None removes the limit."""
        ...

    @property
    def power_limit(self) -> float | None:
        """W that may flow now; 0 while the charge is held, None for no limit."""
        ...

    def set_power(self, power: float | None) -> None:
        """Set the power in W, positive to the EV, in Dynamic mode; None: as much as the EV takes."""
        ...

    def permit_discharge(self, max_power: float | None) -> None:
        """Permit energy from the EV up to this power in W; 0 forbids it, None leaves it to the settings."""
        ...

    def set_grid_code(self, code: GridCode) -> None:
        """Change the rules of the grid in AC_DER_IEC, and ask the EV to negotiate again."""
        ...

    def set_grid_targets(self, targets: GridTargets) -> None:
        """Pass on what the grid operator asks for, in AC_DER_IEC."""
        ...

    def withdraw_authorization(self) -> None:
        """End the authorization of the running session."""
        ...

    def renew_tls(self) -> None:
        """Read certificates and roots again."""
        ...


class AttachedStation:
    """Station and controller of one outlet; both None until they are attached."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self.station: ControlledStation | None = None
        self.controller: EvseController | None = None

    def attach(self, station: ControlledStation, controller: EvseController) -> None:
        """Set the station and its controller."""
        self.station = station
        self.controller = checked_controller(controller)

    @property
    def snapshot(self) -> EvseSnapshot | None:
        """State of the outlet; None while the controller cannot report it."""
        if self.controller is None:
            return None
        try:
            return self.controller.snapshot()
        except Exception as error:
            self._report(f"snapshot: {type(error).__name__}: {error}")
            return None
