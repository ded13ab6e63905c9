"""What a CSMS of 1.6J may ask for; what belongs to Plug and Charge comes in DataTransfer."""

from __future__ import annotations

import inspect
import json

from secc.ocpp import commands201, v16, variables
from secc.ocpp.commands import Commands, Handler
from secc.ocpp.dialect import from_iso
from secc.ocpp.rpc import CallFailed
from secc.ocpp.words import IdToken, ListEntry, Payload, ProfileFilter, Purpose, TokenInfo, TokenStatus


def remote_start(desk: Commands, body: Payload) -> Payload:
    """Somebody starts from afar: the next EV that asks may charge."""
    backend = desk.backend
    if not desk.may_start or body.get("connectorId", 1) != 1:
        return {"status": "Rejected"}
    profile = None
    if "chargingProfile" in body:
        try:
            profile = v16.read_profile(body["chargingProfile"], 1)
        except ValueError:
            return {"status": "Rejected"}
        if profile.purpose is not Purpose.TX:
            return {"status": "Rejected"}
    backend.present(IdToken(body["idTag"]), remote_start_id=0, profile=profile)
    return {"status": "Accepted"}


def remote_stop(desk: Commands, body: Payload) -> Payload:
    """The transaction with this number ends."""
    transaction = desk.backend.talk.transaction_of(body["transactionId"])
    return {"status": desk.stop_transaction(transaction)}


def reset(desk: Commands, body: Payload) -> Payload:
    """1.6 has no Scheduled: Soft ends the transaction too."""
    desk.reset(at_once=True)
    return {"status": "Accepted"}


def change_availability(desk: Commands, body: Payload) -> Payload:
    """In or out of service."""
    if body["connectorId"] not in (0, 1):
        return {"status": "Rejected"}
    return {"status": desk.change_availability(operative=body["type"] == "Operative")}


def trigger(desk: Commands, body: Payload) -> Payload:
    """Send a message now."""
    return {"status": desk.trigger(body["requestedMessage"])}


def extended_trigger(desk: Commands, body: Payload) -> Payload:
    """The same by the security extension."""
    wanted = body["requestedMessage"].replace("SignChargePoint", "SignChargingStation")
    return {"status": desk.trigger(wanted)}


def set_profile(desk: Commands, body: Payload) -> Payload:
    """A new charging profile."""
    asked = body["csChargingProfiles"]
    number = asked.get("transactionId")
    transaction = "" if number is None else desk.backend.talk.transaction_of(number)
    if number is not None and not transaction:
        return {"status": "Rejected"}
    try:
        profile = v16.read_profile(asked, body["connectorId"], transaction)
    except ValueError as error:
        raise CallFailed("PropertyConstraintViolation", str(error)) from error
    return {"status": "Rejected" if desk.set_profile(profile) else "Accepted"}


def clear_profile(desk: Commands, body: Payload) -> Payload:
    """Charging profiles go."""
    purpose = body.get("chargingProfilePurpose")
    found = desk.clear_profiles(
        ProfileFilter(
            id=body.get("id"),
            evse=body.get("connectorId"),
            purpose=None if purpose is None else v16.purpose_of(purpose),
            stack=body.get("stackLevel"),
        )
    )
    return {"status": "Accepted" if found else "Unknown"}


def composite(desk: Commands, body: Payload) -> Payload:
    """What all profiles together allow."""
    if body["connectorId"] not in (0, 1) or body["duration"] <= 0:
        return {"status": "Rejected"}
    unit = body.get("chargingRateUnit", "W")
    begin, periods = desk.composite(body["duration"], unit)
    return {
        "status": "Accepted",
        "connectorId": body["connectorId"],
        "scheduleStart": begin,
        "chargingSchedule": {
            "duration": body["duration"],
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": periods,
        },
    }


def send_list(desk: Commands, body: Payload) -> Payload:
    """The local list, whole or in differences."""
    entries = []
    for one in body.get("localAuthorizationList", []):
        info = one.get("idTagInfo")
        known = None
        if info is not None:
            known = TokenInfo(TokenStatus(info["status"]), from_iso(info.get("expiryDate")))
        entries.append(ListEntry(IdToken(one["idTag"]), known))
    full = body["updateType"] == "Full"
    return {"status": desk.send_list(body["listVersion"], entries, full=full)}


