"""SessionSetup, ServiceDiscovery, ServiceDetail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secc.messages import iso2
from secc.messages.iso2 import ResponseCode
from secc.session import status
from secc.session.refusals import Refused
from secc.session.states import State, Timer

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


def service_discovery(session: Session, _: iso2.ServiceDiscoveryReq) -> State:
    """Say what is on offer. Scope and category are filters for value-added services: there are none."""
    session.answer(status.services(session, ResponseCode.OK))
    return State.WAIT_SERVICE_SELECTION


def service_detail(session: Session, request: iso2.ServiceDetailReq) -> State:
    """Details of an offered service; the charge service has no parameter sets."""
    if request.service_id != status.CHARGE_SERVICE:
        raise Refused(
            ResponseCode.FAILED_SERVICE_ID_INVALID, f"service {request.service_id} is not offered [V2G2-425]"
        )
    session.answer(iso2.ServiceDetailRes(response_code=ResponseCode.OK, service_id=request.service_id))
    return State.WAIT_SERVICE_SELECTION
