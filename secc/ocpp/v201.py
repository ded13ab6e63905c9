"""Messages of OCPP 2.0.1: requests, their answers, and parts used in both directions.

A station has one EVSE with one connector, both with number 1. Pure.
"""

from __future__ import annotations

import base64
import binascii

from secc.ocpp.dialect import EventAnswer, Request, StationLabel, from_iso, to_iso
from secc.ocpp.model import (
    AuthorizeAnswer,
    BootAnswer,
    CertificateStatus,
    ChargingProfile,
    ConnectorStatus,
    EventKind,
    IdToken,
    Payload,
    Period,
    ProfileKind,
    ProfilePurpose,
    Registration,
    Schedule,
    SecurityEvent,
    TokenInfo,
    TokenKind,
    TokenStatus,
    TransactionEvent,
    Trigger,
)
from secc.pki.contract import OcspRequestData
from secc.settings.ocpp import OcppVersion

EVSE = {"id": 1, "connectorId": 1}


class V201:
    """Implements `secc.ocpp.dialect.OcppDialect`."""

    version = OcppVersion.V201

    def boot(self, label: StationLabel, reason: str) -> Request:
        station = {"vendorName": label.vendor, "model": label.model, "firmwareVersion": label.version}
        if label.serial:
            station["serialNumber"] = label.serial
        return "BootNotification", {"reason": reason, "chargingStation": station}

    def read_boot(self, answer: Payload) -> BootAnswer:
        return BootAnswer(
            Registration(answer["status"]), float(answer["interval"]), from_iso(answer["currentTime"])
        )

    def read_heartbeat(self, answer: Payload) -> float | None:
        return from_iso(answer["currentTime"])

    def status(self, status: ConnectorStatus, at: float, fault: str) -> Request:
        told = _STATUS.get(status, "Occupied")
        body = {"timestamp": to_iso(at), "connectorStatus": told, "evseId": 1, "connectorId": 1}
        return "StatusNotification", body

    def authorize(self, token: IdToken, hashes: tuple[OcspRequestData, ...], pem: str) -> Request:
        return "Authorize", authorize_body(token, hashes, pem)

    def read_authorize(self, answer: Payload) -> AuthorizeAnswer | None:
        return read_authorize_body(answer)

    def provision(self, action: str, namespace: str, exi: bytes) -> Request:
        return "Get15118EVCertificate", provision_body(action, namespace, exi)

    def read_provision(self, answer: Payload) -> bytes | None:
        return read_provision_body(answer)

    def certificate_status(self, data: OcspRequestData) -> Request:
        return "GetCertificateStatus", {"ocspRequestData": ocsp_data(data)}

    def read_certificate_status(self, answer: Payload) -> bytes | None:
        return read_certificate_status_body(answer)

    def sign_certificate(self, csr: str, kind: str) -> Request:
        return "SignCertificate", {"csr": csr, "certificateType": kind}

    def read_sign_certificate(self, answer: Payload) -> bool:
        return bool(answer["status"] == "Accepted")

    def event(self, event: TransactionEvent, number: int | None) -> Request | None:
        return "TransactionEvent", _event_body(event)

    def read_event(self, answer: Payload) -> EventAnswer:
        info = answer.get("idTokenInfo")
        return EventAnswer(None if info is None else read_token_info(info))

    def security(self, event: SecurityEvent) -> Request:
        body: Payload = {"type": event.kind[:50], "timestamp": to_iso(event.at)}
        if event.text:
            body["techInfo"] = event.text[:255]
        return "SecurityEventNotification", body


class V21(V201):
    """OCPP 2.1 with the functions of 2.0.1: the messages are the same, the schemas are those of 2.1."""

    version = OcppVersion.V21


_STATUS = {
    ConnectorStatus.AVAILABLE: "Available",
    ConnectorStatus.UNAVAILABLE: "Unavailable",
    ConnectorStatus.FAULTED: "Faulted",
}


# --- bodies that 1.6 sends in DataTransfer ------------------------------------------------------------------


def authorize_body(token: IdToken, hashes: tuple[OcspRequestData, ...], pem: str) -> Payload:
    """Return Authorize, with hash data and chain if they are given."""
    body: Payload = {"idToken": id_token(token)}
    if hashes:
        body["iso15118CertificateHashData"] = [ocsp_data(data) for data in hashes[:4]]
    if pem:
        body["certificate"] = pem
    return body


def read_authorize_body(answer: Payload) -> AuthorizeAnswer:
    """Read the answer to Authorize."""
    certificate = answer.get("certificateStatus")
    return AuthorizeAnswer(
        read_token_info(answer["idTokenInfo"]),
        None if certificate is None else CertificateStatus(certificate),
    )


def provision_body(action: str, namespace: str, exi: bytes) -> Payload:
    """Return Get15118EVCertificate with the unchanged message of the car."""
    return {
        "iso15118SchemaVersion": namespace,
        "action": action,
        "exiRequest": base64.b64encode(exi).decode(),
    }


