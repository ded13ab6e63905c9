"""AC: the contactor, the start, the end of the energy transfer. The loop is in `ac_loop`."""

from __future__ import annotations

from secc.messages import iso20_common as m
from secc.messages.iso20_common import ChargeProgress, Processing
from secc.session import contactor, output, starting
from secc.session.context import Context
from secc.session.inputs import ContactorReported
from secc.session.iso20.handlers.choice import check_start, chosen_offer, follow, tolerance
from secc.session.iso20.handlers.power import delivered, profile, stop_before
from secc.session.iso20.side import side
from secc.session.iso20.states import Iso20State as S
from secc.session.states import Timer


def power_on(session: Context, request: m.PowerDeliveryReq) -> S:
    """Start: the contactor closes within the time of the answer, after the pilot shows C or D [V2G20-847].
    An EV that gives up before it may stop."""
    if request.charge_progress is ChargeProgress.STOP:
        return _give_up(session, request)
    check_start(request)
    return _start(session, request, S.WAIT_POWER_ON_AC)


def leave_standby(session: Context, request: m.PowerDeliveryReq) -> S:
    """Start out of standby: the contactor closes as at the first start [V2G20-1386]."""
    return _start(session, request, S.WAIT_STANDBY_AC)


def new_profile(session: Context, request: m.PowerDeliveryReq) -> S:
    """The EV's choice of a new schedule; out of standby it is a start, and the contactor closes."""
    starts = (ChargeProgress.START, ChargeProgress.SCHEDULE_RENEGOTIATION)
    if side(session).resting and session.energised is None and request.charge_progress in starts:
        return _start(session, request, S.WAIT_NEW_PROFILE_AC)
    return _new_profile(session, request)


def _start(session: Context, request: m.PowerDeliveryReq, waiting: S) -> S:
    if request.ev_processing is Processing.ONGOING:
        return delivered(session, waiting)
    offer, code = chosen_offer(session, request), tolerance(session, request)
    if not starting.may_start(session):
        return start_overtaken(session, None)
    follow(session, offer)
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
    return delivered(session, S.WAIT_FIRST_LOOP_AC)


def look_again(session: Context, _: None) -> S:
    """The EV shows C or D, and the output of before is off: continue; else keep waiting."""
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


_give_up = stop_before(S.WAIT_SESSION_STOP)
_new_profile = profile(S.WAIT_SESSION_STOP, S.WAIT_NEW_PROFILE_AC, S.WAIT_LOOP_AC)


def _closed(session: Context) -> S:
    room = side(session)
    room.resting, room.target_at = False, session.now
    return delivered(session, S.WAIT_FIRST_LOOP_AC, room.start_code)
