"""What a DC session does with the output, whatever its messages are called: the rules are the same in
ISO 15118-2 and DIN SPEC 70121, and so are the field names that they look at."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from secc.messages import din, iso2
from secc.messages.iso2 import DCEVErrorCode, ResponseCode, UnitSymbol
from secc.session import feedback, limits, quantities
from secc.session.context import CableTest, Demand, EvLimits, Match, Purpose
from secc.session.inputs import CableCheckReported
from secc.session.iso2.handlers import ending, parameters
from secc.session.limits import SetPoint
from secc.session.outlet import EvseFault, IsolationLevel
from secc.session.outputs import NoticeKind, StartCableCheck
from secc.session.quantities import Quantity, WrongUnit, amount, decimal, least, milli
from secc.session.refusals import Refused
from secc.session.states import Stage, Timer

if TYPE_CHECKING:
    from secc.session.machine import Session


# --- the isolation test ------------------------------------------------------------------------------------


def request_test(session: Session) -> None:
    """An isolation test for this pass [INV-06], from a safe voltage: off is ordered and read first."""
    session.start_timer(Timer.CABLE_CHECK)
    if not feedback.without_voltage(session):
        session.off("an isolation test begins without voltage")
    begin_when_safe(session, None)


def begin_when_safe(session: Session, _: None) -> Stage:
    """Begin the test that waits as soon as the output is without voltage; nothing may have come between."""
    over = session.interrupted or session.fault is not None or session.stop is not None
    if session.cable_test is not None or over or not session.granted or session.expired(Timer.CABLE_CHECK):
        return session.state
    session.awaits_discharge = not feedback.without_voltage(session)
    if session.awaits_discharge or feedback.opens_still(session):
        session.start_timer(Timer.VOLTAGE_READING)
    elif session.evse.control_pilot.wants_energy:
        _start_test(session)
    return session.state


def _start_test(session: Session) -> None:
    session.cable_test = CableTest(session.ticket())
    session.energise(Purpose.CABLE_TEST)
    highest = least(agreed(session).voltage, limits.voltage(session))
    session.emit(StartCableCheck(session.cable_test.ticket, milli(highest)))


def test_finished(session: Session) -> bool:
    """There is a result, and a good one; a bad one is a refusal [INV-06]."""
    session.check_budget(Timer.CABLE_CHECK)
    ending.check_fault(session)
    if ending.overtaken(session):
        return False
    check_may_energise(session)
    check_not_interrupted(session)
    begin_when_safe(session, None)
    test = session.cable_test
    if test is None or test.level is None:
        return False
    if test.level not in _SOUND:
        raise Refused(ResponseCode.FAILED, f"isolation test: {test.level.value} [INV-06]")
    return True


_SOUND = (IsolationLevel.VALID, IsolationLevel.WARNING)


def cable_checked(session: Session, report: CableCheckReported) -> Stage:
    """The result of this pass; the output is without voltage again. A fault is latched [INV-30]."""
    test = session.cable_test
    if test is None or report.ticket != test.ticket or test.level is not None:
        session.notice(NoticeKind.STALE, f"isolation test for {report.ticket}")
        return session.state
    session.cable_test = CableTest(test.ticket, report.level)
    session.stop_timer(Timer.CABLE_CHECK)
    session.off()
    if report.level is IsolationLevel.FAULT:
        session.trip(EvseFault.ISOLATION)
    return session.state


# --- pre-charge --------------------------------------------------------------------------------------------


def bring_to_voltage(session: Session, request: iso2.PreChargeReq | din.PreChargeReq) -> None:
    """Towards the EV's voltage with at most 2 A [INV-05]; the EV judges when it is there."""
    session.check_budget(Timer.PRE_CHARGE)
    session.check_budget(Timer.PRE_CHARGE_TOTAL)
    heed_error(session, request.dc_ev_status)
    ending.check_fault(session)
    if ending.overtaken(session):
        return
    check_may_energise(session)
    check_not_interrupted(session)
    if not session.evse.control_pilot.wants_energy:
        raise Refused(
            ResponseCode.FAILED, f"pre-charge with pilot {session.evse.control_pilot.value} [INV-04]"
        )
    demand = _demand(request.ev_target_voltage, request.ev_target_current, agreed(session))
    _check_battery(session, demand)
    _apply(session, Purpose.PRE_CHARGE, demand)
    session.pre_charge = demand
    session.start_timer_once(Timer.PRE_CHARGE)
    session.start_timer_once(Timer.PRE_CHARGE_TOTAL)


def _check_battery(session: Session, demand: Demand) -> None:
    """A target that no battery at this outlet can have is no pre-charge: 0 V would be reached at once."""
    lowest = limits.lowest_voltage(session)
    if demand.voltage < lowest:
        raise Refused(
            ResponseCode.FAILED,
            f"pre-charge to {float(demand.voltage):g} V, less than {float(lowest):g} V [INV-04]",
        )


def pre_charge_late(session: Session, _: None) -> Stage:
    """The voltage should be there now; if it is, the EV still has the total time, if not, it is over."""
    if not _pre_charged(session):
        return ending.budget_spent(session, None)
    session.stop_timer(Timer.PRE_CHARGE)
    return session.state


