"""What the station does on each request of DIN SPEC 70121, from the setup to the stop.

What is checked and what happens to the output is shared with the other protocols (`secc.session`); this
module translates, and differs where DIN does."""

from __future__ import annotations

from typing import cast

from secc.messages import din
from secc.messages.din import EVSEProcessing, ResponseCode
from secc.session import (
    ending,
    grant,
    isolation,
    limits,
    loop,
    offering,
    output,
    parameters,
    pre_charge,
    profile,
    setup,
    starting,
    values,
    welding,
)
from secc.session.agreed import ChargeParameters
from secc.session.context import Context
from secc.session.din import refusals, status, wire
from secc.session.din.refusals import DinRefused
from secc.session.din.states import DinState
from secc.session.din.wire import A, V, W
from secc.session.outputs import EndReason
from secc.session.schedules import Offer
from secc.session.states import Stage, Timer
from secc.settings.energy import EnergyMode
from secc.settings.services import Payment

# --- session and service -----------------------------------------------------------------------------------


def session_setup(session: Context, request: din.SessionSetupReq) -> Stage:
    """Start under a new id; the id of the EV is ignored: DIN has no pause [V2G-DC-241] [V2G-DC-872]."""
    setup.begin(session, request.evcc_id, setup.unbound(session))
    session.answer(
        din.SessionSetupRes(
            response_code=ResponseCode.OK_NEW_SESSION_ESTABLISHED,  # [V2G-DC-393]
            evse_id=status.evse_id(session),
            date_time_now=session.unix_time,
        )
    )
    return DinState.WAIT_SERVICE_DISCOVERY


def service_discovery(session: Context, _: din.ServiceDiscoveryReq) -> Stage:
    """Charging, paid outside the car; there is nothing that scope and category could filter [V2G-DC-252]."""
    session.answer(refusals.services(session, ResponseCode.OK))
    return DinState.WAIT_SERVICE_SELECTION


def service_detail(_: Context, request: din.ServiceDetailReq) -> Stage:
    """Nothing on offer has details."""
    raise DinRefused(ResponseCode.FAILED_SERVICE_ID_INVALID, f"service {request.service_id} has no details")


def service_payment_selection(session: Context, request: din.ServicePaymentSelectionReq) -> Stage:
    """External payment and the charge service are all that can be chosen."""
    if request.selected_payment_option is not din.PaymentOption.EXTERNAL_PAYMENT:
        option = request.selected_payment_option.value
        raise DinRefused(
            ResponseCode.FAILED_PAYMENT_SELECTION_INVALID, f"{option} is not offered [V2G-DC-395]"
        )
    chosen = {service.service_id for service in request.selected_service_list.selected_service}
    if chosen != {status.CHARGE_SERVICE}:
        raise DinRefused(
            ResponseCode.FAILED_SERVICE_SELECTION_INVALID, f"services {sorted(chosen)} chosen [V2G-DC-396]"
        )
    session.payment = Payment.EXTERNAL
    session.answer(din.ServicePaymentSelectionRes(response_code=ResponseCode.OK))
    return DinState.WAIT_AUTHORIZATION


def contract_authentication(session: Context, _: din.ContractAuthenticationReq) -> Stage:
    """Despite its name nothing but the question whether the person outside has been authorised."""
    granted = grant.externally_granted(session)
    session.answer(
        din.ContractAuthenticationRes(
            response_code=ResponseCode.OK,
            evse_processing=EVSEProcessing.FINISHED if granted else EVSEProcessing.ONGOING,
        )
    )
    return DinState.WAIT_CHARGE_PARAMETERS if granted else DinState.WAIT_AUTHORIZATION


# --- charge parameters -------------------------------------------------------------------------------------


def charge_parameter_discovery(session: Context, request: din.ChargeParameterDiscoveryReq) -> Stage:
    """Check what the EV says, then offer schedules: at once, or Ongoing until the back end has them."""
    ending.check_budget(session, Timer.CHARGE_PARAMETERS)
    session.parameters = _accepted(session, request)
    offer = offering.offered(session, session.parameters)
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


