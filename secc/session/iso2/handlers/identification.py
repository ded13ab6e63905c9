"""PaymentServiceSelection, and authorization by external identification (EIM); contracts: `contract`."""

from __future__ import annotations

from secc.messages import iso2
from secc.messages.iso2 import EVSEProcessing, ResponseCode
from secc.session import grant
from secc.session.context import Context
from secc.session.iso2.handlers import services
from secc.session.iso2.refusals import Iso2Refused
from secc.session.iso2.states import State
from secc.session.service_events import ServicesChosen
from secc.settings.services import CERTIFICATE_SERVICE, Payment


def payment_service_selection(session: Context, request: iso2.PaymentServiceSelectionReq) -> State:
    """The EV chooses how to pay and which services; both must have been offered [V2G2-433]."""
    if request.selected_payment_option.value not in session.payment_options:
        option = request.selected_payment_option.value
        raise Iso2Refused(
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


def authorization(session: Context, _: iso2.AuthorizationReq) -> State:
    """Ask the back end once, then repeat Ongoing until it has decided, or the time is up [V2G2-854]."""
    if grant.externally_granted(session):
        _answer(session, EVSEProcessing.FINISHED)  # [V2G2-563]
        return State.WAIT_CHARGE_PARAMETERS
    _answer(session, EVSEProcessing.ONGOING_WAITING_FOR_CUSTOMER_INTERACTION)
    return State.WAIT_AUTHORIZATION


def _answer(session: Context, processing: EVSEProcessing) -> None:
    session.answer(iso2.AuthorizationRes(response_code=ResponseCode.OK, evse_processing=processing))
