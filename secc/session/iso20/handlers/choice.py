"""What a PowerDeliveryReq chooses: a schedule, and the profile that the EV means to follow."""

from __future__ import annotations

import msgspec

from secc.messages import iso20_common as m
from secc.messages.iso20_common import ChargeProgress, PowerToleranceAcceptance, ResponseCode
from secc.session.context import Context
from secc.session.iso20 import pricing, profile
from secc.session.iso20.refusals import Iso20Refused, Iso20Warned
from secc.session.iso20.side import selection
from secc.session.schedules import Offer
from secc.settings.iso20 import ToleranceRefused


def chosen_offer(session: Context, request: m.PowerDeliveryReq) -> Offer | None:
    """The offer with the EV's choice in it, or a refusal; in Dynamic mode, where nothing is chosen, what
    limits the power over time, or None.

    In Scheduled mode a start needs a profile that names the schedule [V2G20-1521] [V2G20-1546]. In Dynamic
    mode a profile is a forecast, and none is needed.
    """
    found = request.ev_power_profile
    if selection(session).dynamic:
        if found is not None and found.scheduled_ev_ppt_control_mode is not None:
            raise _invalid("a profile of Scheduled mode in Dynamic mode")
        return session.latest_offer
    choice = None if found is None else found.scheduled_ev_ppt_control_mode
    if found is None or choice is None:
        raise _invalid("no profile of Scheduled mode [V2G20-1546]")
    offer, number = session.latest_offer, choice.selected_schedule_tuple_id
    if offer is None or number not in offer.schedules:
        why = f"ScheduleTupleID {number} was not offered [V2G20-479]"
        raise Iso20Refused(ResponseCode.FAILED_SCHEDULE_SELECTION_INVALID, why)
    excess = profile.excess(found, offer.schedules[number], session.may_discharge)
    if excess:
        raise _invalid(f"{excess} [V2G20-478] [V2G20-1559]")
    return msgspec.structs.replace(offer, schedule_id=number)


def follow(session: Context, offer: Offer | None) -> None:
    """The choice of the EV counts from now on, at its prices [V2G20-1050]."""
    session.offer = offer
    dynamic = selection(session).dynamic
    pricing.chosen(session, None if dynamic or offer is None else offer.schedule_id)


def tolerance(session: Context, request: m.PowerDeliveryReq) -> ResponseCode:
    """The code of an accepted start, by what the EV says about the tolerance that was offered [V2G20-1944];
    a refusal or a warning where it does not confirm it."""
    found, config = request.ev_power_profile, session.config.iso20
    choice = None if found is None else found.scheduled_ev_ppt_control_mode
    if config.power_tolerance is None or choice is None:
        return ResponseCode.OK
    if choice.power_tolerance_acceptance is PowerToleranceAcceptance.POWER_TOLERANCE_CONFIRMED:
        return ResponseCode.OK_POWER_TOLERANCE_CONFIRMED
    if config.tolerance_refused is ToleranceRefused.STOP:  # [V2G20-1945]
        raise Iso20Refused(
            ResponseCode.FAILED_POWER_TOLERANCE_NOT_CONFIRMED, "the tolerance is not confirmed"
        )
    raise Iso20Warned(ResponseCode.WARNING_POWER_TOLERANCE_NOT_CONFIRMED, "the tolerance is not confirmed")


def check_start(request: m.PowerDeliveryReq) -> None:
    """Warn or refuse what is no start, before the energy transfer."""
    if request.charge_progress is ChargeProgress.STANDBY:
        raise no_standby("the energy transfer has not begun")
    if request.charge_progress is not ChargeProgress.START:
        raise Iso20Refused(
            ResponseCode.FAILED_SEQUENCE_ERROR, "the energy transfer has not begun [V2G20-459]"
        )


def no_standby(why: str) -> Iso20Warned:
    """The answer to Standby where the station does not enter it [V2G20-1615]."""
    return Iso20Warned(ResponseCode.WARNING_STANDBY_NOT_ALLOWED, f"no standby: {why}")


def _invalid(why: str) -> Iso20Refused:
    return Iso20Refused(ResponseCode.FAILED_EV_POWER_PROFILE_INVALID, why)
