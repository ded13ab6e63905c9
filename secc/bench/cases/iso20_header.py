"""ISO 15118-20: SessionID, time stamps, the end after FAILED."""

from __future__ import annotations

import itertools

import msgspec

from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case
from secc.bench.cases.build20 import SEQUENCE, UNKNOWN, Deed, at, case20
from secc.bench.wire import Closed
from secc.messages import iso20_common as common
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import ChargingSession
from secc.sim.iso20 import requests

# --- header -------------------------------------------------------------------------------------------------


def _other_id(request_of: Point) -> Deed:
    async def deed(ev: Iso20Car) -> None:
        wrong = bytes([ev.session_id[0] ^ 1]) + ev.session_id[1:]
        await ev.refused(due(ev, request_of), UNKNOWN, session_id=wrong)

    return deed


async def _other_id_and_order(ev: Iso20Car) -> None:
    wrong = bytes([ev.session_id[0] ^ 1]) + ev.session_id[1:]
    await ev.refused(requests.service_discovery(), UNKNOWN, session_id=wrong)


def _stamp(value: int) -> Deed:
    async def deed(ev: Iso20Car) -> None:
        ev.stamp = value
        await ev.expect(common.AuthorizationSetupReq(header=requests.HEADER))

    return deed


async def _falling_stamps(ev: Iso20Car) -> None:
    for stamp in (1_700_000_000, 1_600_000_000, 0):
        ev.stamp = stamp
        await ev.loop()


async def _rising_stamps(ev: Iso20Car) -> None:
    stamps = []
    for _ in range(20):
        await ev.loop()
        assert ev.last is not None
        stamps.append(ev.last.message.header.time_stamp)  # type: ignore[attr-defined]
    rising = all(before < after for before, after in itertools.pairwise(stamps))
    ev.trial.check(rising, "strictly rising time stamps", stamps)


async def _after_failed(ev: Iso20Car) -> None:
    await ev.expect(requests.service_discovery(), SEQUENCE)
    await ev.send_raw(ev.encode(requests.authorization(), None, None), "a lawful request after FAILED")
    reply = await ev.wire.wait_closed(ev.trial.timers.close)
    ev.trial.check(isinstance(reply, Closed), "no answer, TCP closed", reply)


# --- which request is due -----------------------------------------------------------------------------------


def due(ev: Iso20Car, point: Point) -> msgspec.Struct:
    """A lawful request at a point."""
    match point:
        case Point.AUTHORIZATION_SETUP:
            return common.AuthorizationSetupReq(header=requests.HEADER)
        case Point.AUTHORIZATION:
            return requests.authorization()
        case Point.DISCOVERY:
            return requests.service_discovery()
        case Point.DETAIL:
            return common.ServiceDetailReq(header=requests.HEADER, service_id=ev.service)
        case Point.SELECTION:
            return requests.service_selection(ev.service, ev.set_id)
        case Point.PARAMETERS:
            return ev.energy.parameters()
        case Point.SCHEDULES:
            return ev.script.schedule_request()
        case Point.CABLE_CHECK:
            return dc.DCCableCheckReq(header=requests.HEADER)
        case Point.LOOP:
            return ev.energy.request(1)
        case _:
            return requests.session_stop(ChargingSession.TERMINATE)


_ID_POINTS = (
    *(Point.AUTHORIZATION_SETUP, Point.AUTHORIZATION, Point.DISCOVERY, Point.DETAIL, Point.SELECTION),
    *(Point.PARAMETERS, Point.SCHEDULES, Point.LOOP, Point.STOPPED),
)


# --- the cases ---

_SETUP = Point.AUTHORIZATION_SETUP
_HEADER = "header"

CASES: tuple[Case, ...] = (
    *(
        case20(
            *(f"HDR-003-{point.name}", _HEADER, f"another SessionID where {point.value} is due"),
            "FAILED_UnknownSession, TCP closed",
            at(point, _other_id(point)),
            ids="460",
        )
        for point in _ID_POINTS
    ),
    case20(
        *("HDR-004", _HEADER, "another SessionID and a request that is not due", "FAILED_UnknownSession"),
        at(_SETUP, _other_id_and_order),
        ids="460",
    ),
    *(
        case20(f"HDR-{number}", _HEADER, f"TimeStamp {value}", "the response", at(_SETUP, _stamp(value)))
        for number, value in (
            *(("005", 0), ("006", 1_700_000_000), ("007", 1_700_000_000_000_000), ("009", 2**64 - 1)),
        )
    ),
    case20("HDR-008", _HEADER, "time stamps that fall", "OK each", at(Point.LOOP, _falling_stamps)),
    case20(
        *("HDR-010", _HEADER, "time stamps of twenty responses", "strictly rising"),
        at(Point.LOOP, _rising_stamps),
        ids="1537",
    ),
    case20(
        *("HDR-014", _HEADER, "a lawful request after FAILED", "no answer, TCP closed"),
        at(_SETUP, _after_failed),
    ),
)
