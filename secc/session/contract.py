"""A contract that has been proved: whether it may charge, by the back end or, while that is away, by policy.

How an EV shows and proves its contract differs between the protocols and is up to their rooms.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec

from secc.session.agreed import ContractPayer
from secc.session.context import Context
from secc.session.contract_events import (
    ContractDecided,
    ContractGranted,
    ContractRefused,
    ContractTerms,
    GrantSource,
    Verdict,
)
from secc.session.ending import order_stop
from secc.session.outputs import NoticeKind
from secc.session.refusals import Cause, Refused
from secc.session.states import Timer
from secc.settings.pnc import OfflinePolicy
from secc.settings.services import Payment

Denial = Callable[[Context, Verdict], enum.StrEnum]
"""What a refusal means to the session of a protocol; returns the response code that the EV gets."""


def ends_the_session(session: Context, verdict: Verdict) -> enum.StrEnum:
    """A refusal ends the charge: there is one contract in a session [INV-11]."""
    order_stop(session, f"contract: {verdict.value}", at_once=True)
    return session.dialect.codes[Cause.FAILED]


def decided(session: Context, decision: ContractDecided, denial: Denial = ends_the_session) -> None:
    """Keep the back end's decision for the next request; a refusal wins over every grant [INV-11]."""
    grant = session.grant
    if grant is None or grant.payment is not Payment.CONTRACT or decision.ticket != grant.ticket:
        session.notice(NoticeKind.STALE, f"decision about a contract for {decision.ticket}")
    elif decision.verdict is Verdict.UNREACHABLE:
        decide_alone(session, denial)
    elif decision.verdict is not Verdict.ACCEPTED:
        _deny(session, decision.verdict, denial)
    elif grant.refused or session.stop is not None:
        session.notice(NoticeKind.IGNORED, "a grant after the contract was refused, or after a stop")
    elif grant.granted and session.pnc.payer and session.pnc.payer.source is GrantSource.BACK_END:
        session.notice(NoticeKind.STALE, f"a second grant for {decision.ticket}")
    else:
        _grant(session, GrantSource.BACK_END)


def decide_alone(session: Context, denial: Denial = ends_the_session) -> None:
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
        _deny(session, Verdict.UNREACHABLE, denial)


def _chain_is_good(payer: ContractPayer) -> bool:
    """The chain ends in a configured root, and nothing on it is revoked."""
    return payer.contract.not_revoked


def _grant(session: Context, source: GrantSource) -> None:
    grant, payer = session.grant, session.pnc.payer
    if grant is None or payer is None:
        return
    if source is GrantSource.BACK_END:
        session.pnc.last_energy = None  # the limit of a decision without the back end is gone
    session.timers.stop(Timer.CONTRACT_ANSWER)
    session.grant = msgspec.structs.replace(grant, granted=True)
    session.pnc.payer = ContractPayer(payer.contract, source)
    session.emit(ContractGranted(payer.contract, source, session.vehicle))


def _deny(session: Context, verdict: Verdict, denial: Denial) -> None:
    grant, payer = session.grant, session.pnc.payer
    if grant is None or payer is None or grant.refused:
        return
    session.timers.stop(Timer.CONTRACT_ANSWER)
    session.grant = msgspec.structs.replace(grant, granted=False, refused=True)
    why, identity = verdict.value, str(payer.contract.emaid)
    session.emit(ContractRefused("AuthorizationReq", denial(session, verdict), why, why, identity))


def check_allowance(session: Context) -> None:
    """A grant without the back end ends at its limit of energy."""
    last, meter = session.pnc.last_energy, session.evse.meter
    if last is not None and (meter is None or meter.energy >= last):
        order_stop(session, "the limit of a contract without the back end is reached", at_once=False)


def terms_of(session: Context) -> ContractTerms:
    """What is known about contracts; without it no contract can have been selected."""
    if session.contracts is None:
        raise Refused(Cause.FAILED, "contracts are not dealt with here")
    return session.contracts