def _accepted(session: Context, request: din.ChargeParameterDiscoveryReq) -> ChargeParameters:
    """The request as numbers, or a refusal."""
    wanted = EnergyMode(request.ev_requested_energy_transfer_type.value)
    parameters.check_mode(session, wanted)
    if not wanted.is_dc:
        raise DinRefused(ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_TYPE, "DIN SPEC 70121 is DC only")
    ev = request.ev_charge_parameter
    if not isinstance(ev, din.DCEVChargeParameter):
        raise values.wrong("AC parameters")
    maxima = parameters.dc_limits(
        session, ev.ev_maximum_voltage_limit, ev.ev_maximum_current_limit, ev.ev_maximum_power_limit
    )
    energy = ev.ev_energy_request
    return ChargeParameters(
        mode=wanted,
        limits=maxima,
        departure=None,
        max_steps=_MAX_STEPS,
        energy=None if energy is None else values.parameter(energy, wire.WH),
    )


_MAX_STEPS = 12  # entries of a PMaxSchedule [V2G-DC-329]


# --- isolation, pre-charge ---------------------------------------------------------------------------------


def cable_check(session: Context, request: din.CableCheckReq) -> Stage:
    """A new isolation test, once the pilot shows C or D [V2G-DC-493] [V2G-DC-967] [INV-06]."""
    if isolation.requested(session, wire.error_of(request.dc_ev_status)):
        return _tested(session, EVSEProcessing.ONGOING)
    return DinState.AWAITING_PILOT_DC


def pilot_seen(session: Context, _: None) -> Stage:
    """The EV shows C or D: go on; any other change: wait on."""
    if isolation.pilot_seen(session):
        return _tested(session, EVSEProcessing.ONGOING)
    return DinState.AWAITING_PILOT_DC


def check_overtaken(session: Context, _: None) -> Stage:
    """A stop has come before the test: nothing is tested, and nothing finished [V2G-DC-650]."""
    return _tested(session, EVSEProcessing.ONGOING)


def cable_check_again(session: Context, request: din.CableCheckReq) -> Stage:
    """Ongoing until there is a result, then Finished [V2G-DC-418]; a fault is FAILED [V2G-DC-890]."""
    finished = isolation.finished(session, wire.error_of(request.dc_ev_status))
    return _tested(session, EVSEProcessing.FINISHED if finished else EVSEProcessing.ONGOING)


def _tested(session: Context, processing: EVSEProcessing) -> Stage:
    """CableCheckRes."""
    session.answer(status.cable_check(session, processing))
    finished = processing is EVSEProcessing.FINISHED
    return DinState.WAIT_PRE_CHARGE if finished else DinState.WAIT_CABLE_CHECK_RESULT


def bring_to_voltage(session: Context, request: din.PreChargeReq) -> Stage:
    """Bring the output to the EV's voltage; the EV judges by its own measurement [V2G-DC-909]."""
    if pre_charge.prepare(session, wire.error_of(request.dc_ev_status)):
        pre_charge.bring_to_voltage(
            session, values.target(request.ev_target_voltage, V), values.target(request.ev_target_current, A)
        )
    session.answer(status.pre_charge(session))
    return DinState.WAIT_POWER_ON_DC


# --- charging ----------------------------------------------------------------------------------------------


def power_on(session: Context, request: din.PowerDeliveryReq) -> Stage:
    """Start after pre-charge, or give up before the start."""
    if not request.ready_to_charge_state:
        return _stop(session)
    offer = _chosen_offer(session, request)
    if request.ev_power_delivery_parameter is not None:
        isolation.heed_error(session, wire.error_of(request.ev_power_delivery_parameter.dc_ev_status))
    if not starting.may_start(session):
        return start_overtaken(session, None)
    if not pre_charge.confirm_start(session):
        return DinState.AWAITING_VOLTAGE
    session.offer = offer
    return _delivered(session, DinState.WAIT_FIRST_DEMAND)


def start_overtaken(session: Context, _: None) -> Stage:
    """A stop has come before the energy: OK takes the request, EVSE_Shutdown says that no energy comes."""
    return _delivered(session, DinState.WAIT_FIRST_DEMAND)


def look_again(session: Context, _: None) -> Stage:
    """Time for another reading of the output."""
    return power_on(session, cast("din.PowerDeliveryReq", session.owed))  # nothing else leads here


def last_look(session: Context, _: None) -> Stage:
    """The time for the voltage is over: the reading of now decides [V2G-DC-401]."""
    state = look_again(session, None)
    if state is DinState.AWAITING_VOLTAGE:
        raise pre_charge.voltage_not_seen()
    return state


