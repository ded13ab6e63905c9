"""Cases of 2.0.1 and 2.1, blocks B to H: provisioning, lists, remote control, availability, reservation."""

from __future__ import annotations

import functools
from collections.abc import Callable

from secc.ocpp.conformance.case import CsmsCase, Needed, registered, require, status_is
from secc.ocpp.conformance.schemas import Body
from secc.ocpp.conformance.strict import CallRefused, StrictCsms, now_text

CASES: list[CsmsCase] = []
case = functools.partial(registered, CASES)
TOKEN = {"idToken": "SECC-TEST", "type": "Central"}


def _variable(component: str, name: str, **more: object) -> Body:
    return {"component": {"name": component}, "variable": {"name": name}, **more}


async def _read(csms: StrictCsms, *wanted: Body) -> list[Body]:
    rows: list[Body] = (await csms.call("GetVariables", {"getVariableData": list(wanted)}))[
        "getVariableResult"
    ]
    require(len(rows) == len(wanted), f"{len(rows)} results for {len(wanted)} variables")
    return rows


async def _write(csms: StrictCsms, *wanted: Body) -> list[Body]:
    rows: list[Body] = (await csms.call("SetVariables", {"setVariableData": list(wanted)}))[
        "setVariableResult"
    ]
    return rows


def _statuses(rows: list[Body]) -> list[str]:
    return [row["attributeStatus"] for row in rows]


# --- B: provisioning ---------------------------------------------------------------------------------------


@case("TC_B_06_CS", "read one variable", "B06")
async def read_one(csms: StrictCsms) -> None:
    (row,) = await _read(csms, _variable("OCPPCommCtrlr", "OfflineThreshold"))
    require(row["attributeStatus"] == "Accepted" and row["attributeValue"].isdigit(), f"answer {row}")


@case("TC_B_07_CS", "read several variables", "B06")
async def read_two(csms: StrictCsms) -> None:
    rows = await _read(
        csms, _variable("OCPPCommCtrlr", "OfflineThreshold"), _variable("AuthCtrlr", "AuthorizeRemoteStart")
    )
    require(_statuses(rows) == ["Accepted", "Accepted"], f"statuses {_statuses(rows)}")


@case("TC_B_32_CS", "read a variable of an unknown component", "B06")
async def read_unknown_component(csms: StrictCsms) -> None:
    rows = await _read(csms, _variable("NoSuchComponent", "Nothing"))
    require(_statuses(rows) == ["UnknownComponent"], f"statuses {_statuses(rows)}")


@case("TC_B_33_CS", "read an unknown variable", "B06")
async def read_unknown_variable(csms: StrictCsms) -> None:
    rows = await _read(csms, _variable("OCPPCommCtrlr", "NoSuchVariable"))
    require(_statuses(rows) == ["UnknownVariable"], f"statuses {_statuses(rows)}")


@case("TC_B_34_CS", "read an attribute that the variable does not have", "B06")
async def read_other_attribute(csms: StrictCsms) -> None:
    rows = await _read(csms, _variable("OCPPCommCtrlr", "OfflineThreshold", attributeType="Target"))
    require(_statuses(rows) == ["NotSupportedAttributeType"], f"statuses {_statuses(rows)}")


@case("SECC_B_01", "a secret cannot be read", "B06")
async def read_secret(csms: StrictCsms) -> None:
    rows = await _read(csms, _variable("SecurityCtrlr", "BasicAuthPassword"))
    require(_statuses(rows) == ["Rejected"] and "attributeValue" not in rows[0], f"answer {rows}")


@case("TC_B_09_CS", "change one variable, and read it", "B05")
async def write_one(csms: StrictCsms) -> None:
    wanted = _variable("OCPPCommCtrlr", "OfflineThreshold")
    (before,) = await _read(csms, wanted)
    rows = await _write(csms, {**wanted, "attributeValue": "123"})
    require(_statuses(rows) == ["Accepted"], f"statuses {_statuses(rows)}")
    (row,) = await _read(csms, wanted)
    require(row["attributeValue"] == "123", f"value {row['attributeValue']}, expected 123")
    await _write(csms, {**wanted, "attributeValue": before["attributeValue"]})


@case("TC_B_36_CS", "change a variable of an unknown component", "B05")
async def write_unknown_component(csms: StrictCsms) -> None:
    rows = await _write(csms, _variable("NoSuchComponent", "Nothing", attributeValue="1"))
    require(_statuses(rows) == ["UnknownComponent"], f"statuses {_statuses(rows)}")


