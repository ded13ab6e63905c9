"""CertificateInstallation: the vehicle's request to the back end, its answer to the vehicle.

The back end may take its time: the request is answered Ongoing at once, with placeholders, and the vehicle
repeats it. What the back end has signed is verified before the vehicle gets it, and sent as it came but for
SessionID and TimeStamp. A request that leads to no contract gets a warning: the vehicle may go on without.

Chain and signature of a request are verified right here, in two milliseconds. An answer takes four: a thread
verifies it, and the session if there was none, as in a replay.
"""

from __future__ import annotations

import msgspec

from secc.errors import CertificateError
from secc.messages import iso20_common as m
from secc.messages.iso20_common import Processing, ResponseCode
from secc.pki.contract import ContractPolicy
from secc.pki.installation import (
    InstallationRequest,
    VerifiedInstallation,
    iso20_policy,
    read_installation,
    splice_header,
    verify_installation,
    verify_installation_request,
)
from secc.pki.provisioning import ProvisioningAnswer, Refusal
from secc.session import ending
from secc.session.context import Context
from secc.session.contract import terms_of
from secc.session.contract_events import ContractDelivered, ContractProvisioned, ContractRefused, Provision
from secc.session.iso20.certificate_codes import code_of
from secc.session.iso20.header import head
from secc.session.iso20.installing import InstallationQuestion, Installing, offered
from secc.session.iso20.refusals import Iso20Refused, Iso20Warned, no_certificate
from secc.session.iso20.side import side
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.vehicle_status import refuse_revoked
from secc.session.outputs import NoticeKind
from secc.session.refusals import Cause, Refused
from secc.session.states import Timer

_STEP = "CertificateInstallationReq"


def certificate_request(session: Context, request: m.CertificateInstallationReq) -> S:
    """Verify the request, ask the back end, and answer Ongoing [V2G20-2202] [V2G20-2221]."""
    room = side(session).installing
    _check_order(session, room)
    refuse_revoked(session)
    if ending.overtaken(session):  # the back end is not asked any more
        raise _no(session, Refusal.NOT_OFFERED)
    if room.asked >= session.config.iso20.installations:
        raise _no(session, Refusal.TOO_OFTEN)
    asked = _verified(session, request, room)
    room.asked += 1
    question = InstallationQuestion(session.names.ticket(), asked, request)
    room.question = question
    session.emit(Provision(question.ticket, asked))
    session.timers.start(Timer.PROVISIONING, session.now, session.config.iso20.installation)
    session.answer(no_certificate(session, ResponseCode.OK, Processing.ONGOING))
    return S.WAIT_CERTIFICATE


def repeated(session: Context, request: m.CertificateInstallationReq) -> S:
    """Answer Ongoing until the back end has answered, then with what it says [V2G20-1972]."""
    question = side(session).installing.question
    if question is None or not question.repeats(request):
        raise Refused(Cause.SEQUENCE, "another request while the back end is asked [V2G20-1972]")
    refuse_revoked(session)
    late = Timer.PROVISIONING in session.timers.expired
    if question.answer is not None:
        return _finish(session, question, question.answer)
    if late or ending.overtaken(session):
        raise _no(session, Refusal.LATE if late else Refusal.NOT_OFFERED, question.request)
    session.answer(no_certificate(session, ResponseCode.OK, Processing.ONGOING))
    return S.WAIT_CERTIFICATE


def provisioned(session: Context, event: ContractProvisioned) -> S:
    """Keep the first answer of the back end for the next request."""
    room = side(session).installing
    question = room.question
    if question is None or event.ticket != question.ticket or question.answer is not None:
        session.notice(NoticeKind.STALE, f"provisioning answer for {event.ticket}")
    else:
        session.timers.stop(Timer.PROVISIONING)
        bundle = _proved(event)
        room.question = msgspec.structs.replace(question, answer=event.answer, bundle=bundle)
    return S.WAIT_CERTIFICATE


def _proved(event: ContractProvisioned) -> VerifiedInstallation | None:
    """The proof of this very answer, if a thread has made it."""
    proof = event.proof
    if isinstance(proof, VerifiedInstallation) and proof.payload == event.answer.payload:
        return proof
    return None


def late(_: Context, __: None) -> S:
    """The vehicle waits no longer: its next request is answered without a contract."""
    return S.WAIT_CERTIFICATE


# --- parts -------------------------------------------------------------------------------------------------


def _check_order(session: Context, room: Installing) -> None:
    """Refuse a request that is out of order here: not on offer, after the last contract, or while an
    authorization is decided."""
    if not offered(session):
        raise Refused(Cause.SEQUENCE, "installation of certificates is not offered [V2G20-2221]")
    if room.complete:
        raise Refused(Cause.SEQUENCE, "no contract remained after the last answer [V2G20-1975]")
    if session.grant is not None and not session.grant.refused:
        raise Refused(Cause.SEQUENCE, "CertificateInstallationReq while an authorization is decided")


def _policy(session: Context) -> ContractPolicy:
    return iso20_policy(terms_of(session).policy, laboratory=session.transport.laboratory)


def _verified(
    session: Context, request: m.CertificateInstallationReq, room: Installing
) -> InstallationRequest:
    """The request with its proofs; a wrong signature ends the session, a wrong certificate is a warning."""
    trust, policy = terms_of(session).trust, _policy(session)
    try:
        return verify_installation_request(
            request, session.received_payload, trust, session.utc, policy, room.delivered
        )
    except CertificateError as error:
        code, why = code_of(error), f"{_STEP}: {error.rule}"
        if not code.startswith("WARNING"):
            raise Iso20Refused(code, why, _record(code, error)) from error
        raise _warning(session, code, why, _record(code, error)) from error


