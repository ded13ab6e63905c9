"""PowerDeliveryReq after the start, AC and DC alike: the end, a new schedule, a new profile.

What differs is the states that follow; each function here makes the handler for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from secc.messages import iso20_common as m
from secc.messages.iso20_common import ChargeProgress, Processing, ResponseCode
from secc.session import ending, limits, output
from secc.session.agreed import Match, Purpose
from secc.session.context import Context
from secc.session.iso20.handlers.choice import chosen_offer, follow, no_standby, tolerance
from secc.session.iso20.handlers.parking import after_charging
from secc.session.iso20.header import head
from secc.session.iso20.notifications import evse_status, followed
from secc.session.iso20.refusals import Iso20Refused, Iso20Warned
from secc.session.iso20.side import Wish, side
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.states import SideState
from secc.session.quantities import ZERO

PowerDelivery = Callable[[Context, m.PowerDeliveryReq], S]
T = TypeVar("T", S, SideState)


def off(stopped: S, renegotiating: S, standby: S) -> PowerDelivery:
    """The handler that stops the energy transfer, or leads to a new schedule under power, or to standby."""

    def power_off(session: Context, request: m.PowerDeliveryReq) -> S:
        """Stop, negotiate a new schedule under power, or stand by."""
        match request.charge_progress:
            case ChargeProgress.STOP:
                return _stop(session, stopped)
            case ChargeProgress.STANDBY:
                _stand_by(session)
                return delivered(session, standby)
            case ChargeProgress.START:
                raise _out_of_order("the energy transfer has begun already [V2G20-459]")
            case ChargeProgress.SCHEDULE_RENEGOTIATION:
                _begin_renegotiation(session)
                return delivered(session, renegotiating)

    return power_off


def standing_by(standby: S, stopped: S, renegotiating: S, start: PowerDelivery) -> PowerDelivery:
    """The handler for an EV in standby, which `start` takes out of it."""

    def in_standby(session: Context, request: m.PowerDeliveryReq) -> S:
        """Standby ends with Start, Stop, or ScheduleRenegotiation [V2G20-1386]."""
        match request.charge_progress:
            case ChargeProgress.STOP:
                return _stop(session, stopped)
            case ChargeProgress.STANDBY:
                ending.check_fault(session)
                return delivered(session, standby)
            case ChargeProgress.START:
                followed(session, Wish.EXIT_STANDBY)
                return start(session, request)
            case ChargeProgress.SCHEDULE_RENEGOTIATION:
                _begin_renegotiation(session)
                followed(session, Wish.EXIT_STANDBY)
                return delivered(session, renegotiating)

    return in_standby


def profile(stopped: S, waiting: S, loop: S) -> PowerDelivery:
    """The handler that takes the EV's choice of a new schedule, and waits while it is not finished."""

    def new_profile(session: Context, request: m.PowerDeliveryReq) -> S:
        """The new schedule that the EV has chosen counts from now on [V2G20-1050]; or it stops."""
        if request.charge_progress is ChargeProgress.STOP:
            return _stop(session, stopped)
        if request.charge_progress is ChargeProgress.STANDBY:
            raise no_standby("a new schedule is negotiated")
        ending.check_fault(session)
        if request.ev_processing is Processing.ONGOING:
            return delivered(session, waiting)
        offer, code = chosen_offer(session, request), tolerance(session, request)
        follow(session, offer)
        side(session).resting = False
        return delivered(session, loop, code)

    return new_profile


def stop_before(stopped: S) -> PowerDelivery:
    """The handler that takes a stop where the energy transfer has not begun."""

    def change_of_mind(session: Context, request: m.PowerDeliveryReq) -> S:
        """Stop where the energy transfer has not begun."""
        if request.charge_progress is not ChargeProgress.STOP:
            raise _out_of_order("the energy transfer has not begun [V2G20-459] [V2G20-2122]")
        return _stop(session, stopped)

    return change_of_mind


def delivered(session: Context, state: T, code: ResponseCode = ResponseCode.OK) -> T:
    """Answer with PowerDeliveryRes."""
    session.answer(
        m.PowerDeliveryRes(header=head(session), response_code=code, evse_status=evse_status(session))
    )
    return state


def _begin_renegotiation(session: Context) -> None:
    """Energy goes on while the EV negotiates another schedule [V2G20-1045]; a warning where it cannot."""
    ending.check_fault(session)
    if session.stop is not None:
        raise Iso20Warned(ResponseCode.WARNING_SCHEDULE_RENEGOTIATION_FAILED, "the station stops")
    followed(session, Wish.SCHEDULE_RENEGOTIATION)


def _stand_by(session: Context) -> None:
    """No power from now on [V2G20-1311] [V2G20-1385] [V2G20-1615]. AC: the contactor opens. DC: the current
    is zero, at the voltage of the battery and under the lease, so that the isolation test holds."""
    ending.check_fault(session)
    energised = session.energised
    if not session.config.iso20.standby:
        raise no_standby("iso20.standby is off")
    if session.stop is not None or energised is None:
        raise no_standby("the station stops, or the output is off")
    side(session).resting = True
    if energised.demand is None:
        output.off(session)
    else:
        output.deliver(session, Purpose.DC, msgspec.structs.replace(energised.demand, current=ZERO))
        if (match := limits.matched(session)) is not None:  # the EV may open its contactors [INV-05]
            session.match = Match(match.voltage)


def _stop(session: Context, stopped: S) -> S:
    side(session).resting = False
    output.off(session)
    return delivered(session, after_charging(session) if stopped is S.WAIT_SESSION_STOP else stopped)


def _out_of_order(why: str) -> Iso20Refused:
    return Iso20Refused(ResponseCode.FAILED_SEQUENCE_ERROR, why)
