"""ServiceDiscovery, ServiceDetail, and the choice of services in PaymentServiceSelection."""

from __future__ import annotations

from secc.messages import iso2
from secc.messages.iso2 import ResponseCode
from secc.session.context import Context
from secc.session.iso2 import services
from secc.session.iso2.refusals import Iso2Refused
from secc.session.iso2.states import State
from secc.session.outputs import NoticeKind
from secc.session.service_events import ChosenService
from secc.settings.services import CHARGE_SERVICE, Payment


def service_discovery(session: Context, request: iso2.ServiceDiscoveryReq) -> State:
    """Say what is on offer. Scope and category are filters for what is not charging."""
    before = session.continues
    wanted = before is None or before.payment in (None, Payment.CONTRACT)
    hidden = wanted and Payment.CONTRACT in session.config.service.payment_options
    hidden = hidden and Payment.CONTRACT not in session.payment_options
    if hidden and session.tls and session.contracts is not None:  # certificates cannot be judged without it
        session.notice(NoticeKind.IGNORED, "Contract is not offered: the clock is not set")
    if not session.payment_options:
        raise Iso2Refused(ResponseCode.FAILED, "nothing can be paid over this connection")
    session.answer(services.discovery(session, ResponseCode.OK, request))
    return State.WAIT_SERVICE_SELECTION


def service_detail(session: Context, request: iso2.ServiceDetailReq) -> State:
    """Details of an offered service; the charge service has no parameter sets [V2G2-464]."""
    if not services.offers(session, request.service_id):
        raise Iso2Refused(
            ResponseCode.FAILED_SERVICE_ID_INVALID, f"service {request.service_id} is not offered [V2G2-425]"
        )
    session.answer(
        iso2.ServiceDetailRes(
            response_code=ResponseCode.OK,
            service_id=request.service_id,
            service_parameter_list=services.parameters(session, request.service_id),
        )
    )
    return State.WAIT_SERVICE_SELECTION


def chosen(session: Context, selected: tuple[iso2.SelectedService, ...]) -> tuple[ChosenService, ...]:
    """The services among the selected ones besides charging, each once [V2G2-432] [V2G2-433].

    Refuses what was not offered, and a selection without charging, which wins [V2G2-467] [V2G2-804].
    """
    if not any(service.service_id == CHARGE_SERVICE for service in selected):
        raise Iso2Refused(
            ResponseCode.FAILED_NO_CHARGE_SERVICE_SELECTED, "the charge service is missing [V2G2-804]"
        )
    for service in selected:
        if not services.takes(session, service.service_id, service.parameter_set_id):
            raise Iso2Refused(
                ResponseCode.FAILED_SERVICE_SELECTION_INVALID,
                f"service {service.service_id}, parameter set {service.parameter_set_id} is not offered "
                "[V2G2-467]",
            )
    others = [s for s in selected if s.service_id != CHARGE_SERVICE]
    return tuple(dict.fromkeys(ChosenService(s.service_id, s.parameter_set_id) for s in others))