def _chosen_offer(session: Context, request: din.PowerDeliveryReq) -> Offer:
    """The offer with the EV's choice in it; without a profile the EV takes the default one."""
    chosen, offer = request.charging_profile, session.latest_offer
    if chosen is not None:
        return profile.chosen_offer(session, chosen.sa_schedule_tuple_id, wire.entries(chosen))
    if offer is None:
        raise DinRefused(ResponseCode.FAILED, "nothing was offered")
    return offer


def current_demand(session: Context, request: din.CurrentDemandReq) -> Stage:
    """Deliver the lowest of what is wanted and every limit [INV-07]; the next request is due in 5 s
    [V2G-DC-957]."""
    loop.check(session)
    ev = request.dc_ev_status
    point = loop.follow(
        session,
        values.demand(
            session,
            (request.ev_target_voltage, request.ev_target_current),
            request.ev_maximum_voltage_limit,
            request.ev_maximum_current_limit,
            request.ev_maximum_power_limit,
        ),
        error=wire.error_of(ev),
        ready=ev.ev_ready,
        complete=request.charging_complete,
    )
    session.timers.start(Timer.DIN_DEMAND, session.now)
    can = limits.dc(session)
    session.answer(
        din.CurrentDemandRes(
            response_code=ResponseCode.OK,
            dc_evse_status=status.evse_status(session),
            evse_present_voltage=status.present_voltage(session),
            evse_present_current=status.present_current(session),
            evse_current_limit_achieved=point.current_limited,
            evse_voltage_limit_achieved=point.voltage_limited,
            evse_power_limit_achieved=point.power_limited,
            evse_maximum_voltage_limit=wire.limit(can.voltage, V),
            evse_maximum_current_limit=wire.limit(can.current.upper, A),
            evse_maximum_power_limit=wire.limit(can.power.upper, W),
        )
    )
    return DinState.WAIT_DEMAND


def demand_late(session: Context, _: None) -> Stage:
    """The loop has stood still too long [V2G-DC-957]."""
    session.end(EndReason.SEQUENCE_TIMEOUT, "no request in the charge loop")
    return session.state


# --- the end -----------------------------------------------------------------------------------------------


def power_off(session: Context, request: din.PowerDeliveryReq) -> Stage:
    """Stop; an EV error code changes nothing here."""
    if request.ready_to_charge_state:
        raise DinRefused(ResponseCode.FAILED, "charging has started already")
    return _stop(session)


def give_up(session: Context, request: din.PowerDeliveryReq) -> Stage:
    """Some EVs stop although nothing has started: before pre-charge by `early_power_off`,
    before the first CurrentDemandReq by `stop_after_start`."""
    if request.ready_to_charge_state:
        raise DinRefused(ResponseCode.FAILED_SEQUENCE_ERROR, "a start out of its order [V2G-DC-390]")
    return _stop(session)


def _stop(session: Context) -> Stage:
    output.off(session)
    return _delivered(session, DinState.WAIT_STOP_DC)


def _delivered(session: Context, state: Stage) -> Stage:
    """PowerDeliveryRes."""
    session.answer(status.power_delivery(session))
    return state


def welding_detection(session: Context, _: din.WeldingDetectionReq) -> Stage:
    """The EV opens its contactors and watches the voltage; it must be in pilot state B [V2G-DC-556]."""
    return _welding(session) if welding.requested(session) else DinState.AWAITING_PILOT_B


def pilot_b_seen(session: Context, _: None) -> Stage:
    """The EV shows B: answer what it asked."""
    if welding.shows_b(session) and isinstance(session.owed, din.SessionStop):
        return session_stop(session, session.owed)
    return _welding(session) if welding.seen(session) else DinState.AWAITING_PILOT_B


def _welding(session: Context) -> Stage:
    """WeldingDetectionRes [V2G-DC-925]."""
    session.answer(status.welding_detection(session))
    return DinState.WAIT_WELDING


def session_stop(session: Context, _: din.SessionStop) -> Stage:
    """The end; there is no pause [V2G-DC-241]."""
    output.off(session, final=True)
    session.answer(din.SessionStopRes(response_code=ResponseCode.OK))
    session.end(EndReason.TERMINATED)
    return session.state


def session_stop_after_charge(session: Context, request: din.SessionStop) -> Stage:
    """After PowerDeliveryReq the EV must be in pilot state B first [V2G-DC-988]."""
    return session_stop(session, request) if welding.stop_requested(session) else DinState.AWAITING_PILOT_B
