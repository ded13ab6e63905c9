"""What a PowerDeliveryReq chooses: start, stop or renegotiate, a schedule and a charging profile."""

from __future__ import annotations

from secc.messages.iso2 import ChargeProgress, PowerDeliveryReq, ResponseCode
from secc.session import profile
from secc.session.context import Context
from secc.session.iso2 import status, wire
from secc.session.iso2.refusals import Iso2Refused
from secc.session.iso2.states import State
from secc.session.schedules import Offer


def chosen_offer(session: Context, request: PowerDeliveryReq) -> Offer:
    """The offer with the EV's choice in it, or a refusal."""
    entries = wire.entries(request.charging_profile)
    return profile.chosen_offer(session, request.sa_schedule_tuple_id, entries)


def delivered(session: Context, state: State) -> State:
    """PowerDeliveryRes OK, and the state that follows."""
    session.answer(status.power_delivery(session))
    return state


def check_start(request: PowerDeliveryReq) -> None:
    """Refuse what is no start, where nothing runs."""
    if request.charge_progress is not ChargeProgress.START:
        raise Iso2Refused(ResponseCode.FAILED, "nothing is running that could be renegotiated [V2G2-812]")


def check_stop(request: PowerDeliveryReq, *, begun: bool = True) -> bool:
    """Whether the EV stops, once the energy transfer has begun; else it renegotiates. Refuse what is not
    possible."""
    if request.charge_progress is ChargeProgress.STOP:
        return True
    if not begun:
        raise Iso2Refused(ResponseCode.FAILED_SEQUENCE_ERROR, "charging has not begun [V2G2-538] [V2G2-812]")
    if request.charge_progress is ChargeProgress.START:
        raise Iso2Refused(ResponseCode.FAILED, "charging has started already [V2G2-812]")
    return False
