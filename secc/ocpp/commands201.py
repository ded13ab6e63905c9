"""What a CSMS of 2.0.1 may ask for: message in, answer out."""

from __future__ import annotations

import asyncio

from secc.ocpp import v201, variables
from secc.ocpp.commands import Commands, Handler
from secc.ocpp.dialect import to_iso
from secc.ocpp.rpc import CallFailed, NoAnswer
from secc.ocpp.words import ListEntry, Payload, ProfileFilter, Purpose


def request_start(desk: Commands, body: Payload) -> Payload:
    """Somebody starts from afar: the next EV that asks may charge."""
    backend = desk.backend
    if not desk.may_start or body.get("evseId", 1) != 1:
        return {"status": "Rejected"}
    profile = None
    if "chargingProfile" in body:
        try:
            profile = v201.read_profile(body["chargingProfile"], 1)
        except ValueError:
            return {"status": "Rejected"}
        if profile.purpose is not Purpose.TX:
            return {"status": "Rejected"}
    token = v201.read_id_token(body["idToken"])
    backend.present(token, remote_start_id=body["remoteStartId"], profile=profile)
    return {"status": "Accepted"}


def request_stop(desk: Commands, body: Payload) -> Payload:
    """The transaction ends."""
    return {"status": desk.stop_transaction(body["transactionId"])}


def reset(desk: Commands, body: Payload) -> Payload:
    """Announce the station anew, at once or when it is idle."""
    return {"status": desk.reset(at_once=body["type"] == "Immediate")}


def change_availability(desk: Commands, body: Payload) -> Payload:
    """In or out of service."""
    if body.get("evse", {}).get("id", 1) != 1:
        return {"status": "Rejected"}
    return {"status": desk.change_availability(operative=body["operationalStatus"] == "Operative")}


def trigger(desk: Commands, body: Payload) -> Payload:
    """Send a message now."""
    return {"status": desk.trigger(body["requestedMessage"])}


def set_profile(desk: Commands, body: Payload) -> Payload:
    """A new charging profile."""
    try:
        problem = desk.set_profile(v201.read_profile(body["chargingProfile"], body["evseId"]))
    except ValueError as error:
        problem = str(error)
    if problem:
        info = {"reasonCode": "InvalidProfile", "additionalInfo": problem[:512]}
        return {"status": "Rejected", "statusInfo": info}
    return {"status": "Accepted"}


def clear_profile(desk: Commands, body: Payload) -> Payload:
    """Charging profiles go."""
    which = body.get("chargingProfileCriteria", {})
    purpose = which.get("chargingProfilePurpose")
    if purpose is not None and purpose not in Purpose.__members__.values():
        return {"status": "Unknown"}  # one of 2.1 that we never keep
    found = desk.clear_profiles(
        ProfileFilter(
            id=body.get("chargingProfileId"),
            evse=which.get("evseId"),
            purpose=None if purpose is None else Purpose(purpose),
            stack=which.get("stackLevel"),
        )
    )
    return {"status": "Accepted" if found else "Unknown"}


def composite(desk: Commands, body: Payload) -> Payload:
    """What all profiles together allow."""
    if body["evseId"] not in (0, 1) or body["duration"] <= 0:
        return {"status": "Rejected"}
    unit = body.get("chargingRateUnit", "W")
    begin, periods = desk.composite(body["duration"], unit)
    schedule = {
        "evseId": body["evseId"],
        "duration": body["duration"],
        "scheduleStart": begin,
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": periods,
    }
    return {"status": "Accepted", "schedule": schedule}


def send_list(desk: Commands, body: Payload) -> Payload:
    """The local list, whole or in differences."""
    entries = [
        ListEntry(
            v201.read_id_token(one["idToken"]),
            v201.read_token_info(one["idTokenInfo"]) if "idTokenInfo" in one else None,
        )
        for one in body.get("localAuthorizationList", [])
    ]
    full = body["updateType"] == "Full"
    return {"status": desk.send_list(body["versionNumber"], entries, full=full)}


