"""The start of the energy transfer, AC and DC: what it needs besides a valid choice of a schedule."""

from __future__ import annotations

from secc.session import ending
from secc.session.context import Context
from secc.session.outlet import EvseFault
from secc.session.refusals import Cause, Refused


def may_start(session: Context) -> bool:
    """Whether the energy transfer may start; False where a stop has overtaken it."""
    if session.fault is EvseFault.CONTACTOR:
        raise Refused(Cause.CONTACTOR, session.fault_detail)
    if session.fault is not None:
        raise _not_applied("at fault [V2G2-480] [V2G-DC-401]")
    if ending.overtaken(session):
        return False
    if not session.granted:
        raise _not_applied("no grant [INV-10]")
    if not session.evse.ready:
        raise _not_applied("not ready [V2G2-480] [V2G-DC-401]")
    return True


def _not_applied(why: str) -> Refused:
    return Refused(Cause.NOT_APPLIED, why)
