"""Cases of what OCPP 2.1 adds for ISO 15118-20: certificates, dynamic profiles, permission to discharge,
tariffs, negotiation. The cases of DER controls are in `cases21_der`.

The Open Charge Alliance has not published ids for these cases; all ids here are of this project.
"""

from __future__ import annotations

import functools

from secc.ocpp.conformance.case import CaseNotApplicable, CsmsCase, Needed, registered, require, status_is
from secc.ocpp.conformance.cases_energy import clear_profiles, composite
from secc.ocpp.conformance.cases_station import TOKEN, is_event
from secc.ocpp.conformance.schemas import Body
from secc.ocpp.conformance.strict import StrictCsms

CASES: list[CsmsCase] = []
case = functools.partial(registered, CASES)


async def modes_of(csms: StrictCsms, component: str, name: str, evse: int = 1) -> list[str]:
    """Return a list of the device model of an EVSE; empty where the station does not have it."""
    row: Body = {"component": {"name": component, "evse": {"id": evse}}, "variable": {"name": name}}
    (found,) = (await csms.call("GetVariables", {"getVariableData": [row]}))["getVariableResult"]
    value = found.get("attributeValue", "") if found["attributeStatus"] == "Accepted" else ""
    return [one for one in str(value).split(",") if one]


def period(**values: object) -> Body:
    """Return ChargingSchedulePeriodType."""
    return {"startPeriod": 0, **values}


def dynamic(id_: int, *periods: Body, purpose: str = "TxDefaultProfile", **more: object) -> Body:
    """Return a profile of kind Dynamic; `duration` belongs to its schedule."""
    schedule: Body = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": list(periods)}
    if "duration" in more:
        schedule["duration"] = more.pop("duration")
    return {
        "id": id_,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Dynamic",
        "chargingSchedule": [schedule],
        **more,
    }


async def _set(csms: StrictCsms, profile: Body) -> Body:
    return await csms.call("SetChargingProfile", {"evseId": 1, "chargingProfile": profile})


async def _update(csms: StrictCsms, id_: int, **values: float) -> Body:
    return await csms.call("UpdateDynamicSchedule", {"chargingProfileId": id_, "scheduleUpdate": values})


# --- negotiation and certificates --------------------------------------------------------------------------


@case("SECC_B_21", "without 2.1 the station falls back to 2.0.1, and returns", "B01")
async def fall_back(csms: StrictCsms) -> None:
    if "ocpp2.0.1" not in csms.offered:
        raise CaseNotApplicable(f"the station offers {', '.join(csms.offered)}, without ocpp2.0.1")
    require(csms.offered.index("ocpp2.1") < csms.offered.index("ocpp2.0.1"), f"order {csms.offered}")
    try:
        csms.version = "2.0.1"
        await csms.reconnected()
        await csms.call("GetLocalListVersion", {})
    finally:
        csms.version = "2.1"
        await csms.reconnected()
    await csms.call("GetLocalListVersion", {})


@case("SECC_A_21", "a request for a certificate of ISO 15118-20 has its type and a number", "A02")
async def sign_20(csms: StrictCsms) -> None:
    since = len(csms.received)
    answer = await csms.call("TriggerMessage", {"requestedMessage": "SignV2G20Certificate"})
    if answer["status"] != "Accepted":
        raise CaseNotApplicable(f"TriggerMessage SignV2G20Certificate is answered with {answer['status']}")
    kinds = ("V2G20Certificate", "V2GCertificate")
    body = await csms.expect("SignCertificate", since=since)
    require(body.get("certificateType") in kinds, f"certificateType {body.get('certificateType')}")
    require("requestId" in body, "SignCertificate without requestId")


@case("SECC_A_22", "a certificate of ISO 15118-20 without a request is rejected", "A02")
async def unrequested_20(csms: StrictCsms) -> None:
    since = len(csms.received)
    body = {"certificateChain": "nonsense", "certificateType": "V2G20Certificate", "requestId": 4711}
    status_is(await csms.call("CertificateSigned", body), "Rejected")
    await csms.expect("SecurityEventNotification", since=since)


@case("SECC_M_21", "a root of vehicles that is none is rejected", "M05")
async def vehicle_root(csms: StrictCsms) -> None:
    body = {"certificateType": "OEMRootCertificate", "certificate": "nonsense"}
    status_is(await csms.call("InstallCertificate", body), "Rejected")
    which = {"certificateType": ["OEMRootCertificate"]}
    status_is(await csms.call("GetInstalledCertificateIds", which), "Accepted", "NotFound")


# --- K: dynamic profiles and priority ----------------------------------------------------------------------


