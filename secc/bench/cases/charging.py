"""CableCheck, PreCharge and PowerDelivery, with external identification."""

from __future__ import annotations

import asyncio

from secc.bench import requests
from secc.bench.car import BenchCar, Phase
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run, car, case
from secc.bench.talk import PACE
from secc.bench.trial import Trial
from secc.bench.verdict import NotApplicable
from secc.messages import iso2
from secc.messages.iso2 import ChargeProgress, DCEVErrorCode, DCEVSEStatusCode, EVSEProcessing, ResponseCode

E, PILOT = Need.EXTERNAL, Need.PILOT


# --- CableCheck, PreCharge ---------------------------------------------------------------------------------


def _cable_check(pilot: str, *, ongoing: bool) -> Run:
    async def run(trial: Trial) -> None:
        ev = BenchCar(trial, dc=True)
        await ev.reach(Phase.CABLE_CHECK)
        await trial.pilot(pilot)
        end = trial.now + trial.timers.cable_check
        seen = False
        while True:
            body = await ev.expect(requests.cable_check())
            if body.evse_processing is EVSEProcessing.FINISHED:
                break
            seen = True
            limit = f"Finished within {trial.timers.cable_check:g} s"
            trial.check(trial.now < end, limit, body.evse_processing.value)
            await asyncio.sleep(PACE)
        if ongoing and not seen:
            declared = "cable-check-ongoing" in trial.target.declared
            trial.check(not declared, "Ongoing at least once, as declared", "Finished at once")
            raise NotApplicable("the station finished at once")

    return run


async def _cable_check_in_b(trial: Trial) -> None:
    ev = BenchCar(trial, dc=True)
    await ev.reach(Phase.CABLE_CHECK)
    await trial.pilot("B")
    await ev.refused(requests.cable_check(), ResponseCode.FAILED)


async def _pre_charge(trial: Trial) -> None:
    """Reach the voltage within 7 s; a station that is ready reports EVSE_Ready."""
    ev = BenchCar(trial, dc=True)
    await ev.reach(Phase.PRE_CHARGE)
    await ev.pre_charge()
    body = ev.last.body if ev.last is not None else None
    code = body.dc_evse_status.evse_status_code if isinstance(body, iso2.PreChargeRes) else None
    trial.check(code is DCEVSEStatusCode.EVSE_READY, "EVSE_Ready", "nothing" if code is None else code.value)


# --- PowerDelivery -----------------------------------------------------------------------------------------


def _start(kind: str, *, pilot: str = "C") -> Run:
    async def run(trial: Trial) -> None:
        ev = car(trial, kind)
        await ev.reach(Phase.POWER_ON)
        if not ev.dc:
            await trial.pilot(pilot)
        profile = requests.profile(ev.schedules[0])
        await ev.expect(requests.delivery(ChargeProgress.START, ev.schedule_id, dc=ev.dc, profile=profile))

    return run


def _stop(kind: str, error: DCEVErrorCode = DCEVErrorCode.NO_ERROR) -> Run:
    async def run(trial: Trial) -> None:
        ev = car(trial, kind)
        await ev.reach(Phase.LOOP)
        await ev.expect(requests.delivery(ChargeProgress.STOP, ev.schedule_id, dc=ev.dc, error=error))

    return run


def _renegotiate(kind: str, *, start: bool) -> Run:
    async def run(trial: Trial) -> None:
        ev = car(trial, kind)
        await ev.reach(Phase.LOOP)
        await ev.renegotiate()
        if start:
            await ev.reach(Phase.POWER_ON)
            await ev.start()

    return run


def _refused_start(kind: str, what: str) -> Run:
    async def run(trial: Trial) -> None:
        ev = car(trial, kind)
        await ev.reach(Phase.POWER_ON)
        if not ev.dc:
            await trial.pilot("C")
        schedule_id, profile, progress = (
            ev.schedule_id,
            requests.profile(ev.schedules[0]),
            ChargeProgress.START,
        )
        match what:
            case "profile":
                profile = requests.profile(ev.schedules[0], factor=2.0)
                code = ResponseCode.FAILED_CHARGING_PROFILE_INVALID
            case "schedule":
                offered = {one.sa_schedule_tuple_id for one in ev.schedules}
                schedule_id = next(number for number in range(255, 0, -1) if number not in offered)
                code = ResponseCode.FAILED_TARIFF_SELECTION_INVALID
            case _:
                progress, code = ChargeProgress.RENEGOTIATE, ResponseCode.FAILED
        request = requests.delivery(
            progress,
            schedule_id,
            dc=ev.dc,
            profile=profile if progress is ChargeProgress.START else None,
        )
        await ev.refused(request, code)

    return run


# --- cases -------------------------------------------------------------------------------------------------

