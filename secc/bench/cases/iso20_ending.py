"""ISO 15118-20: pause, stop, the order of messages, whole sessions."""

from __future__ import annotations

import asyncio

import msgspec

from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run
from secc.bench.cases.build20 import REFUSED, SEQUENCE, at, car20, case20, need
from secc.bench.talk import PACE
from secc.bench.trial import Trial
from secc.bench.wire import Closed, WireFrame
from secc.messages import iso20_common as common
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import ChargeProgress, ChargingSession, Processing, ResponseCode
from secc.session.iso20.services import ControlMode, Service
from secc.sim.iso20 import requests

SCHEDULED, DYNAMIC = ControlMode.SCHEDULED, ControlMode.DYNAMIC

# --- pause, stop --------------------------------------------------------------------------------------------


async def _pause_refused(ev: Iso20Car) -> None:
    codes = (ResponseCode.FAILED_PAUSE_NOT_ALLOWED, SEQUENCE)
    await ev.refused(requests.session_stop(ChargingSession.PAUSE), *codes)


async def _pause_after_welding(ev: Iso20Car) -> None:
    if ev.dc:
        await ev.weld()
    await _pause_refused(ev)


async def _paused(ev: Iso20Car) -> None:
    """A car in Scheduled mode pauses; without proof of the vehicle it may find a new session."""
    if ev.dc:
        await ev.weld()
    paused = ev.session_id
    await ev.end(ChargingSession.PAUSE)
    await ev.closed()
    again = car20(ev.trial, ev.service)
    again.session_id = paused
    await again.go(Point.SETUP)
    await again.set_up()
    joined = again.point is Point.PARAMETERS
    ev.trial.remark("joined again" if joined else "a new session in place of the paused one")
    if joined:
        ev.trial.check(again.session_id == paused, "the same SessionID", again.session_id.hex())
        await again.refused(requests.service_discovery(), SEQUENCE)


async def _stopped(ev: Iso20Car) -> None:
    await ev.end()
    await ev.closed()


async def _explained(ev: Iso20Car) -> None:
    request = common.SessionStopReq(
        header=requests.HEADER,
        charging_session=ChargingSession.TERMINATE,
        ev_termination_code="X" * 80,
        ev_termination_explanation="line one\r\nline two \x1b[31m" + "e" * 100,
    )
    await ev.expect(request)
    await ev.closed()


async def _after_stop(ev: Iso20Car) -> None:
    await ev.end()
    await ev.send_raw(ev.encode(requests.service_discovery(), None, None), "a request after SessionStopRes")
    reply = await ev.wire.wait_closed(ev.trial.timers.close)
    ev.trial.check(not isinstance(reply, WireFrame), "no answer", reply)


# --- order --------------------------------------------------------------------------------------------------


def _every(ev: Iso20Car) -> dict[str, msgspec.Struct]:
    """One request of each kind, by a short name."""
    zero = ev.energy
    found: dict[str, msgspec.Struct] = {
        "setup": requests.session_setup(ev.plan.evcc_id),
        "authorization setup": common.AuthorizationSetupReq(header=requests.HEADER),
        "authorization": requests.authorization(),
        "discovery": requests.service_discovery(),
        "detail": common.ServiceDetailReq(header=requests.HEADER, service_id=ev.service),
        "selection": requests.service_selection(ev.service, ev.set_id or 1),
        "parameters": zero.parameters(),
        "schedules": ev.script.schedule_request(),
        "start": requests.power_delivery(ChargeProgress.START, None),
        "loop": zero.request(1),
    }
    if ev.dc:
        found |= {
            "cable check": dc.DCCableCheckReq(header=requests.HEADER),
            "pre-charge": ev.pre_charge_request(0.0, 350.0),
            "welding": dc.DCWeldingDetectionReq(header=requests.HEADER, ev_processing=Processing.ONGOING),
        }
    return found


def _not_due(point: Point, *lawful: str) -> Run:
    """Every request that is not lawful at a point is refused, each in a separate session. Other cases
    test that the station then closes the connection."""

    async def run(trial: Trial) -> None:
        names = [name for name in _every(car20(trial)) if name not in lawful]
        for name in names:
            ev = car20(trial)
            await ev.go(point)
            await ev.expect(_every(ev)[name], SEQUENCE)
            await trial.clean_up()

    return run


