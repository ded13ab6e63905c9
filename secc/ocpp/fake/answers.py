"""Answers of the fake CSMS, one table for each version."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from secc.ocpp import v16, v201
from secc.ocpp.dialect import to_iso
from secc.ocpp.fake.records import CsmsFaults, CsmsRecords
from secc.ocpp.fake.services import CsmsServices
from secc.ocpp.model import AuthorizeAnswer, IdToken, Payload
from secc.ocpp.rpc import CallFailed, NoAnswer
from secc.settings.ocpp import OcppVersion


class AnsweringCsms(Protocol):
    """What the answers need of the fake CSMS."""

    faults: CsmsFaults
    heartbeat: int
    records: CsmsRecords
    services: CsmsServices

    @property
    def now(self) -> float:
        """Unix seconds."""
        ...

    def version_of(self, station: str) -> OcppVersion | None:
        """Return the OCPP version of a connected station."""
        ...

    async def command(self, station: str, action: str, payload: Payload) -> Payload:
        """Send a call to a station; raises NoAnswer or CallFailed."""
        ...

    def later(self, call: Coroutine[object, object, None]) -> None:
        """Run a call in the background."""
        ...


Answering = Callable[[AnsweringCsms, str, Payload], Awaitable[Payload]]


# --- all versions -----------------------------------------------------------------------------------------


async def boot(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """As it is reply to answer."""
    status = csms.faults.registration.value
    return {"status": status, "currentTime": to_iso(csms.now), "interval": csms.heartbeat}


async def heartbeat(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Answer with the time."""
    return {"currentTime": to_iso(csms.now)}