_ERRORS = (
    DCEVErrorCode.FAILED_RESS_TEMPERATURE_INHIBIT,
    DCEVErrorCode.FAILED_EV_SHIFT_POSITION,
    DCEVErrorCode.FAILED_CHARGER_CONNECTOR_LOCK_FAULT,
    DCEVErrorCode.FAILED_EV_RESS_MALFUNCTION,
    DCEVErrorCode.FAILED_CHARGING_CURRENTDIFFERENTIAL,
    DCEVErrorCode.FAILED_CHARGING_VOLTAGE_OUT_OF_RANGE,
    DCEVErrorCode.FAILED_CHARGING_SYSTEM_INCOMPATIBILITY,
    DCEVErrorCode.NO_DATA,
)
_CABLE, _DELIVERY = "CableCheck", "PowerDelivery"
_FINISHED = "OK, Finished within the EV's 40 s"
_SEEN = "OK, Ongoing at least once, then Finished"
_CLOSED = ", TCP closed within 5 s"
_PROFILE = ResponseCode.FAILED_CHARGING_PROFILE_INVALID.value + _CLOSED
_TARIFF = ResponseCode.FAILED_TARIFF_SELECTION_INVALID.value + _CLOSED


CASES: tuple[Case, ...] = (
    case("DC", _CABLE, 1, "pilot C", _FINISHED, _cable_check("C", ongoing=False), E, ids="V2G2-583 V2G2-584"),
    case(
        "DC",
        _CABLE,
        2,
        "pilot D",
        _FINISHED,
        _cable_check("D", ongoing=False),
        E,
        PILOT,
        ids="V2G2-583 V2G2-916",
    ),
    case("DC", _CABLE, 6, "pilot C, Ongoing", _SEEN, _cable_check("C", ongoing=True), E, ids="V2G2-621"),
    case(
        "DC",
        _CABLE,
        7,
        "pilot D, Ongoing",
        _SEEN,
        _cable_check("D", ongoing=True),
        E,
        PILOT,
        ids="V2G2-621",
    ),
    case(
        "DC", _CABLE, 8, "pilot B", f"FAILED{_CLOSED}", _cable_check_in_b, E, PILOT, ids="V2G2-917 V2G2-918"
    ),
    case(
        *(
            "DC",
            "PreCharge",
            1,
            "PreChargeReq, repeated",
            "OK, EVSE_Ready, the voltage within 7 s",
            _pre_charge,
            E,
        ),
        ids="V2G2-586 V2G2-587",
    ),
    case("AC", _DELIVERY, 1, "Start, pilot C", "OK", _start("AC"), E, ids="V2G2-589 V2G2-862 V2G2-865"),
    case(
        "AC", _DELIVERY, 2, "Start, pilot D", "OK", _start("AC", pilot="D"), E, PILOT, ids="V2G2-589 V2G2-847"
    ),
    case(
        "AC", _DELIVERY, 3, "Renegotiate", "OK", _renegotiate("AC", start=False), E, ids="V2G2-812 V2G2-813"
    ),
    case(
        "AC",
        _DELIVERY,
        4,
        "Start after a renegotiation",
        "OK",
        _renegotiate("AC", start=True),
        E,
        ids="V2G2-842",
    ),
    case("AC", _DELIVERY, 5, "Stop", "OK", _stop("AC"), E, ids="V2G2-575"),
    case(
        "AC",
        _DELIVERY,
        10,
        "a profile above PMax",
        _PROFILE,
        _refused_start("AC", "profile"),
        E,
        ids="V2G2-225",
    ),
    case(
        "AC",
        _DELIVERY,
        11,
        "a schedule not offered",
        _TARIFF,
        _refused_start("AC", "schedule"),
        E,
        ids="V2G2-479",
    ),
    case(
        *("AC", _DELIVERY, 14, "Renegotiate before any Start", f"FAILED{_CLOSED}"),
        *(_refused_start("AC", "renegotiate"), E),
        ids="V2G2-812",
    ),
    case("DC", _DELIVERY, 1, "Start after PreCharge", "OK", _start("DC"), E, ids="V2G2-589"),
    case("DC", _DELIVERY, 2, "Stop", "OK", _stop("DC"), E, ids="V2G2-593"),
    case(
        "DC",
        _DELIVERY,
        7,
        "a profile above PMax",
        _PROFILE,
        _refused_start("DC", "profile"),
        E,
        ids="V2G2-225",
    ),
    case(
        "DC",
        _DELIVERY,
        8,
        "a schedule not offered",
        _TARIFF,
        _refused_start("DC", "schedule"),
        E,
        ids="V2G2-479",
    ),
    case(
        "DC", _DELIVERY, 11, "Renegotiate", "OK", _renegotiate("DC", start=False), E, ids="V2G2-812 V2G2-813"
    ),
    case(
        "DC",
        _DELIVERY,
        12,
        "Start after a renegotiation",
        "OK",
        _renegotiate("DC", start=True),
        E,
        ids="V2G2-842",
    ),
    case(
        *("DC", _DELIVERY, 13, "Renegotiate before any Start", f"FAILED{_CLOSED}"),
        *(_refused_start("DC", "renegotiate"), E),
        ids="V2G2-812",
    ),
    *(
        case(
            "DC",
            _DELIVERY,
            number,
            f"Stop with {error.value}",
            "OK nevertheless",
            _stop("DC", error),
            E,
            ids="V2G2-881",
        )
        for number, error in enumerate(_ERRORS, 14)
    ),
)
