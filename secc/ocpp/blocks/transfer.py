"""Block P: DataTransfer."""

from __future__ import annotations

from secc.ocpp.commands import Commands
from secc.ocpp.model import Payload


async def data_transfer(commands: Commands, body: Payload) -> Payload:
    """Pass a message of a vendor to the integrator (P01)."""
    found = await commands.services.transfer(body["vendorId"], body.get("messageId", ""), body.get("data"))
    if found is None:
        return {"status": "UnknownVendorId"}
    return {"status": found.status, **({} if found.data is None else {"data": found.data})}
