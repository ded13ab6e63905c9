"""What the station does on each request of DIN SPEC 70121, from the setup to the stop.

What is checked and what happens to the output is shared with ISO 15118-2 (`dc_power`, `parameters`,
`identification`, `ending`); here stands what DIN says in its own words, and where it differs.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

from secc.messages import din
from secc.messages.din import EVSEProcessing, ResponseCode
from secc.messages.iso2 import UnitSymbol
from secc.session import limits, quantities
from secc.session.context import ChargeParameters
from secc.session.din import refusals, status
from secc.session.din.states import DinState
from secc.session.iso2.handlers import dc_power, ending, identification, parameters
from secc.session.iso2.handlers.profile import lowest, overlooked
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason
from secc.session.quantities import WrongUnit
from secc.session.refusals import Refused
from secc.session.schedules import Offer
from secc.session.states import Stage, Timer
from secc.settings.energy import EnergyMode
from secc.settings.services import Payment

if TYPE_CHECKING:
    from secc.session.machine import Session


# --- session and service -----------------------------------------------------------------------------------


def session_setup(session: Session, request: din.SessionSetupReq) -> Stage:
    """Begin under a new id, whatever id the EV proposes: DIN has no pause [V2G-DC-241] [V2G-DC-872]."""
    session.assign_id()
    session.evcc_id = request.evcc_id
    session.stop_timer(Timer.COMMUNICATION_SETUP)
    session.answer(
        din.SessionSetupRes(
            response_code=ResponseCode.OK_NEW_SESSION_ESTABLISHED,  # [V2G-DC-393]
            evse_id=status.evse_id(session),
            date_time_now=session.unix_time,
        )
    )
    return DinState.WAIT_SERVICE_DISCOVERY


def service_discovery(session: Session, _: din.ServiceDiscoveryReq) -> Stage:
    """Charging, paid outside the car; there is nothing that scope and category could filter [V2G-DC-252]."""
    session.answer(refusals.services(session, ResponseCode.OK))
    return DinState.WAIT_SERVICE_SELECTION


def service_detail(_: Session, request: din.ServiceDetailReq) -> Stage:
    """Nothing on offer has details."""
    raise Refused(
        ResponseCode.FAILED_SERVICE_ID_INVALID, f"service {request.service_id} has no details to tell"
    )


def service_payment_selection(session: Session, request: din.ServicePaymentSelectionReq) -> Stage:
    """External payment and the charge service are all that can be chosen."""
    if request.selected_payment_option is not din.PaymentOption.EXTERNAL_PAYMENT:
        option = request.selected_payment_option.value
        raise Refused(ResponseCode.FAILED_PAYMENT_SELECTION_INVALID, f"{option} is not offered [V2G-DC-395]")
    chosen = {service.service_id for service in request.selected_service_list.selected_service}
    if chosen != {status.CHARGE_SERVICE}:
        raise Refused(
            ResponseCode.FAILED_SERVICE_SELECTION_INVALID, f"services {sorted(chosen)} chosen [V2G-DC-396]"
        )
    session.payment = Payment.EXTERNAL
    session.answer(din.ServicePaymentSelectionRes(response_code=ResponseCode.OK))
    return DinState.WAIT_AUTHORIZATION


def contract_authentication(session: Session, _: din.ContractAuthenticationReq) -> Stage:
    """Despite its name nothing but the question whether the person outside has been authorised."""
    granted = identification.externally_granted(session)
    session.answer(
        din.ContractAuthenticationRes(
            response_code=ResponseCode.OK,
            evse_processing=EVSEProcessing.FINISHED if granted else EVSEProcessing.ONGOING,
        )
    )
    return DinState.WAIT_CHARGE_PARAMETERS if granted else DinState.WAIT_AUTHORIZATION


# --- charge parameters -------------------------------------------------------------------------------------


def charge_parameter_discovery(session: Session, request: din.ChargeParameterDiscoveryReq) -> Stage:
    """Check what the EV says, then offer schedules: at once, or Ongoing until the back end has them."""
    session.check_budget(Timer.CHARGE_PARAMETERS)
    session.parameters = _accepted(session, request)
    offer = parameters.offered(session, session.parameters)
    waits = offer is None
    session.answer(
        din.ChargeParameterDiscoveryRes(
            response_code=ResponseCode.OK,
            evse_processing=EVSEProcessing.ONGOING if waits else EVSEProcessing.FINISHED,
            sa_schedules=status.placeholder(session) if offer is None else status.schedule_list(offer),
            evse_charge_parameter=status.charge_parameter(session),
        )
    )
    return DinState.WAIT_CHARGE_PARAMETERS if waits else DinState.WAIT_CABLE_CHECK


def _accepted(session: Session, request: din.ChargeParameterDiscoveryReq) -> ChargeParameters:
    """The request as numbers, or a refusal."""
    wanted = EnergyMode(request.ev_requested_energy_transfer_type.value)
    parameters.check_mode(session, wanted, ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_TYPE)
    if not wanted.is_dc:
        raise Refused(ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_TYPE, "DIN SPEC 70121 is DC only")
    ev = request.ev_charge_parameter
    if not isinstance(ev, din.DCEVChargeParameter):
        raise Refused(ResponseCode.FAILED_WRONG_CHARGE_PARAMETER, "AC parameters [V2G-DC-398]")
    try:
        ev_limits, energy = parameters.dc_limits(session, ev)
    except WrongUnit as error:
        raise Refused(ResponseCode.FAILED_WRONG_CHARGE_PARAMETER, str(error)) from error
    return ChargeParameters(
        mode=wanted, limits=ev_limits, departure=None, max_steps=_MAX_STEPS, energy=energy
    )


_MAX_STEPS = 12  # entries of a PMaxSchedule [V2G-DC-329]


# --- isolation, pre-charge ---------------------------------------------------------------------------------


def cable_check(session: Session, request: din.CableCheckReq) -> Stage:
    """A new isolation test, once the pilot shows C or D [V2G-DC-493] [V2G-DC-967] [INV-06]."""
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
    return DinState.AWAITING_PILOT_DC


def pilot_seen(session: Session, _: None) -> Stage:
    """The EV shows C or D: go on; any other change: wait on."""
    if session.evse.control_pilot.wants_energy:
        return _start_test(session)
    return DinState.AWAITING_PILOT_DC


def check_overtaken(session: Session, _: None) -> Stage:
    """A stop has come before the test: nothing is tested, and nothing finished [V2G-DC-650]."""
    _answer_cable_check(session, EVSEProcessing.ONGOING)
    return DinState.WAIT_CABLE_CHECK_RESULT


def cable_check_again(session: Session, request: din.CableCheckReq) -> Stage:
    """Ongoing until there is a result, then Finished [V2G-DC-418]; a fault is FAILED [V2G-DC-890]."""
    dc_power.heed_error(session, request.dc_ev_status)
    finished = dc_power.test_finished(session)
    _answer_cable_check(session, EVSEProcessing.FINISHED if finished else EVSEProcessing.ONGOING)
    return DinState.WAIT_PRE_CHARGE if finished else DinState.WAIT_CABLE_CHECK_RESULT


def _start_test(session: Session) -> Stage:
    dc_power.request_test(session)
    _answer_cable_check(session, EVSEProcessing.ONGOING)
    return DinState.WAIT_CABLE_CHECK_RESULT


def _answer_cable_check(session: Session, processing: EVSEProcessing) -> None:
    session.answer(
        din.CableCheckRes(
            response_code=ResponseCode.OK,
            dc_evse_status=status.evse_status(session),
            evse_processing=processing,
        )
    )


def pre_charge(session: Session, request: din.PreChargeReq) -> Stage:
    """Bring the output to the EV's voltage; the EV judges by its own measurement [V2G-DC-909]."""
    dc_power.bring_to_voltage(session, request)
    session.answer(
        din.PreChargeRes(
            response_code=ResponseCode.OK,
            dc_evse_status=status.evse_status(session),
            evse_present_voltage=status.present_voltage(session),
        )
    )
    return DinState.WAIT_POWER_ON_DC


