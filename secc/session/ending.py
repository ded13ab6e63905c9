"""How a session ends: by the EV, by the station, by time, by a fault. The output goes off first, always."""

from __future__ import annotations

import enum

from secc.session import metering, output, pause
from secc.session.agreed import Purpose, Stop
from secc.session.battery_events import SocReading
from secc.session.context import Context
from secc.session.inputs import ControllerFault, LinkLost, PeerMisbehaved, StopRequested
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason, EndSession, NoticeKind
from secc.session.refusals import Cause, Refused
from secc.session.states import Stage, StateRole, StopOrdered, Timer

# --- output off, in the middle of something ----------------------------------------------------------------


def interrupt(session: Context, why: str, cause: Cause = Cause.FAILED) -> None:
    """Output off; an owed answer becomes a refusal."""
    _off(session, why)
    if session.owed is not None and not session.state.waits_for_ev:
        session.refuse(Refused(cause, why))


def overtake(session: Context, why: str) -> None:
    """Output off because of a stop; an answer that is owed is given as the table says, with the stop in it,
    and not as a refusal."""
    _off(session, why)
    if session.owed is not None and not session.state.waits_for_ev:
        session.run(StopOrdered, None)


def _off(session: Context, why: str) -> None:
    if session.energised is not None:
        session.interrupted = True
        output.off(session, why)


# --- stop --------------------------------------------------------------------------------------------------


def order_stop(session: Context, reason: str, *, at_once: bool) -> None:
    """The station's decision to end the charge, final [INV-29]. In a charge loop the EV is given time."""
    charging = session.energised is not None and (
        session.state.in_charge_loop or session.energised.purpose is Purpose.AC
    )
    at_once = at_once or not charging or not session.state.waits_for_ev
    if session.stop is not None and not (at_once and session.stop.due > session.now):
        return
    session.notice(NoticeKind.STOP, reason)
    if at_once:
        session.stop = Stop(reason, session.now)
        session.timers.stop(Timer.STOP_DELAY)
        session.timers.start(Timer.STOP_GRACE, session.now)
        overtake(session, reason)
    else:
        session.stop = Stop(reason, session.now + session.config.timing.stop_delay)
        session.timers.start(Timer.STOP_DELAY, session.now)


def stop_requested(session: Context, event: StopRequested) -> None:
    """The operator or the station wants the charge to end."""
    order_stop(session, event.reason, at_once=event.at_once)


def stop_due(session: Context, _: None) -> None:
    """The delay that was announced to the EV is over."""
    if session.energised is not None:
        overtake(session, "the announced stop is due")


def check_stop(session: Context) -> None:
    """Refuse to go on in a loop once the EV has had its time to heed a stop."""
    if session.stop is not None and (
        Timer.STOP_DELAY in session.timers.expired or Timer.STOP_GRACE in session.timers.expired
    ):
        raise Refused(Cause.FAILED, f"stopped: {session.stop.reason}")


def overtaken(session: Context) -> bool:
    """Whether a stop has come before the energy. Then the request is answered OK and nothing is switched on:
    the answer says that the station stops, and the EV comes to its end by itself. A refusal shows as an error
    in the car and may keep its plug locked."""
    check_stop(session)
    return session.stop is not None


# --- faults ------------------------------------------------------------------------------------------------


def watch_outlet(session: Context, before: ControlPilot) -> None:
    """Unplugging, a fault or the pilot end what is energised at once [INV-03] [INV-04] [V2G2-025]
    [V2G-DC-962]."""
    pilot = session.evse.control_pilot
    if pilot is not before and before.connected and not pilot.connected:
        reason = EndReason.UNPLUGGED if pilot is ControlPilot.A else EndReason.PILOT_ERROR
        session.end(reason, f"control pilot {before.value} to {pilot.value}")
        return
    fault = session.evse.fault
    if fault is not None and (session.fault is None or (fault.latched and not session.fault.latched)):
        session.trip(fault)
        interrupt(session, fault.value)
    if session.energised is not None and not pilot.wants_energy:
        interrupt(session, f"control pilot {pilot.value}")


def check_fault(session: Context) -> None:
    """Refuse to go on while the outlet has a fault."""
    if session.fault is not None:
        raise Refused(Cause.FAILED, f"fault: {session.fault.value}")


def controller_fault(session: Context, event: ControllerFault) -> None:
    """A driver that failed cannot be trusted to deliver; while the contactor closes it is the contactor."""
    session.trip(event.fault, event.reason)
    closing = session.state.role is StateRole.CLOSES_CONTACTOR
    interrupt(session, event.reason, Cause.CONTACTOR if closing else Cause.FAILED)


# --- time --------------------------------------------------------------------------------------------------


def check_budget(session: Context, timer: Timer) -> None:
    """Refuse when the time for a loop is used up."""
    if timer in session.timers.expired:
        raise Refused(Cause.FAILED, f"{timer.value} time is used up [V2G2-713]")


def budget_spent(session: Context, _: None) -> Stage:
    """Output off now; the next request of the loop is answered FAILED [V2G2-713]."""
    if session.energised is not None:
        interrupt(session, "the time for this step is used up")
    return session.state


def pilot_late(_: Context, __: None) -> Stage:
    """The EV has not shown the pilot state that its request implies [V2G2-918] [V2G2-922]."""
    raise pilot_not_seen()


def pilot_not_seen() -> Refused:
    """The refusal of a request whose pilot state was not seen."""
    return Refused(Cause.FAILED, "the control pilot state that goes with this request was not seen")


def sequence_timeout(session: Context, _: None) -> None:
    """No request in time [V2G2-537]."""
    session.end(EndReason.SEQUENCE_TIMEOUT)


def setup_timeout(session: Context, _: None) -> None:
    """No SessionSetupReq in time [V2G2-723]."""
    session.end(EndReason.SETUP_TIMEOUT)


# --- the connection ----------------------------------------------------------------------------------------


def link_lost(session: Context, event: LinkLost) -> None:
    """Nothing can be answered any more."""
    session.end(EndReason.LINK_LOST, event.reason)


def peer_misbehaved(session: Context, event: PeerMisbehaved) -> None:
    """What the EV sends cannot be answered."""
    session.end(EndReason.NO_PROTOCOL if event.no_protocol else EndReason.PROTOCOL_ERROR, event.detail)


# --- the record --------------------------------------------------------------------------------------------


def record(session: Context, reason: EndReason, detail: str, code: enum.StrEnum | None) -> EndSession:
    """What is kept of the session [INV-36]."""
    return EndSession(
        reason=reason,
        code=code,
        detail=detail,
        session_id=session.session_id,
        established=session.evcc_id is not None,
        fault=None if session.earlier_fault else session.fault,
        fault_detail="" if session.earlier_fault else session.fault_detail,
        meter=session.reading,
        energy=metering.energy(session),
        exported=metering.exported(session),
        costs=session.costs,
        paused=pause.kept(session, session.session_id) if reason is EndReason.PAUSED else None,
        only_read=session.soc_reading is not SocReading.OFF and not session.dialect.energises,
    )


# --- inputs without effect ---------------------------------------------------------------------------------


def stale(session: Context, event: object) -> None:
    """An answer that nothing waits for [INV-20]."""
    session.notice(NoticeKind.STALE, type(event).__name__)


def not_in_this_protocol(session: Context, event: object) -> None:
    """What the protocol cannot say to the EV."""
    session.notice(NoticeKind.IGNORED, f"{type(event).__name__}: {session.dialect.name} cannot say it")


def nothing(_: Context, __: None) -> None:
    """That it has run out is what counts, or the machine does the rest."""
