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
    Trigger,
)
from secc.ocpp.profile_model import (
    ChargingProfile,
    OperationMode,
    Period,
    ProfileKind,
    ProfilePurpose,
    Schedule,
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

    def sign_certificate(self, csr: str, kind: str, number: int) -> Request:
        return "SignCertificate", {"csr": csr, "certificateType": kind}

    def read_sign_certificate(self, answer: Payload) -> bool:
        return bool(answer["status"] == "Accepted")

    def event(self, event: TransactionEvent, number: int | None) -> Request | None:
        return "TransactionEvent", event_body(event)

    def read_event(self, answer: Payload) -> EventAnswer:
        info = answer.get("idTokenInfo")
        return EventAnswer(None if info is None else read_token_info(info))

    def meter_values(self, reading: Reading, at: float, context: str) -> Request:
        values = [{**one, "context": context} for one in measured(reading).values()]
        meter = [{"timestamp": to_iso(at), "sampledValue": values}]
        return "MeterValues", {"evseId": 1, "meterValue": meter}

    def security(self, event: SecurityEvent) -> Request:
        body: Payload = {"type": event.kind[:50], "timestamp": to_iso(event.at)}
        if event.text:
            body["techInfo"] = event.text[:255]
        return "SecurityEventNotification", body


_STATUS = {
    ConnectorStatus.AVAILABLE: "Available",
    ConnectorStatus.RESERVED: "Reserved",
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
    """Read ChargingProfileType of 2.0.1 or 2.1; raises ValueError for what the station does not support."""
    unsupported = [name for name in _UNSUPPORTED if any(name in one for one in body["chargingSchedule"])]
    if unsupported:
        raise ValueError(f"{', '.join(unsupported)} is not supported")
    return ChargingProfile(
        id=body["id"],
        stack=body["stackLevel"],
        purpose=ProfilePurpose(body["chargingProfilePurpose"]),
        kind=ProfileKind(body["chargingProfileKind"]),
        schedules=tuple(_read_schedule(one) for one in body["chargingSchedule"]),
        evse=evse,
        weekly=body.get("recurrencyKind") == "Weekly",
        valid_from=from_iso(body.get("validFrom")),
        valid_to=from_iso(body.get("validTo")),
        transaction=body.get("transactionId", ""),
        received=body,
        max_offline=body.get("maxOfflineDuration"),
        invalid_after_offline=body.get("invalidAfterOfflineDuration", False),
    )


_UNSUPPORTED = ("useLocalTime", "randomizedDelay", "limitAtSoC")
_UNSUPPORTED_PERIOD = ("evseSleep", "preconditioningRequest", "setpointReactive")
_OF_PHASES = tuple(f"{name}_{phase}" for name in ("dischargeLimit", "setpoint") for phase in ("L2", "L3"))


def _read_schedule(body: Payload) -> Schedule:
    return Schedule(
        unit=body["chargingRateUnit"],
        periods=tuple(_read_period(one, body["chargingRateUnit"]) for one in body["chargingSchedulePeriod"]),
        start=from_iso(body.get("startSchedule")),
        duration=body.get("duration"),
        id=body["id"],
        sales_tariff=body.get("salesTariff"),
        price_levels=body.get("priceLevelSchedule"),
        absolute_prices=body.get("absolutePriceSchedule"),
    )


def _read_period(body: Payload, unit: str) -> Period:
    unsupported = [name for name in _UNSUPPORTED_PERIOD if body.get(name)]
    if unsupported:
        raise ValueError(f"{', '.join(unsupported)} is not supported")
    by_frequency = _curve(body, "v2xFreqWattCurve", "frequency")
    if by_frequency and unit != "W":
        raise ValueError(f"v2xFreqWattCurve in {unit}, expected W")  # Q08.FR.05
    mode = OperationMode(body.get("operationMode", "ChargingOnly"))
    if "limit" not in body and mode is OperationMode.CHARGING_ONLY:
        raise ValueError("a period without a limit")
    return Period(
        start=body["startPeriod"],
        limit=total(body, "limit", unit),
        phases=body.get("numberPhases"),
        discharge=total(body, "dischargeLimit", unit),
        setpoint=total(body, "setpoint", unit),
        mode=mode,
        baseline=body.get("v2xBaseline"),
        by_frequency=by_frequency,
        by_signal=_curve(body, "v2xSignalWattCurve", "signal"),
    )


def _curve(body: Payload, name: str, x: str) -> tuple[tuple[float, float], ...]:
    return tuple((float(one[x]), float(one["power"])) for one in body.get(name, []))


def has_phase_values(body: Payload) -> bool:
    """Whether a profile has values for single phases in the direction of discharge, of which the EV is never
    said to be capable (V2X.08 to V2X.10)."""
    periods = [period for one in body["chargingSchedule"] for period in one["chargingSchedulePeriod"]]
    return any(name in period for period in periods for name in _OF_PHASES)


def total(body: Payload, name: str, unit: str) -> float | None:
    """Return a value of 2.1; with values for each phase their sum in W, their mean in A (per phase)."""
    if body.get(name) is None:
        return None
    parts = [float(body[one]) for one in (name, f"{name}_L2", f"{name}_L3") if body.get(one) is not None]
    return sum(parts) if unit == "W" else sum(parts) / len(parts)


def write_profile(profile: ChargingProfile) -> Payload:
    """Return ChargingProfileType: as it was received, or made from the fields."""
    if profile.received is not None:
        known = {} if not profile.transaction else {"transactionId": profile.transaction}
        return {**profile.received, **known}
    body: Payload = {
        "id": profile.id,
        "stackLevel": profile.stack,
        "chargingProfilePurpose": profile.purpose.value,
        "chargingProfileKind": profile.kind.value,
        "chargingSchedule": [write_schedule(one) for one in profile.schedules],
    }
    if profile.kind is ProfileKind.RECURRING:
        body["recurrencyKind"] = "Weekly" if profile.weekly else "Daily"
    times = (("validFrom", profile.valid_from), ("validTo", profile.valid_to))
    body |= {name: to_iso(at) for name, at in times if at is not None}
    if profile.transaction:
        body["transactionId"] = profile.transaction
    return body


def write_schedule(schedule: Schedule) -> Payload:
    """Return ChargingScheduleType."""
    body: Payload = {
        "id": schedule.id,
        "chargingRateUnit": schedule.unit,
        "chargingSchedulePeriod": [
            {"startPeriod": int(one.start), "limit": round(one.limit or 0.0, 1)} for one in schedule.periods
        ],
    }
    if schedule.start is not None:
        body["startSchedule"] = to_iso(schedule.start)
    if schedule.duration is not None:
        body["duration"] = int(schedule.duration)
    return body


def _from_base64(text: str) -> bytes | None:
    """Decode base64; None for invalid data, so that an invalid answer counts as no answer."""
    try:
        return base64.b64decode("".join(text.split()), validate=True) or None
    except (binascii.Error, ValueError):
        return None


# --- transactions ------------------------------------------------------------------------------------------


def event_body(event: TransactionEvent) -> Payload:
    """Return TransactionEvent."""
    info: Payload = {"transactionId": event.transaction, "chargingState": event.state.value}
    if event.reason is not None:
        rejected = event.reason is StopReason.TRANSFER_REJECTED
        info["stoppedReason"] = "Other" if rejected else event.reason.value
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
    if event.reservation is not None:
        body["reservationId"] = event.reservation
    values = sampled_values(event)
    if values:
        body["meterValue"] = [{"timestamp": to_iso(event.at), "sampledValue": values}]
    return body


def sampled_values(event: TransactionEvent) -> list[Payload]:
    """Return the meter values, with the position in the transaction."""
    if event.reading is None:
        return []
    context = context_of(event)
    found = measured(event.reading)
    wanted = found if event.measurands is None else event.measurands
    return [{**found[name], "context": context} for name in wanted if name in found]


def measured(reading: Reading) -> dict[str, Payload]:
    """Return SampledValueType for each value of a reading, by measurand."""
    values: dict[str, tuple[float | None, str]] = {
        "Energy.Active.Import.Register": (reading.energy, "Wh"),
        "Energy.Active.Export.Register": (reading.exported, "Wh"),
        "Power.Active.Import": (_positive(reading.power), "W"),
        "Power.Active.Export": (_positive(-reading.power) if reading.power is not None else None, "W"),
        "Current.Import": (_positive(reading.current), "A"),
        "Voltage": (reading.voltage, "V"),
        "SoC": (reading.soc, "Percent"),
    }
    return {
        name: {
            "value": value if isinstance(value, int) else round(value, 1),
            "measurand": name,
            "unitOfMeasure": {"unit": unit},
            **({"location": "EV"} if name == "SoC" else {}),
        }
        for name, (value, unit) in values.items()
        if value is not None
    }


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def context_of(event: TransactionEvent) -> str:
    """Return ReadingContextEnumType."""
    match event.kind:
        case EventKind.STARTED:
            return "Transaction.Begin"
        case EventKind.ENDED:
            return "Transaction.End"
        case EventKind.UPDATED:
            return _CONTEXTS.get(event.trigger, "Sample.Periodic")


_CONTEXTS = {Trigger.TRIGGER: "Trigger", Trigger.METER_CLOCK: "Sample.Clock"}
