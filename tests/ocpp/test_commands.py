"""What a CSMS may ask of a station, over both versions and real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from secc.ocpp.fake.csms import FakeCsms
from secc.ocpp.model import Payload, Registration
from secc.ocpp.rpc import CallFailed
from secc.session.schedules import EnergyNeed, ScheduleOffer
from secc.settings import EnergyMode
from secc.settings.ocpp import OcppVersion
from tests.ocpp.support import (
    BOTH,
    STATION,
    V16,
    V201,
    Running,
    accounts,
    ask,
    eim_config,
    knowing,
    line,
    station,
)


@contextlib.asynccontextmanager
async def talk(version: OcppVersion, *tokens: str, **ocpp: Any) -> AsyncIterator[tuple[FakeCsms, Running]]:
    """A CSMS of this version, and a station at it."""
    csms = knowing(*tokens, version=version)
    async with line(csms, **ocpp) as running:
        yield csms, running


# --- transactions ------------------------------------------------------------------------------------------

START = {
    V201: (
        "RequestStartTransaction",
        {"remoteStartId": 7, "idToken": {"idToken": "CARD", "type": "ISO14443"}, "evseId": 1},
    ),
    V16: ("RemoteStartTransaction", {"idTag": "CARD", "connectorId": 1}),
}


@pytest.mark.parametrize("version", BOTH)
async def test_a_remote_start_lets_the_next_ev_charge_and_a_remote_stop_ends_it(version: OcppVersion) -> None:
    async with talk(version, "CARD") as (csms, running):
        assert await ask(csms, *START[version]) == {"status": "Accepted"}
        charging = asyncio.create_task(running.charge(loops=500))
        await csms.until(lambda: bool(csms.records.transactions))
        (booked,) = csms.records.transactions.values()
        stop: tuple[str, Payload] = ("RequestStopTransaction", {"transactionId": booked.id})
        wrong: tuple[str, Payload] = ("RequestStopTransaction", {"transactionId": "another"})
        if version is V16:
            stop = ("RemoteStopTransaction", {"transactionId": booked.number})
            wrong = ("RemoteStopTransaction", {"transactionId": 4711})
        await running.until(lambda: running.evse.snapshot().contactor_closed)
        assert await ask(csms, *wrong) == {"status": "Rejected"}
        assert await ask(csms, *START[version]) == {"status": "Rejected"}
        assert await ask(csms, *stop) == {"status": "Accepted"}
        await charging
        await running.delivered()
        assert booked.reason == "Remote"
    (booked,) = csms.records.transactions.values()
    assert booked.token == "CARD"
    if version is V201:
        started = next(one.payload for one in csms.records.messages if one.action == "TransactionEvent")
        assert started["triggerReason"] == "RemoteStart"
        assert started["transactionInfo"]["remoteStartId"] == 7


@pytest.mark.parametrize("version", BOTH)
async def test_a_reset_ends_the_transaction_and_the_station_boots_again(version: OcppVersion) -> None:
    body = {"type": "Immediate"} if version is V201 else {"type": "Soft"}

    async with talk(version, "FREE", free_token="FREE") as (csms, running):
        charging = asyncio.create_task(running.charge(loops=500))
        await running.until(lambda: running.evse.snapshot().contactor_closed)
        assert await ask(csms, "Reset", body) == {"status": "Accepted"}
        await charging
        await csms.until(lambda: csms.actions().count("BootNotification") == 2)
        await running.online()
        await running.delivered()
    (booked,) = csms.records.transactions.values()
    assert booked.reason == ("ImmediateReset" if version is V201 else "HardReset")


async def test_a_reset_on_idle_waits_for_the_end_of_the_transaction() -> None:
    async with talk(V201, "FREE", free_token="FREE") as (csms, running):
        charging = asyncio.create_task(running.charge(loops=20))
        await running.until(lambda: running.backend.transactions.open is not None)
        assert await ask(csms, "Reset", {"type": "OnIdle"}) == {"status": "Scheduled"}
        result = await charging
        assert result.completed, result.error
        await csms.until(lambda: csms.actions().count("BootNotification") == 2)
    boots = [one.payload["reason"] for one in csms.records.messages if one.action == "BootNotification"]
    assert boots == ["PowerUp", "ScheduledReset"]


@pytest.mark.parametrize("version", BOTH)
async def test_an_inoperative_station_refuses_until_it_is_operative_again(version: OcppVersion) -> None:
    def body(status: str) -> Payload:
        return {"operationalStatus": status} if version is V201 else {"connectorId": 0, "type": status}

    async with talk(version, "FREE", free_token="FREE") as (csms, running):
        assert await ask(csms, "ChangeAvailability", body("Inoperative")) == {"status": "Accepted"}
        result = await running.charge()
        assert not result.completed
        assert await ask(csms, "ChangeAvailability", body("Operative")) == {"status": "Accepted"}
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
    name = "connectorStatus" if version is V201 else "status"
    told = [one.payload[name] for one in csms.records.messages if one.action == "StatusNotification"]
    assert "Unavailable" in told


@pytest.mark.parametrize("version", BOTH)
async def test_triggered_messages_come(version: OcppVersion) -> None:
    async with talk(version, "FREE", free_token="FREE") as (csms, running):
        charging = asyncio.create_task(running.charge(loops=100))
        await running.until(lambda: running.evse.snapshot().contactor_closed)
        for wanted, action in (
            ("Heartbeat", "Heartbeat"),
            ("StatusNotification", "StatusNotification"),
            ("MeterValues", "TransactionEvent" if version is V201 else "MeterValues"),
        ):
            before = csms.actions().count(action)
            answer = await ask(csms, "TriggerMessage", {"requestedMessage": wanted})
            assert answer == {"status": "Accepted"}
            await csms.until(lambda a=action, b=before: csms.actions().count(a) > b)  # type: ignore[misc]
        answer = await ask(csms, "TriggerMessage", {"requestedMessage": "BootNotification"})
        assert answer == {"status": "Rejected"}
        answer = await ask(csms, "TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"})
        assert answer == {"status": "Accepted"}
        await csms.until(lambda: "FirmwareStatusNotification" in csms.actions())
        charging.cancel()


# --- profiles ----------------------------------------------------------------------------------------------


def profile(version: OcppVersion, limit: float, purpose: str = "TxDefaultProfile", **more: Any) -> Payload:
    schedule = {
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}, {"startPeriod": 3600, "limit": 3000}],
    }
    body = {"stackLevel": 0, "chargingProfilePurpose": purpose, "chargingProfileKind": "Relative", **more}
    if version is V201:
        return {
            "evseId": int(purpose == "TxProfile"),
            "chargingProfile": {"id": 1, **body, "chargingSchedule": [{"id": 1, **schedule}]},
        }
    return {
        "connectorId": int(purpose == "TxProfile"),
        "csChargingProfiles": {"chargingProfileId": 1, **body, "chargingSchedule": schedule},
    }


NEED = EnergyNeed(
    mode=EnergyMode.AC_THREE_PHASE_CORE, departure=None, energy=None, max_power=11_000.0, max_steps=24
)


@pytest.mark.parametrize("version", BOTH)
async def test_a_profile_becomes_the_schedule_of_the_car_and_the_limit_of_the_outlet(
    version: OcppVersion,
) -> None:
    async with talk(version) as (csms, running):
        assert await running.backend.schedules("", NEED) is None
        answer = await ask(csms, "SetChargingProfile", profile(version, 6000.0))
        assert answer["status"] == "Accepted"
        offer = await running.backend.schedules("", NEED)
        assert isinstance(offer, ScheduleOffer)
        steps = offer.schedules[0].steps
        assert [(step.start, step.max_power) for step in steps] == [(0, 6000.0), (3600, 3000.0)]
        assert running.limits[-1] == 6000.0
        where = {"evseId": 1} if version is V201 else {"connectorId": 1}
        answer = await ask(csms, "GetCompositeSchedule", {**where, "duration": 7200})
        schedule = answer["schedule"] if version is V201 else answer["chargingSchedule"]
        limits = [(one["startPeriod"], one["limit"]) for one in schedule["chargingSchedulePeriod"]]
        assert limits == [(0, 6000.0), (3600, 3000.0)]
        assert await ask(csms, "ClearChargingProfile", {}) == {"status": "Accepted"}
        assert await ask(csms, "ClearChargingProfile", {}) == {"status": "Unknown"}
        assert running.limits[-1] is None


@pytest.mark.parametrize("version", BOTH)
async def test_a_limit_in_mid_charge_is_obeyed_and_the_car_asked_to_choose_again(
    version: OcppVersion,
) -> None:
    async with talk(version, "FREE", free_token="FREE") as (csms, running):
        charging = asyncio.create_task(running.charge(loops=60))
        await running.until(lambda: running.evse.snapshot().contactor_closed)
        answer = await ask(csms, "SetChargingProfile", profile(version, 2000.0, "TxProfile"))
        assert answer["status"] == "Accepted"
        assert running.limits[-1] == 2000.0
        result = await charging
        assert result.completed, result.error
        assert result.requests.count("ChargeParameterDiscoveryReq") >= 2
        await running.until(lambda: running.limits[-1] is None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (profile(V201, 1.0, "TxProfile"), "no transaction"),
        (
            profile(V201, 1.0, "ChargingStationExternalConstraints"),
            "the CSMS must not set external constraints",
        ),
        ({**profile(V201, 1.0), "evseId": 3}, "unknown EVSE 3"),
    ],
)
async def test_a_profile_that_fits_nothing_is_rejected_with_the_reason(body: Payload, reason: str) -> None:
    async with talk(V201) as (csms, _):
        answer = await ask(csms, "SetChargingProfile", body)
        assert answer["status"] == "Rejected"
        assert answer["statusInfo"]["additionalInfo"] == reason


# --- lists and variables -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
async def test_the_local_list_has_a_version_and_is_changed_piece_by_piece(version: OcppVersion) -> None:
    number = "versionNumber" if version is V201 else "listVersion"

    def entry(token: str, status: str | None) -> Payload:
        if version is V16:
            return {"idTag": token, **({"idTagInfo": {"status": status}} if status else {})}
        known = {"idTokenInfo": {"status": status}} if status else {}
        return {"idToken": {"idToken": token, "type": "eMAID"}, **known}

    async with talk(version) as (csms, running):
        full = {number: 5, "updateType": "Full", "localAuthorizationList": [entry("A", "Accepted")]}
        assert await ask(csms, "SendLocalList", full) == {"status": "Accepted"}
        changes = [entry("B", "Blocked"), entry("A", None)]
        change = {number: 6, "updateType": "Differential", "localAuthorizationList": changes}
        assert await ask(csms, "SendLocalList", change) == {"status": "Accepted"}
        assert await ask(csms, "SendLocalList", change) == {"status": "VersionMismatch"}
        answer = await ask(csms, "GetLocalListVersion", {})
        assert answer == {number: 6}
        assert set(running.backend.authorizer.memory.listed) == {"b"}
        assert await ask(csms, "ClearCache", {}) == {"status": "Accepted"}


async def test_variables_are_read_changed_and_remembered() -> None:
    def named(component: str, variable: str, value: str | None = None) -> Payload:
        asked = {"component": {"name": component}, "variable": {"name": variable}}
        return asked if value is None else {**asked, "attributeValue": value}

    async def script(csms: FakeCsms, running: Running) -> None:
        wanted = [
            named("SampledDataCtrlr", "TxUpdatedInterval"),
            named("SampledDataCtrlr", "Nothing"),
            named("Nothing", "Nothing"),
            named("SecurityCtrlr", "BasicAuthPassword"),
        ]
        answer = await ask(csms, "GetVariables", {"getVariableData": wanted})
        told = [(one["attributeStatus"], one.get("attributeValue")) for one in answer["getVariableResult"]]
        assert told == [
            ("Accepted", "60"),
            ("UnknownVariable", None),
            ("UnknownComponent", None),
            ("Rejected", None),
        ]
        changes = [
            named("SampledDataCtrlr", "TxUpdatedInterval", "15"),
            named("SampledDataCtrlr", "TxUpdatedInterval", "soon"),
            named("ISO15118Ctrlr", "PnCEnabled", "true"),
            named("ISO15118Ctrlr", "CentralContractValidationAllowed", "true"),
            named("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true"),
        ]
        answer = await ask(csms, "SetVariables", {"setVariableData": changes})
        statuses = [one["attributeStatus"] for one in answer["setVariableResult"]]
        assert statuses == ["Accepted", "Rejected", "Rejected", "Rejected", "Accepted"]
        assert running.backend.transactions.interval == 15.0
        assert running.backend.settings.ocpp.offline_unknown
        report = {"requestId": 3, "reportBase": "FullInventory"}
        assert await ask(csms, "GetBaseReport", report) == {"status": "Accepted"}
        await csms.until(lambda: not reports()[-1]["tbc"] if reports() else False)

    csms = knowing(version=V201)

    def reports() -> list[Payload]:
        return [one.payload for one in csms.records.messages if one.action == "NotifyReport"]

    async with line(csms) as running:
        await script(csms, running)
    assert [one["seqNo"] for one in reports()] == list(range(len(reports())))
    assert [one["tbc"] for one in reports()] == [True] * (len(reports()) - 1) + [False]


async def test_configuration_keys_of_1_6_are_the_same_settings() -> None:
    async with talk(V16) as (csms, _):
        change = {"key": "MeterValueSampleInterval", "value": "15"}
        assert await ask(csms, "ChangeConfiguration", change) == {"status": "Accepted"}
        answer = await ask(csms, "ChangeConfiguration", {"key": "Nothing", "value": "1"})
        assert answer == {"status": "NotSupported"}
        answer = await ask(csms, "GetConfiguration", {"key": ["MeterValueSampleInterval", "Nothing"]})
        assert answer == {
            "configurationKey": [{"key": "MeterValueSampleInterval", "readonly": False, "value": "15"}],
            "unknownKey": ["Nothing"],
        }
        answer = await ask(csms, "GetConfiguration", {})
        assert len(answer["configurationKey"]) > 10


# --- the protocol ------------------------------------------------------------------------------------------


async def test_what_is_not_supported_or_breaks_its_schema_is_an_error() -> None:
    async with talk(V201) as (csms, running):
        with pytest.raises(CallFailed, match="NotSupported"):
            await ask(csms, "ClearDisplayMessage", {"id": 1})
        errors: list[str] = []

        def listen(_ours: bool, text: str) -> None:
            kind, name, *rest = json.loads(text)
            if kind == 4 and name == rest[0]:
                errors.append(name)

        csms.lines[STATION][0].on_message = listen
        for body, code in (
            ({"type": "Sideways"}, "PropertyConstraintViolation"),
            ({}, "OccurrenceConstraintViolation"),
            ({"type": 3}, "TypeConstraintViolation"),
            ({"type": "OnIdle", "more": 1}, "FormatViolation"),
        ):
            await csms.send(STATION, json.dumps([2, code, "Reset", body]))
            await running.until(lambda code=code: code in errors)


NONSENSE = {
    "nothing": "",
    "half": "{",
    "empty": "[]",
    "kind only": "[2]",
    "another kind": '[7,"a","b",{}]',
    "a number for a name": '[2,1,"Reset",{}]',
    "null": "null",
    "deep": "[" * 9000,
}


@pytest.mark.parametrize("text", NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_ends_nothing(text: str) -> None:
    async with talk(V201) as (csms, _):
        await csms.send(STATION, text)
        assert await ask(csms, "GetLocalListVersion", {}) == {"versionNumber": 0}


async def test_a_message_that_is_too_long_costs_a_connection_and_no_session() -> None:
    async with talk(V201, "FREE", free_token="FREE") as (csms, running):
        charging = asyncio.create_task(running.charge(loops=20))
        await running.until(lambda: running.evse.snapshot().contactor_closed)
        await csms.send(STATION, json.dumps([2, "m", "Reset", {"type": "x" * 1_000_000}]))
        await running.until(lambda: csms.connections == 2)
        result = await charging
        assert result.completed, result.error
        await running.delivered()
    (booked,) = csms.records.transactions.values()
    assert booked.ended


@pytest.mark.parametrize("wanted", ["StatusNotification", "Heartbeat", "MeterValues"])
async def test_a_station_that_waits_for_its_acceptance_promises_no_message(wanted: str) -> None:
    csms = FakeCsms(accounts())
    csms.faults.registration = Registration.PENDING

    async with csms.serving() as url, station(eim_config(url)):
        await csms.until(lambda: csms.actions() == ["BootNotification"])
        assert await ask(csms, "TriggerMessage", {"requestedMessage": wanted}) == {"status": "Rejected"}
        start = {"remoteStartId": 1, "idToken": {"idToken": "CARD", "type": "ISO14443"}, "evseId": 1}
        assert (await ask(csms, "RequestStartTransaction", start))["status"] == "Rejected"
        again = {"requestedMessage": "BootNotification"}
        assert await ask(csms, "TriggerMessage", again) == {"status": "Accepted"}
        await csms.until(lambda: csms.actions() == ["BootNotification"] * 2)


async def test_a_rejected_station_takes_no_commands() -> None:
    csms = FakeCsms(accounts())
    csms.faults.registration = Registration.REJECTED

    async with csms.serving() as url, station(eim_config(url)):
        await csms.until(lambda: csms.actions() == ["BootNotification"])
        with pytest.raises(CallFailed, match="SecurityError"):
            await ask(csms, "GetLocalListVersion", {})


@pytest.mark.parametrize(
    "change",
    [
        {"chargingProfilePurpose": "LocalGeneration"},
        {
            "chargingSchedule": [
                {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0}]}
            ]
        },
    ],
)
async def test_what_only_2_1_has_is_rejected_with_its_error(change: Payload) -> None:
    body = profile(V201, 1000.0)
    body["chargingProfile"] |= change
    csms = knowing(version=OcppVersion.V21)

    async with line(csms, versions=(OcppVersion.V21,)):
        clear = {"chargingProfileCriteria": {"chargingProfilePurpose": "LocalGeneration"}}
        assert await ask(csms, "ClearChargingProfile", clear) == {"status": "Unknown"}
        result = await ask(csms, "SetChargingProfile", body)
    assert result["status"] == "Rejected"


async def test_a_kind_of_token_that_2_1_lets_be_made_up_may_charge() -> None:
    csms = knowing("CARD", version=OcppVersion.V21)

    async with line(csms, versions=(OcppVersion.V21,)) as running:
        start = {"remoteStartId": 1, "idToken": {"idToken": "CARD", "type": "DirectPayment"}}
        assert await ask(csms, "RequestStartTransaction", start) == {"status": "Accepted"}
        result = await running.charge()
        assert result.completed, result.error
        await running.delivered()
    assert [booked.token for booked in csms.records.transactions.values()] == ["CARD"]
