"""DER controls of a CSMS of 2.1 reach an EV of AC_DER_IEC in its loop; what the EV sees reaches the CSMS."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from secc.messages import iso20_ac_der_iec as der
from secc.ocpp.dialect import to_iso
from secc.ocpp.fake.services import Accounts
from secc.ocpp.model import Payload
from secc.session.iso20.services import ControlMode, Service
from secc.settings import AcConfig, ProtocolName, SeccConfig
from secc.settings.ocpp import OcppVersion
from secc.sim import Vehicle
from secc.sim.iso20 import Iso20Plan
from tests.ocpp.negotiating import CARD, Negotiating, negotiating
from tests.ocpp.support import STATION, eim_config, knowing, station
from tests.ocpp.test_der_rules import DROOP, FIXED_VAR, LIMIT, VOLT_VAR, request

PLAN = Iso20Plan(service=Service.AC_DER_IEC, control=ControlMode.DYNAMIC, loops=600, pace=0.02)


def with_der(config: SeccConfig) -> SeccConfig:
    """An outlet with alternating current that takes 11 kW and 6 kvar from an EV."""
    return dataclasses.replace(
        config,
        protocols=(ProtocolName.ISO15118_20,),
        energy=dataclasses.replace(config.energy, ac=AcConfig(max_discharge_current=16.0)),
        iso20=dataclasses.replace(config.iso20, der=True, der_reactive_power=6000.0, loop_timeout=20.0),
    )


@contextlib.asynccontextmanager
async def place(*, transfer: tuple[str, ...] = ("AC_DER",), **ocpp: Any) -> AsyncIterator[Negotiating]:
    accounts = Accounts(transfer=transfer, needs=("NoChargingProfile", None))
    async with negotiating(OcppVersion.V21, accounts, adapt=with_der, **ocpp) as found:
        yield found


@contextlib.asynccontextmanager
async def feeding(
    at: Negotiating, plan: Iso20Plan = PLAN, *, vehicle: Vehicle | None = None
) -> AsyncIterator[None]:
    """An EV in the charge loop of AC_DER_IEC."""
    at.backend.present(CARD)
    driving = asyncio.create_task(at.car(plan, vehicle).charge())
    await at.until(lambda: at.sent(der.ACChargeLoopRes) or driving.done())
    assert not driving.done(), (driving.result().error, at.told)
    try:
        yield
    finally:
        driving.cancel()
        await asyncio.wait([driving])


async def set_control(at: Negotiating, body: Payload) -> Payload:
    return await at.csms.command(STATION, "SetDERControl", body)


def scheduled(
    at: Negotiating, id_: str, percent: float, start: float, duration: float, **more: Any
) -> Payload:
    """A FixedVar that begins in `start` seconds."""
    values = {
        "priority": 1,
        "setpoint": percent,
        "unit": "PctMaxVar",
        "startTime": to_iso(at.backend.conversation.now + start),
        "duration": duration,
        **more,
    }
    return request("FixedVar", id_=id_, default=False, fixedVar=values)


def last(at: Negotiating, name: str) -> float | None:
    """An element of the last response of the loop."""
    value = getattr(at.sent(der.ACChargeLoopRes)[-1].cl_res_control_mode, name)
    return None if value is None else float(value.value * 10.0**value.exponent)


async def test_controls_reach_the_ev_in_its_parameters_and_in_its_loop() -> None:
    async with place() as at:
        for body in (DROOP, {**VOLT_VAR, "controlId": "v"}, FIXED_VAR):
            assert await set_control(at, body) == {"status": "Accepted"}
        async with feeding(at):
            await at.until(lambda: last(at, "evse_target_reactive_power") == -2400.0)
            assert last(at, "dso_maximum_discharge_power") is None
            assert await set_control(at, LIMIT) == {"status": "Accepted"}
            await at.until(lambda: last(at, "dso_maximum_discharge_power") is not None)
            changed = {**FIXED_VAR["fixedVar"], "setpoint": 25.0}
            await set_control(at, {**FIXED_VAR, "fixedVar": changed})
            await at.until(lambda: last(at, "evse_target_reactive_power") == 1500.0)
    control = at.sent(der.ACChargeParameterDiscoveryRes)[-1].ac_cpd_res_energy_transfer_mode.der_control
    assert control.reactive_power_support.volt_var is not None
    assert control.active_power_support.over_frequency_watt.slope.value == 40
    (needs,) = at.bodies("NotifyEVChargingNeeds")
    assert needs["chargingNeeds"]["requestedEnergyTransfer"] == "AC_DER"
    assert needs["chargingNeeds"]["v2xChargingParameters"]["maxDischargePower"] > 0


async def test_new_values_of_a_function_reach_the_ev_in_its_session_and_a_new_function_does_not() -> None:
    def slopes() -> list[int]:
        sent = at.sent(der.ACChargeParameterDiscoveryRes)
        controls = [one.ac_cpd_res_energy_transfer_mode.der_control for one in sent]
        found = [one.active_power_support.over_frequency_watt.slope for one in controls]
        return [round(one.value * 10.0**one.exponent) for one in found]

    plan = dataclasses.replace(PLAN, control=ControlMode.SCHEDULED)
    async with place() as at:
        await set_control(at, DROOP)
        async with feeding(at, plan):
            await at.until(lambda: slopes()[-1] == 40)
            steeper = {**DROOP["freqDroop"], "overDroop": 0.02}
            assert (await set_control(at, {**DROOP, "freqDroop": steeper}))["status"] == "Accepted"
            await at.until(lambda: slopes()[-1] == 100)
            count = len(slopes())
            assert (await set_control(at, {**VOLT_VAR, "controlId": "v"}))["status"] == "Accepted"
            at.backend.commands.der.observe()
            assert len(slopes()) == count
    control = at.sent(der.ACChargeParameterDiscoveryRes)[-1].ac_cpd_res_energy_transfer_mode.der_control
    assert control.reactive_power_support is None


async def test_without_a_control_the_ev_may_not_feed_the_grid() -> None:
    async with place() as at, feeding(at):
        assert last(at, "evse_maximum_discharge_power") == 0.0


async def test_the_limit_refers_to_the_rating_of_the_ev() -> None:
    async with place() as at:
        await set_control(at, DROOP)
        await set_control(at, LIMIT)
        async with feeding(at, vehicle=Vehicle(ac_current=8.0)):
            await at.until(lambda: last(at, "dso_maximum_discharge_power") == 8.0 * 230.0 * 3 / 2)


async def test_a_scheduled_control_begins_and_ends_in_the_loop_and_both_are_reported() -> None:
    async with place() as at:
        await set_control(at, FIXED_VAR)
        async with feeding(at):
            await at.until(lambda: last(at, "evse_target_reactive_power") == -2400.0)
            assert (await set_control(at, scheduled(at, "now", 50.0, 0.0, 1.5)))["status"] == "Accepted"
            await at.until(lambda: last(at, "evse_target_reactive_power") == 3000.0)
            await at.until(lambda: last(at, "evse_target_reactive_power") == -2400.0)
        await at.until(lambda: len(at.bodies("NotifyDERStartStop")) == 2)
    found = at.bodies("NotifyDERStartStop")
    assert [(one["controlId"], one["started"]) for one in found] == [("now", True), ("now", False)]
    assert [one.id for one in at.backend.commands.der.state.controls] == ["q"]


async def test_a_control_that_is_superseded_is_named_in_the_answer_and_when_the_other_begins() -> None:
    async with place() as at:
        await set_control(at, scheduled(at, "low", 50.0, 0.0, 60.0, priority=5))
        answer = await set_control(at, scheduled(at, "high", 20.0, 0.0, 60.0))
        assert answer == {"status": "Accepted", "supersededIds": ["low"]}
        answer = await set_control(at, scheduled(at, "late", 20.0, 30.0, 60.0, priority=7))
        assert answer == {"status": "Accepted", "supersededIds": ["late"]}
        await at.until(lambda: len(at.bodies("NotifyDERStartStop")) == 3)
        begun = at.bodies("NotifyDERStartStop")
        assert [(one["controlId"], one["started"]) for one in begun] == [
            ("low", True),
            ("low", False),
            ("high", True),
        ]
        assert begun[-1]["supersededIds"] == ["low"]
        assert await at.csms.command(STATION, "GetDERControl", {"requestId": 4}) == {"status": "Accepted"}
        await at.until(lambda: at.bodies("ReportDERControl"))
    (report,) = at.bodies("ReportDERControl")
    assert report["requestId"] == 4
    assert {one["id"]: one["isSuperseded"] for one in report["fixedVar"]} == {
        "low": True,
        "high": False,
        "late": True,
    }


async def test_what_is_not_supported_and_what_makes_no_sense_has_its_status() -> None:
    gradients = request("Gradients", gradient={"priority": 0, "gradient": 1.0, "softGradient": 1.0})
    async with place() as at:
        assert (await set_control(at, gradients))["status"] == "NotSupported"
        answer = await set_control(at, {**FIXED_VAR, "isDefault": False})
        assert answer["status"] == "Rejected"
        assert "startTime" in answer["statusInfo"]["additionalInfo"]

        async def asked(action: str, **body: Any) -> str:
            return str((await at.csms.command(STATION, action, body))["status"])

        assert await asked("GetDERControl", requestId=1) == "NotFound"
        assert await asked("GetDERControl", requestId=1, controlType="Gradients") == "NotSupported"
        assert await asked("ClearDERControl", isDefault=True) == "NotFound"
        assert await asked("ClearDERControl", isDefault=True, controlType="Gradients") == "NotSupported"
        await set_control(at, FIXED_VAR)
        await set_control(at, DROOP)
        assert await asked("GetDERControl", requestId=1, controlType="FreqDroop") == "Accepted"
        assert await asked("ClearDERControl", isDefault=False, controlId="q") == "NotFound"
        assert await asked("ClearDERControl", isDefault=True, controlId="q") == "Accepted"
        assert await asked("ClearDERControl", isDefault=True, controlType="FreqDroop") == "Accepted"
        assert at.backend.commands.der.state.controls == ()


async def test_a_control_that_contradicts_another_one_is_rejected() -> None:
    cessation = request(
        "HVMomCess",
        id_="h",
        curve={"priority": 0, "yUnit": "Not_Applicable", "curveData": [{"x": 0.0, "y": 104.0}]},
    )
    low = request(
        "LVMomCess",
        id_="w",
        curve={
            "priority": 1,
            "yUnit": "Not_Applicable",
            "curveData": [{"x": 0.0, "y": 90.0}],
            "hysteresis": {"hysteresisLow": 80.0},
        },
    )
    async with place() as at:
        await set_control(at, cessation)
        answer = await set_control(at, low)
        assert answer["status"] == "Rejected"
        assert "recovery_below" in answer["statusInfo"]["additionalInfo"]


async def test_an_event_of_the_grid_is_an_alarm_for_the_csms_and_its_end_as_well() -> None:
    plan = dataclasses.replace(PLAN, grid_event=4, grid_event_at=3)
    async with place() as at, feeding(at, plan):
        await at.until(lambda: at.bodies("NotifyDERAlarm"))
        at.backend.der.event(4)
        at.backend.der.event(0)
        await at.until(lambda: len(at.bodies("NotifyDERAlarm")) == 2)
    first, second = at.bodies("NotifyDERAlarm")
    assert first["extraInfo"] == "GridEventCondition 4"
    assert "alarmEnded" not in first
    assert second["alarmEnded"] is True


async def test_an_alarm_ends_with_the_session_that_has_reported_it() -> None:
    plan = dataclasses.replace(PLAN, grid_event=4, grid_event_at=3)
    async with place() as at:
        async with feeding(at, plan):
            await at.until(lambda: at.bodies("NotifyDERAlarm"))
        await at.until(lambda: len(at.bodies("NotifyDERAlarm")) == 2)
    assert at.bodies("NotifyDERAlarm")[-1]["alarmEnded"] is True


async def test_controls_survive_a_restart_and_a_start_is_not_reported_twice(tmp_path: Path) -> None:
    csms = knowing(version=OcppVersion.V21)

    def started() -> list[Payload]:
        return [one.payload for one in csms.records.messages if one.action == "NotifyDERStartStop"]

    async with csms.serving() as url:
        config = with_der(eim_config(url, store=tmp_path, versions=(OcppVersion.V21,)))
        async with station(config) as running:
            await running.online()
            now = running.backend.conversation.now
            values = {**FIXED_VAR["fixedVar"], "startTime": to_iso(now), "duration": 3600}
            body = request("FixedVar", id_="s", default=False, fixedVar=values)
            assert (await csms.command(STATION, "SetDERControl", body))["status"] == "Accepted"
            await running.until(lambda: len(started()) == 1)
            await running.until(lambda: running.backend.conversation.queue.idle)
        async with station(config) as running:
            await running.online()
            assert [one.id for one in running.backend.commands.der.state.controls] == ["s"]
            running.backend.commands.der.observe()
            clear = {"isDefault": False, "controlId": "s"}
            assert (await csms.command(STATION, "ClearDERControl", clear))["status"] == "Accepted"
            await running.until(lambda: len(started()) == 2)
    assert [one["started"] for one in started()] == [True, False]


async def test_an_outlet_without_the_service_has_neither_controls_nor_the_variable() -> None:
    csms = knowing(version=OcppVersion.V21)
    names = [
        ("ACDERCtrlr", "ModesSupported"),
        ("V2XChargingCtrlr", "SupportedEnergyTransferModes"),
    ]
    asked = {
        "getVariableData": [
            {"component": {"name": component, "evse": {"id": 1}}, "variable": {"name": name}}
            for component, name in names
        ]
    }

    async def values(config: SeccConfig) -> list[str]:
        async with station(config) as running:
            await running.online()
            answer = await csms.command(STATION, "GetVariables", asked)
            if not config.iso20.der:
                body = await csms.command(STATION, "SetDERControl", DROOP)
                assert body["status"] == "NotSupported"
            return [one.get("attributeValue", one["attributeStatus"]) for one in answer["getVariableResult"]]

    async with csms.serving() as url:
        plain = eim_config(url, versions=(OcppVersion.V21,))
        assert (await values(plain))[0] == "UnknownComponent"
        modes, transfer = await values(with_der(plain))
    assert "FreqDroop" in modes.split(",")
    assert transfer.split(",")[-1] == "AC_DER"
