"""ISO 15118-20: start of energy transfer, charge loop, renegotiation."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case, Need
from secc.bench.cases.build20 import REFUSED, SEQUENCE, WRONG, Deed, at, car20, case20, need
from secc.bench.cases.iso20_parameters import again, other_family
from secc.bench.talk import PACE, CarAnswer
from secc.messages import iso20_ac as ac
from secc.messages import iso20_common as common
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import ChargeProgress, ChargingSession, Processing, ResponseCode
from secc.messages.numbers import number, rational_number
from secc.session.iso20.services import ControlMode, Service
from secc.sim.iso20 import requests
from secc.v2gtp import PayloadType

SCHEDULED, DYNAMIC = ControlMode.SCHEDULED, ControlMode.DYNAMIC

# --- before energy ------------------------------------------------------------------------------------------


async def _early_pre_charge(ev: Iso20Car) -> None:
    await ev.refused(ev.pre_charge_request(0.0, 350.0), SEQUENCE)


async def _pre_charge_beyond(ev: Iso20Car) -> None:
    volts = ev.script.vehicle.max_voltage + 50.0
    await ev.refused(ev.pre_charge_request(0.0, volts), WRONG, ResponseCode.FAILED)


async def _start_refused(ev: Iso20Car) -> None:
    await ev.refused(ev.delivery(ChargeProgress.START), SEQUENCE)


async def _weld(ev: Iso20Car) -> None:
    for _ in range(3):
        answer = await ev.weld(Processing.ONGOING)
        ev.trial.check(answer.evse_present_voltage is not None, "a voltage", answer)
        await asyncio.sleep(PACE)
    await ev.weld()
    await ev.end()
    await ev.closed()


# --- PowerDelivery ------------------------------------------------------------------------------------------


async def _ongoing_starts(ev: Iso20Car) -> None:
    for _ in range(5):
        await ev.expect(
            requests.power_delivery(ChargeProgress.START, ev.script.profile(), Processing.ONGOING)
        )
        await asyncio.sleep(PACE)
    await ev.start()
    await ev.loop()


def _start_with(profile: str, *codes: ResponseCode, ends: bool) -> Deed:
    """PowerDeliveryReq(Start) without a profile, or with one of the other control mode."""

    async def deed(ev: Iso20Car) -> None:
        chosen = None
        if profile == "other":
            chosen = msgspec.structs.replace(
                ev.script.profile(),
                dynamic_ev_ppt_control_mode=None,
                scheduled_ev_ppt_control_mode=common.ScheduledEVPPTControlMode(selected_schedule_tuple_id=1),
            )
        request = requests.power_delivery(ChargeProgress.START, chosen)
        if not ev.dc:
            await ev.trial.pilot("C")
        await (ev.refused if ends else ev.expect)(request, *codes)

    return deed


async def _unknown_tuple(ev: Iso20Car) -> None:
    mode = common.ScheduledEVPPTControlMode(selected_schedule_tuple_id=4_000_000)
    profile = msgspec.structs.replace(ev.script.profile(), scheduled_ev_ppt_control_mode=mode)
    request = requests.power_delivery(ChargeProgress.START, profile)
    await ev.refused(request, ResponseCode.FAILED_SCHEDULE_SELECTION_INVALID)


async def _stop_before_start(ev: Iso20Car) -> None:
    await ev.expect(ev.delivery(ChargeProgress.STOP))
    if ev.dc:
        await ev.weld()
    await ev.end()
    await ev.closed()


async def _second_start(ev: Iso20Car) -> None:
    await ev.refused(ev.delivery(ChargeProgress.START), SEQUENCE)


async def _standby(ev: Iso20Car) -> None:
    codes = (ResponseCode.OK, ResponseCode.WARNING_STANDBY_NOT_ALLOWED)
    await ev.expect(ev.delivery(ChargeProgress.STANDBY), *codes)
    assert ev.last is not None
    if ev.last.code != "OK":
        await ev.loop()
        ev.trial.remark("standby is not allowed: the loop goes on")


async def _main_stream(ev: Iso20Car) -> None:
    codes = (ResponseCode.OK, ResponseCode.WARNING_SCHEDULE_RENEGOTIATION_FAILED)
    await ev.expect(ev.delivery(ChargeProgress.SCHEDULE_RENEGOTIATION), *codes)
    assert ev.last is not None
    if ev.last.code == "OK":
        ev.point = Point.SCHEDULES
        answer = await ev.finish(ev.script.schedule_request(), ev.trial.timers.ongoing)
        ev.script.take_schedules(answer)
        await ev.expect(ev.delivery(ChargeProgress.START), *_STARTED)
    await ev.loop()


_STARTED = (ResponseCode.OK, ResponseCode.OK_POWER_TOLERANCE_CONFIRMED)

# --- charge loop --------------------------------------------------------------------------------------------


def _loop_mode(change: str, *codes: ResponseCode) -> Deed:
    """A charge loop in another variant than the selected one."""

    async def deed(ev: Iso20Car) -> None:
        request: Any = ev.energy.request(1)
        name = type(request.cl_req_control_mode).__name__
        other = {
            "control": name.replace("Scheduled", "Other")
            .replace("Dynamic", "Scheduled")
            .replace("Other", "Dynamic"),
            "direction": name.removeprefix("BPT") if name.startswith("BPT") else f"BPT{name}",
        }[change]
        kind: Any = getattr(dc if ev.dc else ac, other)
        fields = msgspec.structs.fields(kind)
        mode = kind(**{field.name: rational_number(0.0) for field in fields if field.required})
        await ev.refused(msgspec.structs.replace(request, cl_req_control_mode=mode), *codes)

    return deed


async def _zero_current(ev: Iso20Car) -> None:
    request: Any = ev.energy.request(1)
    mode = msgspec.structs.replace(request.cl_req_control_mode, ev_target_current=rational_number(0.0))
    for _ in range(10):
        answer = await ev.expect(msgspec.structs.replace(request, cl_req_control_mode=mode))
        await asyncio.sleep(PACE)
    amperes = number(answer.evse_present_current)
    ev.trial.check(abs(amperes) < 1.0, "no current", f"{amperes:g} A")


async def _never_back(ev: Iso20Car) -> None:
    """A negative target in a service in one direction."""
    request: Any = ev.energy.request(1)
    mode = msgspec.structs.replace(request.cl_req_control_mode, ev_target_current=rational_number(-50.0))
    for _ in range(10):
        answer = await ev.ask(msgspec.structs.replace(request, cl_req_control_mode=mode))
        if isinstance(answer, CarAnswer) and answer.code == WRONG.value:
            return
        ev.trial.check(
            isinstance(answer, CarAnswer) and answer.code == "OK", "OK, or that it is wrong", answer
        )
        assert isinstance(answer, CarAnswer)
        amperes = number(answer.body.evse_present_current)
        ev.trial.check(amperes > -1.0, "no current into the station", f"{amperes:g} A")
        await asyncio.sleep(PACE)


async def _set_point(ev: Iso20Car) -> None:
    answer = await ev.loop()
    mode = answer.cl_res_control_mode
    if ev.dc:
        ev.trial.check(mode.evse_maximum_charge_power is not None, "the limits of the station", mode)
    else:
        ev.trial.check(mode.evse_target_active_power is not None, "EVSETargetActivePower", mode)


async def _meter(ev: Iso20Car) -> None:
    answer = await ev.loop()
    ev.trial.check(answer.meter_info is not None, "MeterInfo", answer)


async def _displayed(ev: Iso20Car) -> None:
    shown = common.DisplayParameters(
        present_soc=50,
        minimum_soc=20,
        target_soc=80,
        maximum_soc=100,
        remaining_time_to_minimum_soc=0,
        remaining_time_to_target_soc=600,
        remaining_time_to_maximum_soc=1200,
        charging_complete=False,
        battery_energy_capacity=rational_number(60_000.0),
        inlet_hot=False,
    )
    await ev.expect(msgspec.structs.replace(ev.energy.request(1), display_parameters=shown))


async def _hurried(ev: Iso20Car) -> None:
    for _ in range(50):
        await ev.loop()


async def _gone(ev: Iso20Car) -> None:
    ev.wire.close(reset=True)
    await ev.trial.pilot("B")
    again = car20(ev.trial, ev.service)
    await again.go(Point.DISCOVERY)


# --- renegotiation ------------------------------------------------------------------------------------------


async def _beside(ev: Iso20Car) -> None:
    """The whole renegotiation in payload type 0x8101, the loop between its messages."""
    for step in (ev.energy.parameters(), ev.script.schedule_request()):
        ev.stream = PayloadType.ISO20_SCHEDULE
        if isinstance(step, common.ScheduleExchangeReq):
            ev.script.take_schedules(await ev.finish(step, ev.trial.timers.ongoing))
        else:
            await ev.expect(step)
        ev.stream = None
        await ev.loop()
    ev.stream = PayloadType.ISO20_SCHEDULE
    await ev.expect(ev.delivery(ChargeProgress.SCHEDULE_RENEGOTIATION), *_STARTED)
    ev.stream = None
    await ev.loop()


def _beside_refused(progress: ChargeProgress, *codes: ResponseCode) -> Deed:
    async def deed(ev: Iso20Car) -> None:
        ev.stream = PayloadType.ISO20_SCHEDULE
        await ev.refused(ev.delivery(progress), *codes)

    return deed


async def _beside_early(ev: Iso20Car) -> None:
    ev.stream = PayloadType.ISO20_SCHEDULE
    await ev.refused(ev.energy.parameters(), SEQUENCE)


async def _service_again_early(ev: Iso20Car) -> None:
    """Energy without authorization must not be had this way."""
    request = requests.session_stop(ChargingSession.SERVICE_RENEGOTIATION)
    codes = (ResponseCode.FAILED_NO_SERVICE_RENEGOTIATION_SUPPORTED, SEQUENCE)
    await ev.refused(request, *codes)


async def _service_again(ev: Iso20Car) -> None:
    """After it the isolation is tested again."""
    if ev.dc:
        await ev.weld()
    codes = (ResponseCode.OK, ResponseCode.FAILED_NO_SERVICE_RENEGOTIATION_SUPPORTED)
    await ev.expect(requests.session_stop(ChargingSession.SERVICE_RENEGOTIATION), *codes)
    assert ev.last is not None
    if ev.last.code != "OK":
        ev.trial.remark("renegotiation of the service is not supported")
        return
    ev.point = Point.DISCOVERY
    await ev.go(Point.CABLE_CHECK if ev.dc else Point.START)
    if ev.dc:
        await _start_refused(ev)
    else:
        await ev.go(Point.LOOP)


# --- the cases ---

_DCS, _PWR = "DC before energy", "PowerDelivery"
_LOP, _REN = "charge loop", "renegotiation"
_DC = need(Service.DC)
_FAILED = (ResponseCode.FAILED, WRONG)

START: tuple[Case, ...] = (
    case20(
        "DCS-005",
        _DCS,
        "PreChargeReq before the isolation test",
        REFUSED,
        at(Point.CABLE_CHECK, _early_pre_charge, service=Service.DC),
        _DC,
        ids="459",
    ),
    case20(
        "DCS-008",
        _DCS,
        "a pre-charge beyond the car's voltage",
        "FAILED_WrongChargeParameter",
        at(Point.PRE_CHARGE, _pre_charge_beyond, service=Service.DC),
        _DC,
    ),
    case20(
        "DCS-010",
        _DCS,
        "a start before pre-charge",
        REFUSED,
        at(Point.PRE_CHARGE, _start_refused, service=Service.DC),
        _DC,
        ids="2005",
    ),
    case20(
        "DCS-011",
        _DCS,
        "a start before the isolation test",
        REFUSED,
        at(Point.CABLE_CHECK, _start_refused, service=Service.DC),
        _DC,
        ids="2122",
    ),
    case20(
        "DCS-015",
        _DCS,
        "welding detection, three times Ongoing",
        "voltages, then SessionStopRes",
        at(Point.STOPPED, _weld, service=Service.DC),
        _DC,
        ids="1573 1461",
    ),
    case20(
        "PWR-005",
        _PWR,
        "five starts with EVProcessing Ongoing",
        "OK each, then the loop",
        at(Point.START, _ongoing_starts),
    ),
    case20(
        "PWR-009",
        _PWR,
        "a scheduled start without EVPowerProfile",
        "FAILED_EVPowerProfileInvalid",
        at(Point.START, _start_with("", ResponseCode.FAILED_EV_POWER_PROFILE_INVALID, ends=True)),
        ids="1546",
    ),
    case20(
        "PWR-010",
        _PWR,
        "a dynamic start without EVPowerProfile",
        "OK",
        at(Point.START, _start_with("", *_STARTED, ends=False), control=DYNAMIC),
    ),
    case20(
        "PWR-011",
        _PWR,
        "a dynamic start with a scheduled profile",
        "FAILED_EVPowerProfileInvalid",
        at(
            Point.START,
            _start_with("other", ResponseCode.FAILED_EV_POWER_PROFILE_INVALID, ends=True),
            control=DYNAMIC,
        ),
    ),
    case20(
        "PWR-TUPLE",
        _PWR,
        "a schedule that was not offered",
        "FAILED_ScheduleSelectionInvalid",
        at(Point.START, _unknown_tuple),
        ids="479",
    ),
    case20(
        "PWR-016", _PWR, "Stop before Start", "OK, SessionStopRes OK", at(Point.START, _stop_before_start)
    ),
    case20(
        "PWR-018",
        _PWR,
        "Standby in the loop",
        "OK, or the warning and the loop goes on",
        at(Point.LOOP, _standby),
    ),
    case20(
        "PWR-021",
        _PWR,
        "ScheduleRenegotiation on the main stream",
        "new schedules, the loop goes on",
        at(Point.LOOP, _main_stream),
    ),
    case20("PWR-025", _PWR, "Start twice", REFUSED, at(Point.FIRST_LOOP, _second_start), ids="459"),
)

LOOP: tuple[Case, ...] = (
    case20(
        "LOP-004",
        _LOP,
        "EVTargetCurrent 0",
        "no current",
        at(Point.LOOP, _zero_current, service=Service.DC),
        _DC,
        ids="2183",
    ),
    case20(
        "LOP-012",
        _LOP,
        "the other control mode",
        "FAILED",
        at(Point.LOOP, _loop_mode("control", *_FAILED)),
        ids="1600",
    ),
    case20(
        "LOP-013",
        _LOP,
        "both directions in a plain service",
        "FAILED",
        at(Point.LOOP, _loop_mode("direction", *_FAILED)),
        ids="1600",
    ),
    case20(
        "LOP-014",
        _LOP,
        "one direction in a service of both",
        "FAILED",
        at(Point.LOOP, _loop_mode("direction", *_FAILED), service=Service.DC_BPT),
        need(Service.DC_BPT),
        ids="1600",
    ),
    case20(
        "LOP-015",
        _LOP,
        "Dynamic mode",
        "a set-point, or the limits, in each response",
        at(Point.LOOP, _set_point, control=DYNAMIC),
    ),
    case20(
        "LOP-019",
        _LOP,
        "the first response with a meter",
        "MeterInfo",
        at(Point.FIRST_LOOP, _meter),
        Need.METER,
        ids="1833",
    ),
    case20("LOP-022", _LOP, "all DisplayParameters", "OK", at(Point.LOOP, _displayed)),
    case20("LOP-028", _LOP, "fifty messages without a pause", "OK each", at(Point.LOOP, _hurried)),
    case20(
        "LOP-030", _LOP, "the connection is reset in the loop", "the next EV is served", at(Point.LOOP, _gone)
    ),
    case20(
        "LOP-036", _LOP, "a message of the other energy set", REFUSED, at(Point.LOOP, other_family), ids="459"
    ),
    case20(
        "LOP-037",
        _LOP,
        "parameters on the main stream in the loop",
        REFUSED,
        at(Point.LOOP, again),
        ids="459",
    ),
    case20(
        "BPT-013",
        _LOP,
        "a negative target in one direction",
        "no current into the station",
        at(Point.LOOP, _never_back, service=Service.DC),
        _DC,
    ),
    case20(
        "REN-001",
        _REN,
        "a renegotiation beside the loop",
        "each message answered on 0x8101",
        at(Point.LOOP, _beside),
        ids="1045 1046 1048 1050",
    ),
    case20(
        "REN-002",
        _REN,
        "0x8101 before the first ChargeLoopReq",
        REFUSED,
        at(Point.FIRST_LOOP, _beside_early),
        ids="1846",
    ),
    case20(
        "REN-005",
        _REN,
        "PowerDeliveryReq(Start) on 0x8101",
        REFUSED,
        at(Point.LOOP, _beside_refused(ChargeProgress.START, SEQUENCE)),
    ),
    case20(
        "REN-014",
        _REN,
        "renegotiation of the service before authorization",
        "FAILED_NoServiceRenegotiationSupported",
        at(Point.AUTHORIZATION, _service_again_early),
        ids="1955",
    ),
    case20(
        "REN-016",
        _REN,
        "renegotiation of the service, then a start without isolation test",
        REFUSED,
        at(Point.STOPPED, _service_again),
        ids="2122",
    ),
)

CASES = (*START, *LOOP)
