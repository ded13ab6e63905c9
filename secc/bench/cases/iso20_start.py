"""ISO 15118-20: isolation test, pre-charge, start of energy transfer, welding detection."""

from __future__ import annotations

import asyncio

import msgspec

from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case, Need
from secc.bench.cases.build20 import REFUSED, SEQUENCE, WRONG, Deed, at, case20, need
from secc.bench.talk import PACE
from secc.messages import iso20_common as common
from secc.messages.iso20_common import ChargeProgress, Processing, ResponseCode
from secc.session.iso20.services import ControlMode, Service
from secc.sim.iso20 import requests

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


async def _start_in_b(ev: Iso20Car) -> None:
    """The pilot does not show C: no energy, and an answer in time."""
    await ev.trial.pilot("B")
    codes = (ResponseCode.FAILED, ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED)
    await ev.refused(ev.delivery(ChargeProgress.START), *codes)


async def _long_profile(ev: Iso20Car) -> None:
    entry = common.PowerScheduleEntry(duration=1, power=common.RationalNumber(exponent=0, value=0))
    entries = common.EVPowerProfileEntryList(ev_power_profile_entry=(entry,) * 2048)
    profile = msgspec.structs.replace(ev.script.profile(), ev_power_profile_entries=entries)
    if not ev.dc:
        await ev.trial.pilot("C")
    await ev.expect(requests.power_delivery(ChargeProgress.START, profile), *_STARTED)


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


# --- the cases ---

_DCS = "DC before energy"
_PWR = "PowerDelivery"
_DC = need(Service.DC)

CASES: tuple[Case, ...] = (
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
        "PWR-002",
        _PWR,
        "a start with the pilot in state B, AC",
        "FAILED or FAILED_PowerDeliveryNotApplied",
        at(Point.START, _start_in_b, service=Service.AC),
        need(Service.AC),
        Need.PILOT,
        ids="847",
    ),
    case20("PWR-012", _PWR, "a profile of 2048 entries", "OK", at(Point.START, _long_profile)),
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
