"""DC charging: isolation, pre-charge, the demand loop, welding detection."""

from __future__ import annotations

from typing import cast

from secc.messages import iso2
from secc.messages.iso2 import ChargeProgress, EVSEProcessing, ResponseCode
from secc.session import (
    ending,
    isolation,
    limits,
    loop,
    offering,
    output,
    pre_charge,
    starting,
    values,
    welding,
)
from secc.session.context import Context
from secc.session.iso2 import status, wire
from secc.session.iso2.handlers import parameters, receipts, setup
from secc.session.iso2.handlers.choice import check_start, check_stop, chosen_offer, delivered
from secc.session.iso2.states import State
from secc.session.iso2.wire import A, V, W


def cable_check(session: Context, request: iso2.CableCheckReq) -> State:
    """A new isolation test, once the pilot shows C or D [V2G2-916] [V2G2-917] [INV-06]."""
    if isolation.requested(session, wire.error_of(request.dc_ev_status)):
        return _tested(session, EVSEProcessing.ONGOING)
    return State.AWAITING_PILOT_DC


def pilot_seen(session: Context, _: None) -> State:
    """The EV shows C or D: go on; any other change: wait on."""
    if isolation.pilot_seen(session):
        return _tested(session, EVSEProcessing.ONGOING)
    return State.AWAITING_PILOT_DC


def check_overtaken(session: Context, _: None) -> State:
    """A stop has come before the test: nothing is tested, and nothing finished."""
    return _tested(session, EVSEProcessing.ONGOING)


def cable_check_again(session: Context, request: iso2.CableCheckReq) -> State:
    """Ongoing until there is a result, then Finished [V2G2-584] [V2G2-621]."""
    finished = isolation.finished(session, wire.error_of(request.dc_ev_status))
    return _tested(session, EVSEProcessing.FINISHED if finished else EVSEProcessing.ONGOING)


def bring_to_voltage(session: Context, request: iso2.PreChargeReq) -> State:
    """Bring the output to the EV's voltage with at most 2 A [INV-05]; the EV judges when it is there."""
    if pre_charge.prepare(session, wire.error_of(request.dc_ev_status)):
        pre_charge.bring_to_voltage(
            session, values.target(request.ev_target_voltage, V), values.target(request.ev_target_current, A)
        )
    session.answer(status.pre_charge(session))
    return State.WAIT_POWER_ON_DC


def power_on(session: Context, request: iso2.PowerDeliveryReq) -> State:
    """Start after pre-charge, or give up before the start."""
    if request.charge_progress is ChargeProgress.STOP:
        return _stop(session)
    offer = chosen_offer(session, request)
    if request.ev_power_delivery_parameter is not None:
        isolation.heed_error(session, wire.error_of(request.ev_power_delivery_parameter.dc_ev_status))
    check_start(request)
    if not starting.may_start(session):
        return start_overtaken(session, None)
    if not pre_charge.confirm_start(session):
        return State.AWAITING_VOLTAGE
    session.offer = offer
    return delivered(session, State.WAIT_FIRST_DEMAND)


def start_overtaken(session: Context, _: None) -> State:
    """A stop has come before the energy: OK takes the request, EVSE_Shutdown says that no energy comes."""
    return delivered(session, State.WAIT_FIRST_DEMAND)


def look_again(session: Context, _: None) -> State:
    """Time for another reading of the output."""
    return power_on(session, cast("iso2.PowerDeliveryReq", session.owed))  # nothing else leads here


def last_look(session: Context, _: None) -> State:
    """The time for the voltage is over: the reading of now decides [V2G2-480]."""
    state = look_again(session, None)
    if state is State.AWAITING_VOLTAGE:
        raise pre_charge.voltage_not_seen()
    return state


def current_demand(session: Context, request: iso2.CurrentDemandReq) -> State:
    """Deliver the lowest of what is wanted and every limit [INV-07]."""
    loop.check(session)
    offering.watch(session)
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
    receipt, can = receipts.ask(session), limits.dc(session)
    session.answer(
        iso2.CurrentDemandRes(
            response_code=ResponseCode.OK,
            dc_evse_status=status.dc_status(session),
            evse_present_voltage=status.present_voltage(session),
            evse_present_current=status.present_current(session),
            evse_current_limit_achieved=point.current_limited,
            evse_voltage_limit_achieved=point.voltage_limited,
            evse_power_limit_achieved=point.power_limited,
            evse_maximum_voltage_limit=wire.limit(can.voltage, V),  # [V2G2-260]
            evse_maximum_current_limit=wire.limit(can.current.upper, A),
            evse_maximum_power_limit=wire.limit(can.power.upper, W),
            evse_id=session.config.evse_id,
            sa_schedule_tuple_id=session.schedule_id,
            meter_info=status.meter_info(session),
            receipt_required=receipt or None,
        )
    )
    return State.WAIT_RECEIPT_DC if receipt else State.WAIT_DEMAND


def discovery_after_receipt(session: Context, request: iso2.ChargeParameterDiscoveryReq) -> State:
    """A renegotiation without PowerDeliveryReq; the output goes off first [V2G2-797] [INV-06]."""
    ending.check_fault(session)
    output.off(session)
    offering.renegotiated(session)
    return parameters.charge_parameter_discovery(session, request)


def power_off(session: Context, request: iso2.PowerDeliveryReq) -> State:
    """Stop, or renegotiate; both switch the output off. An EV error code changes nothing here."""
    if check_stop(request):
        return _stop(session)
    ending.check_fault(session)
    output.off(session)
    offering.renegotiated(session)
    return delivered(session, State.WAIT_CHARGE_PARAMETERS)


def change_of_mind(session: Context, request: iso2.PowerDeliveryReq) -> State:
    """Stop where there is nothing to stop yet: before pre-charge by `early_power_off`, before the first
    CurrentDemandReq by `stop_after_start`."""
    check_stop(request, begun=False)
    return _stop(session)


def welding_detection(session: Context, _: iso2.WeldingDetectionReq) -> State:
    """The EV opens its contactors and watches the voltage; it must be in pilot state B [V2G2-920]."""
    return _welding(session) if welding.requested(session) else State.AWAITING_PILOT_B


def pilot_b_seen(session: Context, _: None) -> State:
    """The EV shows B: answer what it asked [V2G2-921]."""
    if welding.shows_b(session) and isinstance(session.owed, iso2.SessionStopReq):
        return setup.session_stop(session, session.owed)
    return _welding(session) if welding.seen(session) else State.AWAITING_PILOT_B


# --- answers -----------------------------------------------------------------------------------------------


def _stop(session: Context) -> State:
    output.off(session)
    return delivered(session, State.WAIT_STOP_DC)


def _tested(session: Context, processing: EVSEProcessing) -> State:
    """CableCheckRes."""
    session.answer(status.cable_check(session, processing))
    finished = processing is EVSEProcessing.FINISHED
    return State.WAIT_PRE_CHARGE if finished else State.WAIT_CABLE_CHECK_RESULT


def _welding(session: Context) -> State:
    """WeldingDetectionRes."""
    session.answer(status.welding_detection(session))
    return State.WAIT_WELDING