# --- charging ----------------------------------------------------------------------------------------------


def power_on(session: Session, request: din.PowerDeliveryReq) -> Stage:
    """Start after pre-charge, or give up before the start."""
    if not request.ready_to_charge_state:
        return _stop(session)
    offer = _chosen_offer(session, request)
    if request.ev_power_delivery_parameter is not None:
        dc_power.heed_error(session, request.ev_power_delivery_parameter.dc_ev_status)
    if session.fault is None and ending.overtaken(session):
        return start_overtaken(session, None)
    if session.fault is not None or not (session.granted and session.evse.ready):
        raise Refused(
            ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED,
            "at fault, not ready or without a grant [V2G-DC-401] [INV-10]",
        )
    if not dc_power.at_voltage(session):
        return DinState.AWAITING_VOLTAGE
    session.offer = offer
    _answer_power_delivery(session)
    return DinState.WAIT_FIRST_DEMAND


def start_overtaken(session: Session, _: None) -> Stage:
    """A stop has come before the energy: OK takes the request, EVSE_Shutdown says that no energy comes."""
    _answer_power_delivery(session)
    return DinState.WAIT_FIRST_DEMAND


def look_again(session: Session, _: None) -> Stage:
    """Time for another reading of the output."""
    return power_on(session, cast("din.PowerDeliveryReq", session.owed))  # nothing else leads here


