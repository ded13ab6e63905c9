"""EVSEStatus: what the station asks the EV for, one thing at a time, with the time it has for it.

PowerDeliveryRes and ChargeLoopRes contain it while a request is pending, and omit it otherwise: there is
no value for "nothing". The most urgent one goes first, and is repeated with less time until the EV follows
[V2G20-3317] [V2G20-3318].
"""

from __future__ import annotations

import math

from secc.messages.iso20_common import EvseNotification, EVSEStatus
from secc.session import ending, offering
from secc.session.context import Agreed, Context
from secc.session.inputs import (
    ChargingHeld,
    PauseRequested,
    RenegotiationRequested,
    ServiceRenegotiationRequested,
    StandbyExitRequested,
)
from secc.session.iso20.side import Wish, side
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.states import SideState
from secc.session.outputs import NoticeKind
from secc.session.streams import Stream

_VALUES = {
    Wish.PAUSE: EvseNotification.PAUSE,
    Wish.SERVICE_RENEGOTIATION: EvseNotification.SERVICE_RENEGOTIATION,
    Wish.SCHEDULE_RENEGOTIATION: EvseNotification.SCHEDULE_RENEGOTIATION,
    Wish.EXIT_STANDBY: EvseNotification.EXIT_STANDBY,
}


def evse_status(session: Context) -> EVSEStatus | None:
    """EVSEStatus; None while the station requests nothing. A stop has priority [V2G20-1414]."""
    if session.stop is not None:
        return _status(session, EvseNotification.TERMINATE, session.stop.due)
    if session.interrupted:
        return _status(session, EvseNotification.TERMINATE, session.now)
    wishes = side(session).wishes
    for wish, value in _VALUES.items():
        if wish in wishes:
            return _status(session, value, wishes[wish])
    if session.offer_outdated:
        due = session.now + session.config.iso20.notification_delay
        return _status(session, EvseNotification.SCHEDULE_RENEGOTIATION, due)
    return None


def loop_status(session: Context) -> EVSEStatus | None:
    """The same in the loop: where nothing else is asked for, a metering confirmation may be. It goes with the
    reading, so only here [V2G20-1083]."""
    status, question = evse_status(session), side(session).metering
    if status is not None:
        return status
    if question is not None and session.streams.get(Stream.METERING) is SideState.METERING_REQUESTED:
        return _status(session, EvseNotification.METERING_CONFIRMATION, question.due)
    return None


def _status(session: Agreed, value: EvseNotification, due: float) -> EVSEStatus:
    seconds = min(max(0, math.ceil(due - session.now)), 65_535)
    return EVSEStatus(notification_max_delay=seconds, evse_notification=value)


def watch(session: Context) -> None:
    """In the charge loop: a pause that the EV has not begun in its time becomes a stop. Other wishes it may
    decline: it is not asked any longer, and the limits of the station still hold."""
    for wish, due in tuple(side(session).wishes.items()):
        if session.now < due:
            continue
        followed(session, wish)
        if wish is Wish.PAUSE:
            ending.order_stop(session, "the EV does not pause", at_once=False)
        else:
            session.notice(NoticeKind.IGNORED, f"the EV does not follow in time: {wish.value}")


# --- what the operator asks for ----------------------------------------------------------------------------


def charging_held(session: Context, event: ChargingHeld) -> None:
    """Hold the charge at no energy and ask the EV to pause; or let it go on, and ask no longer."""
    offering.charging_held(session, event)
    session.renegotiation_wanted = False
    if event.held:
        pause_requested(session, PauseRequested())
        return
    followed(session, Wish.PAUSE)
    if session.offer is not None and session.offer.held is not None:
        schedule_renegotiation_requested(session, RenegotiationRequested())


def pause_requested(session: Context, _: PauseRequested) -> None:
    """Ask the EV to pause, in the loop or with GoToPause before it [V2G20-1850]; not after a stop."""
    if session.stop is None:
        due = session.now + session.config.iso20.pause_delay
        side(session).wishes.setdefault(Wish.PAUSE, due)


def schedule_renegotiation_requested(session: Context, _: RenegotiationRequested) -> None:
    """Ask the EV to take a new schedule [V2G20-1845]; it may decline."""
    _ask(session, Wish.SCHEDULE_RENEGOTIATION)


def service_renegotiation_requested(session: Context, _: ServiceRenegotiationRequested) -> None:
    """Ask the EV to choose a service again, if the session allows it [V2G20-1931]."""
    offer = side(session).offer
    if offer is None or not offer.renegotiable:
        session.notice(NoticeKind.IGNORED, "service renegotiation: this session does not support it")
        return
    _ask(session, Wish.SERVICE_RENEGOTIATION)


def standby_exit_requested(session: Context, _: StandbyExitRequested) -> None:
    """Ask the EV to leave standby; it may stay."""
    if session.state not in (S.WAIT_STANDBY_AC, S.WAIT_STANDBY_DC):
        session.notice(NoticeKind.IGNORED, "the EV is not in standby")
        return
    _ask(session, Wish.EXIT_STANDBY)


def _ask(session: Context, wish: Wish) -> None:
    if not session.state.in_charge_loop:
        session.notice(NoticeKind.IGNORED, f"{wish.value} outside a charge loop")
        return
    due = session.now + session.config.iso20.notification_delay
    side(session).wishes.setdefault(wish, due)


def followed(session: Context, *wishes: Wish) -> None:
    """The EV does what it was asked for: stop asking."""
    for wish in wishes:
        side(session).wishes.pop(wish, None)
    if Wish.SCHEDULE_RENEGOTIATION in wishes:
        session.offer_outdated = False
