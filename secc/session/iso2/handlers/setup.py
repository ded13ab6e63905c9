"""SessionSetup, ServiceDiscovery, ServiceDetail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secc.messages import iso2
from secc.messages.iso2 import ResponseCode
from secc.session.iso2.states import State
from secc.session.states import Timer

if TYPE_CHECKING:
    from secc.session.machine import Session


def session_setup(session: Session, request: iso2.SessionSetupReq) -> State:
    """Begin a session under a new id, or continue the paused one whose id the EV sends.

    Any other id that the EV proposes is never taken [V2G2-462] [V2G2-756]. A continued session passes the
    whole sequence again, authorization included [INV-13].
    """
    joined = session.assign_id()
    session.evcc_id = request.evcc_id
    session.stop_timer(Timer.COMMUNICATION_SETUP)
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
