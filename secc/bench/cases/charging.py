"""From CableCheck to the charge loops, by external identification."""

from __future__ import annotations

import asyncio
from typing import Any

from secc.bench import requests
from secc.bench.car import PACE, Car, Phase
from secc.bench.case import Case, Need, NotApplicable
from secc.bench.cases.build import Run, car, case
from secc.bench.cases.handshake import check_evse_id
from secc.bench.trial import Trial
from secc.messages import iso2
from secc.messages.iso2 import ChargeProgress, DCEVErrorCode, DCEVSEStatusCode, EVSEProcessing, ResponseCode
from secc.sim.cable import plain

E, PILOT = Need.EXTERNAL, Need.PILOT
LOOPS = 3
"""Messages of a charge loop that are looked at."""


# --- CableCheck, PreCharge ---------------------------------------------------------------------------------


def _cable_check(pilot: str, *, ongoing: bool) -> Run:
    async def run(trial: Trial) -> None:
        ev = Car(trial, dc=True)
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
    ev = Car(trial, dc=True)
    await ev.reach(Phase.CABLE_CHECK)
    await trial.pilot("B")
    await ev.refused(requests.cable_check(), ResponseCode.FAILED)


async def _pre_charge(trial: Trial) -> None:
    """Voltage within 7 s; a station that is ready says so."""
    ev = Car(trial, dc=True)
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


# --- the loops ---------------------------------------------------------------------------------------------


def _loop(kind: str, *, contract: bool = False, meter: bool = False, reading: bool = False) -> Run:
    async def run(trial: Trial) -> None:
        ev = car(trial, kind, contract=contract)
        await ev.reach(Phase.FIRST_LOOP)
        answers = []
        for _ in range(LOOPS):
            answers.append(await ev.expect(ev.loop_request) if not contract else await ev.loop())
            await asyncio.sleep(PACE)
        for body in answers:
            check_loop(trial, ev, body)
            if not contract:
                required = bool(body.receipt_required)
                trial.check(not required, "ReceiptRequired false or absent [V2G2-691]", required)
        if contract:
            asked = [bool(body.receipt_required) for body in answers]
            trial.check(any(asked), "ReceiptRequired true, as declared", asked)
        looked_at = [body for body in answers if not contract or body.receipt_required]
        if meter:
            infos = [body.meter_info for body in looked_at]
            trial.check(all(info is not None for info in infos), "MeterInfo, as declared", infos)
            if reading:
                read = [info.meter_reading for info in infos if info is not None]
                trial.check(all(one is not None for one in read), "MeterReading, as declared", read)

    return run


def check_loop(trial: Trial, ev: Car, body: Any) -> None:
    """Ids, limits and present values that can be."""
    check_evse_id(trial, body.evse_id)
    got = body.sa_schedule_tuple_id
    trial.check(got == ev.schedule_id, f"SAScheduleTupleID {ev.schedule_id}", got)
    if isinstance(body, iso2.ChargingStatusRes):
        limit = body.evse_max_current
        trial.check(limit is None or limit.value >= 0, "EVSEMaxCurrent not negative", limit)
        return
    voltage, current = plain(body.evse_present_voltage), plain(body.evse_present_current)
    trial.check(
        0 <= voltage <= ev.ev.max_voltage * 1.1, f"0 to {ev.ev.max_voltage * 1.1:g} V", f"{voltage:g} V"
    )
    trial.check(
        -1 <= current <= ev.ev.max_current * 1.1, f"0 to {ev.ev.max_current * 1.1:g} A", f"{current:g} A"
    )
    for name in ("evse_maximum_voltage_limit", "evse_maximum_current_limit", "evse_maximum_power_limit"):
        limit = getattr(body, name)
        trial.check(limit is None or limit.value >= 0, f"{name} not negative", limit)


# --- the end -----------------------------------------------------------------------------------------------


async def _welding(trial: Trial) -> None:
    _need_welding(trial)
    ev = Car(trial, dc=True)
    await ev.reach(Phase.STOPPED)
    body = await ev.weld()
    voltage = plain(body.evse_present_voltage)
    trial.check(0 <= voltage <= ev.ev.max_voltage * 1.1, "a present voltage that can be", f"{voltage:g} V")


def _need_welding(trial: Trial) -> None:
    if "no-welding-detection" in trial.target.declared:
        raise NotApplicable("declared: no welding detection")


def _still_c(*, welding: bool) -> Run:
    async def run(trial: Trial) -> None:
        ev = Car(trial, dc=True)
        await ev.reach(Phase.LOOP)
        await ev.expect(requests.delivery(ChargeProgress.STOP, ev.schedule_id, dc=True))
        await trial.pilot("C")
        request = requests.welding_detection() if welding else requests.session_stop()
        await ev.refused(request, ResponseCode.FAILED)

    return run


def _session_stop(kind: str, *, welding: bool = False) -> Run:
    async def run(trial: Trial) -> None:
        ev = car(trial, kind)
        await ev.reach(Phase.STOPPED)
        if welding:
            _need_welding(trial)
            await ev.weld()
        await ev.expect(requests.session_stop())
        await ev.closed()

    return run


async def _pilot_shorted(trial: Trial, kind: str) -> None:
    """Pilot E in the loop: the station ends the session, with or without a negative last answer."""
    ev = car(trial, kind)
    await ev.reach(Phase.LOOP)
    await trial.pilot("E")
    await ev.closed()


