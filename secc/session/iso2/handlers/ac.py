"""AC charging: PowerDelivery, the contactor, ChargingStatus."""

from __future__ import annotations

from secc.messages import iso2
from secc.messages.iso2 import ChargeProgress, ResponseCode
from secc.session import contactor, ending, limits, loop, offering, output, starting
from secc.session.context import Context
from secc.session.inputs import ContactorReported
from secc.session.iso2 import status, wire
from secc.session.iso2.handlers import receipts
from secc.session.iso2.handlers.choice import check_start, check_stop, chosen_offer, delivered
from secc.session.iso2.states import State
from secc.session.states import Timer
from secc.settings.services import Payment


def power_on(session: Context, request: iso2.PowerDeliveryReq) -> State:
    """Start, or give up before the start. With energy only after the pilot shows C or D [V2G2-847]."""
    if request.charge_progress is ChargeProgress.STOP:
        return _stop(session)
    offer = chosen_offer(session, request)
    check_start(request)
    if not starting.may_start(session):
        return start_overtaken(session, None)
    session.offer = offer
    session.interrupted = False
    session.timers.start(Timer.PILOT, session.now)
    return look_again(session, None)


def start_overtaken(session: Context, _: None) -> State:
    """A stop has come before the contactor: OK says that the request was taken, StopCharging that no energy
    comes. The contactor is open, or opened now."""
    if session.energised is not None:
        output.off(session, "a start after a stop")
    return delivered(session, State.WAIT_FIRST_STATUS)


def look_again(session: Context, _: None) -> State:
    """The EV shows C or D, and the output of before is off: continue; else keep waiting."""
    return State.CLOSING_CONTACTOR if contactor.close_when_safe(session) else State.AWAITING_PILOT_AC


def start_late(session: Context, _: None) -> State:
    """The time for the pilot is over: it does not show C or D, or what was on before is not off."""
    raise contactor.start_late(session)


def contactor_reported(session: Context, report: ContactorReported) -> State:
    """The outlet's own report; an outlet that reports no does not follow its orders [V2G2-862]."""
    return _closed(session) if contactor.reported(session, report) else State.CLOSING_CONTACTOR


def contactor_seen(session: Context, _: None) -> State:
    """Confirm the start only with the contactor closed by level [INV-02], where there is feedback."""
    return _closed(session) if contactor.seen_closed(session) else State.CLOSING_CONTACTOR


def contactor_late(session: Context, _: None) -> State:
    """3 s after the pilot showed C or D [V2G2-862]."""
    raise contactor.late(session)


def charging_status(session: Context, _: iso2.ChargingStatusReq) -> State:
    """Say what the EV may draw now; a receipt is asked for only with a contract [V2G2-691]."""
    loop.check(session)
    offering.watch(session)
    external = session.payment is Payment.EXTERNAL  # with a contract PMax is all that binds
    receipt = receipts.ask(session)
    session.answer(
        iso2.ChargingStatusRes(
            response_code=ResponseCode.OK,
            evse_id=session.config.evse_id,
            sa_schedule_tuple_id=session.schedule_id,
            evse_max_current=(
                wire.limit(limits.ac_current(session), wire.A) if external else None  # [V2G2-844]
            ),
            meter_info=status.meter_info(session),
            receipt_required=receipt,
            ac_evse_status=status.ac_status(session),
        )
    )
    return State.WAIT_RECEIPT_AC if receipt else State.WAIT_STATUS


def power_off(session: Context, request: iso2.PowerDeliveryReq) -> State:
    """Stop, or renegotiate: then the contactor stays as it is [V2G2-849]."""
    if check_stop(request):
        return _stop(session)
    ending.check_fault(session)
    offering.renegotiated(session)
    return delivered(session, State.WAIT_CHARGE_PARAMETERS)


def change_of_mind(session: Context, request: iso2.PowerDeliveryReq) -> State:
    """Stop before the first ChargingStatusReq, by `stop_after_start`."""
    check_stop(request, begun=False)
    return _stop(session)


def _closed(session: Context) -> State:
    return delivered(session, State.WAIT_FIRST_STATUS)


def _stop(session: Context) -> State:
    output.off(session)
    return delivered(session, State.WAIT_STOP_AC)