@case("TC_B_37_CS", "change an unknown variable", "B05")
async def write_unknown_variable(csms: StrictCsms) -> None:
    rows = await _write(csms, _variable("OCPPCommCtrlr", "NoSuchVariable", attributeValue="1"))
    require(_statuses(rows) == ["UnknownVariable"], f"statuses {_statuses(rows)}")


@case("TC_B_39_CS", "change a variable that is read-only", "B05")
async def write_read_only(csms: StrictCsms) -> None:
    rows = await _write(csms, _variable("OCPPCommCtrlr", "FileTransferProtocols", attributeValue="FTP"))
    require(_statuses(rows) == ["Rejected"], f"statuses {_statuses(rows)}")


@case("SECC_B_02", "a value that is not of the type is rejected", "B05")
async def write_wrong_type(csms: StrictCsms) -> None:
    rows = await _write(csms, _variable("AuthCtrlr", "AuthorizeRemoteStart", attributeValue="perhaps"))
    require(_statuses(rows) == ["Rejected"], f"statuses {_statuses(rows)}")


async def _reported(csms: StrictCsms, base: str, number: int) -> list[Body]:
    since = len(csms.received)
    answer = await csms.call("GetBaseReport", {"requestId": number, "reportBase": base})
    status_is(answer, "Accepted")
    return await _whole_report(csms, "NotifyReport", number, since, "reportData")


async def _whole_report(csms: StrictCsms, action: str, number: int, since: int, member: str) -> list[Body]:
    """Wait for the last part of a report; returns all rows."""

    def last(body: Body) -> bool:
        return bool(body["requestId"] == number and not body.get("tbc", False))

    await csms.expect(action, last, since=since)
    parts = [body for name, body in csms.received[since:] if name == action and body["requestId"] == number]
    require(
        [one["seqNo"] for one in parts] == list(range(len(parts))), f"seqNo {[one['seqNo'] for one in parts]}"
    )
    return [row for one in parts for row in one.get(member, [])]


@case("TC_B_12_CS", "report what can be configured", "B07")
async def report_configuration(csms: StrictCsms) -> None:
    rows = await _reported(csms, "ConfigurationInventory", 101)
    require(bool(rows), "the report is empty")
    fixed = [
        row["variable"]["name"]
        for row in rows
        if all(one.get("mutability") == "ReadOnly" for one in row["variableAttribute"])
    ]
    require(not fixed, f"read-only variables in a report of the configuration: {', '.join(fixed[:3])}")


@case("TC_B_13_CS", "report everything", "B07")
async def report_all(csms: StrictCsms) -> None:
    rows = await _reported(csms, "FullInventory", 102)
    names = {(row["component"]["name"], row["variable"]["name"]) for row in rows}
    missing = [f"{one}.{two}" for one, two in REQUIRED if (one, two) not in names]
    require(not missing, f"required variables are missing: {', '.join(missing)}")


@case("TC_B_14_CS", "report a summary", "B07")
async def report_summary(csms: StrictCsms) -> None:
    rows = await _reported(csms, "SummaryInventory", 103)
    names = {row["variable"]["name"] for row in rows}
    require("AvailabilityState" in names, f"variables {sorted(names)}, expected AvailabilityState")


