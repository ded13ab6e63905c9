"""SessionSetup, ServiceDiscovery, ServiceDetail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secc.messages import iso2
from secc.messages.iso2 import ResponseCode, ServiceCategory
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


def service_discovery(session: Session, request: iso2.ServiceDiscoveryReq) -> State:
    """Say what is on offer. Scope and category are filters for value-added services."""
    if not session.payment_options:
        raise Refused(ResponseCode.FAILED, "nothing can be paid over this connection")
    category = request.service_category
    wanted = request.service_scope is None and category in (None, ServiceCategory.CONTRACT_CERTIFICATE)
    session.answer(status.services(session, ResponseCode.OK, value_added=wanted))
    return State.WAIT_SERVICE_SELECTION


def service_detail(session: Session, request: iso2.ServiceDetailReq) -> State:
    """Details of an offered service; the charge service has no parameter sets [V2G2-464]."""
    sets = status.certificate_sets(session) if request.service_id == status.CERTIFICATE_SERVICE else {}
    if request.service_id != status.CHARGE_SERVICE and not sets:
        raise Refused(
            ResponseCode.FAILED_SERVICE_ID_INVALID, f"service {request.service_id} is not offered [V2G2-425]"
        )
    session.answer(
        iso2.ServiceDetailRes(
            response_code=ResponseCode.OK,
            service_id=request.service_id,
            service_parameter_list=status.parameter_list(sets) if sets else None,
        )
    )
    return State.WAIT_SERVICE_SELECTION
