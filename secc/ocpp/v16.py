"""Messages of OCPP 1.6J with the Plug and Charge extension of the Open Charge Alliance.

The extension sends bodies like those of 2.0.1, as text, in DataTransfer of the vendor
`org.openchargealliance.iso15118pnc`. The CSMS identifies a transaction by a number that it returns in the
answer to StartTransaction; an eMAID is sent there as idTag. Pure.
"""

from __future__ import annotations

import json
from typing import Any

from secc.ocpp import v201
from secc.ocpp.dialect import EventAnswer, Request, StationLabel, from_iso, to_iso
from secc.ocpp.model import (
    AuthorizeAnswer,
    BootAnswer,
    ConnectorStatus,
    EventKind,
    IdToken,
    Payload,
    Reading,
    Registration,
    SecurityEvent,
    StopReason,
    TokenInfo,
    TokenKind,
    TokenStatus,
    TransactionEvent,
)
from secc.ocpp.profile_model import ChargingProfile, Period, ProfileKind, ProfilePurpose, Schedule
from secc.pki.contract import OcspRequestData
from secc.settings.ocpp import OcppVersion

VENDOR = "org.openchargealliance.iso15118pnc"
"""vendorId of the extension."""


class V16:
    """Implements `secc.ocpp.dialect.OcppDialect`."""

    version = OcppVersion.V16

    def boot(self, label: StationLabel, reason: str) -> Request:
        body = {
            "chargePointVendor": label.vendor,
            "chargePointModel": label.model,
            "firmwareVersion": label.version,
        }
        if label.serial:
            body["chargePointSerialNumber"] = label.serial
        return "BootNotification", body

    def read_boot(self, answer: Payload) -> BootAnswer:
        return BootAnswer(
            Registration(answer["status"]), float(answer["interval"]), from_iso(answer["currentTime"])
        )

    def read_heartbeat(self, answer: Payload) -> float | None:
        return from_iso(answer["currentTime"])

    def status(self, status: ConnectorStatus, at: float, fault: str) -> Request:
        code = "OtherError" if status is ConnectorStatus.FAULTED else "NoError"
        body: Payload = {
            "connectorId": 1,
            "errorCode": code,
            "status": status.value,
            "timestamp": to_iso(at),
        }
        if fault:
            body["info"] = fault[:50]
        return "StatusNotification", body

    def authorize(self, token: IdToken, hashes: tuple[OcspRequestData, ...], pem: str) -> Request:
        if token.kind is TokenKind.EMAID:
            return transfer("Authorize", v201.authorize_body(token, hashes, pem))
        return "Authorize", {"idTag": tag(token)}

    def read_authorize(self, answer: Payload) -> AuthorizeAnswer | None:
        if "idTagInfo" in answer:
            return AuthorizeAnswer(read_tag_info(answer["idTagInfo"]))
        body = read_transfer(answer)
        return None if body is None else v201.read_authorize_body(body)

    def provision(self, action: str, namespace: str, exi: bytes) -> Request:
        return transfer("Get15118EVCertificate", v201.provision_body(action, namespace, exi))

    def read_provision(self, answer: Payload) -> bytes | None:
        body = read_transfer(answer)
        return None if body is None else v201.read_provision_body(body)

    def certificate_status(self, data: OcspRequestData) -> Request:
        return transfer("GetCertificateStatus", {"ocspRequestData": v201.ocsp_data(data)})

    def read_certificate_status(self, answer: Payload) -> bytes | None:
        body = read_transfer(answer)
        return None if body is None else v201.read_certificate_status_body(body)

    def sign_certificate(self, csr: str, kind: str, number: int) -> Request:
        if kind == "V2GCertificate":
            return transfer("SignCertificate", {"csr": csr, "certificateType": kind})
        return "SignCertificate", {"csr": csr}

    def read_sign_certificate(self, answer: Payload) -> bool:
        body = read_transfer(answer) if "data" in answer else answer
        return body is not None and body.get("status") == "Accepted"

    def event(self, event: TransactionEvent, number: int | None) -> Request | None:
        match event.kind:
            case EventKind.STARTED:
                return "StartTransaction", _start(event)
            case EventKind.ENDED:
                return "StopTransaction", _stop(event, -1 if number is None else number)
            case EventKind.UPDATED if event.reading is not None:
                return "MeterValues", _meter_values(event, number)
        return None

    def read_event(self, answer: Payload) -> EventAnswer:
        info = answer.get("idTagInfo")
        return EventAnswer(None if info is None else read_tag_info(info), answer.get("transactionId"))

    def meter_values(self, reading: Reading, at: float, context: str) -> Request:
        samples = _in_texts([{**one, "context": context} for one in v201.measured(reading).values()])
        meter = [{"timestamp": to_iso(at), "sampledValue": samples}]
        return "MeterValues", {"connectorId": 1, "meterValue": meter}

    def security(self, event: SecurityEvent) -> Request:
        return V201_SECURITY.security(event)


