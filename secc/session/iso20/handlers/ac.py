"""AC: the contactor, the start, the end of the energy transfer. The loop is in `ac_loop`."""

from __future__ import annotations

from secc.messages import iso20_common as m
from secc.messages.iso20_common import ChargeProgress, Processing, ResponseCode
from secc.session import contactor, ending, output, starting
from secc.session.context import Context
from secc.session.inputs import ContactorReported
from secc.session.iso20.handlers.choice import check_start, chosen_offer, no_standby, tolerance
from secc.session.iso20.handlers.dc import begin_renegotiation, started
from secc.session.iso20.header import head
from secc.session.iso20.notifications import evse_status
from secc.session.iso20.refusals import Iso20Refused
from secc.session.iso20.side import side
from secc.session.iso20.states import Iso20State as S
from secc.session.states import Timer


def power_on(session: Context, request: m.PowerDeliveryReq) -> S:
    """Start: the contactor closes within the time of the answer, after the pilot shows C or D [V2G20-847]."""
    check_start(request)
    if request.ev_processing is Processing.ONGOING:
        return _delivered(session, S.WAIT_POWER_ON_AC)
    offer, code = chosen_offer(session, request), tolerance(session, request)
    if not starting.may_start(session):
        return start_overtaken(session, None)
    session.offer = offer
    session.interrupted = False
    room = side(session)
    room.metered, room.target_sent, room.exceeded_at, room.start_code = False, 0, None, code
    session.timers.start(Timer.PILOT, session.now)
    return look_again(session, None)


def start_overtaken(session: Context, _: None) -> S:
    """A stop has come before the contactor: OK takes the request, Terminate says that no energy comes. The
    contactor is open, or opened now."""
    if session.energised is not None:
        output.off(session, "a start after a stop")
    return _delivered(session, S.WAIT_FIRST_LOOP_AC)


def look_again(session: Context, _: None) -> S:
    """The EV shows C or D, and whatever was on before is off: go on; else wait on."""
    return S.CLOSING_CONTACTOR if contactor.close_when_safe(session) else S.AWAITING_PILOT_AC


def start_late(session: Context, _: None) -> S:
    """The time for the pilot is over: it does not show C or D, or what was on before is not off."""
    raise contactor.start_late(session)


def contactor_reported(session: Context, report: ContactorReported) -> S:
    """The report of the outlet; one that reports no does not follow its orders."""
    return _closed(session) if contactor.reported(session, report) else S.CLOSING_CONTACTOR


def contactor_seen(session: Context, _: None) -> S:
    """Confirm the start only with the contactor closed by level [INV-02], where there is feedback."""
    return _closed(session) if contactor.seen_closed(session) else S.CLOSING_CONTACTOR


def contactor_late(session: Context, _: None) -> S:
    """The contactor did not close in time."""
    raise contactor.late(session)


def power_off(session: Context, request: m.PowerDeliveryReq) -> S:
    """Stop, or negotiate a new schedule with the contactor closed."""
    match request.charge_progress:
        case ChargeProgress.STOP:
            return _stop(session)
        case ChargeProgress.STANDBY:
            raise no_standby()
        case ChargeProgress.START:
            raise started()
        case ChargeProgress.SCHEDULE_RENEGOTIATION:
            begin_renegotiation(session)
            return _delivered(session, S.WAIT_NEW_SCHEDULE_AC)


def new_profile(session: Context, request: m.PowerDeliveryReq) -> S:
    """The schedule that the EV has chosen anew counts from now on [V2G20-1050]; or it stops."""
    if request.charge_progress is ChargeProgress.STOP:
        return _stop(session)
    if request.charge_progress is ChargeProgress.STANDBY:
        raise no_standby()
    ending.check_fault(session)
    offer, code = chosen_offer(session, request), tolerance(session, request)
    session.offer = offer
    return _delivered(session, S.WAIT_LOOP_AC, code)


def change_of_mind(session: Context, request: m.PowerDeliveryReq) -> S:
    """Stop where the loop has not begun."""
    if request.charge_progress is not ChargeProgress.STOP:
        why = "the charge loop has not begun [V2G20-459]"
        raise Iso20Refused(ResponseCode.FAILED_SEQUENCE_ERROR, why)
    return _stop(session)


def _closed(session: Context) -> S:
    return _delivered(session, S.WAIT_FIRST_LOOP_AC, side(session).start_code)


def _stop(session: Context) -> S:
    output.off(session)
    return _delivered(session, S.WAIT_SESSION_STOP)


def _delivered(session: Context, state: S, code: ResponseCode = ResponseCode.OK) -> S:
    """PowerDeliveryRes."""
    session.answer(
        m.PowerDeliveryRes(header=head(session), response_code=code, evse_status=evse_status(session))
    )
    return state
