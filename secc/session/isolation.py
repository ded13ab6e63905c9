"""The isolation test of a DC output, before each pre-charge [INV-06]."""

from __future__ import annotations

from secc.session import ending, feedback, limits, output
from secc.session.agreed import CableTest, EvLimits, Purpose
from secc.session.context import Agreed, Context
from secc.session.inputs import CableCheckReported
from secc.session.outlet import EvseFault, IsolationLevel
from secc.session.outputs import NoticeKind, StartCableCheck
from secc.session.quantities import least, number
from secc.session.refusals import Cause, Refused
from secc.session.states import Stage, Timer


def requested(session: Context, ev_error: str) -> bool:
    """The first request of a pass: a new test, once the pilot shows C or D. False: it does not show them yet
    [V2G2-916] [V2G2-917] [V2G-DC-493] [V2G-DC-967]."""
    heed_error(session, ev_error)
    ending.check_fault(session)
    if ending.overtaken(session):
        return True
    check_may_energise(session)
    session.interrupted = False
    session.cable_test = None
    if pilot_seen(session):
        return True
    session.timers.start(Timer.PILOT, session.now)
    return False


def pilot_seen(session: Context) -> bool:
    """The EV shows C or D: a test is on its way, from a safe voltage. Off is ordered and read first."""
    if not session.evse.control_pilot.wants_energy:
        return False
    session.timers.start(Timer.CABLE_CHECK, session.now)
    if not feedback.without_voltage(session):
        output.off(session, "an isolation test begins without voltage")
    begin_when_safe(session, None)
    return True


def begin_when_safe(session: Context, _: None) -> Stage:
    """Begin the test that waits as soon as the output is without voltage; nothing may have come between."""
    over = session.interrupted or session.fault is not None or session.stop is not None
    if (
        session.cable_test is not None
        or over
        or not session.granted
        or Timer.CABLE_CHECK in session.timers.expired
    ):
        return session.state
    session.awaits_discharge = not feedback.without_voltage(session)
    if session.awaits_discharge or feedback.opens_still(session):
        session.timers.start(Timer.VOLTAGE_READING, session.now)
    elif session.evse.control_pilot.wants_energy:
        _start(session)
    return session.state


def _start(session: Context) -> None:
    session.cable_test = CableTest(session.names.ticket())
    output.energise(session, Purpose.CABLE_TEST)
    highest = least(agreed(session).voltage, limits.dc(session).voltage)
    session.emit(StartCableCheck(session.cable_test.ticket, number(highest)))


def runs(session: Agreed) -> bool:
    """The isolation is being tested."""
    return session.cable_test is not None and session.cable_test.level is None


def level(session: Agreed) -> IsolationLevel:
    """The result of the last test of this session, else what the outlet measures now."""
    test = session.cable_test
    return session.evse.isolation if test is None or test.level is None else test.level


def finished(session: Context, ev_error: str) -> bool:
    """There is a result, and a good one; a bad one is a refusal [INV-06]."""
    heed_error(session, ev_error)
    ending.check_budget(session, Timer.CABLE_CHECK)
    ending.check_fault(session)
    if ending.overtaken(session):
        return False
    check_may_energise(session)
    check_not_interrupted(session)
    begin_when_safe(session, None)
    test = session.cable_test
    if test is None or test.level is None:
        return False
    if test.level not in _SOUND:
        raise Refused(Cause.FAILED, f"isolation test: {test.level.value} [INV-06]")
    return True


_SOUND = (IsolationLevel.VALID, IsolationLevel.WARNING)


def reported(session: Context, report: CableCheckReported) -> Stage:
    """The result of this pass; the output is without voltage again. A fault is latched [INV-30]."""
    test = session.cable_test
    if test is None or report.ticket != test.ticket or test.level is not None:
        not_awaited(session, report)
        return session.state
    session.cable_test = CableTest(test.ticket, report.level)
    session.timers.stop(Timer.CABLE_CHECK)
    output.off(session)
    if report.level is IsolationLevel.FAULT:
        session.trip(EvseFault.ISOLATION)
    return session.state


def not_awaited(session: Context, report: CableCheckReported) -> None:
    """A result that nothing waits for changes nothing [INV-20], unless it is a fault: the insulation is bad,
    also after the EV has given up. The output goes off, and the fault is latched [INV-30]."""
    if report.level is not IsolationLevel.FAULT:
        session.notice(NoticeKind.STALE, f"isolation test for {report.ticket}")
        return
    session.trip(EvseFault.ISOLATION, "found by a test that was no longer awaited")
    ending.interrupt(session, f"isolation test for {report.ticket}: {report.level.value}")


# --- what every step before the energy checks --------------------------------------------------------------


def heed_error(session: Context, ev_error: str) -> None:
    """An EV that is at fault gets no energy, even if it asks for some: the charge is over before it starts.
    `ev_error`: the EV's error code as text, empty without one."""
    if ev_error:
        ending.order_stop(session, f"EV: {ev_error}", at_once=True)


def check_may_energise(session: Context) -> None:
    """Refuse what would energise the output without a grant, after a stop, or at fault."""
    ending.check_fault(session)
    if session.stop is not None or not session.granted:
        raise Refused(Cause.FAILED, "stopped or without a grant [INV-10] [INV-29]")


def check_not_interrupted(session: Context) -> None:
    """Refuse to go on with a step whose output was switched off."""
    if session.interrupted:
        raise Refused(Cause.FAILED, "the output was switched off in between")


def agreed(session: Context) -> EvLimits:
    """What the EV takes at most."""
    if session.parameters is None:
        raise Refused(Cause.FAILED, "no charge parameters")
    return session.parameters.limits