def list_version(desk: Commands, body: Payload) -> Payload:
    """Which one we have."""
    return {"versionNumber": desk.backend.memory.list_version}


def clear_cache(desk: Commands, body: Payload) -> Payload:
    """Forget what the CSMS has said about tokens."""
    return {"status": desk.clear_cache()}


# --- certificates ------------------------------------------------------------------------------------------


def certificate_signed(desk: Commands, body: Payload) -> Payload:
    """A chain for a request of ours."""
    return {"status": desk.certificate_signed(body["certificateChain"], body.get("certificateType"))}


async def install(desk: Commands, body: Payload) -> Payload:
    """A root to trust."""
    return {"status": await desk.install(body["certificateType"], body["certificate"])}


async def delete(desk: Commands, body: Payload) -> Payload:
    """A root not to trust any more."""
    return {"status": await desk.delete(body["certificateHashData"])}


async def installed(desk: Commands, body: Payload) -> Payload:
    """Which roots there are, and our own chain."""
    found = await desk.installed(body.get("certificateType", []))
    if not found:
        return {"status": "NotFound"}
    return {"status": "Accepted", "certificateHashDataChain": found}


# --- variables ---------------------------------------------------------------------------------------------


def get_variables(desk: Commands, body: Payload) -> Payload:
    """Read some."""
    return {"getVariableResult": [_read(desk, one) for one in body["getVariableData"]]}


def set_variables(desk: Commands, body: Payload) -> Payload:
    """Change some."""
    return {"setVariableResult": [_write(desk, one) for one in body["setVariableData"]]}


def _read(desk: Commands, asked: Payload) -> Payload:
    told = {"component": asked["component"], "variable": asked["variable"]}
    if asked.get("attributeType", "Actual") != "Actual":
        return {**told, "attributeStatus": "NotSupportedAttributeType"}
    found = variables.find(asked["component"]["name"], asked["variable"]["name"])
    if found is None:
        return {**told, "attributeStatus": _unknown(asked)}
    if found.read is None:
        return {**told, "attributeStatus": "Rejected"}
    return {**told, "attributeStatus": "Accepted", "attributeValue": found.read(desk.backend)}


def _write(desk: Commands, asked: Payload) -> Payload:
    told = {"component": asked["component"], "variable": asked["variable"]}
    if asked.get("attributeType", "Actual") != "Actual":
        return {**told, "attributeStatus": "NotSupportedAttributeType"}
    found = variables.find(asked["component"]["name"], asked["variable"]["name"])
    status = _unknown(asked) if found is None else None
    if found is not None:
        status = variables.change(desk.backend, found, asked["attributeValue"])
    return {**told, "attributeStatus": status}


def _unknown(asked: Payload) -> str:
    known = any(one.component == asked["component"]["name"] for one in variables.VARIABLES)
    return "UnknownVariable" if known else "UnknownComponent"


def base_report(desk: Commands, body: Payload) -> Payload:
    """The variables, a few in each message, after the answer."""
    if body["reportBase"] == "SummaryInventory":
        return {"status": "NotSupported"}
    desk.backend.spawn(_report(desk, body["requestId"]))
    return {"status": "Accepted"}


async def _report(desk: Commands, request_id: int) -> None:
    await asyncio.sleep(0.01)
    backend = desk.backend
    rows = []
    for one in variables.VARIABLES:
        attribute = {"type": "Actual", "mutability": one.mutability, "persistent": True}
        if one.read is not None:
            attribute["value"] = one.read(backend)
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
            "generatedAt": to_iso(backend.talk.now),
            "seqNo": number,
            "tbc": begin + size < len(rows),
            "reportData": rows[begin : begin + size],
        }
        try:
            await backend.talk.ask(("NotifyReport", report))
        except (NoAnswer, CallFailed) as error:
            backend.tell(f"NotifyReport: {error}")
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
