"""SessionStop: the end, a pause, or another service. Which of them a state allows is in the table."""

from __future__ import annotations

from secc.messages import iso20_common as m
from secc.messages.iso20_common import ChargingSession, ResponseCode
from secc.session import output
from secc.session.context import Context
from secc.session.iso20.header import head
from secc.session.iso20.notifications import followed
from secc.session.iso20.refusals import Iso20Refused
from secc.session.iso20.side import Wish, side
from secc.session.iso20.states import Iso20State as S
from secc.session.outputs import EndReason, NoticeKind


def session_stop(session: Context, request: m.SessionStopReq) -> S:
    """The end, in a state in which neither a pause nor another service is possible [V2G20-2645]."""
    _log(session, request)
    if request.charging_session is ChargingSession.PAUSE:
        raise _no_pause("not in this state")
    if request.charging_session is ChargingSession.SERVICE_RENEGOTIATION:
        raise _no_renegotiation("not in this state")
    return _end(session, EndReason.TERMINATED)


def stop_or_pause(session: Context, request: m.SessionStopReq) -> S:
    """The end, or a pause: the output is off, and nothing is on its way to switch it on."""
    _log(session, request)
    if request.charging_session is ChargingSession.SERVICE_RENEGOTIATION:
        raise _no_renegotiation("not in this state")
    return _stop_or_pause(session, request)


def stop_after_charging(session: Context, request: m.SessionStopReq) -> S:
    """The end, a pause, or another service in the same session [V2G20-1476] [V2G20-1477]."""
    _log(session, request)
    if request.charging_session is not ChargingSession.SERVICE_RENEGOTIATION:
        return _stop_or_pause(session, request)
    offer = side(session).offer
    if offer is None or not offer.renegotiable:
        raise _no_renegotiation("it is not supported")
    if not session.granted or session.stop is not None or session.fault is not None:
        raise _no_renegotiation("not authorized, stopped, or at fault")
    output.off(session, final=True)
    followed(session, *Wish)
    session.answer(m.SessionStopRes(header=head(session), response_code=ResponseCode.OK))
    return S.WAIT_SERVICE_DISCOVERY


def _stop_or_pause(session: Context, request: m.SessionStopReq) -> S:
    if request.charging_session is ChargingSession.TERMINATE:
        return _end(session, EndReason.TERMINATED)
    _check_pause(session)
    return _end(session, EndReason.PAUSED)


def _check_pause(session: Context) -> None:
    """A pause needs an authorization and a service to come back to, no stop by the station, an output that is
    off, and, in Dynamic mode, the station's wish [V2G20-1195] [V2G20-1540] [V2G20-1850]."""
    room = side(session)
    if not session.granted or room.selection is None:
        raise _no_pause("there is no authorization or no service to continue")
    if session.stop is not None:
        raise _no_pause("the station has stopped the charge, and nothing continues it [INV-29]")
    if session.energised is not None or session.fault is not None:
        raise _no_pause("the output is on, or at fault")
    if room.selection.dynamic and Wish.PAUSE not in room.wishes:
        raise _no_pause("in Dynamic mode the station begins a pause")


def _end(session: Context, reason: EndReason) -> S:
    output.off(session, final=True)
    session.answer(m.SessionStopRes(header=head(session), response_code=ResponseCode.OK))  # [V2G20-1080]
    session.end(reason)
    return S.ENDED


def _no_pause(why: str) -> Iso20Refused:
    return Iso20Refused(ResponseCode.FAILED_PAUSE_NOT_ALLOWED, f"no pause: {why} [V2G20-1195]")


def _no_renegotiation(why: str) -> Iso20Refused:
    code = ResponseCode.FAILED_NO_SERVICE_RENEGOTIATION_SUPPORTED
    return Iso20Refused(code, f"no service renegotiation: {why} [V2G20-1955]")


def _log(session: Context, request: m.SessionStopReq) -> None:
    """What the EV says about its reasons, with control characters escaped."""
    if request.ev_termination_code is not None or request.ev_termination_explanation is not None:
        words = f"{request.ev_termination_code!a}, {request.ev_termination_explanation!a}"
        session.notice(NoticeKind.STATE, f"the EV ends: {words}")
