"""What the CSMS double answers, for both versions, and how it keeps its books."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from secc.ocpp import v16, v201
from secc.ocpp.dialect import to_iso
from secc.ocpp.rpc import CallFailed, NoAnswer
from secc.ocpp.words import AuthorizeAnswer, IdToken, Payload
from secc.settings.ocpp import OcppVersion

if TYPE_CHECKING:
    from secc.ocpp.double import CsmsDouble

Answering = Callable[["CsmsDouble", str, Payload], Awaitable[Payload]]


# --- both versions -----------------------------------------------------------------------------------------


async def boot(csms: CsmsDouble, station: str, body: Payload) -> Payload:
    """As it is told to answer."""
    status = csms.faults.registration.value
    return {"status": status, "currentTime": to_iso(csms.now), "interval": csms.heartbeat}


async def heartbeat(csms: CsmsDouble, station: str, body: Payload) -> Payload:
    """Its clock."""
    return {"currentTime": to_iso(csms.now)}


async def nothing(csms: CsmsDouble, station: str, body: Payload) -> Payload:
    """Noted, no more."""
    return {}


# --- 2.0.1, and what 1.6 wraps -----------------------------------------------------------------------------


async def authorize(csms: CsmsDouble, station: str, body: Payload) -> Payload:
    """By the word of the ecosystem."""
    answer = await csms.ecosystem.authorize(v201.read_id_token(body["idToken"]), body)
    told: Payload = {"idTokenInfo": {"status": answer.info.status.value}}
    if answer.certificate is not None:
        told["certificateStatus"] = answer.certificate.value
    return told


async def provision(csms: CsmsDouble, station: str, body: Payload) -> Payload:
    """The answer for a car, or Failed."""
    exi = await csms.ecosystem.provision(station, body["action"], base64.b64decode(body["exiRequest"]))
    if exi is None:
        return {"status": "Failed", "exiResponse": ""}
    return {"status": "Accepted", "exiResponse": base64.b64encode(exi).decode()}


async def certificate_status(csms: CsmsDouble, station: str, body: Payload) -> Payload:
    """An OCSP response, or Failed."""
    der = await csms.ecosystem.certificate_status(body["ocspRequestData"])
    if der is None:
        return {"status": "Failed"}
    return {"status": "Accepted", "ocspResult": base64.b64encode(der).decode()}


async def sign_certificate(csms: CsmsDouble, station: str, body: Payload) -> Payload:
    """Accepted at once; the chain comes later, as a call of our own."""
    kind = body.get("certificateType", "ChargingStationCertificate")
    chain = await csms.ecosystem.sign(station, body["csr"], kind)
    if chain is None:
        return {"status": "Rejected"}
    csms.later(_send_signed(csms, station, chain, kind))
    return {"status": "Accepted"}


async def _send_signed(csms: CsmsDouble, station: str, chain: str, kind: str) -> None:
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
        pass  # the station asks again


async def transaction_event(csms: CsmsDouble, station: str, body: Payload) -> Payload:
    """Into the books, once."""
    info = body["transactionInfo"]
    booked = csms.book(station, info["transactionId"], body["seqNo"], body["timestamp"])
    if booked is None:
        return await _about_token(csms, body)
    meter = [one["value"] for value in body.get("meterValue", []) for one in value["sampledValue"][:1]]
    if body["eventType"] == "Started":
        booked.meter_start = int(meter[0]) if meter else None
        booked.token = body.get("idToken", {}).get("idToken", "")
    if body["eventType"] == "Ended":
        booked.meter_stop = int(meter[-1]) if meter else None
        booked.ended, booked.reason = True, info.get("stoppedReason", "")
    return await _about_token(csms, body)


async def _about_token(csms: CsmsDouble, body: Payload) -> Payload:
    if body["eventType"] != "Started" or "idToken" not in body:
        return {}
    token = v201.read_id_token(body["idToken"])
    if token.kind.value == "NoAuthorization":
        return {"idTokenInfo": {"status": "Accepted"}}
    answer = await csms.ecosystem.authorize(token, {})
    return {"idTokenInfo": {"status": answer.info.status.value}}


# --- 1.6 ---------------------------------------------------------------------------------------------------


async def authorize_tag(csms: CsmsDouble, station: str, body: Payload) -> Payload:
    """A card of 1.6."""
    return {"idTagInfo": await _tag_info(csms, body["idTag"])}


async def _tag_info(csms: CsmsDouble, tag: str) -> Payload:
    answer: AuthorizeAnswer = await csms.ecosystem.authorize(IdToken(tag), {})
    status = answer.info.status.value
    known = ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")
    return {"status": status if status in known else "Invalid"}


async def start_transaction(csms: CsmsDouble, station: str, body: Payload) -> Payload:
    """The same start gets the same number: it may come twice."""
    key = f"{station} {body['idTag']} {body['timestamp']}"
    booked = csms.book(station, key, 0, body["timestamp"])
    if booked is None:
        booked = csms.books[key]
    else:
        csms.numbers += 1
        booked.number, booked.token, booked.meter_start = csms.numbers, body["idTag"], body["meterStart"]
    return {"transactionId": booked.number, "idTagInfo": await _tag_info(csms, body["idTag"])}


async def meter_values(csms: CsmsDouble, station: str, body: Payload) -> Payload:
    """Into the books of the transaction, once."""
    booked = _numbered(csms, station, body.get("transactionId"))
    if booked is not None:
        at = body["meterValue"][0]["timestamp"]
        csms.book(station, booked, at, at)
    return {}


async def stop_transaction(csms: CsmsDouble, station: str, body: Payload) -> Payload:
    """The last line of a transaction."""
    key = _numbered(csms, station, body["transactionId"])
    booked = None if key is None else csms.book(station, key, "stop", body["timestamp"])
    if booked is not None:
        booked.ended, booked.meter_stop = True, body["meterStop"]
        booked.reason = body.get("reason", "Local")
    return {}


def _numbered(csms: CsmsDouble, station: str, number: int | None) -> str | None:
    return next(
        (key for key, one in csms.books.items() if one.station == station and one.number == number), None
    )


async def data_transfer(csms: CsmsDouble, station: str, body: Payload) -> Payload:
    """The extension of 1.6: bodies of 2.0.1 as text."""
    if body["vendorId"] != v16.VENDOR:
        return {"status": "UnknownVendorId"}
    handler = PNC.get(body.get("messageId", ""))
    if handler is None:
        return {"status": "UnknownMessageId"}
    try:
        asked: Any = json.loads(body.get("data", ""))
        told = await handler(csms, station, asked)
    except (ValueError, KeyError, TypeError, AttributeError):
        return {"status": "Rejected"}
    return {"status": "Accepted", "data": json.dumps(told)}


PNC: dict[str, Answering] = {
    "Authorize": authorize,
    "Get15118EVCertificate": provision,
    "GetCertificateStatus": certificate_status,
    "SignCertificate": sign_certificate,
}
_OF_2: dict[str, Answering] = {
    "Authorize": authorize,
    "BootNotification": boot,
    "Get15118EVCertificate": provision,
    "GetCertificateStatus": certificate_status,
    "Heartbeat": heartbeat,
    "NotifyReport": nothing,
    "SecurityEventNotification": nothing,
    "SignCertificate": sign_certificate,
    "StatusNotification": nothing,
    "TransactionEvent": transaction_event,
}
ANSWERS: dict[OcppVersion, dict[str, Answering]] = {
    OcppVersion.V21: _OF_2,
    OcppVersion.V201: _OF_2,
    OcppVersion.V16: {
        "Authorize": authorize_tag,
        "BootNotification": boot,
        "DataTransfer": data_transfer,
        "Heartbeat": heartbeat,
        "MeterValues": meter_values,
        "SecurityEventNotification": nothing,
        "SignCertificate": sign_certificate,
        "StartTransaction": start_transaction,
        "StatusNotification": nothing,
        "StopTransaction": stop_transaction,
    },
}
