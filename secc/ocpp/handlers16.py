"""Messages that a CSMS of 1.6J may send; those of Plug and Charge arrive in DataTransfer."""

from __future__ import annotations

import inspect
import json

from secc.ocpp import v16
from secc.ocpp.blocks import certificates, diagnostics, firmware, remote
from secc.ocpp.commands import CommandHandler, Commands
from secc.ocpp.dialect import from_iso
from secc.ocpp.firmware import FirmwareOrder
from secc.ocpp.model import IdToken, ListEntry, Payload, TokenInfo, TokenStatus
from secc.ocpp.ports import LogKind
from secc.ocpp.profile_model import ProfileFilter, ProfilePurpose
from secc.ocpp.reservations import Reservation
from secc.ocpp.rpc import CallFailed


def remote_start(commands: Commands, body: Payload) -> Payload:
    """Remote start: the next EV that requests authorization may charge."""
    if not commands.outlet.may_start or body.get("connectorId", 1) != 1:
        return {"status": "Rejected"}
    profile = None
    if "chargingProfile" in body:
        try:
            profile = v16.read_profile(body["chargingProfile"], 1)
        except ValueError:
            return {"status": "Rejected"}
        if profile.purpose is not ProfilePurpose.TX:
            return {"status": "Rejected"}
    token = IdToken(body["idTag"])
    if not commands.outlet.admits(token, ""):
        return {"status": "Rejected"}
    commands.tokens.present(token, remote_start_id=0, profile=profile)
    return {"status": "Accepted"}


def remote_stop(commands: Commands, body: Payload) -> Payload:
    """Stop the transaction with this number."""
    transaction = commands.conversation.queue.transaction_of(body["transactionId"])
    return {"status": commands.outlet.stop_transaction(transaction)}


def reset(commands: Commands, body: Payload) -> Payload:
    """Reset at once: 1.6 has no Scheduled, so Soft stops the transaction too."""
    commands.outlet.reset(at_once=True)
    return {"status": "Accepted"}


def change_availability(commands: Commands, body: Payload) -> Payload:
    """Put the station in or out of service."""
    if body["connectorId"] not in (0, 1):
        return {"status": "Rejected"}
    return {"status": commands.outlet.change_availability(operative=body["type"] == "Operative")}


def trigger(commands: Commands, body: Payload) -> Payload:
    """Send a message now."""
    return {"status": commands.triggers.trigger(body["requestedMessage"])}


def extended_trigger(commands: Commands, body: Payload) -> Payload:
    """Send a message now, by the security extension."""
    wanted = body["requestedMessage"].replace("SignChargePoint", "SignChargingStation")
    return {"status": commands.triggers.trigger(wanted)}


def set_profile(commands: Commands, body: Payload) -> Payload:
    """Add a charging profile."""
    asked = body["csChargingProfiles"]
    number = asked.get("transactionId")
    transaction = "" if number is None else commands.conversation.queue.transaction_of(number)
    if number is not None and not transaction:
        return {"status": "Rejected"}
    try:
        profile = v16.read_profile(asked, body["connectorId"], transaction)
    except ValueError as error:
        raise CallFailed("PropertyConstraintViolation", str(error)) from error
    return {"status": "Accepted" if commands.profiles.set(profile) is None else "Rejected"}


def clear_profile(commands: Commands, body: Payload) -> Payload:
    """Remove charging profiles."""
    purpose = body.get("chargingProfilePurpose")
    found = commands.profiles.clear(
        ProfileFilter(
            id=body.get("id"),
            evse=body.get("connectorId"),
            purpose=None if purpose is None else v16.purpose_of(purpose),
            stack=body.get("stackLevel"),
        )
    )
    return {"status": "Accepted" if found else "Unknown"}


def composite(commands: Commands, body: Payload) -> Payload:
    """Return what all profiles together allow."""
    if body["connectorId"] not in (0, 1) or body["duration"] <= 0:
        return {"status": "Rejected"}
    unit = body.get("chargingRateUnit", "W")
    begin, periods = commands.profiles.composite(body["duration"], unit)
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


def send_list(commands: Commands, body: Payload) -> Payload:
    """Replace or update the local list."""
    entries = []
    for one in body.get("localAuthorizationList", []):
        info = one.get("idTagInfo")
        known = None
        if info is not None:
            known = TokenInfo(TokenStatus(info["status"]), from_iso(info.get("expiryDate")))
        entries.append(ListEntry(IdToken(one["idTag"]), known))
    full = body["updateType"] == "Full"
    return {"status": commands.lists.send(body["listVersion"], entries, full=full)}


def list_version(commands: Commands, body: Payload) -> Payload:
    """Return the version of the local list."""
    return {"listVersion": commands.lists.version}


def clear_cache(commands: Commands, body: Payload) -> Payload:
    """Delete the cached answers about tokens."""
    return {"status": commands.lists.clear_cache()}


# --- configuration keys ------------------------------------------------------------------------------------


def get_configuration(commands: Commands, body: Payload) -> Payload:
    """Return some configuration keys, or all."""
    keys = body.get("key") or [one.key for one in commands.variables.table if one.key]
    known, unknown = [], []
    for key in keys:
        found = commands.variables.find_key(key)
        if found is None:
            unknown.append(key)
            continue
        row: Payload = {"key": found.key, "readonly": found.write is None}
        if (value := commands.variables.value(found)) is not None:
            row["value"] = value[:500]
        known.append(row)
    return {"configurationKey": known, "unknownKey": unknown}


def change_configuration(commands: Commands, body: Payload) -> Payload:
    """Change one configuration key."""
    found = commands.variables.find_key(body["key"])
    if found is None:
        return {"status": "NotSupported"}
    return {"status": commands.variables.change(found, body["value"])}


