"""DC charging: isolation, pre-charge, the demand loop, welding detection."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from secc.messages import iso2
from secc.messages.iso2 import ChargeProgress, DCEVErrorCode, EVSEProcessing, ResponseCode, UnitSymbol
from secc.session import limits, quantities, status
from secc.session.context import CableTest, Demand, EvLimits, Purpose
from secc.session.events import (
    CableCheckReported,
    ControlPilot,
    EvseFault,
    IsolationLevel,
    NoticeKind,
    StartCableCheck,
)
from secc.session.handlers import contract, ending, parameters, receipts
from secc.session.handlers.ac import check_start
from secc.session.handlers.profile import chosen_offer
from secc.session.quantities import WrongUnit, amount, decimal, least, milli
from secc.session.refusals import Refused
from secc.session.states import State, Timer

if TYPE_CHECKING:
    from secc.session.machine import Session


def cable_check(session: Session, _: iso2.CableCheckReq) -> State:
    """A new isolation test, once the pilot shows C or D [V2G2-916] [V2G2-917] [INV-06]."""
    _check_may_energise(session)
    session.interrupted = False
    session.cable_test = None
    if session.evse.control_pilot.wants_energy:
        return _start_test(session)
    session.start_timer(Timer.PILOT)
    return State.AWAITING_PILOT_DC


def pilot_seen(session: Session, _: None) -> State:
    """The EV shows C or D: go on; any other change: wait on."""
    if session.evse.control_pilot.wants_energy:
        return _start_test(session)
    return State.AWAITING_PILOT_DC


def cable_check_again(session: Session, _: iso2.CableCheckReq) -> State:
    """Ongoing until there is a result, then Finished [V2G2-584] [V2G2-621]."""
    session.check_budget(Timer.CABLE_CHECK)
    _check_may_energise(session)
    _check_not_interrupted(session)
    test = session.cable_test
    if test is None or test.level is None:
        _answer_cable_check(session, EVSEProcessing.ONGOING)
        return State.WAIT_CABLE_CHECK_RESULT
    if test.level not in _SOUND:
        raise Refused(ResponseCode.FAILED, f"isolation test: {test.level.value} [INV-06]")
    _answer_cable_check(session, EVSEProcessing.FINISHED)
    return State.WAIT_PRE_CHARGE


def cable_checked(session: Session, report: CableCheckReported) -> State:
    """The result of this pass; the output is without voltage again. A fault is latched [INV-30]."""
    test = session.cable_test
    if test is None or report.ticket != test.ticket or test.level is not None:
        session.notice(NoticeKind.STALE, f"isolation test for {report.ticket}")
        return State.WAIT_CABLE_CHECK_RESULT
    session.cable_test = CableTest(test.ticket, report.level)
    session.stop_timer(Timer.CABLE_CHECK)
    session.off()
    if report.level is IsolationLevel.FAULT:
        session.fault = session.fault or EvseFault.ISOLATION
    return State.WAIT_CABLE_CHECK_RESULT


_SOUND = (IsolationLevel.VALID, IsolationLevel.WARNING)


def pre_charge(session: Session, request: iso2.PreChargeReq) -> State:
    """Bring the output to the EV's voltage with at most 2 A [INV-05]; the EV judges when it is there."""
    session.check_budget(Timer.PRE_CHARGE)
    session.check_budget(Timer.PRE_CHARGE_TOTAL)
    _check_may_energise(session)
    _check_not_interrupted(session)
    if not session.evse.control_pilot.wants_energy:
        raise Refused(
            ResponseCode.FAILED, f"pre-charge with pilot {session.evse.control_pilot.value} [INV-04]"
        )
    demand = _demand(session, request.ev_target_voltage, request.ev_target_current, _agreed(session))
    _apply(session, Purpose.PRE_CHARGE, demand)
    session.pre_charge = demand
    session.start_timer_once(Timer.PRE_CHARGE)
    session.start_timer_once(Timer.PRE_CHARGE_TOTAL)
    session.answer(
        iso2.PreChargeRes(
            response_code=ResponseCode.OK,
            dc_evse_status=status.dc_status(session),
            evse_present_voltage=status.present_voltage(session),
        )
    )
    return State.WAIT_POWER_ON_DC


def pre_charge_late(session: Session, _: None) -> State:
    """The voltage should be there now; if it is, the EV still has the total time, if not, it is over."""
    if not _pre_charged(session):
        return ending.budget_spent(session, None)
    session.stop_timer(Timer.PRE_CHARGE)
    return State.WAIT_POWER_ON_DC


