"""Cases of 1.6J."""

from __future__ import annotations

import functools

from secc.ocpp.conformance.case import CsmsCase, Needed, registered, require, status_is
from secc.ocpp.conformance.schemas import Body
from secc.ocpp.conformance.strict import StrictCsms, now_text

CASES: list[CsmsCase] = []
case = functools.partial(registered, CASES)


@case("TC_014_CS", "soft reset without a transaction: the station boots again", "")
async def soft_reset(csms: StrictCsms) -> None:
    since = len(csms.received)
    status_is(await csms.call("Reset", {"type": "Soft"}), "Accepted")
    await csms.expect("BootNotification", since=since)


@case("TC_019_CS", "read all configuration keys", "")
async def all_keys(csms: StrictCsms) -> None:
    answer = await csms.call("GetConfiguration", {})
    keys = {row["key"] for row in answer["configurationKey"]}
    missing = [key for key in REQUIRED if key not in keys]
    require(not missing, f"required keys are missing: {', '.join(missing)}")


@case("TC_021_CS", "change a configuration key, and read it", "")
async def change_key(csms: StrictCsms) -> None:
    body = {"key": "MeterValueSampleInterval", "value": "17"}
    status_is(await csms.call("ChangeConfiguration", body), "Accepted")
    answer = await csms.call("GetConfiguration", {"key": ["MeterValueSampleInterval"]})
    value = answer["configurationKey"][0].get("value")
    require(value == "17", f"value {value}, expected 17")


@case("TC_040_1_CS", "a key that does not exist", "")
async def unknown_key(csms: StrictCsms) -> None:
    status_is(await csms.call("ChangeConfiguration", {"key": "NoSuchKey", "value": "1"}), "NotSupported")


@case("TC_040_2_CS", "a value that is not valid", "")
async def wrong_value(csms: StrictCsms) -> None:
    body = {"key": "MeterValueSampleInterval", "value": "-1"}
    status_is(await csms.call("ChangeConfiguration", body), "Rejected")


@case("TC_028_CS", "stop of an unknown transaction", "")
async def stop_unknown(csms: StrictCsms) -> None:
    status_is(await csms.call("RemoteStopTransaction", {"transactionId": 987_654}), "Rejected")


@case("TC_031_CS", "unlock an unknown connector", "")
async def unlock_unknown(csms: StrictCsms) -> None:
    status_is(await csms.call("UnlockConnector", {"connectorId": 99}), "NotSupported", "UnlockFailed")


@case("TC_061_2_CS", "clear the cache", "")
async def clear_cache(csms: StrictCsms) -> None:
    status_is(await csms.call("ClearCache", {}), "Accepted")


@case("TC_062_CS", "DataTransfer of an unknown vendor", "")
async def unknown_vendor(csms: StrictCsms) -> None:
    answer = await csms.call("DataTransfer", {"vendorId": "no.such.vendor"})
    status_is(answer, "UnknownVendorId", "Rejected")


@case("TC_043_CS", "replace the local list, and read its version", "")
async def local_list(csms: StrictCsms) -> None:
    entry = {"idTag": "SECC-A", "idTagInfo": {"status": "Accepted"}}
    body: Body = {"listVersion": 5, "updateType": "Full", "localAuthorizationList": [entry]}
    status_is(await csms.call("SendLocalList", body), "Accepted")
    version = (await csms.call("GetLocalListVersion", {}))["listVersion"]
    require(version == 5, f"version {version}, expected 5")


@case("TC_054_CS", "triggered messages", "")
async def triggers(csms: StrictCsms) -> None:
    for wanted in ("Heartbeat", "StatusNotification", "MeterValues", "FirmwareStatusNotification"):
        since = len(csms.received)
        status_is(await csms.call("TriggerMessage", {"requestedMessage": wanted}), "Accepted")
        await csms.expect(wanted, since=since)


