"""Block H: reservations."""

from __future__ import annotations

from secc.ocpp import v201
from secc.ocpp.commands import Commands
from secc.ocpp.dialect import from_iso
from secc.ocpp.model import Payload
from secc.ocpp.reservations import Reservation
from secc.ocpp.variable_state import connector_type


def reserve(commands: Commands, body: Payload) -> Payload:
    """Reserve the outlet (H01)."""
    wanted, fitted = body.get("connectorType"), connector_type(commands.variables.context)
    if body.get("evseId", 1) != 1 or (wanted is not None and wanted != fitted):
        return {"status": "Rejected"}
    return {
        "status": commands.outlet.reserve(
            Reservation(
                body["id"],
                v201.read_id_token(body["idToken"]),
                from_iso(body["expiryDateTime"]) or 0.0,
                body.get("groupIdToken", {}).get("idToken", ""),
            )
        )
    }


def cancel(commands: Commands, body: Payload) -> Payload:
    """Cancel a reservation (H02)."""
    return {"status": commands.outlet.cancel_reservation(body["reservationId"])}
