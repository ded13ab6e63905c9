"""Cases of 2.0.1 and 2.1, blocks K to P: smart charging, firmware, certificates, diagnostics, transfer."""

from __future__ import annotations

import functools

from secc.ocpp.conformance.case import CsmsCase, Needed, registered, require, status_is
from secc.ocpp.conformance.cases_station import TOKEN, is_event
from secc.ocpp.conformance.schemas import Body
from secc.ocpp.conformance.strict import StrictCsms, now_text

CASES: list[CsmsCase] = []
case = functools.partial(registered, CASES)


def _profile(
    id_: int, purpose: str = "TxDefaultProfile", *, stack: int = 0, limit: float = 6000, **more: object
) -> Body:
    periods = [{"startPeriod": 0, "limit": limit}]
    schedule = {
        "id": 1,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": periods,
        "startSchedule": now_text(-60),
    }
    return {
        "id": id_,
        "stackLevel": stack,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
        **more,
    }


async def _set(csms: StrictCsms, profile: Body, evse: int = 1) -> Body:
    return await csms.call("SetChargingProfile", {"evseId": evse, "chargingProfile": profile})


async def clear_profiles(csms: StrictCsms) -> None:
    """Remove all profiles of the usual purposes."""
    for purpose in ("TxDefaultProfile", "ChargingStationMaxProfile", "TxProfile"):
        await csms.call(
            "ClearChargingProfile", {"chargingProfileCriteria": {"chargingProfilePurpose": purpose}}
        )


async def composite(csms: StrictCsms, evse: int = 1) -> list[float]:
    """Return the limits of the composite schedule for the next five minutes, W."""
    answer = await csms.call(
        "GetCompositeSchedule", {"evseId": evse, "duration": 300, "chargingRateUnit": "W"}
    )
    status_is(answer, "Accepted")
    return [one["limit"] for one in answer["schedule"]["chargingSchedulePeriod"]]


@case("TC_K_01_CS", "a default profile for the EVSE limits its schedule", "K01")
async def default_profile(csms: StrictCsms) -> None:
    await clear_profiles(csms)
    status_is(await _set(csms, _profile(1)), "Accepted")
    limits = await composite(csms)
    require(limits == [6000], f"limits {limits}, expected 6000")
    await clear_profiles(csms)


@case("TC_K_02_CS", "a profile for a transaction without a transaction", "K01")
async def no_transaction(csms: StrictCsms) -> None:
    status_is(await _set(csms, _profile(2, "TxProfile", transactionId="no-such-transaction")), "Rejected")


@case("TC_K_03_CS", "a limit of the whole station", "K01")
async def station_limit(csms: StrictCsms) -> None:
    await clear_profiles(csms)
    status_is(await _set(csms, _profile(3, "ChargingStationMaxProfile", limit=5000), 0), "Accepted")
    limits = await composite(csms)
    require(limits == [5000], f"limits {limits}, expected 5000")
    await clear_profiles(csms)


@case("TC_K_04_CS", "a profile with the same id replaces the first", "K01")
async def same_id(csms: StrictCsms) -> None:
    await clear_profiles(csms)
    status_is(await _set(csms, _profile(4)), "Accepted")
    status_is(await _set(csms, _profile(4, limit=4000)), "Accepted")
    limits = await composite(csms)
    require(limits == [4000], f"limits {limits}, expected 4000")
    await clear_profiles(csms)


@case("TC_K_05_CS", "clear a profile by its id", "K10")
async def clear_by_id(csms: StrictCsms) -> None:
    status_is(await _set(csms, _profile(5)), "Accepted")
    status_is(await csms.call("ClearChargingProfile", {"chargingProfileId": 5}), "Accepted")
    status_is(await csms.call("ClearChargingProfile", {"chargingProfileId": 5}), "Unknown")


@case("TC_K_06_CS", "clear profiles by stack level and purpose", "K10")
async def clear_by_stack(csms: StrictCsms) -> None:
    await clear_profiles(csms)
    status_is(await _set(csms, _profile(6, stack=3)), "Accepted")
    which = {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 3}
    status_is(await csms.call("ClearChargingProfile", {"chargingProfileCriteria": which}), "Accepted")


@case("TC_K_11_CS", "a profile for a transaction does not belong to all EVSE", "K01")
async def transaction_on_all(csms: StrictCsms) -> None:
    status_is(await _set(csms, _profile(7, "TxProfile", transactionId="x"), 0), "Rejected")


@case("TC_K_14_CS", "a profile for an EVSE that does not exist", "K01")
async def unknown_evse(csms: StrictCsms) -> None:
    status_is(await _set(csms, _profile(8), 99), "Rejected")


