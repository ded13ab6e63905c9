"""What a session asks about the certificate of its vehicle, and the answer: inputs and outputs.

A vehicle shows its certificate in the TLS handshake, and the chain is verified there. Whether it is revoked
needs the network or the back end, so it is asked beside the first messages [V2G20-2440].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secc.session.ticket import Ticket

if TYPE_CHECKING:
    from secc.pki.revocation import RevocationStatus
    from secc.pki.vehicle import VehicleIdentity

__all__ = ["AskVehicleStatus", "VehicleStatusReported"]


class AskVehicleStatus(msgspec.Struct, frozen=True):
    """Is a certificate of this vehicle revoked? Answer with `VehicleStatusReported`."""

    ticket: Ticket
    vehicle: VehicleIdentity


class VehicleStatusReported(msgspec.Struct, frozen=True):
    """Answer to `AskVehicleStatus`. A later one counts too, if it says that the vehicle is revoked."""

    ticket: Ticket
    status: RevocationStatus
    detail: str = ""
    """Which certificate, or why nothing is known."""