def at_voltage(session: Session) -> bool:
    """Whether a start may be confirmed: the outlet itself reads the EV's voltage at its output.

    The EV judges by its own measurement, and the outlet's may come later: a Tesla Model Y asked for power
    0.8 to 1.1 s before the recorded stations read its voltage (both DIN recordings of that car). So the
    answer waits for the reading, with the output still in pre-charge, and looks at it again and again; what
    is not there after `timing.voltage` cannot be delivered [V2G2-480].
    """
    session.check_budget(Timer.PRE_CHARGE)
    session.check_budget(Timer.PRE_CHARGE_TOTAL)
    if session.interrupted or session.pre_charge is None:
        raise _not_applied("the output was switched off, or never on")
    if _pre_charged(session):
        session.match = Match(session.pre_charge.voltage)
        return True
    session.start_timer_once(Timer.VOLTAGE)
    session.start_timer(Timer.VOLTAGE_READING)
    return False


def voltage_not_seen(_: Session, __: None) -> Stage:
    """The outlet does not get to the EV's voltage, or does not see it."""
    raise _not_applied("the output is not at the EV's voltage")


def _not_applied(why: str) -> Refused:
    return Refused(ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED, f"{why} [V2G2-480] [V2G-DC-401]")


def _pre_charged(session: Session) -> bool:
    """The output is where the EV wants it, as far as we can see; a limit in between does not change where."""
    if session.pre_charge is None:
        return False
    apart = abs(decimal(session.evse.present_voltage) - session.pre_charge.voltage)
    return apart <= decimal(session.config.energy.dc.pre_charge_tolerance)


# --- the charge loop ---------------------------------------------------------------------------------------


def follow(session: Session, request: iso2.CurrentDemandReq | din.CurrentDemandReq) -> SetPoint:
    """Deliver the lowest of what is wanted and every limit [INV-07]."""
    ev = _lowered(session, request)
    demand = _demand(request.ev_target_voltage, request.ev_target_current, ev)
    if _wants_nothing(session, request):
        point, demand = SetPoint(), Demand(quantities.ZERO, quantities.ZERO, ev)
    else:
        point = limits.set_point(session, demand)
    if session.energised is not None:
        _apply(session, Purpose.DC, demand)
    return point


def _wants_nothing(session: Session, request: iso2.CurrentDemandReq | din.CurrentDemandReq) -> bool:
    """Full, not ready or at fault: the set-point is zero. The latter two have also ended the charge: the
    output stays off."""
    ev = request.dc_ev_status
    at_fault = ev.ev_error_code.value != DCEVErrorCode.NO_ERROR.value
    if at_fault or (not ev.ev_ready and not session.config.compat.ev_not_ready):
        why = f"EV: {ev.ev_error_code.value}, ready {ev.ev_ready}"
        ending.order_stop(session, why, at_once=False)
        if session.energised is not None:  # off for good: no later message of this session brings it back
            session.off(why, final=True)
    return at_fault or not ev.ev_ready or request.charging_complete


def _lowered(session: Session, request: iso2.CurrentDemandReq | din.CurrentDemandReq) -> EvLimits:
    """The EV's maxima of now: later messages may lower the agreed ones, never raise them [INV-07]."""
    before = agreed(session)
    told: Quantity | None = request.ev_maximum_power_limit
    if before.power is None:  # an EV that has told a power may lower it to zero
        told = parameters.told_power(session, told)
    power = _maximum(told, UnitSymbol.W)
    return EvLimits(
        voltage=least(before.voltage, _maximum(request.ev_maximum_voltage_limit, UnitSymbol.V)),
        current=least(before.current, _maximum(request.ev_maximum_current_limit, UnitSymbol.A)),
        power=power if before.power is None else least(before.power, power),
    )


# --- all phases --------------------------------------------------------------------------------------------


def heed_error(session: Session, ev: iso2.DCEVStatus | din.DCEVStatus) -> None:
    """An EV that is at fault wants no energy, whatever it asks for: the charge is over before it begins."""
    if ev.ev_error_code.value != DCEVErrorCode.NO_ERROR.value:
        ending.order_stop(session, f"EV: {ev.ev_error_code.value}", at_once=True)


def check_may_energise(session: Session) -> None:
    """Refuse what would energise the output without a grant, after a stop, or at fault."""
    ending.check_fault(session)
    if session.stop is not None or not session.granted:
        raise Refused(ResponseCode.FAILED, "stopped or without a grant [INV-10] [INV-29]")


def check_not_interrupted(session: Session) -> None:
    """Refuse to go on with a step whose output was switched off."""
    if session.interrupted:
        raise Refused(ResponseCode.FAILED, "the output was switched off in between")


def agreed(session: Session) -> EvLimits:
    """What the EV takes at most."""
    if session.parameters is None:
        raise Refused(ResponseCode.FAILED, "no charge parameters")
    return session.parameters.limits


def _demand(voltage: Quantity, current: Quantity, ev: EvLimits) -> Demand:
    """What the EV wants, as numbers; negative values and wrong units are refused."""
    try:
        demand = Demand(amount(voltage, UnitSymbol.V), amount(current, UnitSymbol.A), ev)
    except WrongUnit as error:
        raise Refused(ResponseCode.FAILED, str(error)) from error
    if demand.voltage < 0 or demand.current < 0:
        raise Refused(ResponseCode.FAILED, "a negative target [INV-07]")
    return demand


def _maximum(value: Quantity | None, unit: UnitSymbol) -> Fraction | None:
    if value is None:
        return None
    try:
        number = amount(value, unit)
    except WrongUnit as error:
        raise Refused(ResponseCode.FAILED, str(error)) from error
    if number < 0:
        raise Refused(ResponseCode.FAILED, "a negative maximum [INV-07]")
    return number


def _apply(session: Session, purpose: Purpose, demand: Demand) -> None:
    session.energise(purpose, demand)
    point = limits.set_point(session, demand, max_current=session.purpose_limit(purpose))
    session.command(milli(point.voltage), milli(point.current))