@case("TC_K_22_CS", "a profile that has ended has no effect", "K01")
async def ended_profile(csms: StrictCsms) -> None:
    await clear_profiles(csms)
    before = await composite(csms)
    answer = await _set(csms, _profile(9, limit=1234, validTo=now_text(-3600)))
    status_is(answer, "Accepted", "Rejected")
    after = await composite(csms)
    require(after == before, f"limits {after}, expected {before}")
    await clear_profiles(csms)


@case("TC_K_40_CS", "the highest stack level applies", "K08")
async def stacking(csms: StrictCsms) -> None:
    await clear_profiles(csms)
    status_is(await _set(csms, _profile(10, stack=0, limit=3000)), "Accepted")
    status_is(await _set(csms, _profile(11, stack=2, limit=7000)), "Accepted")
    limits = await composite(csms)
    require(limits == [7000], f"limits {limits}, expected 7000")
    await clear_profiles(csms)


@case("TC_K_41_CS", "purposes are combined to the lowest limit", "K08")
async def combining(csms: StrictCsms) -> None:
    await clear_profiles(csms)
    status_is(await _set(csms, _profile(12, limit=7000)), "Accepted")
    status_is(await _set(csms, _profile(13, "ChargingStationMaxProfile", limit=4500), 0), "Accepted")
    limits = await composite(csms)
    require(limits == [4500], f"limits {limits}, expected 4500")
    await clear_profiles(csms)


@case("TC_K_47_CS", "no schedule for an EVSE that does not exist", "K08")
async def composite_unknown(csms: StrictCsms) -> None:
    status_is(await csms.call("GetCompositeSchedule", {"evseId": 99, "duration": 300}), "Rejected")


async def _profiles(csms: StrictCsms, number: int, which: Body, evse: int | None = None) -> list[int]:
    since = len(csms.received)
    body: Body = {"requestId": number, "chargingProfile": which}
    if evse is not None:
        body["evseId"] = evse
    status_is(await csms.call("GetChargingProfiles", body), "Accepted")
    await csms.expect("ReportChargingProfiles", lambda one: not one.get("tbc", False), since=since)
    rows = [one for name, one in csms.received[since:] if name == "ReportChargingProfiles"]
    require(all(one["requestId"] == number for one in rows), "another requestId")
    return sorted(profile["id"] for one in rows for profile in one["chargingProfile"])


@case("TC_K_31_CS", "report all profiles", "K09")
async def report_profiles(csms: StrictCsms) -> None:
    await clear_profiles(csms)
    status_is(await _set(csms, _profile(20)), "Accepted")
    status_is(await _set(csms, _profile(21, "ChargingStationMaxProfile"), 0), "Accepted")
    ids = await _profiles(csms, 201, {})
    require(ids == [20, 21], f"profiles {ids}, expected 20 and 21")
    await clear_profiles(csms)


@case("TC_K_32_CS", "report a profile by its id", "K09")
async def report_by_id(csms: StrictCsms) -> None:
    await clear_profiles(csms)
    status_is(await _set(csms, _profile(22)), "Accepted")
    status_is(await _set(csms, _profile(23, stack=1)), "Accepted")
    ids = await _profiles(csms, 202, {"chargingProfileId": [23]})
    require(ids == [23], f"profiles {ids}, expected 23")
    await clear_profiles(csms)


@case("TC_K_36_CS", "report profiles by purpose and stack level", "K09")
async def report_by_purpose(csms: StrictCsms) -> None:
    await clear_profiles(csms)
    status_is(await _set(csms, _profile(24)), "Accepted")
    status_is(await _set(csms, _profile(25, stack=4)), "Accepted")
    which = {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 4}
    ids = await _profiles(csms, 203, which, 1)
    require(ids == [25], f"profiles {ids}, expected 25")
    await clear_profiles(csms)


@case("TC_K_08_CS", "nothing to report, nothing to clear", "K10")
async def none(csms: StrictCsms) -> None:
    await clear_profiles(csms)
    answer = await csms.call("GetChargingProfiles", {"requestId": 204, "chargingProfile": {"stackLevel": 9}})
    status_is(answer, "NoProfiles")
    which = {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 9}
    status_is(await csms.call("ClearChargingProfile", {"chargingProfileCriteria": which}), "Unknown")


