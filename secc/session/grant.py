"""Authorization by external identification (EIM); contracts: `secc.session.contract`."""

from __future__ import annotations

import msgspec

from secc.session import ending
from secc.session.agreed import Grant
from secc.session.context import Context
from secc.session.inputs import AuthorizationDecided
from secc.session.outputs import Authorize, NoticeKind
from secc.session.refusals import Cause, Refused
from secc.session.states import Timer
from secc.settings.services import Payment


def externally_granted(session: Context) -> bool:
    """Ask the back end once; False while it has not decided [V2G2-854]; raises when it refuses."""
    ending.check_budget(session, Timer.AUTHORIZATION)
    if session.grant is not None and session.grant.refused:
        raise Refused(Cause.FAILED, "authorization denied or withdrawn [V2G2-856]")
    if session.granted:
        return True
    if ending.overtaken(session):  # the back end is not asked any more
        return False
    if session.grant is None:
        session.grant = Grant(session.names.ticket(), Payment.EXTERNAL)
        session.emit(Authorize(session.grant.ticket, session.ev))
    session.timers.start_once(Timer.AUTHORIZATION, session.now)
    return False


def decided(session: Context, decision: AuthorizationDecided) -> None:
    """Keep the decision for the next request. A withdrawal wins over every grant [INV-11]."""
    grant = session.grant
    if grant is None or grant.payment is not Payment.EXTERNAL or decision.ticket != grant.ticket:
        session.notice(NoticeKind.STALE, f"authorization for {decision.ticket}")
        return
    if decision.granted:
        if grant.refused or session.stop is not None:
            session.notice(NoticeKind.IGNORED, "authorization after it was denied, withdrawn or stopped")
            return
        session.grant = msgspec.structs.replace(grant, granted=True)
        return
    session.grant = msgspec.structs.replace(grant, granted=False, refused=True)
    reason = "authorization withdrawn" if grant.granted else "authorization denied"
    ending.order_stop(session, reason, at_once=True)
