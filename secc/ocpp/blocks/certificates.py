"""Blocks A and M: certificates of the station, and roots."""

from __future__ import annotations

from secc.ocpp.commands import Commands
from secc.ocpp.model import Payload


def certificate_signed(commands: Commands, body: Payload) -> Payload:
    """Use the chain for a request of the station (A02, A03)."""
    return {
        "status": commands.roots.certificate_signed(
            body["certificateChain"], body.get("certificateType"), body.get("requestId")
        )
    }


async def install(commands: Commands, body: Payload) -> Payload:
    """Install a root (M05)."""
    return {"status": await commands.roots.install(body["certificateType"], body["certificate"])}


async def delete(commands: Commands, body: Payload) -> Payload:
    """Delete a root (M04)."""
    return {"status": await commands.roots.delete(body["certificateHashData"])}


async def installed(commands: Commands, body: Payload) -> Payload:
    """Return the installed roots and the chain of the station (M03)."""
    found = await commands.roots.installed(body.get("certificateType", []))
    if not found:
        return {"status": "NotFound"}
    return {"status": "Accepted", "certificateHashDataChain": found}
