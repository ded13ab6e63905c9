"""Block L: firmware."""

from __future__ import annotations

import base64
import binascii

from secc.ocpp.commands import Commands
from secc.ocpp.dialect import from_iso
from secc.ocpp.firmware import FirmwareOrder
from secc.ocpp.model import Payload


async def update(commands: Commands, body: Payload) -> Payload:
    """Start an update (L01, L02)."""
    order = read_order(body)
    if order is None:
        return {"status": "InvalidCertificate"}
    return {"status": await commands.services.firmware.start(order)}


def read_order(body: Payload) -> FirmwareOrder | None:
    """Read UpdateFirmware; None for a signature that cannot be read."""
    firmware = body["firmware"]
    try:
        signature = base64.b64decode("".join(firmware.get("signature", "").split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    certificate = firmware.get("signingCertificate", "")
    return FirmwareOrder(
        location=firmware["location"],
        retrieve_at=from_iso(firmware["retrieveDateTime"]) or 0.0,
        install_at=from_iso(firmware.get("installDateTime")),
        request_id=body["requestId"],
        certificate=certificate if signature else "",
        signature=signature,
        retries=body.get("retries", 0),
        interval=float(body.get("retryInterval", 10)),
    )