def last_look(session: Session, _: None) -> Stage:
    """The time for the voltage is over: the reading of now decides [V2G-DC-401]."""
    state = look_again(session, None)
    return dc_power.voltage_not_seen(session, None) if state is DinState.AWAITING_VOLTAGE else state


def _chosen_offer(session: Session, request: din.PowerDeliveryReq) -> Offer:
    """The offer with the EV's choice in it; without a profile the EV takes the default one."""
    offer, profile = session.latest_offer, request.charging_profile
    if offer is None:
        raise Refused(ResponseCode.FAILED, "nothing was offered")
    if profile is None:
        return offer
    chosen = profile.sa_schedule_tuple_id
    if chosen not in offer.schedules:
        raise Refused(
            ResponseCode.FAILED_TARIFF_SELECTION_INVALID,
            f"SAScheduleTupleID {chosen} was not offered [V2G-DC-400]",
        )
    schedule, previous = offer.schedules[chosen], -1
    starts = [entry.charging_profile_entry_start for entry in profile.profile_entry]
    for entry, end in zip(profile.profile_entry, [*starts[1:], schedule.end], strict=True):
        start, watts = entry.charging_profile_entry_start, entry.charging_profile_entry_max_power
        allowed = lowest(schedule, start, end) if start < schedule.end else quantities.ZERO
        if watts < 0 and session.config.compat.impossible_profile:
            overlooked(session)
            watts = 0
        if start <= previous or not 0 <= watts <= allowed:
            raise Refused(
                ResponseCode.FAILED_CHARGING_PROFILE_INVALID,
                f"{watts} W from {start} s on, allowed are {float(allowed):g} W [V2G-DC-399]",
            )
        previous = start
    return dataclasses.replace(offer, schedule_id=chosen)