@case("TC_K_60_CS", "a profile for the running transaction", "K01", Needed.CAR)
async def running_transaction(csms: StrictCsms) -> None:
    since = len(csms.received)
    start = {"remoteStartId": 78, "idToken": TOKEN, "evseId": 1}
    status_is(await csms.call("RequestStartTransaction", start), "Accepted")
    started = await csms.expect("TransactionEvent", is_event("Started"), since=since)
    transaction = started["transactionInfo"]["transactionId"]
    answer = await _set(csms, _profile(30, "TxProfile", limit=3000, transactionId=transaction))
    status_is(answer, "Accepted")
    limits = await composite(csms)
    require(limits == [3000], f"limits {limits}, expected 3000")
    status_is(await csms.call("RequestStopTransaction", {"transactionId": transaction}), "Accepted")
    await csms.expect("TransactionEvent", is_event("Ended"), since=since)
    answer = await csms.call(
        "GetChargingProfiles", {"requestId": 205, "chargingProfile": {"chargingProfileId": [30]}}
    )
    status_is(answer, "NoProfiles")


# --- L and M: firmware and certificates --------------------------------------------------------------------


@case("TC_L_05_CS", "firmware with a certificate that is none", "L01")
async def wrong_certificate(csms: StrictCsms) -> None:
    firmware = {
        "location": "http://127.0.0.1:9/image",
        "retrieveDateTime": now_text(),
        "signingCertificate": "nonsense",
        "signature": "AAAA",
    }
    answer = await csms.call("UpdateFirmware", {"requestId": 301, "firmware": firmware})
    status_is(answer, "InvalidCertificate", "Rejected")


@case("TC_M_07_CS", "a root that is none is rejected", "M05")
async def wrong_root(csms: StrictCsms) -> None:
    body = {"certificateType": "V2GRootCertificate", "certificate": "nonsense"}
    status_is(await csms.call("InstallCertificate", body), "Rejected")


@case("TC_M_22_CS", "a certificate that is not installed cannot be deleted", "M04")
async def delete_unknown(csms: StrictCsms) -> None:
    data = {"hashAlgorithm": "SHA256", "issuerNameHash": "00", "issuerKeyHash": "00", "serialNumber": "0"}
    status_is(await csms.call("DeleteCertificate", {"certificateHashData": data}), "NotFound")


@case("TC_M_18_CS", "list the certificates", "M03")
async def list_certificates(csms: StrictCsms) -> None:
    status_is(await csms.call("GetInstalledCertificateIds", {}), "Accepted", "NotFound")


@case("SECC_M_01", "a certificate without a request is rejected", "A02")
async def unrequested_certificate(csms: StrictCsms) -> None:
    since = len(csms.received)
    body = {"certificateChain": "nonsense", "certificateType": "V2GCertificate"}
    status_is(await csms.call("CertificateSigned", body), "Rejected")
    event = await csms.expect("SecurityEventNotification", since=since)
    require(event["type"] == "InvalidChargingStationCertificate", f"security event {event['type']}")


# --- N and P: diagnostics and transfer ---------------------------------------------------------------------

POWER: Body = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}


async def _monitor(csms: StrictCsms, **more: object) -> Body:
    data = {"type": "UpperThreshold", "value": 1000, "severity": 5, **POWER, **more}
    rows = (await csms.call("SetVariableMonitoring", {"setMonitoringData": [data]}))["setMonitoringResult"]
    row: Body = rows[0]
    return row


async def _clear_monitors(csms: StrictCsms) -> None:
    await csms.call("SetMonitoringBase", {"monitoringBase": "FactoryDefault"})


@case("TC_N_08_CS", "set a monitor and remove it", "N04")
async def monitor(csms: StrictCsms) -> None:
    await _clear_monitors(csms)
    row = await _monitor(csms)
    status_is(row, "Accepted")
    answer = await csms.call("ClearVariableMonitoring", {"id": [row["id"]]})
    status_is(answer["clearMonitoringResult"][0], "Accepted")


@case("TC_N_11_CS", "a monitor of an unknown component", "N04")
async def monitor_unknown_component(csms: StrictCsms) -> None:
    row = await _monitor(csms, component={"name": "NoSuchComponent"})
    status_is(row, "UnknownComponent")


@case("TC_N_37_CS", "a monitor of an unknown variable", "N04")
async def monitor_unknown_variable(csms: StrictCsms) -> None:
    status_is(await _monitor(csms, variable={"name": "NoSuchVariable"}), "UnknownVariable")


@case("TC_N_12_CS", "a delta below zero", "N04")
async def monitor_negative(csms: StrictCsms) -> None:
    status_is(await _monitor(csms, type="Delta", value=-5), "Rejected")


@case("TC_N_15_CS", "a second monitor of the same type and severity", "N04")
async def monitor_twice(csms: StrictCsms) -> None:
    await _clear_monitors(csms)
    status_is(await _monitor(csms), "Accepted")
    status_is(await _monitor(csms, value=2000), "Duplicate")
    await _clear_monitors(csms)


