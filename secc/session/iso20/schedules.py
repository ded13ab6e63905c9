"""Schedules on their way to the EV: tuples of ISO 15118-20 out of the offer of the shared part."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from secc.messages import iso20_common as m
from secc.session.iso20 import numbers, price_schedules
from secc.session.iso20.wire import negated
from secc.session.prices import PriceOffer, Prices, TuplePrices
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer

DAY = 86_400
"""Seconds that a schedule covers where the EV names no departure [V2G20-1563]."""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """How an offer is written for one EV."""

    anchor: int
    """TimeAnchor: now, in the unit of the header."""
    departure: int | None
    """Seconds from now, as the EV requests."""
    points: int
    """MaximumSupportingPoints, 12 to 1024."""
    prices: bool
    """Add a price schedule of one level where nothing is priced."""
    tolerance: int | None = None
    """PowerTolerance, mW."""
    discharge: int = 0
    """mW that may flow back at most; 0: no discharging schedule."""
    positive: bool = False
    """Discharge power is written above zero."""
    per_phase: bool = False
    """The power is divided over L1, L2 and L3."""
    offer: PriceOffer | None = None
    """Prices of the schedules."""


def tuples(offer: ScheduleOffer, form: Form) -> m.ScheduledSEResControlMode:
    """ScheduleTuples: one for each schedule on offer [V2G20-1058]."""
    return m.ScheduledSEResControlMode(
        schedule_tuple=tuple(_tuple(schedule, form) for schedule in offer.schedules)
    )


def _tuple(schedule: PowerSchedule, form: Form) -> m.ScheduleTuple:
    end = schedule.end if form.departure is not None else max(schedule.end, DAY)  # [V2G20-1563]
    steps = shortened(schedule.steps, form.points)
    prices = TuplePrices() if form.offer is None else form.offer.of(schedule.schedule_id)
    charging = _power_schedule(_entries(steps, end, form), form, form.tolerance)
    back = None
    if form.discharge > 0:
        power = _power_schedule(_discharge_entry(end, form), form, None)
        back = _priced(power, prices.discharging, end, form)
    return m.ScheduleTuple(
        schedule_tuple_id=schedule.schedule_id,
        charging_schedule=_priced(charging, prices.charging, end, form),
        discharging_schedule=back,
    )


def _priced(power: m.PowerSchedule, prices: Prices | None, end: int, form: Form) -> m.ChargingSchedule:
    """A power schedule with its prices, or with a neutral price schedule [V2G20-2176], or without one."""
    if prices is None and not form.prices:
        return m.ChargingSchedule(power_schedule=power)
    if prices is None:
        found: price_schedules.Schedule = price_schedules.neutral(anchor=form.anchor, end=end)
    else:
        found = price_schedules.written(prices, anchor=form.anchor, end=end)
    return m.ChargingSchedule(power_schedule=power, **price_schedules.element(found))


def shortened(steps: Sequence[PowerStep], points: int) -> tuple[PowerStep, ...]:
    """At most so many steps; those beyond become one with the lowest power of all it replaces."""
    if len(steps) <= points:
        return tuple(steps)
    kept, surplus = steps[: points - 1], steps[points - 1 :]
    return (*kept, PowerStep(surplus[0].start, min(step.max_power for step in surplus)))


def _entries(steps: Sequence[PowerStep], end: int, form: Form) -> tuple[m.PowerScheduleEntry, ...]:
    ends = [*(step.start for step in steps[1:]), end]
    return tuple(
        _entry(until - step.start, int(step.max_power * 1000), form)
        for step, until in zip(steps, ends, strict=True)
    )


def _entry(seconds: int, milliwatts: int, form: Form) -> m.PowerScheduleEntry:
    if not form.per_phase:
        return m.PowerScheduleEntry(duration=seconds, power=numbers.maximum(milliwatts))
    each = numbers.maximum(milliwatts // 3)
    return m.PowerScheduleEntry(duration=seconds, power=each, power_l2=each, power_l3=each)


def _discharge_entry(seconds: int, form: Form) -> tuple[m.PowerScheduleEntry, ...]:
    """One power for the whole time, by the limits of now; the loop reports each later limit."""
    total = _entry(seconds, form.discharge, form)
    if form.positive:
        return (total,)
    other = None if total.power_l2 is None else negated(total.power_l2)
    return (
        m.PowerScheduleEntry(duration=seconds, power=negated(total.power), power_l2=other, power_l3=other),
    )


def _power_schedule(
    entries: tuple[m.PowerScheduleEntry, ...], form: Form, tolerance: int | None
) -> m.PowerSchedule:
    return m.PowerSchedule(
        time_anchor=form.anchor,
        power_tolerance=None if tolerance is None else numbers.maximum(tolerance),
        power_schedule_entries=m.PowerScheduleEntryList(power_schedule_entry=entries),
    )
