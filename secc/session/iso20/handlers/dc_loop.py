"""The charge loop of DC: in Scheduled mode the EV names its targets, in Dynamic mode the station decides."""

from __future__ import annotations

import msgspec

from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import RationalNumber, ResponseCode
from secc.session import limits, loop, output
from secc.session.agreed import Demand, EvLimits, Purpose, SetPoint
from secc.session.context import Context
from secc.session.inputs import EnergyTargeted
from secc.session.iso20 import numbers, steering, wire
from secc.session.iso20.handlers import loops
from secc.session.iso20.handlers.parameters import least_dc_power
from secc.session.iso20.refusals import Elements
from secc.session.iso20.side import selection, session_state, side
from secc.session.iso20.states import Iso20State as S
from secc.session.isolation import agreed
from secc.session.quantities import ZERO, ChargeLimit, DischargeLimit, Milli, milli, signed
from secc.session.states import Timer

Scheduled = dc.ScheduledDCCLReqControlMode | dc.BPTScheduledDCCLReqControlMode
Dynamic = dc.DynamicDCCLReqControlMode | dc.BPTDynamicDCCLReqControlMode


def charge_loop(session: Context, request: dc.DCChargeLoopReq) -> S:
    """Deliver, or take, the lowest of what is wanted and every limit [INV-07] [V2G20-2187] [V2G20-2188]."""
    _answer_to(session, request, standby=False)
    return S.WAIT_LOOP_DC


def in_standby(session: Context, request: dc.DCChargeLoopReq) -> S:
    """The same in standby, with no power: it shows that the EV is there."""
    _answer_to(session, request, standby=True)
    return S.WAIT_STANDBY_DC


def _answer_to(session: Context, request: dc.DCChargeLoopReq, *, standby: bool) -> None:
    loop.check(session)
    mode = request.cl_req_control_mode
    loops.check_variant(
        session,
        mode,
        dynamic=isinstance(mode, Dynamic),
        both=isinstance(mode, dc.BPTScheduledDCCLReqControlMode | dc.BPTDynamicDCCLReqControlMode),
    )
    loops.take(session, request, mode, standby=standby)
    ev = _tightened(agreed(session), mode)
    if isinstance(mode, Scheduled):
        demand = _wanted(session, mode, ev)
    else:
        demand = planned(session, ev)
    if standby:
        demand = msgspec.structs.replace(demand, current=ZERO)
    session.rises_until = session.now + _FRESH
    point = _deliver(session, demand)
    if not standby:
        session.timers.start(Timer.DEMAND_AGE, session.now, session.config.iso20.demand_age)
    session.answer(
        dc.DCChargeLoopRes(
            **loops.elements(session, request, ResponseCode.OK),
            evse_present_current=wire.measured(session.evse.present_current),
            evse_present_voltage=wire.measured(session.evse.present_voltage),
            evse_power_limit_achieved=point.power_limited,
            evse_current_limit_achieved=point.current_limited,
            evse_voltage_limit_achieved=point.voltage_limited,
            cl_res_control_mode=_limits(session),
        )
    )


_FRESH = 0.5
"""Seconds from a request of the loop until the next one is due by the standard [V2G20-1502], whatever
`iso20.loop_timeout` is."""


def _tightened(before: EvLimits, mode: Scheduled | Dynamic) -> EvLimits:
    """The EV's limits of now: they may be narrower than those of the charge parameters, never wider
    [V2G20-2654] [V2G20-2655]."""
    found = loop.lowered(
        before,
        _most(mode.ev_maximum_voltage),
        _charge(mode.ev_maximum_charge_current),
        _charge(mode.ev_maximum_charge_power),
    )
    floor = mode.ev_minimum_voltage
    if floor is not None:
        found = msgspec.structs.replace(
            found, lowest_voltage=max(found.lowest_voltage, Milli(numbers.up(floor)))
        )
    if isinstance(mode, dc.BPTScheduledDCCLReqControlMode | dc.BPTDynamicDCCLReqControlMode):
        found = msgspec.structs.replace(
            found,
            discharge_power=_less(found.discharge_power, mode.ev_maximum_discharge_power),
            discharge_current=_less(found.discharge_current, mode.ev_maximum_discharge_current),
        )
    return found


def _most(value: RationalNumber | None) -> int | None:
    return None if value is None else max(0, numbers.down(value))


def _charge(value: RationalNumber | None) -> ChargeLimit | None:
    return None if value is None else ChargeLimit(max(0, numbers.down(value)))


