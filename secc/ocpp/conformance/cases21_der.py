"""Cases of DER controls, block R of OCPP 2.1, for a station that has them by its device model."""

from __future__ import annotations

import functools

from secc.ocpp.conformance.case import CaseNotApplicable, CsmsCase, registered, require, status_is
from secc.ocpp.conformance.cases21 import modes_of
from secc.ocpp.conformance.schemas import Body
from secc.ocpp.conformance.strict import StrictCsms, now_text

CASES: list[CsmsCase] = []
case = functools.partial(registered, CASES)
_EVERY = ("EnterService", "FreqDroop", "FreqWatt", "Gradients", "HVMustTrip", "LimitMaxDischarge", "VoltVar")


async def _modes(csms: StrictCsms) -> list[str]:
    found = [
        mode
        for component in ("ACDERCtrlr", "DCDERCtrlr")
        for mode in await modes_of(csms, component, "ModesSupported")
    ]
    if not found:
        raise CaseNotApplicable("the station has neither ACDERCtrlr nor DCDERCtrlr")
    return found


async def _limit(csms: StrictCsms) -> None:
    if "LimitMaxDischarge" not in await _modes(csms):
        raise CaseNotApplicable("the station does not support LimitMaxDischarge")
    for default in (True, False):
        await csms.call("ClearDERControl", {"isDefault": default})


def limit(id_: str, percent: float, *, default: bool = True, priority: int = 5, **more: object) -> Body:
    """Return SetDERControlRequest with LimitMaxDischarge."""
    return {
        "isDefault": default,
        "controlId": id_,
        "controlType": "LimitMaxDischarge",
        "limitMaxDischarge": {"priority": priority, "pctMaxDischargePower": percent, **more},
    }


async def _set(csms: StrictCsms, body: Body, *status: str) -> Body:
    answer = await csms.call("SetDERControl", body)
    status_is(answer, *status)
    return answer


async def _reported(csms: StrictCsms, number: int, **which: object) -> dict[str, Body]:
    since = len(csms.received)
    status_is(await csms.call("GetDERControl", {"requestId": number, **which}), "Accepted")
    await csms.expect("ReportDERControl", lambda one: not one.get("tbc", False), since=since)
    rows = [one for name, one in csms.received[since:] if name == "ReportDERControl"]
    require(all(one["requestId"] == number for one in rows), "another requestId")
    return {one["id"]: one for row in rows for one in row.get("limitMaxDischarge", [])}


async def _started(csms: StrictCsms, id_: str, since: int, *, started: bool) -> None:
    def reported(one: Body) -> bool:
        return one["controlId"] == id_ and one["started"] is started

    await csms.expect("NotifyDERStartStop", reported, since=since)


@case("SECC_R_21", "a type of control that the device model does not have", "R04")
async def unsupported(csms: StrictCsms) -> None:
    known = await _modes(csms)
    missing = [one for one in _EVERY if one not in known]
    if not missing:
        raise CaseNotApplicable("the station supports every type that the case knows")
    which = {"requestId": 1, "controlType": missing[0]}
    status_is(await csms.call("GetDERControl", which), "NotSupported")  # R04.FR.36
    body = {"isDefault": True, "controlType": missing[0]}
    status_is(await csms.call("ClearDERControl", body), "NotSupported")  # R04.FR.43


@case("SECC_R_22", "a default control is stored, reported and removed", "R04")
async def default_control(csms: StrictCsms) -> None:
    await _limit(csms)
    await _set(csms, limit("secc-1", 50.0), "Accepted")
    found = await _reported(csms, 501, isDefault=True)
    require(list(found) == ["secc-1"], f"controls {list(found)}, expected secc-1")
    values = found["secc-1"]["limitMaxDischarge"]
    require(values["pctMaxDischargePower"] == 50.0, f"values {values}")
    body = {"isDefault": False, "controlId": "secc-1"}
    status_is(await csms.call("ClearDERControl", body), "NotFound")  # R04.FR.42
    for status in ("Accepted", "NotFound"):
        status_is(await csms.call("ClearDERControl", {"isDefault": True, "controlId": "secc-1"}), status)
    status_is(await csms.call("GetDERControl", {"requestId": 502}), "NotFound")  # R04.FR.30


@case("SECC_R_23", "controls that contradict their form are rejected", "R04")
async def contradictions(csms: StrictCsms) -> None:
    await _limit(csms)
    timed = limit("secc-2", 50.0, startTime=now_text(), duration=60)
    await _set(csms, timed, "Rejected")  # R04.FR.13
    both = {**limit("secc-3", 50.0), "fixedVar": {"priority": 0, "setpoint": 1.0, "unit": "PctMaxVar"}}
    await _set(csms, both, "Rejected")  # R04.FR.17
    other = {"enterService": dict.fromkeys(("highVoltage", "lowVoltage", "highFreq", "lowFreq"), 1.0)}
    other["enterService"]["priority"] = 0
    wrong = {name: one for name, one in limit("secc-4", 50.0).items() if name != "limitMaxDischarge"}
    await _set(csms, {**wrong, **other}, "Rejected")  # R04.FR.16
    status_is(await csms.call("GetDERControl", {"requestId": 503}), "NotFound")


@case("SECC_R_24", "a control with priority supersedes the other", "R04")
async def superseding(csms: StrictCsms) -> None:
    await _limit(csms)
    await _set(csms, limit("secc-5", 50.0), "Accepted")
    answer = await _set(csms, limit("secc-6", 20.0, priority=1), "Accepted")  # R04.FR.03
    require(answer.get("supersededIds") == ["secc-5"], f"supersededIds {answer.get('supersededIds')}")
    found = await _reported(csms, 504)
    states = {id_: one["isSuperseded"] for id_, one in found.items()}
    require(states == {"secc-5": True, "secc-6": False}, f"isSuperseded {states}")
    await csms.call("ClearDERControl", {"isDefault": True})


@case("SECC_R_25", "a scheduled control begins, ends, and is gone", "R04")
async def scheduled(csms: StrictCsms) -> None:
    await _limit(csms)
    since = len(csms.received)
    body = limit("secc-7", 40.0, default=False, startTime=now_text(-1), duration=3)
    await _set(csms, body, "Accepted")
    for started in (True, False):  # R04.FR.20, R04.FR.22
        await _started(csms, "secc-7", since, started=started)
    status_is(await csms.call("GetDERControl", {"requestId": 505}), "NotFound")  # R04.FR.10
