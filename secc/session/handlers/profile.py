"""The schedule and the charging profile that a PowerDeliveryReq chooses."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING

from secc.messages import iso2
from secc.messages.iso2 import ResponseCode, UnitSymbol
from secc.session.events import Offer, PowerSchedule
from secc.session.quantities import WrongUnit, amount, decimal
from secc.session.refusals import Refused

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
        check_profile(request.charging_profile, offer.schedules[request.sa_schedule_tuple_id])
    return dataclasses.replace(offer, schedule_id=request.sa_schedule_tuple_id)


def check_profile(profile: iso2.ChargingProfile, schedule: PowerSchedule) -> None:
    """At every moment at most PMax of the chosen schedule, and no power after its end [V2G2-224] [V2G2-225].

    Both count their seconds from their own start [V2G2-289] [V2G2-328]; EVs copy the boundaries, so they are
    compared as they stand. The last entry lasts on [V2G2-291], up to the end of the schedule. An EV may mark
    that end by an entry of 0 W.
    """
    previous = -1
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
        if not 0 <= power <= allowed:
            raise _invalid(f"{float(power):g} W from {start} s on, allowed are {float(allowed):g} W")
        previous = start


def lowest(schedule: PowerSchedule, start: int, end: int) -> Fraction:
    """The lowest PMax between two moments, the end excluded."""
    in_force = [step for step in schedule.steps if step.start <= start][-1:]
    later = [step for step in schedule.steps if start < step.start < end]
    return min(decimal(step.max_power) for step in in_force + later)


def _invalid(why: str) -> Refused:
    return Refused(ResponseCode.FAILED_CHARGING_PROFILE_INVALID, f"{why} [V2G2-225] [V2G2-478]")
