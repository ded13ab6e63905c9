"""How to run a station with an OCPP back end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

from secc.ocpp.attached import ControlledStation
from secc.ocpp.backend import OcppBackend
from secc.ocpp.roots import RootFolder
from secc.ports import EvseController
from secc.settings.config import SeccConfig

__all__ = ["connected", "prepared"]


def prepared(config: SeccConfig) -> SeccConfig:
    """Return the configuration for a CSMS: the station asks for schedules and trusts the installed roots.

    Raises OSError when the folders for roots cannot be created.
    """
    energy = dataclasses.replace(config.energy, ask_backend_for_schedules=True)
    roots = RootFolder(config.ocpp.store)
    names = {
        "v2g_roots": "V2GRootCertificate",
        "mo_roots": "MORootCertificate",
        "oem_roots": "OEMRootCertificate",
    }
    trust = config.trust
    for field, purpose in names.items():
        folder = roots.folder(purpose)
        if folder is not None:
            trusted: dict[str, tuple[Path, ...]] = {field: (*getattr(trust, field), folder)}
            trust = dataclasses.replace(trust, **trusted)
    return dataclasses.replace(config, energy=energy, trust=trust)


@contextlib.asynccontextmanager
async def connected(
    backend: OcppBackend, station: ControlledStation, controller: EvseController
) -> AsyncIterator[None]:
    """Run the back end while the block runs; at its end, store what has happened."""
    backend.attach(station, controller)
    task = asyncio.create_task(backend.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