def _less(before: DischargeLimit, value: RationalNumber | None) -> DischargeLimit:
    return before if value is None else min(before, DischargeLimit(wire.magnitude(value)))


# --- what is wanted ----------------------------------------------------------------------------------------


def _wanted(session: Context, mode: Scheduled, ev: EvLimits) -> Demand:
    """The EV's targets. A voltage of zero is one that it does not name; a current of zero is zero
    [V2G20-2183]. A negative current asks the station to take, in a bidirectional service only."""
    voltage, current = wire.toward_zero(mode.ev_target_voltage), wire.toward_zero(mode.ev_target_current)
    if not isinstance(mode, dc.BPTScheduledDCCLReqControlMode):
        current = max(ZERO, current)
    return Demand(voltage if voltage > 0 else ev.voltage, current, ev)


def planned(session: Context, ev: EvLimits) -> Demand:
    """What the station decides in Dynamic mode: a power, as a current at the voltage of now."""
    room, can = side(session), limits.dc(session)
    ev_power = can.power.upper if ev.power is None else ev.power
    bounds = steering.Room(
        charge=0 if room.battery.complete else min(can.power.upper, ev_power),
        discharge=min(-can.power.lower, ev.discharge_power),
        least_charge=room.least_charge,
        least_discharge=room.least_discharge,
    )
    power = steering.target(room.wanted, bounds)
    volts = max(milli(session.evse.present_voltage), can.lowest_voltage)
    current = abs(power) * 1000 // volts
    return Demand(ev.voltage, Milli(current if power >= 0 else -current), ev)


def _deliver(session: Context, demand: Demand) -> SetPoint:
    point = limits.set_point(session, demand)
    if session.energised is not None:
        output.deliver(session, Purpose.DC, demand, point)
    return point


# --- what changes between two requests ---------------------------------------------------------------------


def target_changed(session: Context, event: EnergyTargeted) -> None:
    """Energy management asks for another power: the set-point follows at once, the answers later."""
    side(session).wanted = None if event.power is None else signed(event.power)
    chosen, energised = side(session).selection, session.energised
    if chosen is None or not chosen.dynamic or energised is None or energised.demand is None:
        return
    if energised.purpose is Purpose.DC and Timer.DEMAND_AGE in session.timers.due:
        _deliver(session, planned(session, energised.demand.limits))


def demand_aged(session: Context, _: None) -> S:
    """No request for a while: no current in either direction until the next one."""
    energised = session.energised
    if energised is not None and energised.demand is not None and energised.purpose is Purpose.DC:
        _deliver(session, msgspec.structs.replace(energised.demand, current=ZERO))
    return session_state(session)


# --- the answer --------------------------------------------------------------------------------------------

_Answer = (
    dc.ScheduledDCCLResControlMode
    | dc.BPTScheduledDCCLResControlMode
    | dc.DynamicDCCLResControlMode
    | dc.BPTDynamicDCCLResControlMode
)


def _limits(session: Context) -> _Answer:
    """The station's limits of now, in both directions where the service has them [V2G20-1768]."""
    chosen, can, room = selection(session), limits.dc(session), side(session)
    charge: Elements = {
        "evse_maximum_charge_power": numbers.maximum(can.power.upper),
        "evse_minimum_charge_power": least_dc_power(session),
        "evse_maximum_charge_current": numbers.maximum(can.current.upper),
        "evse_maximum_voltage": numbers.maximum(can.voltage),
    }
    if not chosen.service.bidirectional:
        if chosen.dynamic:
            return dc.DynamicDCCLResControlMode(**charge, **mobility(session))
        return dc.ScheduledDCCLResControlMode(**charge)
    back: Elements = {
        "evse_maximum_discharge_power": wire.discharge_limit(room, -can.power.lower),
        "evse_minimum_discharge_power": wire.ZERO,
        "evse_maximum_discharge_current": wire.discharge_limit(room, -can.current.lower),
        "evse_minimum_voltage": numbers.minimum(can.lowest_voltage),
    }
    if chosen.dynamic:
        return dc.BPTDynamicDCCLResControlMode(**charge, **back, **mobility(session))
    return dc.BPTScheduledDCCLResControlMode(**charge, **back)


def mobility(session: Context) -> Elements:
    """Departure and state of charge by the station, MobilityNeedsMode 2."""
    room = side(session)
    if room.mobility is None:
        return {}
    return {
        "departure_time": room.mobility.departure,
        "minimum_soc": room.mobility.minimum_soc,
        "target_soc": room.mobility.target_soc,
        "ack_max_delay": session.config.iso20.acknowledge_delay,
    }
