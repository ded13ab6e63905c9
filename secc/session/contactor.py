"""The contactor of an AC outlet: closed for a start, confirmed by level, and never left to itself."""

from __future__ import annotations

from secc.session import ending, feedback, output
from secc.session.agreed import Purpose
from secc.session.context import Context
from secc.session.inputs import ContactorReported
from secc.session.outlet import EvseFault
from secc.session.outputs import CloseContactor, NoticeKind
from secc.session.refusals import Cause, Refused
from secc.session.states import Timer


def close_when_safe(session: Context) -> bool:
    """Order the contactor to close if the EV shows C or D, and the output of before is off; else look again
    soon."""
    if not (session.evse.control_pilot.wants_energy and feedback.may_close(session)):
        session.timers.start(Timer.VOLTAGE_READING, session.now)
        return False
    session.contactor_ticket = session.names.ticket()
    session.contactor_reported = False
    output.energise(session, Purpose.AC)
    session.emit(CloseContactor(session.contactor_ticket))
    session.timers.start(Timer.CONTACTOR, session.now)
    return True


def start_late(session: Context) -> Refused:
    """The time for the pilot is over: it does not show C or D, or what was on before is not off."""
    if not session.evse.control_pilot.wants_energy:
        return ending.pilot_not_seen()
    volts = session.evse.present_voltage
    why = f"not off: {volts:g} V, contactor closed {session.evse.contactor_closed} [V2G2-480]"
    return Refused(Cause.NOT_APPLIED, why)


def reported(session: Context, report: ContactorReported) -> bool:
    """The outlet's own report: whether the start is confirmed. An outlet that reports no does not follow its
    orders."""
    if report.ticket != session.contactor_ticket:
        session.notice(NoticeKind.STALE, f"contactor report for {report.ticket}")
        return False
    if not report.closed:
        session.trip(EvseFault.CONTACTOR, "it did not close")
        raise Refused(Cause.CONTACTOR, "the contactor did not close [V2G2-862]")
    session.contactor_reported = True
    return seen_closed(session)


def seen_closed(session: Context) -> bool:
    """Whether the contactor is closed by level [INV-02], where there is feedback; else look again soon."""
    if not session.contactor_reported or session.evse.contactor_closed is False:
        session.timers.start(Timer.VOLTAGE_READING, session.now)
        return False
    session.contactor_ordered = True
    return True


def late(session: Context) -> Refused:
    """3 s after the pilot showed C or D [V2G2-862]."""
    session.trip(EvseFault.CONTACTOR, "it did not close in time")
    return Refused(Cause.CONTACTOR, "the contactor did not close in time [V2G2-862]")


def failed(session: Context, report: ContactorReported) -> None:
    """A report while none is waited for: the contactor of this session fell open, or an old answer."""
    energised = session.energised is not None and session.energised.purpose is Purpose.AC
    if report.ticket != session.contactor_ticket or not energised:
        session.notice(NoticeKind.STALE, f"contactor report for {report.ticket}")
    elif not report.closed:
        session.trip(EvseFault.CONTACTOR, "it opened by itself")
        ending.interrupt(session, "the contactor opened by itself")