def read_provision_body(answer: Payload) -> bytes | None:
    """Return the unchanged answer for the car, or None."""
    return _from_base64(answer.get("exiResponse", "")) if answer["status"] == "Accepted" else None


def read_certificate_status_body(answer: Payload) -> bytes | None:
    """Return an OCSP response in DER, or None."""
    return _from_base64(answer.get("ocspResult", "")) if answer["status"] == "Accepted" else None


def ocsp_data(data: OcspRequestData) -> Payload:
    """Return OCSPRequestData."""
    return {
        "hashAlgorithm": data.hash_algorithm,
        "issuerNameHash": data.issuer_name_hash,
        "issuerKeyHash": data.issuer_key_hash,
        "serialNumber": data.serial_number,
        "responderURL": data.responder_url,
    }


def id_token(token: IdToken) -> Payload:
    """Return IdTokenType."""
    return {"idToken": token.text, "type": token.kind.value}


def read_id_token(body: Payload) -> IdToken:
    """Read IdTokenType; unknown kinds, which 2.1 allows, are read as Central."""
    known = body["type"] in TokenKind.__members__.values()
    return IdToken(body["idToken"], TokenKind(body["type"]) if known else TokenKind.CENTRAL)


def read_token_info(body: Payload) -> TokenInfo:
    """Read IdTokenInfoType."""
    group = body.get("groupIdToken") or {}
    expires = from_iso(body.get("cacheExpiryDateTime"))
    return TokenInfo(TokenStatus(body["status"]), expires, group.get("idToken", ""))


def read_profile(body: Payload, evse: int) -> ChargingProfile:
    """Read ChargingProfileType; raises ValueError for the kinds of 2.1 that are not supported."""
    if any(
        "limit" not in period for one in body["chargingSchedule"] for period in one["chargingSchedulePeriod"]
    ):
        raise ValueError("a period without a limit")
    schedules = tuple(_read_schedule(one) for one in body["chargingSchedule"])
    return ChargingProfile(
        id=body["id"],
        stack=body["stackLevel"],
        purpose=ProfilePurpose(body["chargingProfilePurpose"]),
        kind=ProfileKind(body["chargingProfileKind"]),
        schedules=schedules,
        evse=evse,
        weekly=body.get("recurrencyKind") == "Weekly",
        valid_from=from_iso(body.get("validFrom")),
        valid_to=from_iso(body.get("validTo")),
        transaction=body.get("transactionId", ""),
    )


def _read_schedule(body: Payload) -> Schedule:
    return Schedule(
        unit=body["chargingRateUnit"],
        periods=tuple(
            Period(one["startPeriod"], float(one["limit"]), one.get("numberPhases"))
            for one in body["chargingSchedulePeriod"]
        ),
        start=from_iso(body.get("startSchedule")),
        duration=body.get("duration"),
    )


def _from_base64(text: str) -> bytes | None:
    """Decode base64; None for invalid data, so that an invalid answer counts as no answer."""
    try:
        return base64.b64decode("".join(text.split()), validate=True) or None
    except (binascii.Error, ValueError):
        return None


# --- transactions ------------------------------------------------------------------------------------------


def _event_body(event: TransactionEvent) -> Payload:
    info: Payload = {"transactionId": event.transaction, "chargingState": event.state.value}
    if event.reason is not None:
        info["stoppedReason"] = event.reason.value
    if event.remote_start_id is not None:
        info["remoteStartId"] = event.remote_start_id
    body: Payload = {
        "eventType": event.kind.value,
        "timestamp": to_iso(event.at),
        "triggerReason": event.trigger.value,
        "seqNo": event.seq,
        "transactionInfo": info,
        "offline": event.offline,
        "evse": EVSE,
    }
    if event.token is not None:
        body["idToken"] = id_token(event.token)
    values = sampled_values(event)
    if values:
        body["meterValue"] = [{"timestamp": to_iso(event.at), "sampledValue": values}]
    return body


def sampled_values(event: TransactionEvent) -> list[Payload]:
    """Return the meter values, with the position in the transaction."""
    if event.reading is None:
        return []
    context = context_of(event)
    values: list[Payload] = [
        {
            "value": event.reading.energy,
            "context": context,
            "measurand": "Energy.Active.Import.Register",
            "unitOfMeasure": {"unit": "Wh"},
        }
    ]
    if event.reading.power is not None:
        power = {"value": round(event.reading.power, 1), "context": context}
        values.append({**power, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "W"}})
    return values


def context_of(event: TransactionEvent) -> str:
    """Return ReadingContextEnumType."""
    match event.kind:
        case EventKind.STARTED:
            return "Transaction.Begin"
        case EventKind.ENDED:
            return "Transaction.End"
        case EventKind.UPDATED:
            return "Trigger" if event.trigger is Trigger.TRIGGER else "Sample.Periodic"
