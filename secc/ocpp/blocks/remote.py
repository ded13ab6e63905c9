"""Blocks E, F and G: remote start and stop, triggers, unlock, availability, status of a transaction."""

from __future__ import annotations

from secc.ocpp import v201
from secc.ocpp.blocks.provisioning import info
from secc.ocpp.commands import Commands
from secc.ocpp.model import Payload
from secc.ocpp.profile_model import ProfilePurpose


def request_start(commands: Commands, body: Payload) -> Payload:
    """Remote start: the next EV that requests authorization may charge (F01, F02)."""
    if not commands.outlet.may_start or body.get("evseId", 1) != 1:
        return {"status": "Rejected"}
    profile = None
    if "chargingProfile" in body:
        try:
            profile = v201.read_profile(body["chargingProfile"], 1)
        except ValueError as error:
            return {"status": "Rejected", "statusInfo": info("InvalidProfile", str(error))}
        if profile.purpose is not ProfilePurpose.TX or profile.transaction:  # OCPP F01.FR.09, F01.FR.11
            return {"status": "Rejected", "statusInfo": info("InvalidProfile", "expected a TxProfile")}
    token = v201.read_id_token(body["idToken"])
    group = body.get("groupIdToken", {}).get("idToken", "")
    if not commands.outlet.admits(token, group):
        return {"status": "Rejected", "statusInfo": info("Reserved", "reserved for another token")}
    commands.tokens.present(token, remote_start_id=body["remoteStartId"], profile=profile, group=group)
    return {"status": "Accepted"}


def request_stop(commands: Commands, body: Payload) -> Payload:
    """Stop the transaction (F03)."""
    return {"status": commands.outlet.stop_transaction(body["transactionId"])}


def trigger(commands: Commands, body: Payload) -> Payload:
    """Send a message now (F06)."""
    if body.get("evse", {}).get("id", 1) != 1:
        return {"status": "Rejected"}
    return {"status": commands.triggers.trigger(body["requestedMessage"])}


async def unlock(commands: Commands, body: Payload) -> Payload:
    """Unlock the connector (F05)."""
    if (body["evseId"], body["connectorId"]) != (1, 1):
        return {"status": "UnknownConnector"}
    if commands.outlet.transaction:
        return {"status": "OngoingAuthorizedTransaction"}
    unlocked = await commands.services.unlock()
    if unlocked is None:
        return {"status": "UnlockFailed", "statusInfo": info("FixedCable", "the outlet has no lock")}
    return {"status": "Unlocked" if unlocked else "UnlockFailed"}


async def transaction_status(commands: Commands, body: Payload) -> Payload:
    """Return whether a transaction runs, and whether messages wait (E14)."""
    transaction = body.get("transactionId", "")
    waiting = await commands.outlet.messages_wait(transaction)
    if not transaction:
        return {"messagesInQueue": waiting}
    return {"ongoingIndicator": commands.outlet.transaction == transaction, "messagesInQueue": waiting}


def change_availability(commands: Commands, body: Payload) -> Payload:
    """Put the station in or out of service (G03, G04)."""
    where = body.get("evse", {})
    if where.get("id", 1) not in (0, 1) or where.get("connectorId", 1) != 1:
        return {"status": "Rejected"}
    return {"status": commands.outlet.change_availability(operative=body["operationalStatus"] == "Operative")}
