"""ISO 15118-20: renegotiation of schedule and service."""

from __future__ import annotations

import msgspec

from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case
from secc.bench.cases.build20 import REFUSED, SEQUENCE, Deed, at, case20
from secc.messages import iso20_common as common
from secc.messages.iso20_common import ChargeProgress, ChargingSession, ResponseCode
from secc.session.iso20.services import ControlMode
from secc.sim.iso20 import requests
from secc.v2gtp import PayloadType

SCHEDULED, DYNAMIC = ControlMode.SCHEDULED, ControlMode.DYNAMIC

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


async def _beside_unknown(ev: Iso20Car) -> None:
    """A schedule that was not offered, at the end of the exchange on 0x8101."""
    ev.stream = PayloadType.ISO20_SCHEDULE
    await ev.expect(ev.energy.parameters())
    ev.script.take_schedules(await ev.finish(ev.script.schedule_request(), ev.trial.timers.ongoing))
    mode = common.ScheduledEVPPTControlMode(selected_schedule_tuple_id=4_000_000)
    profile = msgspec.structs.replace(ev.script.profile(), scheduled_ev_ppt_control_mode=mode)
    request = requests.power_delivery(ChargeProgress.SCHEDULE_RENEGOTIATION, profile)
    codes = (
        ResponseCode.FAILED_SCHEDULE_SELECTION_INVALID,
        ResponseCode.WARNING_SCHEDULE_RENEGOTIATION_FAILED,
    )
    await ev.expect(request, *codes)


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
        await ev.refused(ev.delivery(ChargeProgress.START), SEQUENCE)
    else:
        await ev.go(Point.LOOP)


_STARTED = (ResponseCode.OK, ResponseCode.OK_POWER_TOLERANCE_CONFIRMED)

# --- the cases ---

_REN = "renegotiation"

CASES: tuple[Case, ...] = (
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
        "REN-004",
        _REN,
        "a schedule that was not offered, on 0x8101",
        "FAILED_ScheduleSelectionInvalid, or the warning",
        at(Point.LOOP, _beside_unknown),
        ids="479",
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
