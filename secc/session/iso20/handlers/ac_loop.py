"""The charge loop of AC: the EV takes current by itself, the station names the power and reads the meter."""

from __future__ import annotations

import enum

from secc.messages import iso20_ac as ac
from secc.messages import iso20_ac_der_iec as der
from secc.messages.iso20_common import ResponseCode
from secc.session import limits, loop
from secc.session.agreed import EvLimits
from secc.session.context import Context
from secc.session.iso20 import phases, steering
from secc.session.iso20.handlers import loops
from secc.session.iso20.handlers.dc_loop import mobility
from secc.session.iso20.refusals import Elements, Iso20Refused
from secc.session.iso20.side import selection, side
from secc.session.iso20.states import Iso20State as S
from secc.session.isolation import agreed
from secc.session.quantities import milli

Scheduled = ac.ScheduledACCLReqControlMode | ac.BPTScheduledACCLReqControlMode
Dynamic = ac.DynamicACCLReqControlMode | ac.BPTDynamicACCLReqControlMode


def charge_loop(session: Context, request: ac.ACChargeLoopReq) -> S:
    """Name the power of now [V2G20-1825], and watch that the EV keeps to it [V2G20-1864]."""
    _answer_to(session, request, standby=False)
    return S.WAIT_LOOP_AC


def in_standby(session: Context, request: ac.ACChargeLoopReq) -> S:
    """The same in standby, with no power: it shows that the EV is there."""
    _answer_to(session, request, standby=True)
    return S.WAIT_STANDBY_AC


def _answer_to(session: Context, request: ac.ACChargeLoopReq, *, standby: bool) -> None:
    loop.check(session)
    mode = request.cl_req_control_mode
    loops.check_variant(
        session,
        mode,
        dynamic=isinstance(mode, Dynamic),
        both=isinstance(mode, ac.BPTScheduledACCLReqControlMode | ac.BPTDynamicACCLReqControlMode),
    )
    bounds, elements = observed(session, request, standby=standby)
    session.answer(ac.ACChargeLoopRes(**elements, cl_res_control_mode=_answer(session, mode, bounds)))


def observed(
    session: Context, request: ac.ACChargeLoopReq | der.ACChargeLoopReq, *, standby: bool
) -> tuple[steering.Room, Elements]:
    """What may flow now, and the elements of the response but for the control mode; the same with and
    without the grid rules of AC_DER_IEC."""
    mode = request.cl_req_control_mode
    loops.take(session, request, mode, standby=standby)
    off = standby or session.energised is None
    bounds = steering.NOTHING if off else _bounds(session, mode, agreed(session))
    code = ResponseCode.OK
    if _watch_meter(session, bounds) is Excess.WARNED:
        code = ResponseCode.WARNING_EV_POWER_PROFILE_VIOLATION
    return bounds, loops.elements(session, request, code)


def _bounds(session: Context, mode: object, before: EvLimits) -> steering.Room:
    """What may flow in each direction now, by the outlet and by the EV, whose limits may only narrow."""
    room = side(session)
    most = phases.said(mode, "ev_maximum_charge_power")
    least = phases.said(mode, "ev_minimum_charge_power")
    gives = phases.said(mode, "ev_maximum_discharge_power")
    charge: int = limits.ac_power(session)
    if before.power is not None:
        charge = min(charge, before.power)
    back = min(session.may_discharge, before.discharge_power)
    return steering.Room(
        charge=0 if room.battery.complete else max(0, charge if most is None else min(charge, most)),
        discharge=back if gives is None else min(back, abs(gives)),
        least_charge=room.least_charge if least is None else max(0, least),
        least_discharge=room.least_discharge,
    )


# --- the answer --------------------------------------------------------------------------------------------

_Answer = (
    ac.ScheduledACCLResControlMode
    | ac.BPTScheduledACCLResControlMode
    | ac.DynamicACCLResControlMode
    | ac.BPTDynamicACCLResControlMode
)


_TARGET = "evse_target_active_power"


def _answer(session: Context, mode: Scheduled | Dynamic, bounds: steering.Room) -> _Answer:
    """The set-point in the variant of the service."""
    both = selection(session).service.bidirectional
    target = {**active_power(session, mode, bounds), **phases.present(session)}
    if not selection(session).dynamic:
        return (
            ac.BPTScheduledACCLResControlMode(**target) if both else ac.ScheduledACCLResControlMode(**target)
        )
    elements: Elements = {**target, **mobility(session)}
    return ac.BPTDynamicACCLResControlMode(**elements) if both else ac.DynamicACCLResControlMode(**elements)


