"""Authorization by contract: one AuthorizationReq shows the chain and proves the key.

An attempt begins with a request and ends with the answer Finished: OK, or a WARNING, after which the EV may
try another contract or external identification. While it lasts the EV repeats the same request, and gets
Ongoing: so no other contract can inherit what was decided about the first one [V2G20-1582] [V2G20-2702].

The challenge is made with AuthorizationSetupRes and is void after the first grant [V2G20-2108]. Signatures
are verified beside the event loop (`JudgeContract`), and the first answer waits for them up to its time.
"""

from __future__ import annotations

import datetime

import msgspec

from secc.errors import CertificateError
from secc.messages import iso20_common as m
from secc.messages.iso20_common import Processing, ResponseCode
from secc.messages.xmldsig import Signature
from secc.pki import contract as contracts
from secc.pki.contract import Evidence, ForwardedContract, VerifiedContract
from secc.pki.kinds import Generation
from secc.pki.revocation import RevocationMode
from secc.pki.suites import keys_of
from secc.pki.trust import Role
from secc.session import contract as shared
from secc.session.agreed import ContractPayer, Grant, RevocationQuestion
from secc.session.context import Context
from secc.session.contract_events import (
    AskRevocation,
    AuthorizeContract,
    ContractDecided,
    ContractJudged,
    ContractRefused,
    ContractTerms,
    JudgeContract,
    RevocationReported,
    Verdict,
)
from secc.session.ending import order_stop
from secc.session.iso20.attempt import Attempt, Objection
from secc.session.iso20.certificate_codes import code_of, code_of_verdict
from secc.session.iso20.handlers.attempts import failed
from secc.session.iso20.header import head
from secc.session.iso20.judgement import ContractJudgement
from secc.session.iso20.side import side
from secc.session.iso20.states import Iso20State as S
from secc.session.outputs import NoticeKind
from secc.session.states import Timer
from secc.settings.services import Payment

_SOON = datetime.timedelta(days=14)  # [V2G20-2218]


def offered(session: Context) -> bool:
    """Contracts are accepted on this connection: over mutual TLS 1.3, with a root for them."""
    terms = session.contracts
    if terms is None or Payment.CONTRACT not in session.payment_options:
        return False
    if not session.config.iso20.contracts:
        return False
    roots = terms.trust.for_role(Role.CONTRACT)
    keys = keys_of(_generation(session))
    return terms.central or any(anchor.certificate.key_type in keys for anchor in roots)


def setup_mode(session: Context) -> m.PnCASResAuthorizationMode:
    """The challenge of this session, new [V2G20-2108] [INV-23], and the accepted operators."""
    challenge = session.names.random_bytes(16)  # [V2G20-697] [V2G20-698] [V2G20-2110]
    side(session).challenge = challenge
    providers = tuple(sorted(shared.terms_of(session).policy.providers))[:128]
    listed = m.SupportedProvidersList(provider_id=providers) if providers else None
    return m.PnCASResAuthorizationMode(gen_challenge=challenge, supported_providers=listed)


def authorization(session: Context, mode: m.PnCAReqAuthorizationMode) -> S:
    """Begin an attempt, or report how it stands."""
    room = side(session)
    if room.attempt is not None:
        return _answer(session)
    challenge, terms = room.challenge, shared.terms_of(session)
    if challenge is None:
        raise failed(session, ResponseCode.WARNING_CHALLENGE_INVALID, "no challenge was given")
    signature = session.received_signature
    judgement = ContractJudgement(
        mode,
        signature if isinstance(signature, Signature) else None,
        challenge,
        trust=terms.trust,
        now=session.utc,
        policy=_policy(session, terms),
        central=terms.central,
    )
    session.payment = Payment.CONTRACT
    session.pnc.payer, session.grant = None, None
    room.attempt = Attempt(session.names.ticket(), mode, judgement)
    session.emit(JudgeContract(room.attempt.ticket, judgement))
    session.timers.start(Timer.JUDGEMENT, session.now, session.answer_by - session.now)
    session.timers.start(Timer.AUTHORIZATION, session.now, session.config.iso20.authorization)
    return S.JUDGING_CONTRACT


# --- what becomes known during an attempt ------------------------------------------------------------------


def judged(session: Context, event: ContractJudged) -> S:
    """The signatures are verified; the answer is owed, or was given Ongoing."""
    attempt = side(session).attempt
    if attempt is None or attempt.ticket != event.ticket or attempt.judged:
        session.notice(NoticeKind.STALE, f"judgement of a contract for {event.ticket}")
        return _stay(session)
    side(session).attempt = msgspec.structs.replace(attempt, judged=True)
    try:
        _accept_proof(session, attempt.judgement.contract)
    except CertificateError as error:
        _object(session, error)
    return _stay(session) if session.owed is None else _answer(session)


def judgement_late(session: Context, _: None) -> S:
    """The answer is due; the verification goes on."""
    return _answer(session)


def judgement_overtaken(session: Context, _: object) -> S:
    """A stop has come: the answer says no more than Ongoing, and the EV comes to its end by itself."""
    return _ongoing(session)


def _accept_proof(session: Context, contract: VerifiedContract | ForwardedContract) -> None:
    """The key is the EV's. Next is the revocation, where it can be looked up."""
    terms, pnc = shared.terms_of(session), session.pnc
    if isinstance(contract, ForwardedContract):  # revocation is judged where the root is known
        _ask_back_end(session, contract)
    elif not terms.finds_revocation or terms.policy.revocation.mode is RevocationMode.OFF:
        _weigh(session, contract, Evidence())
    else:
        pnc.revocation_question = RevocationQuestion(session.names.ticket(), contract)
        session.emit(AskRevocation(pnc.revocation_question.ticket, contract))
        session.timers.start(Timer.REVOCATION, session.now)