@case("SECC_K_21", "a dynamic profile has one period", "K28")
async def one_period(csms: StrictCsms) -> None:
    late = {**period(limit=2000), "startPeriod": 60}
    status_is(await _set(csms, dynamic(61, period(limit=3000), late)), "Rejected")


@case("SECC_K_22", "an update of a dynamic profile acts", "K28")
async def dynamic_update(csms: StrictCsms) -> None:
    await clear_profiles(csms)
    status_is(await _set(csms, dynamic(62, period(limit=6000))), "Accepted")
    status_is(await _update(csms, 62, limit=4200), "Accepted")
    limits = await composite(csms)
    require(limits == [4200], f"limits {limits}, expected 4200")
    await clear_profiles(csms)


@case("SECC_K_23", "a dynamic profile that is not updated in its duration no longer applies", "K28")
async def dead_man(csms: StrictCsms) -> None:
    await clear_profiles(csms)
    before = await composite(csms)
    status_is(await _set(csms, dynamic(63, period(limit=2000), duration=1)), "Accepted")
    require(await composite(csms) != before, "the profile does not apply")
    await csms.pause(1.6)
    after = await composite(csms)
    require(after == before, f"limits {after}, expected {before}")
    await clear_profiles(csms)


@case("SECC_K_24", "what is no dynamic profile takes no update", "K28")
async def no_dynamic(csms: StrictCsms) -> None:
    await clear_profiles(csms)
    status_is(await _update(csms, 64, limit=1000), "Rejected")
    status_is(
        await _set(csms, {**dynamic(64, period(limit=6000)), "chargingProfileKind": "Relative"}), "Accepted"
    )
    status_is(await _update(csms, 64, limit=1000), "Rejected")
    await clear_profiles(csms)


@case("SECC_K_25", "no priority for a transaction that does not run", "K21")
async def no_priority(csms: StrictCsms) -> None:
    body = {"transactionId": "no-such-transaction", "activate": True}
    status_is(await csms.call("UsePriorityCharging", body), "Rejected", "NoProfile")


# --- Q: bidirectional power transfer -----------------------------------------------------------------------


@case("SECC_Q_21", "a profile in an operation mode that is not supported is rejected", "Q01")
async def unknown_mode(csms: StrictCsms) -> None:
    known = await modes_of(csms, "V2XChargingCtrlr", "SupportedOperationModes")
    if not known:
        raise CaseNotApplicable("the station has no V2XChargingCtrlr.SupportedOperationModes")
    require("ChargingOnly" in known, f"modes {', '.join(known)}, expected ChargingOnly too")
    every = ("CentralFrequency", "ExternalSetpoint", "ExternalLimits", "LocalFrequency", "LocalLoadBalancing")
    for number, mode in enumerate(every):
        if mode not in known:
            values = {"setpoint": 100.0} if mode == "CentralFrequency" else {}
            status_is(
                await _set(csms, dynamic(70 + number, period(operationMode=mode, **values))), "Rejected"
            )


@case("SECC_Q_22", "values that contradict the operation mode are rejected", "Q03")
async def contradictions(csms: StrictCsms) -> None:
    wrong = (
        period(operationMode="CentralSetpoint", setpoint=1000, limit=5000),  # Q03.FR.02
        period(operationMode="Idle", limit=1000),  # Q10.FR.01
        period(operationMode="ChargingOnly", limit=1000, dischargeLimit=-1000),
    )
    for number, one in enumerate(wrong):
        status_is(await _set(csms, dynamic(80 + number, one)), "Rejected")


@case("SECC_Q_23", "set-points for single phases of an EV without them are rejected", "Q01")
async def phases(csms: StrictCsms) -> None:
    one = period(operationMode="CentralSetpoint", setpoint=1000, setpoint_L2=500)
    status_is(await _set(csms, dynamic(85, one)), "Rejected")  # V2X.10


@case("SECC_Q_24", "no permission for a transaction that does not run", "Q01")
async def no_permission(csms: StrictCsms) -> None:
    body = {"transactionId": "no-such-transaction", "allowedEnergyTransfer": ["DC_BPT"]}
    status_is(await csms.call("NotifyAllowedEnergyTransfer", body), "Rejected")


# --- I: tariffs --------------------------------------------------------------------------------------------


def _tariff(id_: str, **more: object) -> Body:
    return {"tariffId": id_, "currency": "EUR", "energy": {"prices": [{"priceKwh": 0.4}]}, **more}


