"""The needs of the EV on their way to the back end: the latest ones, one call after the other."""

from __future__ import annotations

import asyncio

from secc.boundary.backend import checked_backend
from secc.boundary.calls import Complaints
from secc.ports import Backend
from secc.session.needs import VehicleNeeds
from secc.settings.config import SeccConfig


class NeedsReports:
    """One per session. A report that comes while the back end takes the one before replaces what waits."""

    def __init__(self, config: SeccConfig, backend: Backend, reports: Complaints) -> None:
        self._config = config
        self._reports = reports
        self._backend = checked_backend(backend).needs
        self._waiting: VehicleNeeds | None = None
        self._calling = False

    async def report(self, needs: VehicleNeeds) -> None:
        """Pass it on, and what has come meanwhile; returns at once while another call does that."""
        if self._backend is None:
            return
        self._waiting = needs
        if self._calling:
            return
        self._calling = True
        try:
            while (latest := self._waiting) is not None:
                self._waiting = None
                async with asyncio.timeout(self._config.timing.backend_call):
                    await self._backend.vehicle_needs(self._config.evse_id, latest)
        except Exception as error:
            late = isinstance(error, TimeoutError)
            self._reports.complaint(f"vehicle_needs: {'no answer in time' if late else repr(error)}")
        finally:
            self._calling = False
