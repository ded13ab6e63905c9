"""PaymentServiceSelection, and authorization by external identification (EIM); contracts: `contract`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from secc.messages import iso2
from secc.messages.iso2 import EVSEProcessing, ResponseCode
from secc.session.context import Grant
from secc.session.inputs import AuthorizationDecided
from secc.session.iso2.handlers import ending, services
from secc.session.iso2.handlers.ending import order_stop
from secc.session.iso2.states import State
from secc.session.outputs import Authorize, NoticeKind
from secc.session.refusals import Refused
from secc.session.service_events import ServicesChosen
from secc.session.states import Timer
from secc.settings.services import CERTIFICATE_SERVICE, Payment

if TYPE_CHECKING:
    from secc.session.machine import Session


def payment_service_selection(session: Session, request: iso2.PaymentServiceSelectionReq) -> State:
    """The EV chooses how to pay and which services; both must have been offered [V2G2-433]."""
    if request.selected_payment_option.value not in session.payment_options:
        option = request.selected_payment_option.value
        raise Refused(
            ResponseCode.FAILED_PAYMENT_SELECTION_INVALID, f"{option} is not offered [V2G2-465] [V2G2-135]"
        )
    chosen = services.chosen(session, request.selected_service_list.selected_service)
    session.services_chosen = chosen
    added = tuple(one for one in chosen if one.service_id != CERTIFICATE_SERVICE)
    if added:
        session.emit(ServicesChosen(added))
    session.payment = Payment(request.selected_payment_option.value)
    session.answer(iso2.PaymentServiceSelectionRes(response_code=ResponseCode.OK))
    return State.WAIT_CONTRACT if session.payment is Payment.CONTRACT else State.WAIT_AUTHORIZATION


def authorization(session: Session, _: iso2.AuthorizationReq) -> State:
    """Ask the back end once, then repeat Ongoing until it has decided, or the time is up [V2G2-854]."""
    if externally_granted(session):
        _answer(session, EVSEProcessing.FINISHED)  # [V2G2-563]
        return State.WAIT_CHARGE_PARAMETERS
    _answer(session, EVSEProcessing.ONGOING_WAITING_FOR_CUSTOMER_INTERACTION)
    return State.WAIT_AUTHORIZATION


def externally_granted(session: Session) -> bool:
    """The back end is asked once; False while it has not decided; a refusal when it said no."""
    session.check_budget(Timer.AUTHORIZATION)
    if session.grant is not None and session.grant.refused:
        raise Refused(ResponseCode.FAILED, "authorization denied or withdrawn [V2G2-856]")
    if session.granted:
        return True
    if ending.overtaken(session):  # the back end is not asked any more
        return False
    if session.grant is None:
        session.grant = Grant(session.ticket(), Payment.EXTERNAL)
        session.emit(Authorize(session.grant.ticket))
    session.start_timer_once(Timer.AUTHORIZATION)
    return False


def authorization_decided(session: Session, decision: AuthorizationDecided) -> None:
    """Keep the decision for the next AuthorizationReq. A withdrawal wins over every grant [INV-11]."""
    grant = session.grant
    if grant is None or grant.payment is not Payment.EXTERNAL or decision.ticket != grant.ticket:
        session.notice(NoticeKind.STALE, f"authorization for {decision.ticket}")
        return
    if decision.granted:
        if grant.refused or session.stop is not None:
            session.notice(NoticeKind.IGNORED, "authorization after it was denied, withdrawn or stopped")
            return
        session.grant = dataclasses.replace(grant, granted=True)
        return
    session.grant = dataclasses.replace(grant, granted=False, refused=True)
    order_stop(
        session, "authorization denied" if not grant.granted else "authorization withdrawn", at_once=True
    )


def _answer(session: Session, processing: EVSEProcessing) -> None:
    session.answer(iso2.AuthorizationRes(response_code=ResponseCode.OK, evse_processing=processing))
