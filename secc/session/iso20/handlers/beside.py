"""The side stream for schedules: parameters, schedules and the EV's choice beside the charge loop.

The requests are those of the main stream, and so is what is checked. The energy transfer, its limits and its
schedule stay as they are until the EV has chosen.
"""

from __future__ import annotations

from secc.messages import iso20_ac as ac
from secc.messages import iso20_common as m
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import ChargeProgress, Processing, ResponseCode
from secc.session import ending, offering
from secc.session.context import Context
from secc.session.inputs import PricesOffered, SchedulesOffered
from secc.session.iso20 import pricing, terms
from secc.session.iso20.handlers import parameters
from secc.session.iso20.handlers.choice import chosen_offer, follow, tolerance
from secc.session.iso20.handlers.power import delivered
from secc.session.iso20.handlers.schedule import exchanged
from secc.session.iso20.notifications import followed
from secc.session.iso20.refusals import Iso20Refused, Iso20Warned
from secc.session.iso20.side import Wish, side
from secc.session.iso20.states import SideState
from secc.session.outputs import NoticeKind
from secc.session.states import Timer


def ac_parameters(session: Context, request: ac.ACChargeParameterDiscoveryReq) -> SideState:
    """The first message of a renegotiation, AC [V2G20-1046]."""
    begin(session)
    with terms.aside(session):
        parameters.ac_rediscovery(session, request)
    return SideState.SCHEDULE_EXCHANGE


def dc_parameters(session: Context, request: dc.DCChargeParameterDiscoveryReq) -> SideState:
    """The first message of a renegotiation, DC [V2G20-1046]."""
    begin(session)
    with terms.aside(session):
        parameters.settle_dc(session, request)
    return SideState.SCHEDULE_EXCHANGE


def begin(session: Context) -> None:
    """A renegotiation begins on the side stream."""
    terms.begin(session)
    _restart(session)
    followed(session, Wish.SCHEDULE_RENEGOTIATION)


def _restart(session: Context) -> None:
    """The time of the EV for its next message here; the main stream has its timer for itself."""
    session.timers.start(Timer.SIDE_STREAM, session.now, session.config.iso20.side_stream)


def exchange(session: Context, request: m.ScheduleExchangeReq) -> SideState:
    """Offer schedules, Ongoing while the back end is asked [V2G20-1048] [V2G20-1052]."""
    with terms.aside(session):
        finished = exchanged(session, request)
    _restart(session)
    return SideState.SCHEDULE_PROFILE if finished else SideState.SCHEDULE_EXCHANGE


def offered(session: Context, event: SchedulesOffered) -> SideState:
    """The back end's offer waits for the EV's next request."""
    offering.answered(session, event)
    return SideState.SCHEDULE_EXCHANGE


def priced(session: Context, event: PricesOffered) -> SideState:
    """Likewise its prices."""
    with terms.aside(session):
        pricing.answered(session, event)
    return SideState.SCHEDULE_EXCHANGE


def still(_: Context, __: None) -> SideState:
    """The time of the back end is over: the next request is answered without it."""
    return SideState.SCHEDULE_EXCHANGE


def profile(session: Context, request: m.PowerDeliveryReq) -> SideState:
    """The EV's choice; it counts from the next ChargeLoopReq on [V2G20-1050].

    Only ScheduleRenegotiation ends this exchange: start, stop and standby belong to the main stream.
    """
    if request.charge_progress is not ChargeProgress.SCHEDULE_RENEGOTIATION:
        why = f"{request.charge_progress.value} on the side stream [V2G20-459]"
        raise Iso20Refused(ResponseCode.FAILED_SEQUENCE_ERROR, why)
    ending.check_fault(session)
    if session.stop is not None:
        _close(session)
        warning = ResponseCode.WARNING_SCHEDULE_RENEGOTIATION_FAILED
        raise Iso20Warned(warning, "the station stops", _idle(session))
    if request.ev_processing is Processing.ONGOING:
        _restart(session)
        return delivered(session, SideState.SCHEDULE_PROFILE)
    with terms.aside(session):
        offer, code = chosen_offer(session, request), tolerance(session, request)
        follow(session, offer)
    terms.choose(session)
    _close(session)
    return delivered(session, _idle(session), code)


def late(session: Context, _: None) -> SideState:
    """The EV does not go on with its renegotiation: nothing of it counts, and the loop goes on."""
    session.notice(NoticeKind.IGNORED, "the EV leaves its renegotiation unfinished")
    _close(session)
    return _idle(session)


def _close(session: Context) -> None:
    terms.abandon(session)
    session.timers.stop(Timer.SIDE_STREAM)
    session.timers.stop(Timer.CHARGE_PARAMETERS)


def _idle(session: Context) -> SideState:
    return SideState.SCHEDULE_DC if side(session).dc else SideState.SCHEDULE_AC