def _shorted(kind: str) -> Run:
    async def run(trial: Trial) -> None:
        await _pilot_shorted(trial, kind)

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
_CABLE, _DELIVERY, _STOP = "CableCheck", "PowerDelivery", "SessionStop"
_FINISHED = "OK, Finished within the EV's 40 s"
_SEEN = "OK, Ongoing at least once, then Finished"
_CLOSED = ", TCP closed within 5 s"
_PROFILE = ResponseCode.FAILED_CHARGING_PROFILE_INVALID.value + _CLOSED
_TARIFF = ResponseCode.FAILED_TARIFF_SELECTION_INVALID.value + _CLOSED
_PLAUSIBLE = "OK, no receipt, ids and values that can be"
_PNC = (Need.CONTRACT, Need.WALLET, Need.RECEIPT)


def _loops(kind: str, group: str, ids: str) -> list[Case]:
    eim, pnc = f"{group}Req", f"{group}Req, PnC"
    return [
        case(kind, group, 1, eim, _PLAUSIBLE, _loop(kind), E, ids=ids),
        case(kind, group, 2, pnc, "OK, ReceiptRequired true", _loop(kind, contract=True), *_PNC, ids=ids),
        case(
            kind,
            group,
            6,
            f"{eim}, meter",
            "OK, MeterInfo",
            _loop(kind, meter=True),
            E,
            Need.METER_EIM,
            ids=ids,
        ),
        case(
            *(kind, group, 7, f"{pnc}, meter", "OK, ReceiptRequired true, MeterInfo"),
            *(_loop(kind, contract=True, meter=True), *_PNC, Need.METER),
            ids=ids,
        ),
        case(
            *(kind, group, 8, f"{eim}, meter with reading", "OK, MeterInfo with MeterReading"),
            *(_loop(kind, meter=True, reading=True), E, Need.METER_EIM),
            ids=ids,
        ),
        case(
            *(kind, group, 9, f"{pnc}, meter with reading", "OK, ReceiptRequired true, MeterReading"),
            *(_loop(kind, contract=True, meter=True, reading=True), *_PNC, Need.METER),
            ids=ids,
        ),
    ]


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
    case(
        "DC", _CABLE, 6, "pilot C, Ongoing is seen", _SEEN, _cable_check("C", ongoing=True), E, ids="V2G2-621"
    ),
    case(
        "DC",
        _CABLE,
        7,
        "pilot D, Ongoing is seen",
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
            "OK all the same",
            _stop("DC", error),
            E,
            ids="V2G2-881",
        )
        for number, error in enumerate(_ERRORS, 14)
    ),
    *_loops("AC", "ChargingStatus", "V2G2-575 V2G2-691"),
    *_loops("DC", "CurrentDemand", "V2G2-592 V2G2-593 V2G2-691"),
    case(
        "DC",
        "WeldingDetection",
        1,
        "after Stop, pilot B",
        "OK, the present voltage",
        _welding,
        E,
        ids="V2G2-596",
    ),
    case(
        *(
            "DC",
            "WeldingDetection",
            5,
            "the pilot stays C",
            f"FAILED{_CLOSED}",
            _still_c(welding=True),
            E,
            PILOT,
        ),
        ids="V2G2-919 V2G2-920 V2G2-922",
    ),
    case(
        "AC",
        _STOP,
        1,
        "Terminate after Stop",
        "OK, TCP closed",
        _session_stop("AC"),
        E,
        ids="V2G2-034 V2G2-570",
    ),
    case(
        "DC",
        _STOP,
        1,
        "Terminate straight after Stop",
        "OK, TCP closed",
        _session_stop("DC"),
        E,
        ids="V2G2-570",
    ),
    case(
        *("DC", _STOP, 2, "Terminate after welding detection", "OK, TCP closed"),
        *(_session_stop("DC", welding=True), E),
        ids="V2G2-570 V2G2-597",
    ),
    case(
        *(
            "DC",
            _STOP,
            6,
            "Terminate, the pilot stays C",
            f"FAILED{_CLOSED}",
            _still_c(welding=False),
            E,
            PILOT,
        ),
        ids="V2G2-919 V2G2-920 V2G2-922",
    ),
    *(
        Case(
            id=f"TC_SECC_{kind}_VTB_SessionStop_{number:03}",
            group=_STOP,
            title="an endless loop of sessions",
            expect="sessions end as they should",
            run=_session_stop(kind),
            needs=frozenset({Need.AC if kind == "AC" else Need.DC, Need.ENDURANCE}),
        )
        for kind, number in (("AC", 11), ("DC", 10))
    ),
    *(
        Case(
            id=f"TC_SECC_{name}",
            group="Abnormal basic signalling",
            title=title,
            expect=expect,
            run=run,
            ids="V2G2-025",
            needs=frozenset(needs),
        )
        for name, title, expect, run, needs in (
            (
                *("CMN_VTB_Abnormal_001", "the pilot's diode is missing at plug-in", "no communication"),
                *(_shorted("AC"), {Need.BASIC}),
            ),
            (
                *("AC_VTB_Abnormal_001", "AC loop, pilot shorted to PE", "TCP closed within 5 s"),
                *(_shorted("AC"), {Need.AC, E, PILOT}),
            ),
            (
                *("AC_VTB_Abnormal_002", "AC loop, PE lost", "the session ends"),
                *(_shorted("AC"), {Need.AC, Need.BASIC}),
            ),
            (
                *("DC_VTB_Abnormal_001", "DC loop, pilot shorted to PE", "TCP closed within 5 s"),
                *(_shorted("DC"), {Need.DC, E, PILOT}),
            ),
            (
                *("DC_VTB_Abnormal_002", "DC loop, PE lost", "the session ends"),
                *(_shorted("DC"), {Need.DC, Need.BASIC}),
            ),
        )
    ),
)