def power_on(session: Session, request: iso2.PowerDeliveryReq) -> State:
    """Start after pre-charge, or give up before the start."""
    if request.charge_progress is ChargeProgress.STOP:
        return _stop(session)
    offer = chosen_offer(session, request)
    check_start(session, request)
    session.check_budget(Timer.PRE_CHARGE)
    session.check_budget(Timer.PRE_CHARGE_TOTAL)
    if session.interrupted or session.pre_charge is None or not _pre_charged(session):
        raise Refused(
            ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED, "the output is not at the EV's voltage [V2G2-480]"
        )
    session.offer = offer
    session.answer(
        iso2.PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=status.dc_status(session))
    )
    return State.WAIT_FIRST_DEMAND


def current_demand(session: Session, request: iso2.CurrentDemandReq) -> State:
    """Deliver the lowest of what is wanted and every limit [INV-07]."""
    ending.check_fault(session)
    ending.check_stop(session)
    contract.check_allowance(session)
    demand = _demand(
        session, request.ev_target_voltage, request.ev_target_current, _lowered(session, request)
    )
    if _wants_nothing(session, request):
        point = limits.SetPoint()
        if session.energised is not None:
            _apply(session, Purpose.DC, Demand(quantities.ZERO, quantities.ZERO, demand.limits))
    else:
        point = limits.set_point(session, demand)
        if session.energised is not None:
            _apply(session, Purpose.DC, demand)
    meter_info = status.meter_info(session)
    receipt = receipts.ask(session, meter_info)
    session.answer(
        iso2.CurrentDemandRes(
            response_code=ResponseCode.OK,
            dc_evse_status=status.dc_status(session),
            evse_present_voltage=status.present_voltage(session),
            evse_present_current=status.present_current(session),
            evse_current_limit_achieved=point.current_limited,
            evse_voltage_limit_achieved=point.voltage_limited,
            evse_power_limit_achieved=point.power_limited,
            evse_maximum_voltage_limit=quantities.limit(limits.voltage(session), UnitSymbol.V),  # [V2G2-260]
            evse_maximum_current_limit=quantities.limit(limits.current(session), UnitSymbol.A),
            evse_maximum_power_limit=quantities.limit(limits.power(session), UnitSymbol.W),
            evse_id=session.config.evse_id,
            sa_schedule_tuple_id=session.schedule_id,
            meter_info=meter_info,
            receipt_required=receipt or None,
        )
    )
    return State.WAIT_RECEIPT_DC if receipt else State.WAIT_DEMAND


def discovery_after_receipt(session: Session, request: iso2.ChargeParameterDiscoveryReq) -> State:
    """A renegotiation without PowerDeliveryReq; the output goes off first [V2G2-797] [INV-06]."""
    ending.check_fault(session)
    session.off()
    session.renegotiation_wanted = False
    return parameters.charge_parameter_discovery(session, request)


def power_off(session: Session, request: iso2.PowerDeliveryReq) -> State:
    """Stop, or renegotiate; both switch the output off. An EV error code changes nothing here."""
    if request.charge_progress is ChargeProgress.STOP:
        return _stop(session)
    if request.charge_progress is ChargeProgress.START:
        raise Refused(ResponseCode.FAILED, "charging has started already [V2G2-812]")
    ending.check_fault(session)
    session.off()
    session.renegotiation_wanted = False
    session.answer(
        iso2.PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=status.dc_status(session))
    )
    return State.WAIT_CHARGE_PARAMETERS


def welding_detection(session: Session, _: iso2.WeldingDetectionReq) -> State:
    """The EV opens its contactors and watches our voltage; it has to be in pilot state B [V2G2-920]."""
    session.check_budget(Timer.WELDING_DETECTION)
    if session.evse.control_pilot is not ControlPilot.B:
        session.start_timer(Timer.PILOT)
        return State.AWAITING_PILOT_B
    return _answer_welding_detection(session)


def pilot_b_seen(session: Session, _: None) -> State:
    """The EV shows B: answer what it asked [V2G2-921]."""
    if session.evse.control_pilot is not ControlPilot.B:
        return State.AWAITING_PILOT_B
    if isinstance(session.owed, iso2.SessionStopReq):
        return ending.session_stop(session, session.owed)
    return _answer_welding_detection(session)


# --- checks ------------------------------------------------------------------------------------------------


def _check_may_energise(session: Session) -> None:
    ending.check_fault(session)
    if session.stop is not None or not session.granted:
        raise Refused(ResponseCode.FAILED, "stopped or without a grant [INV-10] [INV-29]")


def _check_not_interrupted(session: Session) -> None:
    if session.interrupted:
        raise Refused(ResponseCode.FAILED, "the output was switched off in between")


