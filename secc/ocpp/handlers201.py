"""Messages that a CSMS of 2.0.1 or 2.1 may send: message in, answer out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from secc.ocpp import v201, variables
from secc.ocpp.commands import Commands
from secc.ocpp.dialect import to_iso
from secc.ocpp.model import ListEntry, Payload, ProfileFilter, ProfilePurpose

Handler = Callable[[Commands, Payload], Awaitable[Payload] | Payload]
"""Answers one message; its body has been checked against its schema."""


def request_start(commands: Commands, body: Payload) -> Payload:
    """Remote start: the next EV that requests authorization may charge."""
    if not commands.may_start or body.get("evseId", 1) != 1:
        return {"status": "Rejected"}
    profile = None
    if "chargingProfile" in body:
        try:
            profile = v201.read_profile(body["chargingProfile"], 1)
        except ValueError:
            return {"status": "Rejected"}
        if profile.purpose is not ProfilePurpose.TX:
            return {"status": "Rejected"}
    token = v201.read_id_token(body["idToken"])
    commands.tokens.present(token, remote_start_id=body["remoteStartId"], profile=profile)
    return {"status": "Accepted"}


def request_stop(commands: Commands, body: Payload) -> Payload:
    """Stop the transaction."""
    return {"status": commands.stop_transaction(body["transactionId"])}


def reset(commands: Commands, body: Payload) -> Payload:
    """Reset at once, or when the station is idle."""
    return {"status": commands.reset(at_once=body["type"] == "Immediate")}


def change_availability(commands: Commands, body: Payload) -> Payload:
    """Put the station in or out of service."""
    if body.get("evse", {}).get("id", 1) != 1:
        return {"status": "Rejected"}
    return {"status": commands.change_availability(operative=body["operationalStatus"] == "Operative")}


def trigger(commands: Commands, body: Payload) -> Payload:
    """Send a message now."""
    return {"status": commands.trigger(body["requestedMessage"])}


def set_profile(commands: Commands, body: Payload) -> Payload:
    """Add a charging profile."""
    try:
        problem = commands.set_profile(v201.read_profile(body["chargingProfile"], body["evseId"]))
    except ValueError as error:
        problem = str(error)
    if problem:
        info = {"reasonCode": "InvalidProfile", "additionalInfo": problem[:512]}
        return {"status": "Rejected", "statusInfo": info}
    return {"status": "Accepted"}


def clear_profile(commands: Commands, body: Payload) -> Payload:
    """Remove charging profiles."""
    which = body.get("chargingProfileCriteria", {})
    purpose = which.get("chargingProfilePurpose")
    if purpose is not None and purpose not in ProfilePurpose.__members__.values():
        return {"status": "Unknown"}  # a purpose of 2.1 that is not supported
    found = commands.clear_profiles(
        ProfileFilter(
            id=body.get("chargingProfileId"),
            evse=which.get("evseId"),
            purpose=None if purpose is None else ProfilePurpose(purpose),
            stack=which.get("stackLevel"),
        )
    )
    return {"status": "Accepted" if found else "Unknown"}


def composite(commands: Commands, body: Payload) -> Payload:
    """Return what all profiles together allow."""
    if body["evseId"] not in (0, 1) or body["duration"] <= 0:
        return {"status": "Rejected"}
    unit = body.get("chargingRateUnit", "W")
    begin, periods = commands.composite(body["duration"], unit)
    schedule = {
        "evseId": body["evseId"],
        "duration": body["duration"],
        "scheduleStart": begin,
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": periods,
    }
    return {"status": "Accepted", "schedule": schedule}


def send_list(commands: Commands, body: Payload) -> Payload:
    """Replace or update the local list."""
    entries = [
        ListEntry(
            v201.read_id_token(one["idToken"]),
            v201.read_token_info(one["idTokenInfo"]) if "idTokenInfo" in one else None,
        )
        for one in body.get("localAuthorizationList", [])
    ]
    full = body["updateType"] == "Full"
    return {"status": commands.send_list(body["versionNumber"], entries, full=full)}


def list_version(commands: Commands, body: Payload) -> Payload:
    """Return the version of the local list."""
    return {"versionNumber": commands.list_version}


def clear_cache(commands: Commands, body: Payload) -> Payload:
    """Delete the cached answers about tokens."""
    return {"status": commands.clear_cache()}


# --- certificates ------------------------------------------------------------------------------------------


def certificate_signed(commands: Commands, body: Payload) -> Payload:
    """Use the chain for a request of the station."""
    return {
        "status": commands.roots.certificate_signed(body["certificateChain"], body.get("certificateType"))
    }


async def install(commands: Commands, body: Payload) -> Payload:
    """Install a root."""
    return {"status": await commands.roots.install(body["certificateType"], body["certificate"])}


async def delete(commands: Commands, body: Payload) -> Payload:
    """Delete a root."""
    return {"status": await commands.roots.delete(body["certificateHashData"])}


async def installed(commands: Commands, body: Payload) -> Payload:
    """Return the installed roots and the chain of the station."""
    found = await commands.roots.installed(body.get("certificateType", []))
    if not found:
        return {"status": "NotFound"}
    return {"status": "Accepted", "certificateHashDataChain": found}


# --- variables ---------------------------------------------------------------------------------------------


def get_variables(commands: Commands, body: Payload) -> Payload:
    """Read variables."""
    return {"getVariableResult": [_read(commands, one) for one in body["getVariableData"]]}


def set_variables(commands: Commands, body: Payload) -> Payload:
    """Change variables."""
    return {"setVariableResult": [_write(commands, one) for one in body["setVariableData"]]}


def _read(commands: Commands, asked: Payload) -> Payload:
    row = {"component": asked["component"], "variable": asked["variable"]}
    if asked.get("attributeType", "Actual") != "Actual":
        return {**row, "attributeStatus": "NotSupportedAttributeType"}
    found = variables.find(asked["component"]["name"], asked["variable"]["name"])
    if found is None:
        return {**row, "attributeStatus": _unknown(asked)}
    if found.read is None:
        return {**row, "attributeStatus": "Rejected"}
    return {**row, "attributeStatus": "Accepted", "attributeValue": found.read(commands.variables)}


def _write(commands: Commands, asked: Payload) -> Payload:
    row = {"component": asked["component"], "variable": asked["variable"]}
    if asked.get("attributeType", "Actual") != "Actual":
        return {**row, "attributeStatus": "NotSupportedAttributeType"}
    found = variables.find(asked["component"]["name"], asked["variable"]["name"])
    status = _unknown(asked) if found is None else None
    if found is not None:
        status = commands.variables.change(found, asked["attributeValue"])
    return {**row, "attributeStatus": status}


def _unknown(asked: Payload) -> str:
    known = any(one.component == asked["component"]["name"] for one in variables.VARIABLES)
    return "UnknownVariable" if known else "UnknownComponent"


def base_report(commands: Commands, body: Payload) -> Payload:
    """Report all variables after the answer, in several messages."""
    if body["reportBase"] == "SummaryInventory":
        return {"status": "NotSupported"}
    commands.after_answer(_report(commands, body["requestId"]))
    return {"status": "Accepted"}


async def _report(commands: Commands, request_id: int) -> None:
    await asyncio.sleep(0.01)
    rows = []
    for one in variables.VARIABLES:
        attribute = {"type": "Actual", "mutability": one.mutability, "persistent": True}
        if one.read is not None:
            attribute["value"] = one.read(commands.variables)
        rows.append(
            {
                "component": {"name": one.component},
                "variable": {"name": one.name},
                "variableAttribute": [attribute],
                "variableCharacteristics": {"dataType": one.kind, "supportsMonitoring": False},
            }
        )
    size = 8
    for number, begin in enumerate(range(0, len(rows), size)):
        report = {
            "requestId": request_id,
            "generatedAt": to_iso(commands.conversation.now),
            "seqNo": number,
            "tbc": begin + size < len(rows),
            "reportData": rows[begin : begin + size],
        }
        if await commands.conversation.ask_or_report(("NotifyReport", report)) is None:
            return


HANDLERS: dict[str, Handler] = {
    "CertificateSigned": certificate_signed,
    "ChangeAvailability": change_availability,
    "ClearCache": clear_cache,
    "ClearChargingProfile": clear_profile,
    "DeleteCertificate": delete,
    "GetBaseReport": base_report,
    "GetCompositeSchedule": composite,
    "GetInstalledCertificateIds": installed,
    "GetLocalListVersion": list_version,
    "GetVariables": get_variables,
    "InstallCertificate": install,
    "RequestStartTransaction": request_start,
    "RequestStopTransaction": request_stop,
    "Reset": reset,
    "SendLocalList": send_list,
    "SetChargingProfile": set_profile,
    "SetVariables": set_variables,
    "TriggerMessage": trigger,
}
