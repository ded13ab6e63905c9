"""Plug and Charge: PaymentDetails, and AuthorizationReq with the contract's signature.

The order of the checks is that of the conformance tests, and each failure has its own response code. Whatever
is refused is recorded with the rule that was broken. Signatures and chains are checked right here: together
they take about a millisecond, and a thread would not make the answer come earlier.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from secc.errors import CertificateError, ChainError
from secc.messages import iso2
from secc.messages.iso2 import EVSEProcessing, ResponseCode
from secc.pki import contract as contracts
from secc.pki.contract import (
    Evidence,
    ForwardedContract,
    PresentedContract,
    UnanchoredContract,
    VerifiedContract,
)
from secc.pki.revocation import RevocationMode
from secc.pki.rules import Rule
from secc.session.context import Claim, ContractPayer, Grant, RevocationQuestion
from secc.session.contract_events import (
    AskRevocation,
    AuthorizeContract,
    ContractDecided,
    ContractGranted,
    ContractRefused,
    ContractTerms,
    GrantSource,
    RevocationReported,
    Verdict,
)
from secc.session.iso2.handlers import ending
from secc.session.iso2.handlers.ending import order_stop
from secc.session.iso2.states import State
from secc.session.outputs import NoticeKind
from secc.session.refusals import Refused
from secc.session.states import Timer
from secc.settings.pnc import OfflinePolicy
from secc.settings.services import Payment

if TYPE_CHECKING:
    from secc.session.machine import Session


def payment_details(session: Session, request: iso2.PaymentDetailsReq) -> State:
    """Judge the contract that is shown; grant nothing yet, whoever has seen it can show it."""
    terms = terms_of(session)
    try:
        if session.vehicle is not None:
            session.vehicle.require_same_contract(request.contract_signature_cert_chain.certificate)
        shown = _present(session, request, terms)
    except CertificateError as error:
        raise refused("PaymentDetailsReq", error) from error
    before = None if session.joined is None else session.joined.emaid
    if before and before != shown.emaid.normal:
        raise Refused(
            ResponseCode.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE,
            "not the contract that paid before the pause [V2G2-754]",
        )
    if isinstance(shown, UnanchoredContract):  # whoever knows the root knows what is revoked
        return _challenge(session, shown)
    if not terms.finds_revocation or terms.policy.revocation.mode is RevocationMode.OFF:
        return _accept(session, shown, Evidence())
    question = RevocationQuestion(session.ticket(), shown)
    session.pnc.revocation_question = question
    session.emit(AskRevocation(question.ticket, shown))
    session.start_timer(Timer.REVOCATION)
    return State.CHECKING_CONTRACT


def _present(
    session: Session, request: iso2.PaymentDetailsReq, terms: ContractTerms
) -> PresentedContract | UnanchoredContract:
    """A chain under a root of ours; with central validation one that is consistent in itself."""
    chain, emaid, policy = request.contract_signature_cert_chain, request.emaid, terms.policy
    try:
        return contracts.present(chain, emaid, terms.trust, session.utc, policy)
    except ChainError as error:
        if error.rule != Rule.NO_ANCHOR or not terms.central:
            raise
    return contracts.present_without_anchor(chain, emaid, session.utc, policy)


def revocation_reported(session: Session, report: RevocationReported) -> State:
    """What was found about revocation, for the contract at hand."""
    question = session.pnc.revocation_question
    if question is None or report.ticket != question.ticket:
        session.notice(NoticeKind.STALE, f"revocation data for {report.ticket}")
        return State.CHECKING_CONTRACT
    return _accept(session, question.contract, report.evidence)


def revocation_late(session: Session, _: None) -> State:
    """Nobody could say in time: the policy decides."""
    question = session.pnc.revocation_question
    if question is None:
        raise Refused(ResponseCode.FAILED, "no contract at hand")
    return _accept(session, question.contract, Evidence())


def _accept(session: Session, shown: PresentedContract, evidence: Evidence) -> State:
    terms = terms_of(session)
    try:
        shown = contracts.weigh(shown, evidence, session.utc, terms.policy)
    except CertificateError as error:
        raise refused("PaymentDetailsReq", error, str(shown.emaid)) from error
    return _challenge(session, shown)


def _challenge(session: Session, shown: PresentedContract | UnanchoredContract) -> State:
    # 16 bytes, new for each answer [V2G2-697] [V2G2-698] [V2G2-825] [V2G2-826] [INV-23]
    claim = Claim(shown, session.random_bytes(16))
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


def authorization(session: Session, request: iso2.AuthorizationReq) -> State:
    """The first one proves who pays; then Ongoing until the back end has decided [V2G2-684] [V2G2-855]."""
    session.check_budget(Timer.AUTHORIZATION)
    grant = session.grant
    if grant is not None and grant.refused:
        raise Refused(ResponseCode.FAILED, "contract refused or withdrawn")
    if session.granted:
        _answer(session, EVSEProcessing.FINISHED)
        return State.WAIT_CHARGE_PARAMETERS
    overtaken = ending.overtaken(session)
    if session.pnc.payer is None and not overtaken:
        proved = _prove(session, request)
        session.pnc.claim, session.pnc.payer = None, ContractPayer(proved)  # a challenge is used once
        session.grant = Grant(session.ticket(), Payment.CONTRACT)
        session.emit(AuthorizeContract(session.grant.ticket, proved))
        session.start_timer(Timer.AUTHORIZATION)
        session.start_timer(Timer.CONTRACT_ANSWER)
    _answer(session, EVSEProcessing.ONGOING)
    return State.WAIT_CONTRACT_AUTHORIZATION


def _prove(session: Session, request: iso2.AuthorizationReq) -> VerifiedContract | ForwardedContract:
    claim, policy = session.pnc.claim, terms_of(session).policy
    if claim is None:
        raise Refused(ResponseCode.FAILED_CHALLENGE_INVALID, "no challenge was given [V2G2-475]")
    signature, challenge, now = session.received_signature, claim.challenge, session.utc
    try:
        if isinstance(claim.contract, UnanchoredContract):
            return contracts.verify_forwarded(
                claim.contract, request, signature, challenge, now=now, policy=policy
            )
        return contracts.verify(claim.contract, request, signature, challenge, now=now, policy=policy)
    except CertificateError as error:
        raise refused("AuthorizationReq", error, str(claim.contract.emaid)) from error


def decided(session: Session, decision: ContractDecided) -> None:
    """Keep the back end's word for the next AuthorizationReq; a refusal wins over every grant [INV-11]."""
    grant = session.grant
    if grant is None or grant.payment is not Payment.CONTRACT or decision.ticket != grant.ticket:
        session.notice(NoticeKind.STALE, f"decision about a contract for {decision.ticket}")
    elif decision.verdict is Verdict.UNREACHABLE:
        _decide_alone(session)
    elif decision.verdict is not Verdict.ACCEPTED:
        _deny(session, decision.verdict.value)
    elif grant.refused or session.stop is not None:
        session.notice(NoticeKind.IGNORED, "a grant after the contract was refused, or after a stop")
    else:
        _grant(session, GrantSource.BACK_END)


