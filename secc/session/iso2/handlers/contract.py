"""Plug and Charge: PaymentDetails, and AuthorizationReq with the contract's signature.

The order of the checks is that of the conformance tests, and each failure has its own response code. Whatever
is refused is recorded with the rule that was broken. Signatures and chains are checked right here: together
they take about a millisecond, and a thread would not make the answer come earlier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secc import pki
from secc.errors import CertificateError, ChainError
from secc.messages import iso2
from secc.messages.iso2 import EVSEProcessing, ResponseCode
from secc.session import ending
from secc.session.agreed import Claim, ContractPayer, Grant, RevocationQuestion
from secc.session.context import Context
from secc.session.contract import decide_alone, terms_of
from secc.session.contract_events import (
    AskRevocation,
    AuthorizeContract,
    ContractRefused,
    ContractTerms,
    RevocationReported,
)
from secc.session.iso2 import wire
from secc.session.iso2.refusals import Iso2Refused
from secc.session.iso2.states import State
from secc.session.outputs import NoticeKind
from secc.session.states import Timer
from secc.settings.services import Payment

if TYPE_CHECKING:
    from secc.pki.contract import (
        Evidence,
        ForwardedContract,
        PresentedContract,
        UnanchoredContract,
        VerifiedContract,
    )


def payment_details(session: Context, request: iso2.PaymentDetailsReq) -> State:
    """Judge the contract that is shown. Nothing is granted yet: every observer of a contract can show it."""
    terms = terms_of(session)
    try:
        if session.vehicle is not None:
            session.vehicle.require_same_contract(request.contract_signature_cert_chain.certificate)
        shown = _present(session, request, terms)
    except CertificateError as error:
        raise refused("PaymentDetailsReq", error) from error
    before = None if session.joined is None else session.joined.emaid
    if before and before != shown.emaid.normal:
        raise Iso2Refused(
            ResponseCode.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE,
            "not the contract that paid before the pause [V2G2-754]",
        )
    if isinstance(shown, pki.contract.UnanchoredContract):  # revocation is judged where the root is known
        return _challenge(session, shown)
    if not terms.finds_revocation or terms.policy.revocation.mode is pki.revocation.RevocationMode.OFF:
        return _accept(session, shown, pki.contract.Evidence())
    question = RevocationQuestion(session.names.ticket(), shown)
    session.pnc.revocation_question = question
    session.emit(AskRevocation(question.ticket, shown))
    session.timers.start(Timer.REVOCATION, session.now)
    return State.CHECKING_CONTRACT


def _present(
    session: Context, request: iso2.PaymentDetailsReq, terms: ContractTerms
) -> PresentedContract | UnanchoredContract:
    """A chain under a configured root; with central validation one that is consistent in itself."""
    chain, emaid, policy = request.contract_signature_cert_chain, request.emaid, terms.policy
    try:
        return pki.contract.present(chain, emaid, terms.trust, session.utc, policy)
    except ChainError as error:
        if error.rule != pki.rules.Rule.NO_ANCHOR or not terms.central:
            raise
    return pki.contract.present_without_anchor(chain, emaid, session.utc, policy)


def revocation_reported(session: Context, report: RevocationReported) -> State:
    """What was found about revocation, for the contract at hand."""
    question = session.pnc.revocation_question
    if question is None or report.ticket != question.ticket:
        session.notice(NoticeKind.STALE, f"revocation data for {report.ticket}")
        return State.CHECKING_CONTRACT
    return _accept(session, question.contract, report.evidence)


def revocation_late(session: Context, _: None) -> State:
    """The status is not known in time: the policy decides."""
    question = session.pnc.revocation_question
    if question is None:
        raise Iso2Refused(ResponseCode.FAILED, "no contract at hand")
    return _accept(session, question.contract, pki.contract.Evidence())


def _accept(session: Context, shown: PresentedContract, evidence: Evidence) -> State:
    terms = terms_of(session)
    try:
        shown = pki.contract.weigh(shown, evidence, session.utc, terms.policy)
    except CertificateError as error:
        raise refused("PaymentDetailsReq", error, str(shown.emaid)) from error
    return _challenge(session, shown)


def _challenge(session: Context, shown: PresentedContract | UnanchoredContract) -> State:
    # 16 bytes, new for each answer [V2G2-697] [V2G2-698] [V2G2-825] [V2G2-826] [INV-23]
    claim = Claim(shown, session.names.random_bytes(16))
    session.pnc.revocation_question, session.pnc.claim = None, claim
    soon = ResponseCode.OK_CERTIFICATE_EXPIRES_SOON  # [V2G2-690]
    session.answer(
        iso2.PaymentDetailsRes(
            response_code=soon if shown.expires_soon else ResponseCode.OK,
            gen_challenge=claim.challenge,
            evse_time_stamp=session.unix_time,
        )
    )
    return State.WAIT_CONTRACT_AUTHORIZATION


def authorization(session: Context, request: iso2.AuthorizationReq) -> State:
    """The first one proves who pays; then Ongoing until the back end has decided [V2G2-684] [V2G2-855]."""
    ending.check_budget(session, Timer.AUTHORIZATION)
    grant = session.grant
    if grant is not None and grant.refused:
        raise Iso2Refused(ResponseCode.FAILED, "contract refused or withdrawn")
    if session.granted:
        _answer(session, EVSEProcessing.FINISHED)
        return State.WAIT_CHARGE_PARAMETERS
    overtaken = ending.overtaken(session)
    if session.pnc.payer is None and not overtaken:
        proved = _prove(session, request)
        session.pnc.claim, session.pnc.payer = None, ContractPayer(proved)  # a challenge is used once
        session.grant = Grant(session.names.ticket(), Payment.CONTRACT)
        session.emit(AuthorizeContract(session.grant.ticket, proved))
        session.timers.start(Timer.AUTHORIZATION, session.now)
        session.timers.start(Timer.CONTRACT_ANSWER, session.now)
    _answer(session, EVSEProcessing.ONGOING)
    return State.WAIT_CONTRACT_AUTHORIZATION


def _prove(session: Context, request: iso2.AuthorizationReq) -> VerifiedContract | ForwardedContract:
    claim, policy = session.pnc.claim, terms_of(session).policy
    if claim is None:
        raise Iso2Refused(ResponseCode.FAILED_CHALLENGE_INVALID, "no challenge was given [V2G2-475]")
    signature, challenge, now = wire.signature_of(session), claim.challenge, session.utc
    try:
        if isinstance(claim.contract, pki.contract.UnanchoredContract):
            return pki.contract.verify_forwarded(
                claim.contract, request, signature, challenge, now=now, policy=policy
            )
        return pki.contract.verify(claim.contract, request, signature, challenge, now=now, policy=policy)
    except CertificateError as error:
        raise refused("AuthorizationReq", error, str(claim.contract.emaid)) from error


def answer_late(session: Context, _: None) -> State:
    """The back end has not decided in time: it counts as away. Its word is still heard later."""
    decide_alone(session)
    return State.WAIT_CONTRACT_AUTHORIZATION


def refused(
    step: str, error: CertificateError, identity: str = "", code: ResponseCode | None = None
) -> Iso2Refused:
    """The refusal for a broken rule, with its record; `code` if the step has a separate one.

    Names stay in the record: what ends the session goes into journals.
    """
    code = code or ResponseCode(error.response_code or "FAILED")
    record = ContractRefused(step, code, str(error.rule), str(error), identity)
    return Iso2Refused(code, f"contract: {error.rule}", record)


def _answer(session: Context, processing: EVSEProcessing) -> None:
    session.answer(iso2.AuthorizationRes(response_code=ResponseCode.OK, evse_processing=processing))
