"""ISO 15118-20: the charge loop."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case, Need
from secc.bench.cases.build20 import REFUSED, WRONG, Deed, at, car20, case20, need
from secc.bench.cases.iso20_parameters import again, other_family
from secc.bench.talk import PACE, CarAnswer
from secc.messages import iso20_ac as ac
from secc.messages import iso20_common as common
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import ResponseCode
from secc.messages.numbers import number, rational_number
from secc.session.iso20.services import ControlMode, Service

SCHEDULED, DYNAMIC = ControlMode.SCHEDULED, ControlMode.DYNAMIC

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


async def _wider_limit(ev: Iso20Car) -> None:
    """A limit above that of the charge parameters does not count."""
    request: Any = ev.energy.request(1)
    most = ev.script.vehicle.max_current
    more, wanted = rational_number(most + 100.0), rational_number(most + 50.0)
    mode = msgspec.structs.replace(
        request.cl_req_control_mode, ev_maximum_charge_current=more, ev_target_current=wanted
    )
    for _ in range(5):
        answer = await ev.expect(msgspec.structs.replace(request, cl_req_control_mode=mode))
        amperes = number(answer.evse_present_current)
        ev.trial.check(amperes <= most + 1.0, f"at most {most:g} A", f"{amperes:g} A")
        await asyncio.sleep(PACE)


async def _pilot_lost(ev: Iso20Car) -> None:
    """No energy without C or D: the station refuses, ends, or requests the end with nothing at the output."""
    await ev.trial.pilot("B")
    last: Any = None
    for _ in range(10):
        answer = await ev.ask(ev.energy.request(1))
        if not isinstance(answer, CarAnswer) or answer.code.startswith("FAILED"):
            return
        last = answer.body
        await asyncio.sleep(PACE)
    status = last.evse_status
    asked = status is not None and status.evse_notification is common.EvseNotification.TERMINATE
    ev.trial.check(asked, "FAILED, the end of TCP, or the notification Terminate", last)
    amperes = number(last.evse_present_current) if ev.dc else 0.0
    ev.trial.check(abs(amperes) < 1.0, "no current", f"{amperes:g} A")


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


# --- the cases ---

_LOP = "charge loop"
_DC = need(Service.DC)
_FAILED = (ResponseCode.FAILED, WRONG)

CASES: tuple[Case, ...] = (
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
        "LOP-006",
        _LOP,
        "EVMaximumChargeCurrent above that of the parameters",
        "the current of the parameters at most",
        at(Point.LOOP, _wider_limit, service=Service.DC),
        _DC,
        ids="2654",
    ),
    case20(
        "LOP-031",
        _LOP,
        "the pilot goes to state B in the loop",
        "FAILED, the end of TCP, or Terminate with no current",
        at(Point.LOOP, _pilot_lost),
        Need.PILOT,
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
)