def answer_late(session: Session, _: None) -> State:
    """The back end has not decided in time: it counts as away. Its word is still heard later."""
    _decide_alone(session)
    return State.WAIT_CONTRACT_AUTHORIZATION


def _decide_alone(session: Session) -> None:
    """The back end is away: what the operator has allowed for that decides."""
    payer, terms, config = session.pnc.payer, terms_of(session), session.config.pnc
    if payer is None or session.granted or (session.grant is not None and session.grant.refused):
        return
    known = payer.contract.fingerprint in terms.known
    meter = session.evse.meter
    if config.offline is not OfflinePolicy.DENY and known:
        _grant(session, GrantSource.KNOWN)
    elif config.offline is OfflinePolicy.CHAIN and _chain_is_good(payer) and meter is not None:
        session.pnc.last_energy = meter.energy + int(config.offline_energy)
        _grant(session, GrantSource.CHAIN)
    else:
        _deny(session, Verdict.UNREACHABLE.value)


def _chain_is_good(payer: ContractPayer) -> bool:
    """Up to a root of ours, and nothing on it revoked."""
    return isinstance(payer.contract, VerifiedContract) and payer.contract.not_revoked


def _grant(session: Session, source: GrantSource) -> None:
    grant, payer = session.grant, session.pnc.payer
    if grant is None or payer is None:
        return
    if source is GrantSource.BACK_END:
        session.pnc.last_energy = None  # no longer on its own
    session.stop_timer(Timer.CONTRACT_ANSWER)
    session.grant = dataclasses.replace(grant, granted=True)
    session.pnc.payer = ContractPayer(payer.contract, source)
    session.emit(ContractGranted(payer.contract, source))


def _deny(session: Session, why: str) -> None:
    grant, payer = session.grant, session.pnc.payer
    if grant is None or payer is None or grant.refused:
        return
    session.stop_timer(Timer.CONTRACT_ANSWER)
    session.grant = dataclasses.replace(grant, granted=False, refused=True)
    identity = str(payer.contract.emaid)
    session.emit(ContractRefused("AuthorizationReq", ResponseCode.FAILED, why, why, identity))
    order_stop(session, f"contract: {why}", at_once=True)


def check_allowance(session: Session) -> None:
    """A grant without the back end ends at its limit of energy."""
    last, meter = session.pnc.last_energy, session.evse.meter
    if last is not None and (meter is None or meter.energy >= last):
        order_stop(session, "the limit of a contract without the back end is reached", at_once=False)


def terms_of(session: Session) -> ContractTerms:
    """What is known about contracts; without it no contract can have been selected."""
    if session.contracts is None:
        raise Refused(ResponseCode.FAILED, "contracts are not dealt with here")
    return session.contracts


def refused(
    step: str, error: CertificateError, identity: str = "", code: ResponseCode | None = None
) -> Refused:
    """The refusal for a broken rule, with its record; `code` where the step has one of its own.

    Names stay in the record: what ends the session goes into journals.
    """
    code = code or ResponseCode(error.response_code or "FAILED")
    record = ContractRefused(step, code, str(error.rule), str(error), identity)
    return Refused(code, f"contract: {error.rule}", record)


def _answer(session: Session, processing: EVSEProcessing) -> None:
    session.answer(iso2.AuthorizationRes(response_code=ResponseCode.OK, evse_processing=processing))