def active_power(session: Context, mode: object, bounds: steering.Room) -> Elements:
    """EVSETargetActivePower: in Dynamic mode always, in Scheduled mode where less than the schedule can be
    had."""
    room = side(session)
    if not selection(session).dynamic:
        lower = 0 if bounds is steering.NOTHING else _below_schedule(session)
        return {} if lower is None else _target(session, mode, lower)[1]
    wanted = steering.through_zero(room.target_sent, steering.target(room.wanted, bounds))
    room.target_sent, told = _target(session, mode, _ramped(session, wanted))
    return told


def _ramped(session: Context, wanted: int) -> int:
    """Away from zero no faster than `energy.ac.power_ramp`; towards it at once. Time without a loop, as while
    a new schedule is negotiated, saves up no step."""
    room, ramp = side(session), session.config.energy.ac.power_ramp
    elapsed = min(session.now - room.target_at, session.config.iso20.loop_timeout)
    room.target_at = session.now
    return wanted if ramp is None else steering.ramped(room.target_sent, wanted, int(ramp * 1000 * elapsed))


def _target(session: Context, mode: object, power: int) -> tuple[int, Elements]:
    """The set-point as elements, and what it comes to, mW: each phase within what EV and outlet have there
    [V2G20-1816] [V2G20-1818] [V2G20-1828]."""
    room, ac_config = side(session), session.config.energy.ac
    if not room.per_phase:
        return power, phases.target(_TARGET, power, per_phase=False)
    back = power < 0
    name = "ev_maximum_discharge_power" if back else "ev_maximum_charge_power"
    ev = phases.narrower(room.discharge_phases if back else room.charge_phases, phases.apart(mode, name))
    current, now = (
        ac_config.max_discharge_current if back else ac_config.max_current,
        session.evse.max_current,
    )
    line = milli(ac_config.nominal_voltage) * milli(current if now is None else min(current, now)) // 1000
    most = (line, line, line) if ev is None else (min(line, ev[0]), min(line, ev[1]), min(line, ev[2]))
    apart = ac_config.max_power_asymmetry
    shares = phases.split(abs(power), most, None if apart is None else milli(apart))
    total = sum(shares)
    return -total if back else total, phases.of_each(_TARGET, shares, back=back)


def _below_schedule(session: Context) -> int | None:
    """mW that can be had now, where that is less than the schedule in force; None otherwise."""
    possible, scheduled = limits.offerable(session, dc=False), limits.scheduled_power(session)
    return possible if scheduled is not None and possible < scheduled else None


# --- the meter ---------------------------------------------------------------------------------------------


class Excess(enum.Enum):
    """What the meter says about the power in force."""

    NONE = "within the power in force, or not for long"
    WARNED = "above it for longer than the grace time"


def _watch_meter(session: Context, bounds: steering.Room) -> Excess:
    """Compare the measured power with the power in force: after the grace time the EV is warned, after twice
    that time it is refused, and the contactor opens."""
    room, measured, config = side(session), session.evse.present_power, session.config.iso20
    if measured is None:
        return Excess.NONE
    charge, back = bounds.charge, bounds.discharge
    if selection(session).dynamic:
        charge, back = max(0, room.target_sent), max(0, -room.target_sent)
    factor = 1.0 + config.profile_tolerance
    within = -(back / 1000 * factor + _SLACK) <= measured <= charge / 1000 * factor + _SLACK
    if within:
        room.exceeded_at = None
        return Excess.NONE
    if room.exceeded_at is None:
        room.exceeded_at = session.now
    lasted = session.now - room.exceeded_at
    if lasted >= 2 * config.profile_grace:
        why = f"{measured:g} W measured, {-back / 1000:g} to {charge / 1000:g} W are in force"
        raise Iso20Refused(ResponseCode.FAILED_EV_POWER_PROFILE_VIOLATION, f"{why} [V2G20-1864]")
    return Excess.WARNED if lasted >= config.profile_grace else Excess.NONE


_SLACK = 100.0
"""W: what an idle charger and the error of a meter account for."""