def _finish(session: Context, question: InstallationQuestion, answer: ProvisioningAnswer) -> S:
    """Send what the back end has answered, or say that there is nothing."""
    room = side(session).installing
    if answer.refusal is not None:
        raise _no(session, answer.refusal, question.request)
    delivered, message = _judge(session, question, answer.payload)
    response = _under_header(message, head(session))
    payload = splice_header(answer.payload, response.header.session_id, response.header.time_stamp)
    session.answer(response, payload=payload)
    session.emit(delivered)
    room.question = None
    room.complete = message.remaining_contract_certificate_chains == 0
    if delivered.bundle is not None:
        room.delivered += (delivered.bundle.emaid,)
    return S.WAIT_AUTHORIZATION


def _under_header(
    message: m.CertificateInstallationRes, own: m.MessageHeader
) -> m.CertificateInstallationRes:
    """The answer of the back end in the session of the vehicle, with the signature of the CPS."""
    return m.CertificateInstallationRes(
        header=m.MessageHeader(
            session_id=own.session_id, time_stamp=own.time_stamp, signature=message.header.signature
        ),
        response_code=message.response_code,
        evse_processing=message.evse_processing,
        cps_certificate_chain=message.cps_certificate_chain,
        signed_installation_data=message.signed_installation_data,
        remaining_contract_certificate_chains=message.remaining_contract_certificate_chains,
    )


def _judge(
    session: Context, question: InstallationQuestion, payload: bytes
) -> tuple[ContractDelivered, m.CertificateInstallationRes]:
    """The answer, verified; one that does not verify only where the operator lets the EV judge."""
    trust, policy, request = terms_of(session).trust, _policy(session), question.request
    try:
        bundle = question.bundle or verify_installation(payload, trust, request.asked_at, policy, request)
    except CertificateError as error:
        code = _code(error)
        refusal = _warning(
            session, code, f"installation answer: {error.rule}", _record(code, error, str(request.pcid))
        )
        if not session.config.pnc.forward_unverified:
            raise refusal from error
        complaint = f"{error.rule}: {error}"
        try:
            message = read_installation(payload)
        except CertificateError:
            raise refusal from error
        session.notice(NoticeKind.LENIENT, f"{_STEP}: the answer goes to the EV unverified, {complaint}")
        return ContractDelivered(request, None, complaint), message
    _remark(session, request, bundle)
    return ContractDelivered(request, bundle), bundle.message


def _remark(session: Context, request: InstallationRequest, bundle: VerifiedInstallation) -> None:
    """Report what is odd about an answer and yet harmless."""
    root = bundle.cps.anchor.certificate
    if not request.names(root):
        session.notice(NoticeKind.IGNORED, f"{_STEP}: the EV does not name {root} among its roots")
    room_left = request.most - len(request.delivered) - 1
    if bundle.remaining > max(0, room_left):
        text = f"{bundle.remaining} more contracts, the EV has room for {max(0, room_left)}"
        session.notice(NoticeKind.IGNORED, f"{_STEP}: the back end announces {text}")


def _no(
    session: Context, refusal: Refusal, request: InstallationRequest | None = None
) -> Iso20Refused | Iso20Warned:
    """There is no contract for the vehicle, and why."""
    code = _REFUSALS.get(refusal, ResponseCode.WARNING_NO_CERTIFICATE_AVAILABLE)
    identity = "" if request is None else str(request.pcid)
    record = ContractRefused(_STEP, code, refusal.value, refusal.value, identity)
    return _warning(session, code, refusal.value, record)


def _warning(
    session: Context, code: ResponseCode, why: str, record: ContractRefused
) -> Iso20Refused | Iso20Warned:
    """A warning, up to the last one, which ends the session [V2G20-2225]."""
    room = side(session).installing
    room.question = None
    room.warned += 1
    session.timers.stop(Timer.PROVISIONING)
    if room.warned >= session.config.iso20.authorization_attempts:
        final = msgspec.structs.replace(record, code=ResponseCode.FAILED)
        return Iso20Refused(ResponseCode.FAILED, f"{why}, {room.warned} warnings", final)
    return Iso20Warned(code, why, S.WAIT_AUTHORIZATION, record)


def _record(code: ResponseCode, error: CertificateError, identity: str = "") -> ContractRefused:
    return ContractRefused(_STEP, code, str(error.rule), str(error), identity)


def _code(error: CertificateError) -> ResponseCode:
    """A refusal inside the answer keeps its meaning; a faulty answer is our problem, not the vehicle's."""
    said = error.response_code if error.rule == "refused" else ""
    return _SAID.get(said or "", ResponseCode.WARNING_NO_CERTIFICATE_AVAILABLE)


_REFUSALS = {
    Refusal.UNKNOWN: ResponseCode.WARNING_NO_CONTRACT_MATCHING_PCID_FOUND,
    Refusal.REVOKED: ResponseCode.WARNING_CERTIFICATE_REVOKED,
}
"""Warnings for the vehicle; other refusals use WARNING_NoCertificateAvailable [V2G20-2207]."""

_SAID = {
    code.value: code
    for code in (
        ResponseCode.WARNING_NO_CONTRACT_MATCHING_PCID_FOUND,
        ResponseCode.WARNING_CERTIFICATE_REVOKED,
        ResponseCode.WARNING_CERTIFICATE_EXPIRED,
        ResponseCode.WARNING_CERTIFICATE_NOT_YET_VALID,
    )
}
"""Warnings that a back end may send in its answer, kept for the vehicle."""
