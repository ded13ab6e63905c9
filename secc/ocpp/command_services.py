"""Firmware updates, uploads of logs, and what the integrator provides."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from secc.ocpp.firmware import FirmwareUpdates
from secc.ocpp.logs import LogUploads
from secc.ocpp.ports import StationServices, TransferAnswer


@dataclasses.dataclass(frozen=True, slots=True)
class CommandServices:
    """Firmware, logs, and what the integrator provides; an exception of the integrator is a refusal."""

    firmware: FirmwareUpdates
    uploads: LogUploads
    provided: StationServices
    report: Callable[[str], None]

    async def unlock(self) -> bool | None:
        """Unlock the connector; returns whether it is unlocked, None without a lock."""
        connector = self.provided.connector
        if connector is None:
            return None
        try:
            return await connector.unlock()
        except Exception as error:
            self.report(f"unlock: {error}")
            return False

    async def transfer(self, vendor: str, message: str, data: object) -> TransferAnswer | None:
        """Pass DataTransfer to the integrator; None for a vendor that is not known."""
        handler = self.provided.transfers.get(vendor)
        if handler is None:
            return None
        try:
            return await handler.transfer(message, data)
        except Exception as error:
            self.report(f"DataTransfer of {vendor}: {error}")
            return TransferAnswer("Rejected")
