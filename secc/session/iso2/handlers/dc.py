"""DC charging: isolation, pre-charge, the demand loop, welding detection."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from secc.messages import iso2
from secc.messages.iso2 import ChargeProgress, EVSEProcessing, ResponseCode, UnitSymbol
from secc.session import limits, quantities
from secc.session.iso2 import status
from secc.session.iso2.handlers import contract, dc_power, ending, parameters, receipts
from secc.session.iso2.handlers.ac import may_start
from secc.session.iso2.handlers.profile import chosen_offer
from secc.session.iso2.states import State
from secc.session.outlet import ControlPilot
from secc.session.refusals import Refused
from secc.session.states import Stage, Timer

if TYPE_CHECKING:
    from secc.session.machine import Session


def cable_check(session: Session, request: iso2.CableCheckReq) -> State:
    """A new isolation test, once the pilot shows C or D [V2G2-916] [V2G2-917] [INV-06]."""
    dc_power.heed_error(session, request.dc_ev_status)
    ending.check_fault(session)
    if ending.overtaken(session):
        return check_overtaken(session, None)
    dc_power.check_may_energise(session)
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


def check_overtaken(session: Session, _: None) -> State:
    """A stop has come before the test: nothing is tested, and nothing finished."""
    _answer_cable_check(session, EVSEProcessing.ONGOING)
    return State.WAIT_CABLE_CHECK_RESULT


def cable_check_again(session: Session, request: iso2.CableCheckReq) -> State:
    """Ongoing until there is a result, then Finished [V2G2-584] [V2G2-621]."""
    dc_power.heed_error(session, request.dc_ev_status)
    if not dc_power.test_finished(session):
        _answer_cable_check(session, EVSEProcessing.ONGOING)
        return State.WAIT_CABLE_CHECK_RESULT
    _answer_cable_check(session, EVSEProcessing.FINISHED)
    return State.WAIT_PRE_CHARGE


def pre_charge(session: Session, request: iso2.PreChargeReq) -> State:
    """Bring the output to the EV's voltage with at most 2 A [INV-05]; the EV judges when it is there."""
    dc_power.bring_to_voltage(session, request)
    session.answer(
        iso2.PreChargeRes(
            response_code=ResponseCode.OK,
            dc_evse_status=status.dc_status(session),
            evse_present_voltage=status.present_voltage(session),
        )
    )
    return State.WAIT_POWER_ON_DC


def power_on(session: Session, request: iso2.PowerDeliveryReq) -> State:
    """Start after pre-charge, or give up before the start."""
    if request.charge_progress is ChargeProgress.STOP:
        return _stop(session)
    offer = chosen_offer(session, request)
    if request.ev_power_delivery_parameter is not None:
        dc_power.heed_error(session, request.ev_power_delivery_parameter.dc_ev_status)
    if not may_start(session, request):
        return start_overtaken(session, None)
    if not dc_power.at_voltage(session):
        return State.AWAITING_VOLTAGE
    session.offer = offer
    session.answer(
        iso2.PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=status.dc_status(session))
    )
    return State.WAIT_FIRST_DEMAND


def start_overtaken(session: Session, _: None) -> State:
    """A stop has come before the energy: OK takes the request, EVSE_Shutdown says that no energy comes."""
    session.answer(
        iso2.PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=status.dc_status(session))
    )
    return State.WAIT_FIRST_DEMAND


def look_again(session: Session, _: None) -> State:
    """Time for another reading of the output."""
    return power_on(session, cast("iso2.PowerDeliveryReq", session.owed))  # nothing else leads here


def last_look(session: Session, _: None) -> Stage:
    """The time for the voltage is over: the reading of now decides [V2G2-480]."""
    state = look_again(session, None)
    return dc_power.voltage_not_seen(session, None) if state is State.AWAITING_VOLTAGE else state


def current_demand(session: Session, request: iso2.CurrentDemandReq) -> State:
    """Deliver the lowest of what is wanted and every limit [INV-07]."""
    ending.check_fault(session)
    ending.check_stop(session)
    contract.check_allowance(session)
    parameters.watch_offer(session)
    point = dc_power.follow(session, request)
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
    session.renegotiation_wanted = session.offer_outdated = False
    return parameters.charge_parameter_discovery(session, request)


def power_off(session: Session, request: iso2.PowerDeliveryReq) -> State:
    """Stop, or renegotiate; both switch the output off. An EV error code changes nothing here."""
    if request.charge_progress is ChargeProgress.STOP:
        return _stop(session)
    if request.charge_progress is ChargeProgress.START:
        raise Refused(ResponseCode.FAILED, "charging has started already [V2G2-812]")
    ending.check_fault(session)
    session.off()
    session.renegotiation_wanted = session.offer_outdated = False
    session.answer(
        iso2.PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=status.dc_status(session))
    )
    return State.WAIT_CHARGE_PARAMETERS


def change_of_mind(session: Session, request: iso2.PowerDeliveryReq) -> State:
    """Stop where there is nothing to stop yet: before pre-charge by `early_power_off`, before the first
    CurrentDemandReq by `stop_after_start`."""
    if request.charge_progress is not ChargeProgress.STOP:
        raise Refused(ResponseCode.FAILED_SEQUENCE_ERROR, "charging has not begun [V2G2-538] [V2G2-812]")
    return _stop(session)


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


# --- answers -----------------------------------------------------------------------------------------------


def _start_test(session: Session) -> State:
    dc_power.request_test(session)
    _answer_cable_check(session, EVSEProcessing.ONGOING)
    return State.WAIT_CABLE_CHECK_RESULT


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