def list_version(desk: Commands, body: Payload) -> Payload:
    """Which one we have."""
    return {"listVersion": desk.backend.memory.list_version}


def clear_cache(desk: Commands, body: Payload) -> Payload:
    """Forget what the CSMS has said about tokens."""
    return {"status": desk.clear_cache()}


# --- configuration keys ------------------------------------------------------------------------------------


def get_configuration(desk: Commands, body: Payload) -> Payload:
    """Some keys, or all."""
    keys = body.get("key") or [one.key for one in variables.VARIABLES if one.key]
    known, unknown = [], []
    for key in keys:
        found = variables.find_key(key)
        if found is None:
            unknown.append(key)
            continue
        row: Payload = {"key": found.key, "readonly": found.write is None}
        if found.read is not None:
            row["value"] = found.read(desk.backend)
        known.append(row)
    return {"configurationKey": known, "unknownKey": unknown}


def change_configuration(desk: Commands, body: Payload) -> Payload:
    """One key."""
    found = variables.find_key(body["key"])
    if found is None:
        return {"status": "NotSupported"}
    return {"status": variables.change(desk.backend, found, body["value"])}


# --- Plug and Charge ---------------------------------------------------------------------------------------


async def data_transfer(desk: Commands, body: Payload) -> Payload:
    """Messages of 2.0.1 as text in a wrapping; what is in it has no schema here."""
    if body["vendorId"] != v16.VENDOR:
        return {"status": "UnknownVendorId"}
    handler = PNC.get(body.get("messageId", ""))
    if handler is None:
        return {"status": "UnknownMessageId"}
    try:
        asked = json.loads(body.get("data", ""))
        answer = handler(desk, asked)
        told = await answer if inspect.isawaitable(answer) else answer
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {"status": "Rejected"}
    return {"status": "Accepted", "data": json.dumps(told, separators=(",", ":"))}


async def install(desk: Commands, body: Payload) -> Payload:
    """The older names of the purposes, without Plug and Charge."""
    purpose = body["certificateType"].replace("CentralSystem", "CSMS")
    return {"status": await desk.install(purpose, body["certificate"])}


async def installed(desk: Commands, body: Payload) -> Payload:
    """Roots by the security extension, without Plug and Charge."""
    purpose = body["certificateType"].replace("CentralSystem", "CSMS")
    found = await desk.installed([purpose])
    if not found:
        return {"status": "NotFound"}
    return {"status": "Accepted", "certificateHashData": [one["certificateHashData"] for one in found]}


async def delete(desk: Commands, body: Payload) -> Payload:
    """One of them goes."""
    return {"status": await desk.delete(body["certificateHashData"])}


def certificate_signed(desk: Commands, body: Payload) -> Payload:
    """A certificate for the station's own use."""
    return {"status": desk.certificate_signed(body["certificateChain"], None)}


PNC: dict[str, Handler] = {
    "CertificateSigned": commands201.certificate_signed,
    "DeleteCertificate": commands201.delete,
    "GetInstalledCertificateIds": commands201.installed,
    "InstallCertificate": commands201.install,
    "TriggerMessage": commands201.trigger,
}
HANDLERS: dict[str, Handler] = {
    "CertificateSigned": certificate_signed,
    "ChangeAvailability": change_availability,
    "ChangeConfiguration": change_configuration,
    "ClearCache": clear_cache,
    "ClearChargingProfile": clear_profile,
    "DataTransfer": data_transfer,
    "DeleteCertificate": delete,
    "ExtendedTriggerMessage": extended_trigger,
    "GetCompositeSchedule": composite,
    "GetConfiguration": get_configuration,
    "GetInstalledCertificateIds": installed,
    "GetLocalListVersion": list_version,
    "InstallCertificate": install,
    "RemoteStartTransaction": remote_start,
    "RemoteStopTransaction": remote_stop,
    "Reset": reset,
    "SendLocalList": send_list,
    "SetChargingProfile": set_profile,
    "TriggerMessage": trigger,
}