@case("SECC_I_21", "a default tariff is stored, reported and removed", "I07")
async def tariffs(csms: StrictCsms) -> None:
    answer = await csms.call("SetDefaultTariff", {"evseId": 0, "tariff": _tariff("secc-1")})
    status_is(answer, "Accepted")
    answer = await csms.call("GetTariffs", {"evseId": 0})
    status_is(answer, "Accepted")
    ids = [one["tariffId"] for one in answer["tariffAssignments"]]
    require(ids == ["secc-1"], f"tariffs {ids}, expected secc-1")
    for status in ("Accepted", "NoTariff"):
        rows = (await csms.call("ClearTariffs", {"tariffIds": ["secc-1"]}))["clearTariffsResult"]
        status_is(rows[0], status)


@case("SECC_I_22", "no other tariff for a transaction that does not run", "I11")
async def no_transaction(csms: StrictCsms) -> None:
    body = {"transactionId": "no-such-transaction", "tariff": _tariff("secc-2")}
    status_is(await csms.call("ChangeTransactionTariff", body), "TxNotFound")


# --- with a car of ISO 15118-20 ----------------------------------------------------------------------------


async def _started(csms: StrictCsms, number: int, since: int) -> Body:
    start = {"remoteStartId": number, "idToken": TOKEN, "evseId": 1}
    status_is(await csms.call("RequestStartTransaction", start), "Accepted")
    return await csms.expect("TransactionEvent", is_event("Started"), since=since)


async def _stopped(csms: StrictCsms, transaction: str, since: int) -> None:
    status_is(await csms.call("RequestStopTransaction", {"transactionId": transaction}), "Accepted")
    await csms.expect("TransactionEvent", is_event("Ended"), since=since)


@case("SECC_K_31", "the needs of an EV of ISO 15118-20, its profile, an update", "K19", Needed.CAR20)
async def needs(csms: StrictCsms) -> None:
    csms.replies["NotifyEVChargingNeeds"] = lambda _body: {"status": "Accepted"}
    since = len(csms.received)
    started = await _started(csms, 91, since)
    transaction = started["transactionInfo"]["transactionId"]
    more = started["idToken"].get("additionalInfo", [])
    require(any(one["type"] == "EVCCID" for one in more), "Started without the EVCCID")  # Q01.FR.02
    asked = (await csms.expect("NotifyEVChargingNeeds", since=since))["chargingNeeds"]
    require("v2xChargingParameters" in asked, "needs without v2xChargingParameters")
    require(asked.get("controlMode") == "DynamicControl", f"controlMode {asked.get('controlMode')}")
    require("acChargingParameters" not in asked, "needs with parameters of ISO 15118-2")
    profile = dynamic(92, period(limit=5000), purpose="TxProfile", transactionId=transaction)
    status_is(await _set(csms, profile), "Accepted")
    await csms.expect("NotifyEVChargingSchedule", since=since)
    count = sum(action == "NotifyEVChargingNeeds" for action, _ in csms.received)
    status_is(await _update(csms, 92, limit=3000), "Accepted")
    limits = await composite(csms)
    require(limits == [3000], f"limits {limits}, expected 3000")
    await _stopped(csms, transaction, since)
    again = sum(action == "NotifyEVChargingNeeds" for action, _ in csms.received)
    require(again == count, "an update of a dynamic profile has led to new needs")


@case("SECC_K_32", "an energy transfer that is rejected ends the transaction", "K19", Needed.CAR20)
async def rejected(csms: StrictCsms) -> None:
    csms.replies["NotifyEVChargingNeeds"] = lambda _body: {"status": "Rejected"}
    since = len(csms.received)
    await _started(csms, 93, since)
    ended = await csms.expect("TransactionEvent", is_event("Ended"), since=since)
    reason = ended["transactionInfo"].get("stoppedReason")
    require(reason == "ReqEnergyTransferRejected", f"stoppedReason {reason}")  # K19.FR.16


@case("SECC_K_33", "priority replaces the profile of the transaction", "K21", Needed.CAR20)
async def priority(csms: StrictCsms) -> None:
    csms.replies["NotifyEVChargingNeeds"] = lambda _body: {"status": "NoChargingProfile"}
    since = len(csms.received)
    transaction = (await _started(csms, 94, since))["transactionInfo"]["transactionId"]
    status_is(await _set(csms, dynamic(95, period(limit=3000))), "Accepted")
    status_is(await _set(csms, dynamic(96, period(limit=9000), purpose="PriorityCharging")), "Accepted")
    try:
        for active, limit in ((True, 9000), (False, 3000)):
            body = {"transactionId": transaction, "activate": active}
            status_is(await csms.call("UsePriorityCharging", body), "Accepted")
            limits = await composite(csms)
            require(limits == [limit], f"limits {limits}, expected {limit}")
    finally:
        await csms.call("ClearChargingProfile", {"chargingProfileId": 96})
        await clear_profiles(csms)
    await _stopped(csms, transaction, since)
