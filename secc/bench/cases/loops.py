"""The charge loops and the end of a session, with external identification and by contract."""

from __future__ import annotations

import asyncio
from typing import Any

from secc.bench import requests
from secc.bench.car import BenchCar, Phase
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run, car, case
from secc.bench.cases.handshake import check_evse_id
from secc.bench.talk import PACE
from secc.bench.trial import Trial
from secc.bench.verdict import NotApplicable
from secc.messages import iso2
from secc.messages.iso2 import ChargeProgress, ResponseCode
from secc.messages.numbers import number

E, PILOT = Need.EXTERNAL, Need.PILOT
LOOPS = 3
"""Number of checked messages of a charge loop."""


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


def check_loop(trial: Trial, ev: BenchCar, body: Any) -> None:
    """Check ids, limits and present values for plausibility."""
    check_evse_id(trial, body.evse_id)
    got = body.sa_schedule_tuple_id
    trial.check(got == ev.schedule_id, f"SAScheduleTupleID {ev.schedule_id}", got)
    if isinstance(body, iso2.ChargingStatusRes):
        limit = body.evse_max_current
        trial.check(limit is None or limit.value >= 0, "EVSEMaxCurrent not negative", limit)
        return
    voltage, current = number(body.evse_present_voltage), number(body.evse_present_current)
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
    ev = BenchCar(trial, dc=True)
    await ev.reach(Phase.STOPPED)
    body = await ev.weld()
    voltage = number(body.evse_present_voltage)
    trial.check(0 <= voltage <= ev.ev.max_voltage * 1.1, "a plausible present voltage", f"{voltage:g} V")


def _need_welding(trial: Trial) -> None:
    if "no-welding-detection" in trial.target.declared:
        raise NotApplicable("declared: no welding detection")


def _still_c(*, welding: bool) -> Run:
    async def run(trial: Trial) -> None:
        ev = BenchCar(trial, dc=True)
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
    """Set pilot E in the loop: the station ends the session, with or without a negative last answer."""
    ev = car(trial, kind)
    await ev.reach(Phase.LOOP)
    await trial.pilot("E")
    await ev.closed()


def _shorted(kind: str) -> Run:
    async def run(trial: Trial) -> None:
        await _pilot_shorted(trial, kind)

    return run


# --- cases -------------------------------------------------------------------------------------------------

_STOP = "SessionStop"
_CLOSED = ", TCP closed within 5 s"
_PLAUSIBLE = "OK, no receipt, plausible ids and values"
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
        "Terminate directly after Stop",
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
            expect="sessions end as expected",
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
                *("CMN_VTB_Abnormal_001", "the diode of the pilot is missing at plug-in", "no communication"),
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