async def nothing(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Answer with an empty body."""
    return {}


# --- 2.0.1, and its messages in 1.6 -------------------------------------------------------------------------


async def authorize(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Answer as the services decide."""
    answer = await csms.services.authorize(v201.read_id_token(body["idToken"]), body)
    reply: Payload = {"idTokenInfo": {"status": answer.info.status.value}}
    if answer.certificate is not None:
        reply["certificateStatus"] = answer.certificate.value
    if answer.transfer and csms.version_of(station) is OcppVersion.V21:
        reply["allowedEnergyTransfer"] = list(answer.transfer)
    return reply


async def provision(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Answer with the message for a car, or Failed."""
    exi = await csms.services.provision(station, body["action"], base64.b64decode(body["exiRequest"]))
    if exi is None:
        return {"status": "Failed", "exiResponse": ""}
    return {"status": "Accepted", "exiResponse": base64.b64encode(exi).decode()}


async def certificate_status(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Answer with an OCSP response, or Failed."""
    der = await csms.services.certificate_status(body["ocspRequestData"])
    if der is None:
        return {"status": "Failed"}
    return {"status": "Accepted", "ocspResult": base64.b64encode(der).decode()}


async def sign_certificate(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Accept at once; the chain is sent later by CertificateSigned."""
    kind = body.get("certificateType", "ChargingStationCertificate")
    chain = await csms.services.sign(station, body["csr"], kind)
    if chain is None:
        return {"status": "Rejected"}
    csms.later(_send_signed(csms, station, chain, kind))
    return {"status": "Accepted"}


async def _send_signed(csms: AnsweringCsms, station: str, chain: str, kind: str) -> None:
    await asyncio.sleep(0.01)
    body: Payload = {"certificateChain": chain, "certificateType": kind}
    try:
        if csms.version_of(station) is not OcppVersion.V16:
            await csms.command(station, "CertificateSigned", body)
        elif kind == "V2GCertificate":
            await csms.command(station, *v16.transfer("CertificateSigned", body))
        else:
            await csms.command(station, "CertificateSigned", {"certificateChain": chain})
    except (NoAnswer, CallFailed):
        pass  # the station sends the request again


async def chain_status(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Answer with the status that the services have for every certificate."""
    status = await csms.services.chain_status(station)
    rows = [
        {
            "certificateHashData": one["certificateHashData"],
            "source": one["source"],
            "status": status,
            "nextUpdate": to_iso(csms.now + 3600),
        }
        for one in body["certificateStatusRequests"]
    ]
    return {"certificateStatus": rows}


async def charging_needs(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Answer as the services decide; an accepted EV gets the profile that they have for it."""
    status, profile = await csms.services.charging_needs(station, body)
    if profile is not None:
        csms.later(_send_profile(csms, station, profile))
    return {"status": status}


async def _send_profile(csms: AnsweringCsms, station: str, profile: Payload) -> None:
    await asyncio.sleep(0.01)
    transaction = next(
        one.id for one in csms.records.transactions.values() if one.station == station and not one.ended
    )
    body = {"evseId": 1, "chargingProfile": {**profile, "transactionId": transaction}}
    await csms.command(station, "SetChargingProfile", body)


async def charging_schedule(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Accept the choice of an EV."""
    return {"status": "Accepted"}


async def dynamic_update(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Answer with the values that the services have for a dynamic profile."""
    update = await csms.services.dynamic_update(station, body["chargingProfileId"])
    return {"status": "Rejected"} if update is None else {"status": "Accepted", "scheduleUpdate": update}


async def transaction_event(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Record an event once."""
    info = body["transactionInfo"]
    recorded = csms.records.record(station, info["transactionId"], body["seqNo"], body["timestamp"])
    if recorded is None:
        return await _about_token(csms, body)
    meter = [one["value"] for value in body.get("meterValue", []) for one in value["sampledValue"][:1]]
    if body["eventType"] == "Started":
        recorded.meter_start = int(meter[0]) if meter else None
        recorded.token = body.get("idToken", {}).get("idToken", "")
        recorded.outlet = str(body.get("evse", {}).get("id", ""))
        csms.records.changed(recorded)
    if body["eventType"] == "Ended":
        recorded.meter_stop = int(meter[-1]) if meter else None
        recorded.ended, recorded.reason = True, info.get("stoppedReason", "")
        csms.records.changed(recorded)
    return await _about_token(csms, body)


async def _about_token(csms: AnsweringCsms, body: Payload) -> Payload:
    if body["eventType"] != "Started" or "idToken" not in body:
        return {}
    token = v201.read_id_token(body["idToken"])
    if token.kind.value == "NoAuthorization":
        return {"idTokenInfo": {"status": "Accepted"}}
    answer = await csms.services.authorize(token, {})
    return {"idTokenInfo": {"status": answer.info.status.value}}


# --- 1.6 ---------------------------------------------------------------------------------------------------


async def authorize_tag(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Answer for a card of 1.6."""
    return {"idTagInfo": await _tag_info(csms, body["idTag"])}


async def _tag_info(csms: AnsweringCsms, tag: str) -> Payload:
    answer: AuthorizeAnswer = await csms.services.authorize(IdToken(tag), {})
    status = answer.info.status.value
    known = ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")
    return {"status": status if status in known else "Invalid"}


async def start_transaction(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Give a number to a transaction; a repeated start gets the same number."""
    key = f"{station} {body['idTag']} {body['timestamp']}"
    recorded = csms.records.record(station, key, 0, body["timestamp"])
    if recorded is None:
        recorded = csms.records.transactions[key]
    else:
        csms.records.last_number += 1
        recorded.number, recorded.token, recorded.meter_start = (
            csms.records.last_number,
            body["idTag"],
            body["meterStart"],
        )
        recorded.outlet = str(body["connectorId"])
        csms.records.changed(recorded)
    return {"transactionId": recorded.number, "idTagInfo": await _tag_info(csms, body["idTag"])}


async def meter_values(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Record meter values once."""
    recorded = csms.records.key_of(station, body.get("transactionId"))
    if recorded is not None:
        at = body["meterValue"][0]["timestamp"]
        csms.records.record(station, recorded, at, at)
    return {}


async def stop_transaction(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Record the end of a transaction once."""
    key = csms.records.key_of(station, body["transactionId"])
    recorded = None if key is None else csms.records.record(station, key, "stop", body["timestamp"])
    if recorded is not None:
        recorded.ended, recorded.meter_stop = True, body["meterStop"]
        recorded.reason = body.get("reason", "Local")
        csms.records.changed(recorded)
    return {}


async def data_transfer(csms: AnsweringCsms, station: str, body: Payload) -> Payload:
    """Answer a message of the extension of 1.6: bodies of 2.0.1 as text."""
    if body["vendorId"] != v16.VENDOR:
        return {"status": "UnknownVendorId"}
    handler = PNC.get(body.get("messageId", ""))
    if handler is None:
        return {"status": "UnknownMessageId"}
    try:
        asked: Any = json.loads(body.get("data", ""))
        reply = await handler(csms, station, asked)
    except (ValueError, KeyError, TypeError, AttributeError):
        return {"status": "Rejected"}
    return {"status": "Accepted", "data": json.dumps(reply)}


PNC: dict[str, Answering] = {
    "Authorize": authorize,
    "Get15118EVCertificate": provision,
    "GetCertificateStatus": certificate_status,
    "SignCertificate": sign_certificate,
}
NOTIFICATIONS = (
    *("ClearedChargingLimit", "FirmwareStatusNotification", "LogStatusNotification", "MeterValues"),
    *("NotifyChargingLimit", "NotifyCustomerInformation", "NotifyEvent", "NotifyMonitoringReport"),
    *("NotifyDERAlarm", "NotifyDERStartStop", "ReportDERControl"),
    *("NotifyReport", "ReportChargingProfiles", "ReservationStatusUpdate", "SecurityEventNotification"),
    "StatusNotification",
)
_OF_2: dict[str, Answering] = {
    "Authorize": authorize,
    "BootNotification": boot,
    "Get15118EVCertificate": provision,
    "GetCertificateStatus": certificate_status,
    "GetCertificateChainStatus": chain_status,
    "Heartbeat": heartbeat,
    "NotifyEVChargingNeeds": charging_needs,
    "NotifyEVChargingSchedule": charging_schedule,
    "NotifyPriorityCharging": nothing,
    "PullDynamicScheduleUpdate": dynamic_update,
    **dict.fromkeys(NOTIFICATIONS, nothing),
    "SignCertificate": sign_certificate,
    "TransactionEvent": transaction_event,
}
ANSWERS: dict[OcppVersion, dict[str, Answering]] = {
    OcppVersion.V21: _OF_2,
    OcppVersion.V201: _OF_2,
    OcppVersion.V16: {
        "Authorize": authorize_tag,
        "BootNotification": boot,
        "DataTransfer": data_transfer,
        "DiagnosticsStatusNotification": nothing,
        "FirmwareStatusNotification": nothing,
        "Heartbeat": heartbeat,
        "LogStatusNotification": nothing,
        "SignedFirmwareStatusNotification": nothing,
        "MeterValues": meter_values,
        "SecurityEventNotification": nothing,
        "SignCertificate": sign_certificate,
        "StartTransaction": start_transaction,
        "StatusNotification": nothing,
        "StopTransaction": stop_transaction,
    },
}
