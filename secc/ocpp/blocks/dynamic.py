"""Block K of 2.1 beyond 2.0.1, and block Q: dynamic profiles, priority, permission to discharge."""

from __future__ import annotations

from secc.ocpp.blocks.charging import refused
from secc.ocpp.blocks.provisioning import info
from secc.ocpp.commands import Commands
from secc.ocpp.dialect import from_iso
from secc.ocpp.model import Payload
from secc.ocpp.profile_model import ProfilePurpose
from secc.ocpp.profiles import ProfileRefusal
from secc.ocpp.steering import follows_signals
from secc.ocpp.v21 import DISCHARGING, read_update


def update_dynamic(commands: Commands, body: Payload) -> Payload:
    """New values of a dynamic profile; they act at once (K28)."""
    problem = apply_update(commands, body["chargingProfileId"], body["scheduleUpdate"])
    return {"status": "Accepted"} if problem is None else refused(problem)


def apply_update(commands: Commands, id_: int, update: Payload) -> ProfileRefusal | None:
    """Change a dynamic profile; returns the reason of a refusal."""
    known = next((one for one in commands.limits.profiles if one.id == id_), None)
    unit = "W" if known is None else known.schedules[0].unit
    return commands.limits.update(id_, read_update(update, unit))


def use_priority(commands: Commands, body: Payload) -> Payload:
    """Apply the priority profile to the transaction, or no longer (K21)."""
    if not commands.outlet.transaction or body["transactionId"] != commands.outlet.transaction:
        return {"status": "Rejected", "statusInfo": info("TxNotFound", "another transaction")}
    if not any(one.purpose is ProfilePurpose.PRIORITY for one in commands.limits.profiles):
        return {"status": "NoProfile"}
    commands.limits.use_priority(active=body["activate"])
    return {"status": "Accepted"}


def signal(commands: Commands, body: Payload) -> Payload:
    """Keep a signal of the grid operator for the profile that has a curve for it (Q08)."""
    at = from_iso(body["timestamp"])
    if at is None:
        return {"status": "Rejected", "statusInfo": info("InvalidValue", "timestamp is not a time")}
    if not follows_signals(commands.limits.profiles):
        return {"status": "Rejected", "statusInfo": info("NoSignalCurve", "no profile with a signal curve")}
    commands.limits.steering.signalled(body["signal"], at)
    commands.limits.apply()
    return {"status": "Accepted"}


def allowed_transfer(commands: Commands, body: Payload) -> Payload:
    """Permit or forbid discharge in the running transaction (Q01, Q02)."""
    if not commands.outlet.transaction or body["transactionId"] != commands.outlet.transaction:
        return {"status": "Rejected", "statusInfo": info("TxNotFound", "another transaction")}
    commands.profiles.permit_transfer(discharge=bool(DISCHARGING & set(body["allowedEnergyTransfer"])))
    return {"status": "Accepted"}