@case("TC_045_2_CS", "diagnostics that cannot be uploaded", "")
async def diagnostics(csms: StrictCsms) -> None:
    since = len(csms.received)
    answer = await csms.call("GetDiagnostics", {"location": "http://127.0.0.1:9/log", "retries": 0})
    require("fileName" in answer, "no fileName")
    failed = {"status": "UploadFailed"}
    await csms.expect("DiagnosticsStatusNotification", lambda one: one == failed, since=since)


@case("TC_051_CS", "reserve the connector and cancel the reservation", "", Needed.FREE)
async def reserve(csms: StrictCsms) -> None:
    body = {"connectorId": 1, "expiryDate": now_text(600), "idTag": "SECC-A", "reservationId": 5}
    status_is(await csms.call("ReserveNow", body), "Accepted")
    status_is(await csms.call("CancelReservation", {"reservationId": 5}), "Accepted")


@case("TC_052_CS", "an unknown reservation cannot be cancelled", "")
async def cancel_unknown(csms: StrictCsms) -> None:
    status_is(await csms.call("CancelReservation", {"reservationId": 999}), "Rejected")


def _profile(id_: int, limit: float, purpose: str = "TxDefaultProfile") -> Body:
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
    return {
        "chargingProfileId": id_,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }


@case("TC_056_CS", "a default profile limits the schedule", "")
async def default_profile(csms: StrictCsms) -> None:
    body = {"connectorId": 1, "csChargingProfiles": _profile(1, 6000.0)}
    status_is(await csms.call("SetChargingProfile", body), "Accepted")
    wanted = {"connectorId": 1, "duration": 300, "chargingRateUnit": "W"}
    answer = await csms.call("GetCompositeSchedule", wanted)
    limits = [one["limit"] for one in answer["chargingSchedule"]["chargingSchedulePeriod"]]
    require(limits == [6000], f"limits {limits}, expected 6000")


@case("TC_067_CS", "clear the profiles", "")
async def clear_profiles(csms: StrictCsms) -> None:
    body = {"connectorId": 1, "csChargingProfiles": _profile(2, 6000.0)}
    status_is(await csms.call("SetChargingProfile", body), "Accepted")
    status_is(await csms.call("ClearChargingProfile", {"id": 2}), "Accepted")
    await csms.call("ClearChargingProfile", {})
    status_is(await csms.call("ClearChargingProfile", {"id": 2}), "Unknown")


@case("TC_010_CS", "remote start, then remote stop", "", Needed.CAR)
async def remote_start(csms: StrictCsms) -> None:
    since = len(csms.received)
    status_is(await csms.call("RemoteStartTransaction", {"idTag": "SECC-TEST", "connectorId": 1}), "Accepted")
    await csms.expect("StartTransaction", since=since)
    number = csms.transaction
    status_is(await csms.call("RemoteStopTransaction", {"transactionId": number}), "Accepted")
    stop = await csms.expect("StopTransaction", since=since)
    require(stop["transactionId"] == number, f"transaction {stop['transactionId']}, expected {number}")
    require(stop.get("reason") == "Remote", f"reason {stop.get('reason')}, expected Remote")


REQUIRED = (
    "AuthorizeRemoteTxRequests",
    "ClockAlignedDataInterval",
    "ConnectionTimeOut",
    "ConnectorPhaseRotation",
    "GetConfigurationMaxKeys",
    "HeartbeatInterval",
    "LocalAuthorizeOffline",
    "LocalPreAuthorize",
    "MeterValuesAlignedData",
    "MeterValuesSampledData",
    "MeterValueSampleInterval",
    "NumberOfConnectors",
    "ResetRetries",
    "StopTransactionOnEVSideDisconnect",
    "StopTransactionOnInvalidId",
    "StopTxnAlignedData",
    "StopTxnSampledData",
    "SupportedFeatureProfiles",
    "TransactionMessageAttempts",
    "TransactionMessageRetryInterval",
    "UnlockConnectorOnEVSideDisconnect",
)
"""Keys of the core profile."""
