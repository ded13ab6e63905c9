"""Block I of 2.1: tariffs."""

from __future__ import annotations

from secc.ocpp.blocks.provisioning import info
from secc.ocpp.commands import Commands
from secc.ocpp.model import Payload


def set_default(commands: Commands, body: Payload) -> Payload:
    """Set the tariff for every driver without another one (I07)."""
    if body["evseId"] not in (0, 1):
        return {"status": "Rejected", "statusInfo": info("UnknownEvse", f"EVSE {body['evseId']}")}
    return _answer(commands, *commands.tariffs.set_default(body["tariff"]))


def change(commands: Commands, body: Payload) -> Payload:
    """Change the tariff of the running transaction (I11)."""
    present = commands.outlet.transaction
    running = bool(present) and body["transactionId"] == present
    return _answer(commands, *commands.tariffs.change(body["tariff"], running=running))


def get(commands: Commands, body: Payload) -> Payload:
    """Return the tariffs that are set (I09)."""
    if body["evseId"] not in (0, 1):
        return {"status": "Rejected"}
    found = commands.tariffs.assignments()
    return {"status": "Accepted", "tariffAssignments": found} if found else {"status": "NoTariff"}


def clear(commands: Commands, body: Payload) -> Payload:
    """Remove the default tariff (I10)."""
    rows = commands.tariffs.clear(body.get("tariffIds", []))
    _store(commands)
    return {"clearTariffsResult": rows}


def _answer(commands: Commands, status: str, why: str) -> Payload:
    if status == "Accepted":
        _store(commands)
        return {"status": status}
    return {"status": status, "statusInfo": info(status, why)}


def _store(commands: Commands) -> None:
    """Store the tariffs for the next start."""
    commands.conversation.queue.enqueue((), {"tariffs": commands.tariffs.state})
