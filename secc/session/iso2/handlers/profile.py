"""The schedule and the charging profile that a PowerDeliveryReq chooses."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING

from secc.messages import iso2
from secc.messages.iso2 import ResponseCode, UnitSymbol
from secc.session.outputs import NoticeKind
from secc.session.quantities import WrongUnit, amount, decimal
from secc.session.refusals import Refused
from secc.session.schedules import Offer, PowerSchedule

if TYPE_CHECKING:
    from secc.session.machine import Session


def chosen_offer(session: Session, request: iso2.PowerDeliveryReq) -> Offer:
    """The offer with the EV's choice in it, or a refusal."""
    offer = session.latest_offer
    if offer is None or request.sa_schedule_tuple_id not in offer.schedules:
        raise Refused(
            ResponseCode.FAILED_TARIFF_SELECTION_INVALID,
            f"SAScheduleTupleID {request.sa_schedule_tuple_id} was not offered [V2G2-479]",
        )
    if request.charging_profile is not None:
        schedule = offer.schedules[request.sa_schedule_tuple_id]
        lenient = session.is_dc and session.config.compat.impossible_profile
        if check_profile(request.charging_profile, schedule, lenient=lenient):
            overlooked(session)
    return dataclasses.replace(offer, schedule_id=request.sa_schedule_tuple_id)


def overlooked(session: Session) -> None:
    """Say once that a profile has values that cannot be, and that they count as not said."""
    if session.state.waits_for_ev:  # else the same request is looked at again
        session.notice(NoticeKind.LENIENT, "ChargingProfile by impossible_profile")


def check_profile(profile: iso2.ChargingProfile, schedule: PowerSchedule, *, lenient: bool = False) -> bool:
    """At every moment at most PMax of the chosen schedule, and no power after its end [V2G2-224] [V2G2-225].

    Both count their seconds from their own start [V2G2-289] [V2G2-328]; EVs copy the boundaries, so they are
    compared as they stand. The last entry lasts on [V2G2-291], up to the end of the schedule. An EV may mark
    that end by an entry of 0 W. `lenient`: a power or a number of phases that cannot be counts as not said;
    True if there was one.
    """
    previous, impossible = -1, False
    entries = profile.profile_entry
    for i, entry in enumerate(entries):
        start = entry.charging_profile_entry_start
        end = entries[i + 1].charging_profile_entry_start if i + 1 < len(entries) else schedule.end
        if start <= previous:
            raise _invalid(f"entries start at {previous} s, then {start} s")
        try:
            power = amount(entry.charging_profile_entry_max_power, UnitSymbol.W)
        except WrongUnit as error:
            raise _invalid(str(error)) from error
        allowed = lowest(schedule, start, end) if start < schedule.end else Fraction(0)
        phases = entry.charging_profile_entry_max_number_of_phases_in_use
        odd = power < 0 or phases not in (None, 1, 2, 3)
        if power > allowed or (odd and not lenient):
            asked = f"{float(power):g} W" if phases is None else f"{float(power):g} W, {phases} phases"
            raise _invalid(f"{asked} from {start} s on, allowed are {float(allowed):g} W")
        impossible, previous = impossible or odd, start
    return impossible


def lowest(schedule: PowerSchedule, start: int, end: int) -> Fraction:
    """The lowest PMax between two moments, the end excluded."""
    in_force = [step for step in schedule.steps if step.start <= start][-1:]
    later = [step for step in schedule.steps if start < step.start < end]
    return min(decimal(step.max_power) for step in in_force + later)


def _invalid(why: str) -> Refused:
    return Refused(ResponseCode.FAILED_CHARGING_PROFILE_INVALID, f"{why} [V2G2-225] [V2G2-478]")
