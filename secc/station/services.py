"""Value-added services of the back end: its offer at the start of a session, and the choice of the EV."""

from __future__ import annotations

import asyncio

from secc.boundary.backend import checked_backend
from secc.boundary.calls import Complaints
from secc.errors import ConfigError, IntegrationError
from secc.ports import Backend
from secc.session.service_events import ChosenService
from secc.settings.config import SeccConfig
from secc.settings.services import ValueAddedService, check_services


class ValueAddedServices:
    """One per station. If the back end fails here, only its services are missing."""

    def __init__(self, config: SeccConfig, backend: Backend, reports: Complaints) -> None:
        self._config = config
        self._reports = reports
        self._backend = checked_backend(backend).services

    def offered(self) -> tuple[ValueAddedService, ...]:
        """What the back end adds to the configuration, if it fits."""
        if self._backend is None:
            return ()
        try:
            added = tuple(self._backend.value_added_services(self._config.evse_id))
            check_services((*self._config.service.value_added, *added), "value_added_services")
        except (ConfigError, IntegrationError) as error:
            self._reports.complaint(str(error))
        except Exception as error:
            self._reports.complaint(f"value_added_services: {type(error).__name__}: {error}")
        else:
            return added
        return ()

    async def chosen(self, services: tuple[ChosenService, ...]) -> None:
        """Report the choice to the back end; without one it is only in the records of the station."""
        if self._backend is None:
            return
        try:
            async with asyncio.timeout(self._config.timing.backend_call):
                await self._backend.services_chosen(self._config.evse_id, services)
        except Exception as error:
            what = (
                "no answer in time" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
            )
            self._reports.complaint(f"services_chosen: {what}")
