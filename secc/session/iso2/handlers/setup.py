"""SessionSetup and SessionStop: the beginning and the end by the EV's request."""

from __future__ import annotations

from secc.messages import iso2
from secc.messages.iso2 import ChargingSession, ResponseCode
from secc.session import output, setup, welding
from secc.session.context import Context
from secc.session.iso2.states import State
from secc.session.outputs import EndReason


def session_setup(session: Context, request: iso2.SessionSetupReq) -> State:
    """Begin a session under a new id, or continue the paused one whose id the EV sends.

    Any other id that the EV proposes is never taken [V2G2-462] [V2G2-756]. A continued session passes the
    whole sequence again, authorization included [INV-13].
    """
    joined = setup.begin(session, request.evcc_id, setup.unbound(session))
    session.answer(
        iso2.SessionSetupRes(
            response_code=(
                ResponseCode.OK_OLD_SESSION_JOINED if joined else ResponseCode.OK_NEW_SESSION_ESTABLISHED
            ),
            evse_id=session.config.evse_id,
            evse_time_stamp=session.unix_time,
        )
    )
    return State.WAIT_SERVICE_DISCOVERY


def session_stop(session: Context, request: iso2.SessionStopReq) -> State:
    """End or pause; the connection closes either way [V2G2-571] [V2G2-739]."""
    output.off(session, final=True)
    session.answer(iso2.SessionStopRes(response_code=ResponseCode.OK))
    paused = request.charging_session is ChargingSession.PAUSE
    session.end(EndReason.PAUSED if paused else EndReason.TERMINATED)
    return State.ENDED


def session_stop_dc(session: Context, request: iso2.SessionStopReq) -> State:
    """After PowerDeliveryReq(Stop) the EV must be in pilot state B first [V2G2-919] [V2G2-920]."""
    return session_stop(session, request) if welding.stop_requested(session) else State.AWAITING_PILOT_B
