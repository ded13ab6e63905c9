"""How a session ends: by the EV, by the station, by time, by a fault. The output goes off first, always."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secc.messages import iso2
from secc.messages.iso2 import ChargingSession, ResponseCode
from secc.session.context import Purpose, Stop
from secc.session.inputs import ControllerFault, LinkLost, PeerMisbehaved, StopRequested
from secc.session.iso2.states import State
from secc.session.outlet import ControlPilot
from secc.session.outputs import EndReason, NoticeKind
from secc.session.refusals import Refused
from secc.session.states import Stage, Timer

if TYPE_CHECKING:
    from secc.session.machine import Session


def session_stop(session: Session, request: iso2.SessionStopReq) -> State:
    """End or pause; the connection closes either way [V2G2-571] [V2G2-739]."""
    session.off(final=True)
    session.answer(iso2.SessionStopRes(response_code=ResponseCode.OK))
    paused = request.charging_session is ChargingSession.PAUSE
    session.end(EndReason.PAUSED if paused else EndReason.TERMINATED)
    return State.ENDED


def session_stop_dc(session: Session, request: iso2.SessionStopReq) -> State:
    """After PowerDeliveryReq(Stop) the EV has to be in pilot state B first [V2G2-919] [V2G2-920]."""
    if session.evse.control_pilot is ControlPilot.B:
        return session_stop(session, request)
    session.start_timer(Timer.PILOT)
    return State.AWAITING_PILOT_B


def pilot_not_seen(_: Session, __: None) -> State:
    """[V2G2-918] [V2G2-922]"""
    raise Refused(ResponseCode.FAILED, "the control pilot state that goes with this request was not seen")


def budget_spent(session: Session, _: None) -> Stage:
    """Output off now; the next request of the loop is told FAILED [V2G2-713]."""
    if session.energised is not None:
        session.interrupt("the time for this step is used up")
    return session.state


def order_stop(session: Session, reason: str, *, at_once: bool) -> None:
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
        session.stop_timer(Timer.STOP_DELAY)
        session.start_timer(Timer.STOP_GRACE)
        session.overtake(reason)
    else:
        session.stop = Stop(reason, session.now + session.config.timing.stop_delay)
        session.start_timer(Timer.STOP_DELAY)


def stop_requested(session: Session, event: StopRequested) -> None:
    """The operator or the station wants the charge to end."""
    order_stop(session, event.reason, at_once=False)


def stop_due(session: Session, _: None) -> None:
    """The delay that the EV was told is over."""
    if session.energised is not None:
        session.overtake("the announced stop is due")


def check_stop(session: Session) -> None:
    """Refuse to go on in a loop once the EV has had its time to heed a stop."""
    if session.stop is not None and (session.expired(Timer.STOP_DELAY) or session.expired(Timer.STOP_GRACE)):
        raise Refused(ResponseCode.FAILED, f"stopped: {session.stop.reason}")


def overtaken(session: Session) -> bool:
    """Whether a stop has come before the energy. Then the request is answered OK and nothing is switched on:
    the answer says EVSE_Shutdown and StopCharging, and the EV comes to its end by itself. A refusal shows as
    an error in the car and may keep its plug locked."""
    check_stop(session)
    return session.stop is not None


def check_fault(session: Session) -> None:
    """Refuse to go on while the outlet has a fault."""
    if session.fault is not None:
        raise Refused(ResponseCode.FAILED, f"fault: {session.fault.value}")


def controller_fault(session: Session, event: ControllerFault) -> None:
    """A driver that failed cannot be trusted to deliver; while the contactor closes it is the contactor."""
    session.trip(event.fault, event.reason)
    closing = session.state is State.CLOSING_CONTACTOR
    code = ResponseCode.FAILED_CONTACTOR_ERROR if closing else ResponseCode.FAILED
    session.interrupt(event.reason, code)


def sequence_timeout(session: Session, _: None) -> None:
    """No request in time [V2G2-537]."""
    session.end(EndReason.SEQUENCE_TIMEOUT)


def setup_timeout(session: Session, _: None) -> None:
    """No SessionSetupReq in time [V2G2-723]."""
    session.end(EndReason.SETUP_TIMEOUT)


def link_lost(session: Session, event: LinkLost) -> None:
    """Nobody is there any more."""
    session.end(EndReason.LINK_LOST, event.reason)


def peer_misbehaved(session: Session, event: PeerMisbehaved) -> None:
    """What it sends cannot be answered."""
    session.end(EndReason.NO_PROTOCOL if event.no_protocol else EndReason.PROTOCOL_ERROR, event.detail)


def stale(session: Session, event: object) -> None:
    """An answer that nobody waits for [INV-20]."""
    session.notice(NoticeKind.STALE, type(event).__name__)


def not_in_this_protocol(session: Session, event: object) -> None:
    """What the EV cannot be told."""
    session.notice(NoticeKind.IGNORED, f"{type(event).__name__}: {session.dialect.name} has no word for it")


def nothing(_: Session, __: None) -> None:
    """That it has run out is what counts, or the machine does the rest."""