@case("TC_B_18_CS", "report selected variables by criteria", "B08")
async def report_selected(csms: StrictCsms) -> None:
    since = len(csms.received)
    wanted = [{"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "AvailabilityState"}}]
    body = {"requestId": 104, "componentVariable": wanted, "componentCriteria": ["Available"]}
    status_is(await csms.call("GetReport", body), "Accepted")
    rows = await _whole_report(csms, "NotifyReport", 104, since, "reportData")
    require(len(rows) == 1, f"{len(rows)} rows, expected one")


@case("SECC_B_03", "a report of nothing is empty", "B08")
async def report_nothing(csms: StrictCsms) -> None:
    wanted = [{"component": {"name": "NoSuchComponent"}}]
    answer = await csms.call("GetReport", {"requestId": 105, "componentVariable": wanted})
    status_is(answer, "EmptyResultSet")


@case("TC_B_20_CS", "reset without a transaction: the station boots again", "B11")
async def reset(csms: StrictCsms) -> None:
    since, before = len(csms.received), csms.connections
    status_is(await csms.call("Reset", {"type": "OnIdle"}), "Accepted", "Scheduled")
    boot = await csms.expect("BootNotification", since=since)
    require(boot["reason"] in ("RemoteReset", "ScheduledReset"), f"reason {boot['reason']}")
    require(csms.connections > before, "the station has not connected again")


@case("TC_B_45_CS", "a network profile that lowers security is rejected", "B09")
async def network_downgrade(csms: StrictCsms) -> None:
    profile = _network("ws://127.0.0.1:1/other", 0)
    answer = await csms.call(
        "SetNetworkProfile", {"configurationSlot": 1, "connectionData": {**profile, "ocppTransport": "SOAP"}}
    )
    status_is(answer, "Rejected", "Failed")


def _network(url: str, security: int) -> Body:
    return {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url,
        "messageTimeout": 30,
        "securityProfile": security,
        "ocppInterface": "Wired0",
    }


REQUIRED = (
    ("OCPPCommCtrlr", "FileTransferProtocols"),
    ("OCPPCommCtrlr", "MessageTimeout"),
    ("OCPPCommCtrlr", "MessageAttempts"),
    ("OCPPCommCtrlr", "MessageAttemptInterval"),
    ("OCPPCommCtrlr", "NetworkConfigurationPriority"),
    ("OCPPCommCtrlr", "NetworkProfileConnectionAttempts"),
    ("OCPPCommCtrlr", "OfflineThreshold"),
    ("OCPPCommCtrlr", "ResetRetries"),
    ("OCPPCommCtrlr", "UnlockOnEVSideDisconnect"),
    ("DeviceDataCtrlr", "ItemsPerMessage"),
    ("DeviceDataCtrlr", "BytesPerMessage"),
    ("ClockCtrlr", "DateTime"),
    ("ClockCtrlr", "TimeSource"),
    ("SecurityCtrlr", "OrganizationName"),
    ("SecurityCtrlr", "CertificateEntries"),
    ("SecurityCtrlr", "SecurityProfile"),
    ("AuthCtrlr", "AuthorizeRemoteStart"),
    ("AuthCtrlr", "LocalAuthorizeOffline"),
    ("AuthCtrlr", "LocalPreAuthorize"),
    ("TxCtrlr", "EVConnectionTimeOut"),
    ("TxCtrlr", "StopTxOnEVSideDisconnect"),
    ("TxCtrlr", "StopTxOnInvalidId"),
    ("TxCtrlr", "TxStartPoint"),
    ("TxCtrlr", "TxStopPoint"),
    ("SampledDataCtrlr", "TxEndedInterval"),
    ("SampledDataCtrlr", "TxEndedMeasurands"),
    ("SampledDataCtrlr", "TxStartedMeasurands"),
    ("SampledDataCtrlr", "TxUpdatedInterval"),
    ("SampledDataCtrlr", "TxUpdatedMeasurands"),
    ("AlignedDataCtrlr", "Interval"),
    ("AlignedDataCtrlr", "Measurands"),
    ("AlignedDataCtrlr", "TxEndedInterval"),
    ("AlignedDataCtrlr", "TxEndedMeasurands"),
    ("ChargingStation", "AvailabilityState"),
    ("ChargingStation", "SupplyPhases"),
    ("EVSE", "AvailabilityState"),
    ("EVSE", "Power"),
    ("EVSE", "SupplyPhases"),
    ("Connector", "AvailabilityState"),
    ("Connector", "ConnectorType"),
    ("Connector", "SupplyPhases"),
)
"""Variables that every station reports."""


# --- C and D: lists ----------------------------------------------------------------------------------------


@case("TC_C_37_CS", "clear the cache", "C11")
async def clear_cache(csms: StrictCsms) -> None:
    status_is(await csms.call("ClearCache", {}), "Accepted")


async def _list_version(csms: StrictCsms) -> int:
    version: int = (await csms.call("GetLocalListVersion", {}))["versionNumber"]
    return version


def _entry(token: str, status: str = "Accepted") -> Body:
    return {"idToken": {"idToken": token, "type": "Central"}, "idTokenInfo": {"status": status}}


async def _send_list(csms: StrictCsms, version: int, kind: str, *entries: Body) -> Body:
    body: Body = {"versionNumber": version, "updateType": kind}
    if entries:
        body["localAuthorizationList"] = list(entries)
    return await csms.call("SendLocalList", body)


@case("TC_D_01_CS", "replace the local list", "D01")
async def full_list(csms: StrictCsms) -> None:
    status_is(await _send_list(csms, 7, "Full", _entry("SECC-A"), _entry("SECC-B")), "Accepted")
    require(await _list_version(csms) == 7, "the version is not that of the list")


@case("TC_D_02_CS", "add to the local list", "D01")
async def add_to_list(csms: StrictCsms) -> None:
    status_is(await _send_list(csms, 10, "Full", _entry("SECC-A")), "Accepted")
    status_is(await _send_list(csms, 11, "Differential", _entry("SECC-C")), "Accepted")
    require(await _list_version(csms) == 11, "the version is not that of the update")


@case("TC_D_03_CS", "remove from the local list", "D01")
async def remove_from_list(csms: StrictCsms) -> None:
    status_is(await _send_list(csms, 12, "Full", _entry("SECC-A")), "Accepted")
    gone = {"idToken": {"idToken": "SECC-A", "type": "Central"}}
    status_is(await _send_list(csms, 13, "Differential", gone), "Accepted")


@case("TC_D_04_CS", "an empty list replaces the list", "D01")
async def empty_list(csms: StrictCsms) -> None:
    status_is(await _send_list(csms, 14, "Full"), "Accepted")


@case("TC_D_06_CS", "an update that is not newer is refused", "D01")
async def old_update(csms: StrictCsms) -> None:
    status_is(await _send_list(csms, 20, "Full", _entry("SECC-A")), "Accepted")
    status_is(await _send_list(csms, 20, "Differential", _entry("SECC-B")), "VersionMismatch")
    require(await _list_version(csms) == 20, "the version has changed")


def is_event(kind: str) -> Callable[[Body], bool]:
    """Return whether a TransactionEvent is of this kind."""
    return lambda body: bool(body["eventType"] == kind)


# --- E and F: transactions and remote control --------------------------------------------------------------


@case("TC_E_28_CS", "status of an unknown transaction", "E14")
async def unknown_transaction(csms: StrictCsms) -> None:
    answer = await csms.call("GetTransactionStatus", {"transactionId": "no-such-transaction"})
    require(answer.get("ongoingIndicator") is False, f"ongoingIndicator {answer.get('ongoingIndicator')}")
    require(answer["messagesInQueue"] is False, "messagesInQueue is true")


@case("TC_E_34_CS", "status without a transaction", "E14")
async def no_transaction(csms: StrictCsms) -> None:
    answer = await csms.call("GetTransactionStatus", {})
    require("ongoingIndicator" not in answer, "ongoingIndicator without a transaction")


@case("TC_F_09_CS", "stop of an unknown transaction", "F03")
async def stop_unknown(csms: StrictCsms) -> None:
    status_is(await csms.call("RequestStopTransaction", {"transactionId": "no-such-transaction"}), "Rejected")


@case("TC_F_10_CS", "unlock an unknown connector", "F05")
async def unlock_unknown(csms: StrictCsms) -> None:
    status_is(await csms.call("UnlockConnector", {"evseId": 1, "connectorId": 9}), "UnknownConnector")


async def _triggered(csms: StrictCsms, wanted: str, action: str) -> Body:
    since = len(csms.received)
    status_is(await csms.call("TriggerMessage", {"requestedMessage": wanted}), "Accepted")
    return await csms.expect(action, since=since)


@case("TC_F_12_CS", "trigger meter values", "F06")
async def trigger_meter(csms: StrictCsms) -> None:
    await _triggered(csms, "MeterValues", "MeterValues")


@case("TC_F_15_CS", "trigger the status of log uploads", "F06")
async def trigger_log(csms: StrictCsms) -> None:
    body = await _triggered(csms, "LogStatusNotification", "LogStatusNotification")
    require(body["status"] == "Idle", f"status {body['status']}, expected Idle")


@case("TC_F_18_CS", "trigger the status of firmware", "F06")
async def trigger_firmware(csms: StrictCsms) -> None:
    body = await _triggered(csms, "FirmwareStatusNotification", "FirmwareStatusNotification")
    require(body["status"] == "Idle", f"status {body['status']}, expected Idle")


@case("TC_F_20_CS", "trigger a heartbeat", "F06")
async def trigger_heartbeat(csms: StrictCsms) -> None:
    await _triggered(csms, "Heartbeat", "Heartbeat")


@case("TC_F_23_CS", "trigger the status of the connector", "F06")
async def trigger_status(csms: StrictCsms) -> None:
    await _triggered(csms, "StatusNotification", "StatusNotification")


@case("TC_F_26_CS", "a station that is accepted does not boot at a trigger", "F06")
async def trigger_boot(csms: StrictCsms) -> None:
    status_is(await csms.call("TriggerMessage", {"requestedMessage": "BootNotification"}), "Rejected")


@case("TC_F_27_CS", "a trigger that is not implemented", "F06")
async def trigger_unknown(csms: StrictCsms) -> None:
    body = {"requestedMessage": "PublishFirmwareStatusNotification"}
    status_is(await csms.call("TriggerMessage", body), "NotImplemented", "Rejected")


@case("TC_F_02_CS", "remote start, then remote stop", "F01", Needed.CAR)
async def remote_start(csms: StrictCsms) -> None:
    since = len(csms.received)
    body: Body = {"remoteStartId": 77, "idToken": TOKEN, "evseId": 1}
    status_is(await csms.call("RequestStartTransaction", body), "Accepted")
    started = await csms.expect("TransactionEvent", is_event("Started"), since=since)
    info = started["transactionInfo"]
    require(info.get("remoteStartId") == 77, f"remoteStartId {info.get('remoteStartId')}, expected 77")
    require(started["seqNo"] == 0, f"seqNo {started['seqNo']}, expected 0")
    transaction = {"transactionId": info["transactionId"]}
    answer = await csms.call("GetTransactionStatus", transaction)
    require(answer.get("ongoingIndicator") is True, "the transaction is not ongoing")
    status_is(await csms.call("RequestStopTransaction", transaction), "Accepted")
    ended = await csms.expect("TransactionEvent", is_event("Ended"), since=since)
    reason = ended["transactionInfo"].get("stoppedReason")
    require(reason == "Remote", f"stoppedReason {reason}, expected Remote")
    require(ended["triggerReason"] == "RemoteStop", f"triggerReason {ended['triggerReason']}")
    numbers = [one["seqNo"] for name, one in csms.received[since:] if name == "TransactionEvent"]
    require(numbers == list(range(len(numbers))), f"seqNo {numbers}, expected no gap")


# --- G and H: availability and reservation -----------------------------------------------------------------


@case("TC_G_05_CS", "the station goes out of service and back", "G04", Needed.FREE)
async def availability(csms: StrictCsms) -> None:
    for wanted, status in (("Inoperative", "Unavailable"), ("Operative", "Available")):
        since = len(csms.received)
        status_is(await csms.call("ChangeAvailability", {"operationalStatus": wanted}), "Accepted")
        body = await csms.expect("StatusNotification", since=since)
        require(body["connectorStatus"] == status, f"status {body['connectorStatus']}, expected {status}")


def _reservation(number: int, token: str = "SECC-A", seconds: float = 600.0) -> Body:
    return {
        "id": number,
        "expiryDateTime": now_text(seconds),
        "idToken": {"idToken": token, "type": "Central"},
        "evseId": 1,
    }


@case("TC_H_17_CS", "reserve the EVSE and cancel the reservation", "H02", Needed.FREE)
async def reserve(csms: StrictCsms) -> None:
    since = len(csms.received)
    status_is(await csms.call("ReserveNow", _reservation(5)), "Accepted")
    await csms.expect(
        "StatusNotification", lambda one: bool(one["connectorStatus"] == "Reserved"), since=since
    )
    status_is(await csms.call("CancelReservation", {"reservationId": 5}), "Accepted")


@case("TC_H_03_CS", "a reserved EVSE is occupied for others", "H01", Needed.FREE)
async def reserve_twice(csms: StrictCsms) -> None:
    status_is(await csms.call("ReserveNow", _reservation(6)), "Accepted")
    try:
        status_is(await csms.call("ReserveNow", _reservation(7, "SECC-B")), "Occupied")
        start = {"remoteStartId": 3, "idToken": {"idToken": "SECC-B", "type": "Central"}}
        status_is(await csms.call("RequestStartTransaction", start), "Rejected")
    finally:
        await csms.call("CancelReservation", {"reservationId": 6})


@case("TC_H_18_CS", "an unknown reservation cannot be cancelled", "H02")
async def cancel_unknown(csms: StrictCsms) -> None:
    status_is(await csms.call("CancelReservation", {"reservationId": 999}), "Rejected")


@case("TC_H_23_CS", "a reservation with the same id replaces the first", "H01", Needed.FREE)
async def replace_reservation(csms: StrictCsms) -> None:
    status_is(await csms.call("ReserveNow", _reservation(8)), "Accepted")
    status_is(await csms.call("ReserveNow", _reservation(8, "SECC-B")), "Accepted")
    status_is(await csms.call("CancelReservation", {"reservationId": 8}), "Accepted")


@case("SECC_R_01", "a body that violates its schema is an error", "")
async def wrong_body(csms: StrictCsms) -> None:
    try:
        await csms.call_unchecked("Reset", {"type": "Sideways"})
    except CallRefused as error:
        known = (
            "FormatViolation",
            "FormationViolation",
            "PropertyConstraintViolation",
            "TypeConstraintViolation",
        )
        require(error.code in known, f"{error.code}, expected {' or '.join(known)}")
    else:
        require(False, "a type of reset that does not exist is answered")