@case("TC_N_38_CS", "a threshold of a text", "N04")
async def monitor_text(csms: StrictCsms) -> None:
    row = await _monitor(csms, variable={"name": "AvailabilityState"})
    status_is(row, "UnsupportedMonitorType", "Rejected")


@case("TC_N_17_CS", "a monitoring level out of range", "N05")
async def monitoring_level(csms: StrictCsms) -> None:
    status_is(await csms.call("SetMonitoringLevel", {"severity": 10}), "Rejected")
    status_is(await csms.call("SetMonitoringLevel", {"severity": 9}), "Accepted")


@case("TC_N_19_CS", "a monitor that does not exist cannot be removed", "N06")
async def clear_unknown(csms: StrictCsms) -> None:
    answer = await csms.call("ClearVariableMonitoring", {"id": [9999]})
    status_is(answer["clearMonitoringResult"][0], "NotFound")


@case("TC_N_47_CS", "report all monitors", "N02")
async def monitoring_report(csms: StrictCsms) -> None:
    await _clear_monitors(csms)
    status_is(await csms.call("GetMonitoringReport", {"requestId": 401}), "EmptyResultSet")
    status_is(await _monitor(csms), "Accepted")
    since = len(csms.received)
    status_is(await csms.call("GetMonitoringReport", {"requestId": 402}), "Accepted")
    body = await csms.expect("NotifyMonitoringReport", lambda one: not one.get("tbc", False), since=since)
    require(body["monitor"][0]["variableMonitoring"][0]["value"] == 1000, f"report {body['monitor']}")
    await _clear_monitors(csms)


@case("TC_N_24_CS", "a periodic monitor reports", "N08")
async def periodic(csms: StrictCsms) -> None:
    await _clear_monitors(csms)
    since = len(csms.received)
    status_is(await _monitor(csms, type="Periodic", value=1, severity=2), "Accepted")
    body = await csms.expect("NotifyEvent", since=since)
    event = body["eventData"][0]
    require(event["trigger"] == "Periodic", f"trigger {event['trigger']}, expected Periodic")
    await _clear_monitors(csms)


@case("TC_N_45_CS", "a monitor of a change reports the change", "N07")
async def delta(csms: StrictCsms) -> None:
    await _clear_monitors(csms)
    since = len(csms.received)
    state = {"variable": {"name": "AvailabilityState"}}
    status_is(await _monitor(csms, type="Delta", value=1, severity=2, **state), "Accepted")
    await csms.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    await csms.expect("Heartbeat", since=since)
    try:
        await csms.call("ChangeAvailability", {"operationalStatus": "Inoperative"})
        body = await csms.expect("NotifyEvent", since=since)
        event = body["eventData"][0]
        require(event["actualValue"] == "Unavailable", f"value {event['actualValue']}, expected Unavailable")
    finally:
        await csms.call("ChangeAvailability", {"operationalStatus": "Operative"})
        await _clear_monitors(csms)


@case("TC_N_26_CS", "a log that cannot be uploaded", "N01")
async def log_upload_fails(csms: StrictCsms) -> None:
    since = len(csms.received)
    log = {"remoteLocation": "http://127.0.0.1:9/log"}
    body = {"logType": "DiagnosticsLog", "requestId": 403, "log": log, "retries": 0}
    status_is(await csms.call("GetLog", body), "Accepted", "AcceptedCanceled")

    def failed(one: Body) -> bool:
        return bool(one["status"] in ("UploadFailure", "PermissionDenied", "NotSupportedOperation"))

    body = await csms.expect("LogStatusNotification", failed, since=since)
    require(body.get("requestId") == 403, f"requestId {body.get('requestId')}, expected 403")


@case("TC_N_28_CS", "information about an unknown customer", "N09")
async def unknown_customer(csms: StrictCsms) -> None:
    since = len(csms.received)
    token = {"idToken": "SECC-NOBODY", "type": "Central"}
    body = {"requestId": 404, "report": True, "clear": False, "idToken": token}
    status_is(await csms.call("CustomerInformation", body), "Accepted")
    await csms.expect("NotifyCustomerInformation", since=since)


@case("TC_N_33_CS", "information about a customer that is not named", "N10")
async def no_customer(csms: StrictCsms) -> None:
    body = {"requestId": 405, "report": True, "clear": True}
    status_is(await csms.call("CustomerInformation", body), "Invalid", "Rejected")


@case("TC_P_01_CS", "DataTransfer of an unknown vendor", "P01")
async def unknown_vendor(csms: StrictCsms) -> None:
    status_is(await csms.call("DataTransfer", {"vendorId": "no.such.vendor"}), "UnknownVendorId")
