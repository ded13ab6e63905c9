"""How the two versions say the same things; everything that goes out is checked against its schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from secc.ocpp.conversation import DIALECTS
from secc.ocpp.dialect import EventAnswer, StationLabel, from_iso, to_iso
from secc.ocpp.model import (
    AuthorizeAnswer,
    BootAnswer,
    CertificateStatus,
    ChargingState,
    ConnectorStatus,
    EventKind,
    IdToken,
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
from secc.ocpp.profile_model import ProfilePurpose
from secc.ocpp.rpc import CallFailed, check
from secc.ocpp.v16 import V16, read_profile, read_transfer
from secc.ocpp.v201 import V201
from secc.pki.contract import OcspRequestData
from secc.settings.ocpp import OcppVersion
from tests.ocpp.support import ALL

AT = 1_790_000_000.5
ISO = "2026-09-21T14:13:20.500Z"
CONTRACT = IdToken("DEABC000000001G", TokenKind.EMAID)
DATA = OcspRequestData("aa" * 32, "bb" * 32, "1f", "http://ocsp.example/")
HASH = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "aa" * 32,
    "issuerKeyHash": "bb" * 32,
    "serialNumber": "1f",
    "responderURL": "http://ocsp.example/",
}
CALL, RESULT = 2, 3


def event(kind: EventKind = EventKind.UPDATED, **changes: Any) -> TransactionEvent:
    fields: dict[str, Any] = {
        "kind": kind,
        "transaction": "t1",
        "seq": 1,
        "at": AT,
        "trigger": Trigger.METER_PERIODIC,
        "state": ChargingState.CHARGING,
        "token": None if kind is EventKind.UPDATED else CONTRACT,
        "reading": Reading(1500, 11_000.04),
        "meter_start": 1000,
        **changes,
    }
    return TransactionEvent(**fields)


def test_times_are_utc_with_milliseconds() -> None:
    assert to_iso(AT) == ISO
    assert from_iso(ISO) == AT
    assert from_iso("2026-09-21T16:13:20.5+02:00") == AT
    assert from_iso("2026-09-21T14:13:20.500") == AT
    assert from_iso("soon") is None
    assert from_iso(None) is None
    assert from_iso(3) is None


@pytest.mark.parametrize("version", ALL)
def test_everything_that_goes_out_keeps_its_schema(version: OcppVersion) -> None:
    dialect = DIALECTS[version]
    requests = [
        dialect.boot(StationLabel("vendor", "model", "serial", "1.0"), "PowerUp"),
        dialect.boot(StationLabel("vendor", "model", "", "1.0"), "RemoteReset"),
        *(dialect.status(status, AT, "a fault" * 20) for status in ConnectorStatus),
        dialect.authorize(CONTRACT, (DATA,) * 5, ""),
        dialect.authorize(CONTRACT, (), "PEM"),
        dialect.authorize(IdToken("CARD"), (), ""),
        dialect.provision("Install", "urn:iso:15118:2:2013:MsgDef", b"\x80\x98"),
        dialect.certificate_status(DATA),
        dialect.sign_certificate("PEM", "V2GCertificate", 1),
        dialect.sign_certificate("PEM", "ChargingStationCertificate", 2),
        dialect.security(SecurityEvent("InvalidChargingStationCertificate", AT, "why" * 200)),
        dialect.event(event(EventKind.STARTED, remote_start_id=7), 5),
        dialect.event(event(), 5),
        dialect.event(event(reading=Reading(1500)), None),
        *(dialect.event(event(EventKind.ENDED, reason=reason), 5) for reason in StopReason),
        *(dialect.event(event(trigger=trigger), 5) for trigger in Trigger),
        *(dialect.event(event(state=state), 5) for state in ChargingState),
        *(dialect.event(event(EventKind.STARTED, token=IdToken("X" * 20, kind)), 5) for kind in TokenKind),
    ]
    for request in requests:
        assert request is not None
        check(version, CALL, *request)


# --- 2.0.1 -------------------------------------------------------------------------------------------------


def test_authorize_of_2_0_1_has_the_emaid_and_at_most_four_hashes() -> None:
    action, body = V201().authorize(CONTRACT, (DATA,) * 5, "")
    assert action == "Authorize"
    assert body == {
        "idToken": {"idToken": "DEABC000000001G", "type": "eMAID"},
        "iso15118CertificateHashData": [HASH] * 4,
    }
    _, body = V201().authorize(CONTRACT, (), "PEM")
    assert body["certificate"] == "PEM"


def test_a_transaction_event_of_2_0_1() -> None:
    request = V201().event(event(EventKind.ENDED, offline=True, reason=StopReason.REMOTE), None)
    assert request == (
        "TransactionEvent",
        {
            "eventType": "Ended",
            "timestamp": ISO,
            "triggerReason": "MeterValuePeriodic",
            "seqNo": 1,
            "transactionInfo": {
                "transactionId": "t1",
                "chargingState": "Charging",
                "stoppedReason": "Remote",
            },
            "offline": True,
            "evse": {"id": 1, "connectorId": 1},
            "idToken": {"idToken": "DEABC000000001G", "type": "eMAID"},
            "meterValue": [
                {
                    "timestamp": ISO,
                    "sampledValue": [
                        {
                            "value": 1500,
                            "context": "Transaction.End",
                            "measurand": "Energy.Active.Import.Register",
                            "unitOfMeasure": {"unit": "Wh"},
                        },
                        {
                            "value": 11_000.0,
                            "context": "Transaction.End",
                            "measurand": "Power.Active.Import",
                            "unitOfMeasure": {"unit": "W"},
                        },
                    ],
                }
            ],
        },
    )


def test_answers_of_2_0_1_are_read() -> None:
    dialect = V201()
    boot = {"status": "Pending", "interval": 30, "currentTime": ISO}
    assert dialect.read_boot(boot) == BootAnswer(Registration.PENDING, 30.0, AT)
    assert dialect.read_heartbeat({"currentTime": ISO}) == AT
    info = {
        "status": "Blocked",
        "cacheExpiryDateTime": ISO,
        "groupIdToken": {"idToken": "G", "type": "Central"},
    }
    answer = dialect.read_authorize({"idTokenInfo": info, "certificateStatus": "ContractCancelled"})
    assert answer == AuthorizeAnswer(TokenInfo(TokenStatus.BLOCKED, AT, "G"), CertificateStatus.CANCELLED)
    assert dialect.read_provision({"status": "Accepted", "exiResponse": "gJg="}) == b"\x80\x98"
    assert dialect.read_provision({"status": "Failed", "exiResponse": "gJg="}) is None
    assert dialect.read_provision({"status": "Accepted", "exiResponse": "no base64!"}) is None
    assert dialect.read_provision({"status": "Accepted", "exiResponse": ""}) is None
    assert dialect.read_certificate_status({"status": "Accepted", "ocspResult": "gJg="}) == b"\x80\x98"
    assert dialect.read_certificate_status({"status": "Failed"}) is None
    assert dialect.read_event({}) == EventAnswer()
    told = dialect.read_event({"idTokenInfo": {"status": "Invalid"}})
    assert told == EventAnswer(TokenInfo(TokenStatus.INVALID))


def test_a_bundle_longer_than_the_first_edition_allows_goes_through_uncut() -> None:
    exi = bytes(8_000)
    _, body = V201().provision("Install", "urn:iso:15118:2:2013:MsgDef", exi)
    check(OcppVersion.V201, CALL, "Get15118EVCertificate", body)
    answer = {"status": "Accepted", "exiResponse": body["exiRequest"]}
    check(OcppVersion.V201, RESULT, "Get15118EVCertificate", answer)
    assert V201().read_provision(answer) == exi
    answer["exiResponse"] = "A" * 17_001
    with pytest.raises(CallFailed, match="exiResponse"):
        check(OcppVersion.V201, RESULT, "Get15118EVCertificate", answer)


# --- 1.6 ---------------------------------------------------------------------------------------------------


def test_the_extension_of_1_6_wraps_the_bodies_of_2_0_1_as_text() -> None:
    action, body = V16().authorize(CONTRACT, (DATA,), "")
    assert action == "DataTransfer"
    assert body["vendorId"] == "org.openchargealliance.iso15118pnc"
    assert body["messageId"] == "Authorize"
    assert json.loads(body["data"]) == V201().authorize(CONTRACT, (DATA,), "")[1]
    for made, name in (
        (V16().provision("Update", "urn", b"x"), "Get15118EVCertificate"),
        (V16().certificate_status(DATA), "GetCertificateStatus"),
        (V16().sign_certificate("PEM", "V2GCertificate", 1), "SignCertificate"),
    ):
        assert made[1]["messageId"] == name
    assert V16().sign_certificate("PEM", "ChargingStationCertificate", 1) == (
        "SignCertificate",
        {"csr": "PEM"},
    )
    assert V16().authorize(IdToken("CARD"), (), "") == ("Authorize", {"idTag": "CARD"})


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "UnknownVendorId"},
        {"status": "UnknownMessageId"},
        {"status": "Rejected", "data": "{}"},
        {"status": "Accepted"},
        {"status": "Accepted", "data": "no JSON"},
        {"status": "Accepted", "data": "[]"},
        {"status": "Accepted", "data": "3"},
    ],
)
def test_what_is_no_wrapped_answer_is_none(answer: dict[str, Any]) -> None:
    assert read_transfer(answer) is None
    assert V16().read_authorize(answer) is None
    assert V16().read_provision(answer) is None
    assert V16().read_certificate_status(answer) is None


def test_a_transaction_of_1_6_starts_runs_and_stops() -> None:
    dialect = V16()
    token = IdToken("DE-ABC-000000001-G-AND-MORE", TokenKind.EMAID)
    assert dialect.event(event(EventKind.STARTED, token=token), None) == (
        "StartTransaction",
        {"connectorId": 1, "idTag": "DEABC000000001GANDMO", "meterStart": 1000, "timestamp": ISO},
    )
    values = dialect.event(event(), 5)
    assert values is not None
    assert values[1]["transactionId"] == 5
    assert values[1]["meterValue"][0]["sampledValue"][0] == {
        "value": "1500",
        "context": "Sample.Periodic",
        "measurand": "Energy.Active.Import.Register",
        "unit": "Wh",
    }
    assert dialect.event(event(reading=None), 5) is None
    stop = dialect.event(event(EventKind.ENDED, reason=StopReason.POWER_LOSS), 5)
    assert stop is not None
    assert stop[0] == "StopTransaction"
    assert stop[1]["transactionId"] == 5
    assert stop[1]["meterStop"] == 1500
    assert stop[1]["reason"] == "PowerLoss"


def test_answers_of_1_6_are_read() -> None:
    dialect = V16()
    answer = {
        "transactionId": 9,
        "idTagInfo": {"status": "ConcurrentTx", "expiryDate": ISO, "parentIdTag": "P"},
    }
    info = TokenInfo(TokenStatus.CONCURRENT, AT, "P")
    assert dialect.read_event(answer) == EventAnswer(info, 9)
    assert dialect.read_event({}) == EventAnswer()
    assert dialect.read_authorize({"idTagInfo": {"status": "Accepted"}}) == AuthorizeAnswer(
        TokenInfo(TokenStatus.ACCEPTED)
    )
    assert dialect.read_sign_certificate({"status": "Accepted"})
    assert dialect.read_sign_certificate({"status": "Accepted", "data": '{"status": "Accepted"}'})
    assert not dialect.read_sign_certificate({"status": "Accepted", "data": '{"status": "Rejected"}'})
    assert not dialect.read_sign_certificate({"status": "Rejected"})


def test_a_profile_of_1_6_is_the_same_as_one_of_2_0_1() -> None:
    body = {
        "chargingProfileId": 4,
        "stackLevel": 2,
        "chargingProfilePurpose": "ChargePointMaxProfile",
        "chargingProfileKind": "Recurring",
        "recurrencyKind": "Weekly",
        "validTo": ISO,
        "chargingSchedule": {
            "duration": 60,
            "startSchedule": ISO,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0, "numberPhases": 1}],
        },
    }
    profile = read_profile(body, 0)
    assert profile.purpose is ProfilePurpose.STATION_MAX
    assert profile.weekly
    assert profile.valid_to == AT
    (schedule,) = profile.schedules
    assert (schedule.unit, schedule.start, schedule.duration) == ("A", AT, 60)
    assert schedule.periods[0].phases == 1
    with pytest.raises(ValueError, match="Sideways"):
        read_profile({**body, "chargingProfilePurpose": "Sideways"}, 0)


# --- schemas -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("Nothing", {}, "NotImplemented"),
        ("../../secrets", {}, "NotImplemented"),
        ("Reset", {}, "OccurrenceConstraintViolation"),
        ("Reset", {"type": 1}, "TypeConstraintViolation"),
        ("Reset", {"type": "Now"}, "PropertyConstraintViolation"),
        ("Reset", {"type": "OnIdle", "x": 1}, "FormatViolation"),
        ("Reset", [], "TypeConstraintViolation"),
        ("Reset", None, "TypeConstraintViolation"),
    ],
)
def test_a_body_that_breaks_its_schema_is_refused(action: str, body: Any, code: str) -> None:
    with pytest.raises(CallFailed) as caught:
        check(OcppVersion.V201, CALL, action, body)
    assert caught.value.code == code


def test_tenths_of_1_6_are_checked_exactly() -> None:
    def body(limit: float) -> dict[str, Any]:
        schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": schedule,
        }
        return {"connectorId": 1, "csChargingProfiles": profile}

    check(OcppVersion.V16, CALL, "SetChargingProfile", body(21.4))
    with pytest.raises(CallFailed):
        check(OcppVersion.V16, CALL, "SetChargingProfile", body(21.45))
