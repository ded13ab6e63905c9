"""CertificateInstallation and CertificateUpdate: the car's request to the back end, its answer to the car.

There is no Ongoing here: an answer that is not there after 4.2 s is none. It is kept by the shell for the
car's next try. What the back end signs is verified before the car gets it, and sent as it came but for the
SessionID.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secc import pki
from secc.errors import CertificateError
from secc.messages import iso2
from secc.messages.iso2 import ResponseCode
from secc.session.agreed import ProvisioningQuestion
from secc.session.context import Context
from secc.session.contract import terms_of
from secc.session.contract_events import ContractDelivered, ContractProvisioned, ContractRefused, Provision
from secc.session.iso2 import services, wire
from secc.session.iso2.handlers.contract import refused
from secc.session.iso2.refusals import Iso2Refused
from secc.session.iso2.states import State
from secc.session.outputs import NoticeKind
from secc.session.states import Timer

if TYPE_CHECKING:
    from secc.pki.provisioning import (
        ProvisioningRequest,
        Refusal,
    )


def certificate_request(
    session: Context, request: iso2.CertificateInstallationReq | iso2.CertificateUpdateReq
) -> State:
    """Verify the request and ask the back end [V2G2-553] [V2G2-556]."""
    terms, step = terms_of(session), type(request).__name__
    action = (
        pki.provisioning.Action.INSTALL
        if isinstance(request, iso2.CertificateInstallationReq)
        else pki.provisioning.Action.UPDATE
    )
    if action not in services.certificate_sets(session).values():
        raise _no(step, pki.provisioning.Refusal.NOT_OFFERED)
    signature, payload = wire.signature_of(session), session.received_payload
    try:
        asked = pki.provisioning.verify_request(
            request, signature, payload, terms.trust, session.utc, terms.policy
        )
    except CertificateError as error:
        raise refused(step, error) from error
    question = ProvisioningQuestion(session.names.ticket(), asked)
    session.pnc.provisioning_question = question
    session.emit(Provision(question.ticket, asked))
    session.timers.start(Timer.PROVISIONING, session.now)
    return State.PROVISIONING


def provisioned(session: Context, event: ContractProvisioned) -> State:
    """Verify the answer; the car gets it as it came, under its own SessionID."""
    question = session.pnc.provisioning_question
    if question is None or event.ticket != question.ticket:
        session.notice(NoticeKind.STALE, f"provisioning answer for {event.ticket}")
        return State.PROVISIONING
    step, answer = _step(question.request), event.answer
    if answer.refusal is not None:
        session.pnc.retry_counter = answer.retry_counter or 0
        raise _no(step, answer.refusal, question.request)
    delivered, message = _judge(session, question.request, answer.payload)
    if message.body is None:
        raise _no(step, pki.provisioning.Refusal.FAULTY, question.request)
    session.pnc.provisioning_question = None
    payload = pki.provisioning.splice(answer.payload, session.session_id)
    session.answer(message.body, signature=message.header.signature, payload=payload)
    session.emit(delivered)
    return State.WAIT_PAYMENT_DETAILS


def _judge(
    session: Context, request: ProvisioningRequest, payload: bytes
) -> tuple[ContractDelivered, iso2.V2GMessage]:
    """The answer, verified; one that does not verify only where the operator lets the EV judge."""
    terms, step = terms_of(session), _step(request)
    try:
        bundle = pki.provisioning.verify_response(payload, request, terms.trust, session.utc, terms.policy)
    except CertificateError as error:
        refusal = refused(step, error, _identity(request), _code(error))
        if not session.config.pnc.forward_unverified:
            raise refusal from error
        complaint = f"{error.rule}: {error}"
        try:
            message, _ = pki.provisioning.read_response(payload, request.action)
        except CertificateError:
            raise refusal from error
        session.notice(NoticeKind.LENIENT, f"{step}: the answer goes to the EV unverified, {complaint}")
        return ContractDelivered(request, None, complaint), message
    root = bundle.cps.anchor.certificate
    if not request.names(root):
        session.notice(NoticeKind.IGNORED, f"{step}: the car does not name {root} among its roots")
    return ContractDelivered(request, bundle), bundle.message


def provisioning_late(session: Context, _: None) -> State:
    """The car waits no longer than 5 s; a late answer is for its next try."""
    question = session.pnc.provisioning_question
    request = None if question is None else question.request
    raise _no(
        "CertificateInstallationReq" if request is None else _step(request),
        pki.provisioning.Refusal.LATE,
        request,
    )


def _no(step: str, refusal: Refusal, request: ProvisioningRequest | None = None) -> Iso2Refused:
    code = ResponseCode(pki.provisioning.REFUSAL_CODES.get(refusal, "FAILED_NoCertificateAvailable"))
    identity = "" if request is None else _identity(request)
    return Iso2Refused(
        code, refusal.value, ContractRefused(step, code, refusal.value, refusal.value, identity)
    )


def _code(error: CertificateError) -> ResponseCode:
    """A refusal inside the answer keeps its meaning; a faulty answer is our problem, not the car's."""
    said = error.response_code if error.rule == "refused" else ""
    codes = (*pki.provisioning.REFUSAL_CODES.values(), "FAILED_CertificateExpired")
    return ResponseCode(said if said in codes else "FAILED_NoCertificateAvailable")


def _identity(request: ProvisioningRequest) -> str:
    return str(request.pcid or request.emaid)


def _step(request: ProvisioningRequest) -> str:
    return (
        "CertificateInstallationReq"
        if request.action is pki.provisioning.Action.INSTALL
        else "CertificateUpdateReq"
    )