_LAWFUL: tuple[tuple[str, Point, tuple[str, ...]], ...] = (
    ("SEQ-002", Point.AUTHORIZATION_SETUP, ("authorization setup",)),
    ("SEQ-004", Point.AUTHORIZATION, ("authorization",)),
    ("SEQ-006", Point.DISCOVERY, ("discovery",)),
    # Whether a car may choose without asking for the details is open: both are let pass.
    ("SEQ-008", Point.DETAIL, ("detail", "selection")),
    ("SEQ-010", Point.SELECTION, ("detail", "selection")),
    ("SEQ-012", Point.PARAMETERS, ("parameters",)),
    ("SEQ-014", Point.SCHEDULES, ("schedules",)),
    ("SEQ-016", Point.CABLE_CHECK, ("cable check",)),
    ("SEQ-018", Point.PRE_CHARGE, ("pre-charge",)),
    ("SEQ-020", Point.START, ("pre-charge", "start")),
    ("SEQ-022", Point.FIRST_LOOP, ("loop",)),
    ("SEQ-024", Point.LOOP, ("loop", "start")),
    ("SEQ-026", Point.STOPPED, ("welding",)),
)
_DC_ONLY = (Point.CABLE_CHECK, Point.PRE_CHARGE)


async def _silence(ev: Iso20Car) -> None:
    reply = await ev.wire.wait_closed(1.5 * ev.trial.timers.sequence)
    silent = ev.wire.since_sent
    ev.trial.check(isinstance(reply, Closed), "TCP closed at the sequence timeout", reply)
    late = silent >= 0.95 * ev.trial.timers.sequence
    ev.trial.check(late, f"not before {ev.trial.timers.sequence:g} s", f"{silent:.1f} s")


def _whole(service: Service, control: ControlMode) -> Run:
    async def run(trial: Trial) -> None:
        ev = Iso20Car(trial, service, control)
        await ev.go(Point.LOOP)
        for _ in range(10):
            await ev.loop()
            await asyncio.sleep(PACE)
        await ev.go(Point.OVER)
        await ev.closed()

    return run


# --- the cases ---

_STP, _SEQ, _ALL = "pause and stop", "order of messages", "whole sessions"
_DC = need(Service.DC)

CASES: tuple[Case, ...] = (
    case20(
        "PAU-002",
        _STP,
        "the car pauses in Dynamic mode",
        "FAILED_PauseNotAllowed",
        at(Point.STOPPED, _pause_after_welding, control=DYNAMIC),
        ids="1195",
    ),
    case20(
        "PAU-004",
        _STP,
        "Pause before authorization",
        "FAILED_PauseNotAllowed",
        at(Point.AUTHORIZATION, _pause_refused),
    ),
    case20(
        "PAU-005",
        _STP,
        "Pause in the isolation test",
        "FAILED_PauseNotAllowed",
        at(Point.PRE_CHARGE, _pause_refused, service=Service.DC),
        _DC,
    ),
    case20(
        "PAU-006",
        _STP,
        "pause in Scheduled mode, then the same SessionID",
        "joined, or a new session",
        at(Point.STOPPED, _paused),
        Need.PAUSE,
        ids="2622 1032",
    ),
    case20(
        "STP-002",
        _STP,
        "a long explanation with control characters",
        "SessionStopRes OK",
        at(Point.DISCOVERY, _explained),
    ),
    *(
        case20(
            f"STP-003-{point.name}",
            _STP,
            f"SessionStopReq where {point.value} is due",
            "OK, TCP closed",
            at(point, _stopped),
            ids="2645",
        )
        for point in (
            Point.AUTHORIZATION,
            Point.DISCOVERY,
            Point.SELECTION,
            Point.PARAMETERS,
            Point.SCHEDULES,
        )
    ),
    case20("STP-004", _STP, "a request after SessionStopRes", "no answer", at(Point.DISCOVERY, _after_stop)),
    *(
        case20(
            name,
            _SEQ,
            f"every other request where {point.value} is due",
            REFUSED,
            _not_due(point, *lawful),
            *((_DC,) if point in _DC_ONLY else ()),
            ids="459",
        )
        for name, point, lawful in _LAWFUL
    ),
    case20(
        "TIM-001",
        _SEQ,
        "silence where ServiceDiscoveryReq is due",
        "TCP closed at the sequence timeout",
        at(Point.DISCOVERY, _silence),
        Need.LONG,
        ids="443",
        waits=("sequence",),
    ),
    *(
        case20(
            f"SESSION-{service.name}-{control.name}",
            _ALL,
            f"a whole session, {service.name}, {control.name}",
            "every response in its time, to the end",
            _whole(service, control),
            need(service),
        )
        for service in (
            *(Service.AC, Service.DC, Service.AC_BPT, Service.DC_BPT, Service.MCS),
            Service.AC_DER_IEC,
        )
        for control in ControlMode
    ),
)
