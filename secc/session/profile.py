"""The schedule and the charging profile that an EV chooses for its start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from secc.session.context import Context
from secc.session.outputs import NoticeKind
from secc.session.quantities import ZERO, Milli, milli, number
from secc.session.refusals import Cause, Refused
from secc.session.schedules import Offer, PowerSchedule


class ProfileEntry(NamedTuple):
    """From `start` on, and until the next entry, at most `power`."""

    start: int
    """Seconds from the beginning of the schedule."""
    power: Milli
    phases: int | None = None
    """AC; None: the EV does not say."""


def chosen_offer(session: Context, schedule_id: int, profile: Sequence[ProfileEntry] | None) -> Offer:
    """The latest offer with the EV's choice in it, or a refusal."""
    offer = session.latest_offer
    if offer is None or schedule_id not in offer.schedules:
        raise Refused(
            Cause.SCHEDULE, f"SAScheduleTupleID {schedule_id} was not offered [V2G2-479] [V2G-DC-400]"
        )
    if profile is not None:
        lenient = session.is_dc and session.config.compat.impossible_profile
        impossible = check_profile(profile, offer.schedules[schedule_id], lenient=lenient)
        if impossible and session.state.waits_for_ev:  # else the same request is looked at again
            session.notice(NoticeKind.LENIENT, "ChargingProfile by impossible_profile")
    return msgspec.structs.replace(offer, schedule_id=schedule_id)


def check_profile(profile: Sequence[ProfileEntry], schedule: PowerSchedule, *, lenient: bool = False) -> bool:
    """At every moment at most PMax of the chosen schedule, and no power after its end [V2G2-224] [V2G2-225]
    [V2G-DC-399].

    Both count their seconds from their own start [V2G2-289] [V2G2-328]; EVs copy the boundaries, so they are
    compared as they stand. The last entry lasts on [V2G2-291], up to the end of the schedule. An EV may mark
    that end by an entry of 0 W. `lenient`: a power or a number of phases that cannot be counts as not said;
    True if there was one.
    """
    previous, found = -1, False
    ends = [*(entry.start for entry in profile[1:]), schedule.end]
    for entry, end in zip(profile, ends, strict=True):
        start, power, phases = entry
        if start <= previous:
            raise invalid(f"entries start at {previous} s, then {start} s")
        allowed = lowest(schedule, start, end) if start < schedule.end else ZERO
        impossible = power < 0 or phases not in (None, 1, 2, 3)
        if power > allowed or (impossible and not lenient):
            asked = f"{number(power):g} W" if phases is None else f"{number(power):g} W, {phases} phases"
            raise invalid(f"{asked} from {start} s on, allowed are {number(allowed):g} W")
        found, previous = found or impossible, start
    return found


def lowest(schedule: PowerSchedule, start: int, end: int) -> Milli:
    """The lowest PMax between two moments, the end excluded."""
    in_force = [step for step in schedule.steps if step.start <= start][-1:]
    later = [step for step in schedule.steps if start < step.start < end]
    return min(milli(step.max_power) for step in in_force + later)


def invalid(why: str) -> Refused:
    """The refusal of a profile."""
    return Refused(Cause.PROFILE, f"{why} [V2G2-225] [V2G2-478] [V2G-DC-399]")