def revocation_reported(session: Context, report: RevocationReported) -> S:
    """What was found about revocation, for the contract of this attempt."""
    question = session.pnc.revocation_question
    if question is None or report.ticket != question.ticket:
        session.notice(NoticeKind.STALE, f"revocation data for {report.ticket}")
    else:
        _found(session, question, report.evidence)
    return _stay(session)


def revocation_late(session: Context, _: None) -> S:
    """The status is not known in time: the policy decides."""
    if (question := session.pnc.revocation_question) is not None:
        _found(session, question, Evidence())
    return _stay(session)


def _found(session: Context, question: RevocationQuestion, evidence: Evidence) -> None:
    session.pnc.revocation_question = None
    session.timers.stop(Timer.REVOCATION)
    try:
        _weigh(session, question.contract, evidence)
    except CertificateError as error:
        _object(session, error, str(question.contract.emaid))


def _weigh(session: Context, contract: contracts.PresentedContract, evidence: Evidence) -> None:
    policy = _policy(session, shared.terms_of(session))
    found = contracts.weigh(contract, evidence, session.utc, policy)
    if not isinstance(found, VerifiedContract):
        raise TypeError("a contract without a proof")
    _ask_back_end(session, found)


def _ask_back_end(session: Context, contract: VerifiedContract | ForwardedContract) -> None:
    if session.stop is not None:  # no energy follows: the EV gets Ongoing and comes to its end
        return
    session.pnc.payer = ContractPayer(contract)
    session.grant = Grant(session.names.ticket(), Payment.CONTRACT)
    session.emit(AuthorizeContract(session.grant.ticket, contract))
    session.timers.start(Timer.CONTRACT_ANSWER, session.now)


def decided(session: Context, decision: ContractDecided) -> None:
    """The back end's decision; a refusal ends the attempt, or the charge if it had begun."""
    shared.decided(session, decision, _denied)


def answer_late(session: Context, _: None) -> S:
    """The back end has not decided in time: it counts as away. A later decision still counts."""
    shared.decide_alone(session, _denied)
    return _stay(session)


def _denied(session: Context, verdict: Verdict) -> ResponseCode:
    room, code, payer = side(session), code_of_verdict(verdict), session.pnc.payer
    if room.attempt is not None:
        room.attempt = msgspec.structs.replace(room.attempt, objection=Objection(code, verdict.value))
    if payer is not None and payer.source is not None:  # it had been granted
        order_stop(session, f"contract: {verdict.value}", at_once=True)
    return code


def _object(session: Context, error: CertificateError, identity: str = "") -> None:
    """Keep the broken rule for the answer; its record leaves with the answer, or now if none is owed."""
    room, code = side(session), code_of(error)
    record = ContractRefused("AuthorizationReq", code, str(error.rule), str(error), identity)
    if session.owed is None:
        session.emit(record)
    if room.attempt is not None:
        later = None if session.owed is None else record
        objection = Objection(code, f"contract: {error.rule}", later)
        room.attempt = msgspec.structs.replace(room.attempt, objection=objection)


# --- the answer --------------------------------------------------------------------------------------------


def _answer(session: Context) -> S:
    """By what is known of the attempt; a refusal ends it."""
    room = side(session)
    attempt = room.attempt
    if attempt is not None and (objection := attempt.objection) is not None:
        end_attempt(session)
        raise failed(session, objection.code, objection.why, objection.record)
    if Timer.AUTHORIZATION in session.timers.expired:
        end_attempt(session)
        code = ResponseCode.WARNING_GENERAL_PNC_AUTHORIZATION_ERROR
        raise failed(session, code, "the contract took too long [V2G20-2102]")
    if not session.granted:
        return _ongoing(session)
    room.challenge = None
    room.attempt = None
    payer = session.pnc.payer
    soon = payer is not None and payer.contract.expires_soon
    code = ResponseCode.OK_CERTIFICATE_EXPIRES_SOON if soon else ResponseCode.OK
    session.answer(
        m.AuthorizationRes(header=head(session), response_code=code, evse_processing=Processing.FINISHED)
    )
    return S.WAIT_SERVICE_DISCOVERY


def end_attempt(session: Context) -> None:
    """Forget the contract of an attempt that has failed; answers about it are stale from now on."""
    side(session).attempt = None
    session.grant, session.payment = None, None
    session.pnc.payer, session.pnc.revocation_question = None, None
    for timer in (Timer.AUTHORIZATION, Timer.REVOCATION, Timer.CONTRACT_ANSWER, Timer.JUDGEMENT):
        session.timers.stop(timer)


def _ongoing(session: Context) -> S:
    session.answer(
        m.AuthorizationRes(
            header=head(session), response_code=ResponseCode.OK, evse_processing=Processing.ONGOING
        )
    )
    return S.WAIT_AUTHORIZATION


def _stay(session: Context) -> S:
    return S.WAIT_AUTHORIZATION if session.owed is None else S.JUDGING_CONTRACT


def _generation(session: Context) -> Generation:
    return Generation.LAB if session.transport.laboratory else Generation.ISO20


def _policy(session: Context, terms: ContractTerms) -> contracts.ContractPolicy:
    warn_before = min(terms.policy.warn_before, _SOON)
    return terms.policy.of(_generation(session), warn_before=warn_before)