# --- Plug and Charge ---------------------------------------------------------------------------------------


async def data_transfer(commands: Commands, body: Payload) -> Payload:
    """Handle a message of 2.0.1 inside DataTransfer; its body has not been checked against a schema."""
    if body["vendorId"] != v16.VENDOR:
        return await _transfer(commands, body)
    handler = PNC.get(body.get("messageId", ""))
    if handler is None:
        return {"status": "UnknownMessageId"}
    try:
        asked = json.loads(body.get("data", ""))
        answer = handler(commands, asked)
        reply = await answer if inspect.isawaitable(answer) else answer
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {"status": "Rejected"}
    return {"status": "Accepted", "data": json.dumps(reply, separators=(",", ":"))}


async def _transfer(commands: Commands, body: Payload) -> Payload:
    """Pass a message of another vendor to the integrator; its data are a text."""
    found = await commands.services.transfer(body["vendorId"], body.get("messageId", ""), body.get("data"))
    if found is None:
        return {"status": "UnknownVendorId"}
    if found.data is None:
        return {"status": found.status}
    text = found.data if isinstance(found.data, str) else json.dumps(found.data)
    return {"status": found.status, "data": text}


# --- the station -------------------------------------------------------------------------------------------


async def unlock(commands: Commands, body: Payload) -> Payload:
    """Unlock the connector; a running transaction ends first."""
    if body["connectorId"] != 1:
        return {"status": "NotSupported"}
    if commands.outlet.transaction:
        commands.outlet.stop_transaction(commands.outlet.transaction)
    unlocked = await commands.services.unlock()
    if unlocked is None:
        return {"status": "NotSupported"}
    return {"status": "Unlocked" if unlocked else "UnlockFailed"}


def reserve(commands: Commands, body: Payload) -> Payload:
    """Reserve the outlet."""
    if body["connectorId"] not in (0, 1):
        return {"status": "Rejected"}
    until = from_iso(body["expiryDate"]) or 0.0
    group = body.get("parentIdTag", "")
    return {
        "status": commands.outlet.reserve(
            Reservation(body["reservationId"], IdToken(body["idTag"]), until, group)
        )
    }


def cancel_reservation(commands: Commands, body: Payload) -> Payload:
    """Cancel a reservation."""
    return {"status": commands.outlet.cancel_reservation(body["reservationId"])}


async def update_firmware(commands: Commands, body: Payload) -> Payload:
    """Start an update without a signature; the answer is empty, the status follows."""
    order = FirmwareOrder(
        location=body["location"],
        retrieve_at=from_iso(body["retrieveDate"]) or 0.0,
        retries=body.get("retries", 0),
        interval=float(body.get("retryInterval", 10)),
        signed=False,
    )
    status = await commands.services.firmware.start(order)
    if status not in ("Accepted", "AcceptedCanceled"):
        commands.diagnostics.announce_firmware("DownloadFailed", order)
    return {}


async def get_log(commands: Commands, body: Payload) -> Payload:
    """Upload a log, by the security extension."""
    commands.diagnostics.legacy_upload = False
    return diagnostics.get_log(commands, body)


def get_diagnostics(commands: Commands, body: Payload) -> Payload:
    """Upload the diagnostics log."""
    commands.diagnostics.legacy_upload = True
    _, name = commands.services.uploads.start(
        LogKind.DIAGNOSTICS,
        body["location"],
        None,
        oldest=from_iso(body.get("startTime")),
        latest=from_iso(body.get("stopTime")),
        retries=body.get("retries", 0),
        interval=float(body.get("retryInterval", 10)),
    )
    return {"fileName": name}


# --- roots -------------------------------------------------------------------------------------------------


async def install(commands: Commands, body: Payload) -> Payload:
    """Install a root by the security extension, which uses older names of the purposes."""
    purpose = body["certificateType"].replace("CentralSystem", "CSMS")
    return {"status": await commands.roots.install(purpose, body["certificate"])}


async def installed(commands: Commands, body: Payload) -> Payload:
    """Return the installed roots, by the security extension."""
    purpose = body["certificateType"].replace("CentralSystem", "CSMS")
    found = await commands.roots.installed([purpose])
    if not found:
        return {"status": "NotFound"}
    return {"status": "Accepted", "certificateHashData": [one["certificateHashData"] for one in found]}


async def delete(commands: Commands, body: Payload) -> Payload:
    """Delete a root."""
    return {"status": await commands.roots.delete(body["certificateHashData"])}


def certificate_signed(commands: Commands, body: Payload) -> Payload:
    """Use the chain for a request of the station."""
    return {"status": commands.roots.certificate_signed(body["certificateChain"], None)}


PNC: dict[str, CommandHandler] = {
    "CertificateSigned": certificates.certificate_signed,
    "DeleteCertificate": certificates.delete,
    "GetInstalledCertificateIds": certificates.installed,
    "InstallCertificate": certificates.install,
    "TriggerMessage": remote.trigger,
}
HANDLERS: dict[str, CommandHandler] = {
    "CancelReservation": cancel_reservation,
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
    "GetDiagnostics": get_diagnostics,
    "GetInstalledCertificateIds": installed,
    "GetLocalListVersion": list_version,
    "GetLog": get_log,
    "InstallCertificate": install,
    "RemoteStartTransaction": remote_start,
    "RemoteStopTransaction": remote_stop,
    "ReserveNow": reserve,
    "Reset": reset,
    "SendLocalList": send_list,
    "SetChargingProfile": set_profile,
    "SignedUpdateFirmware": firmware.update,
    "TriggerMessage": trigger,
    "UnlockConnector": unlock,
    "UpdateFirmware": update_firmware,
}