def current_demand(session: Session, request: din.CurrentDemandReq) -> Stage:
    """Deliver the lowest of what is wanted and every limit [INV-07]; the next request is due in 5 s
    [V2G-DC-957]."""
    ending.check_fault(session)
    ending.check_stop(session)
    point = dc_power.follow(session, request)
    session.start_timer(Timer.DIN_DEMAND)
    session.answer(
        din.CurrentDemandRes(
            response_code=ResponseCode.OK,
            dc_evse_status=status.evse_status(session),
            evse_present_voltage=status.present_voltage(session),
            evse_present_current=status.present_current(session),
            evse_current_limit_achieved=point.current_limited,
            evse_voltage_limit_achieved=point.voltage_limited,
            evse_power_limit_achieved=point.power_limited,
            evse_maximum_voltage_limit=status.said(quantities.limit(limits.voltage(session), UnitSymbol.V)),
            evse_maximum_current_limit=status.said(quantities.limit(limits.current(session), UnitSymbol.A)),
            evse_maximum_power_limit=status.said(quantities.limit(limits.power(session), UnitSymbol.W)),
        )
    )
    return DinState.WAIT_DEMAND


def demand_late(session: Session, _: None) -> Stage:
    """The loop has stood still too long [V2G-DC-957]."""
    session.end(EndReason.SEQUENCE_TIMEOUT, "no request in the charge loop")
    return session.state


# --- the end -----------------------------------------------------------------------------------------------


def power_off(session: Session, request: din.PowerDeliveryReq) -> Stage:
    """Stop; an EV error code changes nothing here."""
    if request.ready_to_charge_state:
        raise Refused(ResponseCode.FAILED, "charging has started already")
    return _stop(session)


def give_up(session: Session, request: din.PowerDeliveryReq) -> Stage:
    """There is nothing to stop yet, and some EVs say so all the same: before pre-charge by `early_power_off`,
    before the first CurrentDemandReq by `stop_after_start`."""
    if request.ready_to_charge_state:
        raise Refused(ResponseCode.FAILED_SEQUENCE_ERROR, "a start out of its order [V2G-DC-390]")
    return _stop(session)


def _stop(session: Session) -> Stage:
    session.off()
    _answer_power_delivery(session)
    return DinState.WAIT_STOP_DC


def _answer_power_delivery(session: Session) -> None:
    session.answer(
        din.PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=status.evse_status(session))
    )


def welding_detection(session: Session, _: din.WeldingDetectionReq) -> Stage:
    """The EV opens its contactors and watches our voltage; it has to be in pilot state B [V2G-DC-556]."""
    session.check_budget(Timer.WELDING_DETECTION)
    if session.evse.control_pilot is not ControlPilot.B:
        session.start_timer(Timer.PILOT)
        return DinState.AWAITING_PILOT_B
    return _answer_welding_detection(session)


def pilot_b_seen(session: Session, _: None) -> Stage:
    """The EV shows B: answer what it asked."""
    if session.evse.control_pilot is not ControlPilot.B:
        return DinState.AWAITING_PILOT_B
    if isinstance(session.owed, din.SessionStop):
        return session_stop(session, session.owed)
    return _answer_welding_detection(session)


def _answer_welding_detection(session: Session) -> Stage:
    session.start_timer_once(Timer.WELDING_DETECTION)  # [V2G-DC-925]
    session.answer(
        din.WeldingDetectionRes(
            response_code=ResponseCode.OK,
            dc_evse_status=status.evse_status(session),
            evse_present_voltage=status.present_voltage(session),
        )
    )
    return DinState.WAIT_WELDING


def session_stop(session: Session, _: din.SessionStop) -> Stage:
    """The end; there is no pause [V2G-DC-241]."""
    session.off(final=True)
    session.answer(din.SessionStopRes(response_code=ResponseCode.OK))
    session.end(EndReason.TERMINATED)
    return session.state


def session_stop_after_charge(session: Session, request: din.SessionStop) -> Stage:
    """After PowerDeliveryReq the EV has to be in pilot state B first [V2G-DC-988]."""
    if session.evse.control_pilot is ControlPilot.B:
        return session_stop(session, request)
    session.start_timer(Timer.PILOT)
    return DinState.AWAITING_PILOT_B