def _demand(
    session: Session, voltage: iso2.PhysicalValue, current: iso2.PhysicalValue, ev: EvLimits
) -> Demand:
    """What the EV wants, as numbers; negative values and wrong units are refused."""
    try:
        demand = Demand(amount(voltage, UnitSymbol.V), amount(current, UnitSymbol.A), ev)
    except WrongUnit as error:
        raise Refused(ResponseCode.FAILED, str(error)) from error
    if demand.voltage < 0 or demand.current < 0:
        raise Refused(ResponseCode.FAILED, "a negative target [INV-07]")
    return demand


def _agreed(session: Session) -> EvLimits:
    if session.parameters is None:
        raise Refused(ResponseCode.FAILED, "no charge parameters")
    return session.parameters.limits


def _lowered(session: Session, request: iso2.CurrentDemandReq) -> EvLimits:
    """The EV's maxima of now: later messages may lower the agreed ones, never raise them [INV-07]."""
    agreed = _agreed(session)
    told = request.ev_maximum_power_limit
    if agreed.power is None:  # an EV that has told a power may lower it to zero
        told = parameters.told_power(session, told)
    return EvLimits(
        voltage=least(agreed.voltage, _maximum(request.ev_maximum_voltage_limit, UnitSymbol.V)),
        current=least(agreed.current, _maximum(request.ev_maximum_current_limit, UnitSymbol.A)),
        power=_lower_power(agreed.power, _maximum(told, UnitSymbol.W)),
    )


def _lower_power(agreed: Fraction | None, told: Fraction | None) -> Fraction | None:
    return told if agreed is None else least(agreed, told)


def _maximum(value: iso2.PhysicalValue | None, unit: UnitSymbol) -> Fraction | None:
    if value is None:
        return None
    try:
        number = amount(value, unit)
    except WrongUnit as error:
        raise Refused(ResponseCode.FAILED, str(error)) from error
    if number < 0:
        raise Refused(ResponseCode.FAILED, "a negative maximum [INV-07]")
    return number


def _wants_nothing(session: Session, request: iso2.CurrentDemandReq) -> bool:
    """Full, not ready or at fault: the set-point is zero; the latter two also end the charge."""
    ev = request.dc_ev_status
    at_fault = ev.ev_error_code is not DCEVErrorCode.NO_ERROR
    if at_fault or (not ev.ev_ready and not session.config.compat.ev_not_ready):
        ending.order_stop(session, f"EV: {ev.ev_error_code.value}, ready {ev.ev_ready}", at_once=False)
    return at_fault or not ev.ev_ready or request.charging_complete


# --- effects -----------------------------------------------------------------------------------------------


def _start_test(session: Session) -> State:
    session.cable_test = CableTest(session.ticket())
    session.energise(Purpose.CABLE_TEST)
    highest = least(_agreed(session).voltage, limits.voltage(session))
    session.emit(StartCableCheck(session.cable_test.ticket, milli(highest)))
    session.start_timer(Timer.CABLE_CHECK)
    _answer_cable_check(session, EVSEProcessing.ONGOING)
    return State.WAIT_CABLE_CHECK_RESULT


def _apply(session: Session, purpose: Purpose, demand: Demand) -> None:
    session.energise(purpose, demand)
    point = limits.set_point(session, demand, max_current=session.purpose_limit(purpose))
    session.command(milli(point.voltage), milli(point.current))


def _pre_charged(session: Session) -> bool:
    """The output is where the EV wants it, as far as we can see."""
    if session.pre_charge is None:
        return False
    present = decimal(session.evse.present_voltage)
    wanted = limits.set_point(session, session.pre_charge).voltage
    return abs(present - wanted) <= decimal(session.config.energy.dc.pre_charge_tolerance)


def _stop(session: Session) -> State:
    session.off()
    session.answer(
        iso2.PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=status.dc_status(session))
    )
    return State.WAIT_STOP_DC


def _answer_cable_check(session: Session, processing: EVSEProcessing) -> None:
    session.answer(
        iso2.CableCheckRes(
            response_code=ResponseCode.OK,
            dc_evse_status=status.dc_status(session),
            evse_processing=processing,
        )
    )


def _answer_welding_detection(session: Session) -> State:
    session.start_timer_once(Timer.WELDING_DETECTION)
    session.answer(
        iso2.WeldingDetectionRes(
            response_code=ResponseCode.OK,
            dc_evse_status=status.dc_status(session),
            evse_present_voltage=status.present_voltage(session),
        )
    )
    return State.WAIT_WELDING
