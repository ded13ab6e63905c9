"""The EVPowerProfile of a PowerDeliveryReq, compared with the schedule that the EV has chosen."""

from __future__ import annotations

import math
from collections.abc import Iterator

from secc.messages import iso20_common as m
from secc.session.iso20 import numbers
from secc.session.quantities import milli
from secc.session.schedules import PowerSchedule


def excess(profile: m.EVPowerProfile, schedule: PowerSchedule, discharge: int) -> str:
    """What in a profile goes beyond the offer, in words; empty when nothing does [V2G20-1070] [V2G20-1559].

    Entries follow each other from the start of the schedule: EVs copy its boundaries, and several send no
    usable TimeAnchor. A power above zero must not be above the charging schedule, one below zero not beyond
    `discharge`, mW. After the end of the schedule its last power holds on.
    """
    for start, power, allowed in _compared(profile, schedule):
        if power > allowed or power < -discharge:
            bounds = f"{-discharge / 1000:g} to {allowed / 1000:g} W"
            return f"{power / 1000:g} W from {start} s on, allowed are {bounds}"
    return ""


def _compared(profile: m.EVPowerProfile, schedule: PowerSchedule) -> Iterator[tuple[int, int, int]]:
    """Start of each entry in seconds, its power, and the lowest power on offer while it lasts, both mW. Both
    lists are gone through once: they can be long."""
    ends = [*(step.start for step in schedule.steps[1:]), math.inf]
    start = index = 0
    for entry in profile.ev_power_profile_entries.ev_power_profile_entry:
        end = start + entry.duration
        while ends[index] <= start:
            index += 1
        lowest = schedule.steps[index].max_power
        while ends[index] < end:
            index += 1
            lowest = min(lowest, schedule.steps[index].max_power)
        parts = (entry.power, entry.power_l2, entry.power_l3)
        yield start, sum(numbers.down(part) for part in parts if part is not None), milli(lowest)
        start = end