V201_SECURITY = v201.V201()
"""The security extension of 1.6 uses the message of 2.0.1."""


# --- DataTransfer ------------------------------------------------------------------------------------------


def transfer(message: str, body: Payload) -> Request:
    """Return a message of the extension."""
    data = json.dumps(body, separators=(",", ":"))
    return "DataTransfer", {"vendorId": VENDOR, "messageId": message, "data": data}


def read_transfer(answer: Payload) -> dict[str, Any] | None:
    """Return the body of an answer; None if it was refused, the extension is unknown, or the body is invalid.

    The schema of 1.6 does not cover the body, so its readers must accept any content.
    """
    if answer.get("status") != "Accepted":
        return None
    try:
        body = json.loads(answer.get("data", ""))
    except (TypeError, ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def read_tag_info(body: Payload) -> TokenInfo:
    """Read IdTagInfo."""
    return TokenInfo(
        TokenStatus(body["status"]),
        from_iso(body.get("expiryDate")),
        body.get("parentIdTag", ""),
    )


def tag(token: IdToken) -> str:
    """Return at most 20 characters: enough for an eMAID, with or without hyphens.

    The address of an EV has the prefix that Autocharge uses.
    """
    if token.kind is TokenKind.MAC_ADDRESS:
        return f"VID:{token.text}"[:20]
    return token.text if len(token.text) <= 20 else token.text.replace("-", "")[:20]


# --- transactions ------------------------------------------------------------------------------------------


def _start(event: TransactionEvent) -> Payload:
    assert event.token is not None  # set in the first event
    return {
        "connectorId": 1,
        "idTag": tag(event.token),
        "meterStart": event.meter_start or 0,
        "timestamp": to_iso(event.at),
        **({} if event.reservation is None else {"reservationId": event.reservation}),
    }


def _stop(event: TransactionEvent, number: int) -> Payload:
    meter = event.meter_start or 0 if event.reading is None else event.reading.energy
    body: Payload = {"transactionId": number, "meterStop": meter, "timestamp": to_iso(event.at)}
    if event.token is not None:
        body["idTag"] = tag(event.token)
    body["reason"] = _REASONS.get(event.reason, "Other")
    values = _samples(event)
    if values:
        body["transactionData"] = [{"timestamp": to_iso(event.at), "sampledValue": values}]
    return body


def _meter_values(event: TransactionEvent, number: int | None) -> Payload:
    body: Payload = {
        "connectorId": 1,
        "meterValue": [{"timestamp": to_iso(event.at), "sampledValue": _samples(event)}],
    }
    if number is not None:
        body["transactionId"] = number
    return body


def _samples(event: TransactionEvent) -> list[Payload]:
    return _in_texts(v201.sampled_values(event))


def _in_texts(values: list[Payload]) -> list[Payload]:
    found = []
    for one in values:
        unit = one["unitOfMeasure"]["unit"]
        sample = {name: value for name, value in one.items() if name != "unitOfMeasure"}
        found.append({**sample, "value": str(one["value"]), "unit": unit})
    return found


_REASONS: dict[StopReason | None, str] = {
    StopReason.STOPPED_BY_EV: "Local",
    StopReason.LOCAL: "Local",
    StopReason.EV_DISCONNECTED: "EVDisconnected",
    StopReason.REMOTE: "Remote",
    StopReason.DEAUTHORIZED: "DeAuthorized",
    StopReason.EMERGENCY_STOP: "EmergencyStop",
    StopReason.IMMEDIATE_RESET: "HardReset",
    StopReason.POWER_LOSS: "PowerLoss",
}


# --- charging profiles -------------------------------------------------------------------------------------


def read_profile(body: Payload, connector: int, transaction: str = "") -> ChargingProfile:
    """Read csChargingProfiles; raises ValueError for contradictory values."""
    schedule = body["chargingSchedule"]
    return ChargingProfile(
        id=body["chargingProfileId"],
        stack=body["stackLevel"],
        purpose=purpose_of(body["chargingProfilePurpose"]),
        kind=ProfileKind(body["chargingProfileKind"]),
        schedules=(
            Schedule(
                unit=schedule["chargingRateUnit"],
                periods=tuple(
                    Period(one["startPeriod"], float(one["limit"]), one.get("numberPhases"))
                    for one in schedule["chargingSchedulePeriod"]
                ),
                start=from_iso(schedule.get("startSchedule")),
                duration=schedule.get("duration"),
            ),
        ),
        evse=connector,
        weekly=body.get("recurrencyKind") == "Weekly",
        valid_from=from_iso(body.get("validFrom")),
        valid_to=from_iso(body.get("validTo")),
        transaction=transaction,
    )


def purpose_of(text: str) -> ProfilePurpose:
    """Return the purpose; one of them has another name in 1.6."""
    return ProfilePurpose.STATION_MAX if text == "ChargePointMaxProfile" else ProfilePurpose(text)
