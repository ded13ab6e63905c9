"""What an EV was offered: power limits and prices over time, as the messages have them.

ISO 15118-20: ScheduleExchangeRes, with the choice in PowerDeliveryReq; ISO 15118-2:
ChargeParameterDiscoveryRes with its SalesTariffs, likewise. Times are seconds from the beginning of the
schedule, power is in W, below zero from the EV.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from secc.messages import iso2
from secc.messages import iso20_common as m
from secc.messages.iso20_common import Processing
from secc.messages.numbers import number
from secc.trace.readings import content
from secc.trace.summary import CurvePoint, SessionSummary

__all__ = ["DrawnOffer", "DrawnSchedule", "PriceCurve", "offers"]


@dataclasses.dataclass(frozen=True, slots=True)
class PriceCurve:
    """One price over time."""

    label: str
    """From which power on it holds; empty where there is only one."""
    points: tuple[CurvePoint, ...]
    """The price from a moment on; the last point is the end."""


@dataclasses.dataclass(frozen=True, slots=True)
class DrawnSchedule:
    """Power and prices of one direction of one schedule."""

    name: str
    power: tuple[CurvePoint, ...] = ()
    """The limit from a moment on; the last point is the end."""
    unit: str = ""
    """Of the prices: EUR/kWh, or level."""
    prices: tuple[PriceCurve, ...] = ()
    note: str = ""
    """Taxes, minimum and maximum cost, overstay, services, in words."""


@dataclasses.dataclass(frozen=True, slots=True)
class DrawnOffer:
    """One answer with schedules."""

    at: float
    """Seconds from the beginning of the session."""
    schedules: tuple[DrawnSchedule, ...]
    chosen: int | None = None
    """The id of the schedule that the EV has chosen."""


def offers(summary: SessionSummary) -> list[DrawnOffer]:
    """Every offer of a session, in order, each with the choice of the EV."""
    found: list[DrawnOffer] = []
    for message in summary.messages:
        body: Any = content(message.message)
        at = message.at - summary.began
        if isinstance(body, m.ScheduleExchangeRes) and body.evse_processing is Processing.FINISHED:
            found.append(DrawnOffer(at, tuple(_of_iso20(body))))
        elif isinstance(body, iso2.ChargeParameterDiscoveryRes) and body.sa_schedules is not None:
            found.append(DrawnOffer(at, tuple(map(_of_iso2, body.sa_schedules.sa_schedule_tuple))))
        elif found and (chosen := _choice(body)) is not None:
            found[-1] = dataclasses.replace(found[-1], chosen=chosen)
    return [offer for offer in found if offer.schedules]


def _choice(body: object) -> int | None:
    if isinstance(body, iso2.PowerDeliveryReq):
        return body.sa_schedule_tuple_id
    if not isinstance(body, m.PowerDeliveryReq) or body.ev_power_profile is None:
        return None
    scheduled = body.ev_power_profile.scheduled_ev_ppt_control_mode
    return None if scheduled is None else scheduled.selected_schedule_tuple_id


# --- ISO 15118-20 ------------------------------------------------------------------------------------------


def _of_iso20(body: m.ScheduleExchangeRes) -> Iterator[DrawnSchedule]:
    dynamic, scheduled = body.dynamic_se_res_control_mode, body.scheduled_se_res_control_mode
    if dynamic is not None and (dynamic.absolute_price_schedule or dynamic.price_level_schedule):
        yield _priced(DrawnSchedule("Dynamic mode"), dynamic)
    for one in () if scheduled is None else scheduled.schedule_tuple:
        name = f"schedule {one.schedule_tuple_id}"
        yield _direction(f"{name}, charging", one.charging_schedule)
        if one.discharging_schedule is not None:
            yield _direction(f"{name}, discharging", one.discharging_schedule, back=True)


def _direction(name: str, schedule: m.ChargingSchedule, *, back: bool = False) -> DrawnSchedule:
    """Discharge power is drawn below zero, with whichever sign it came."""
    entries = schedule.power_schedule.power_schedule_entries.power_schedule_entry
    watts = [
        sum(number(part) for part in (entry.power, entry.power_l2, entry.power_l3) if part is not None)
        for entry in entries
    ]
    signed = [-abs(value) if back else value for value in watts]
    power = _stairs(zip((entry.duration for entry in entries), signed, strict=True))
    return _priced(DrawnSchedule(name, power), schedule)


def _priced(found: DrawnSchedule, source: m.ChargingSchedule | m.DynamicSEResControlMode) -> DrawnSchedule:
    absolute, levels = source.absolute_price_schedule, source.price_level_schedule
    if absolute is not None:
        return dataclasses.replace(
            found, unit=f"{absolute.currency}/kWh", prices=_bands(absolute), note=_note(absolute)
        )
    if levels is not None and levels.number_of_price_levels > 1:  # one level says nothing
        entries = levels.price_level_schedule_entries.price_level_schedule_entry
        points = _stairs((entry.duration, float(entry.price_level)) for entry in entries)
        return dataclasses.replace(found, unit="level", prices=(PriceCurve("", points),))
    return found


def _bands(schedule: m.AbsolutePriceSchedule) -> tuple[PriceCurve, ...]:
    """A curve for each power from which a fee holds, in any step."""
    stacks = schedule.price_rule_stacks.price_rule_stack
    powers = sorted({number(rule.power_range_start) for stack in stacks for rule in stack.price_rule})
    curves = []
    for power in powers:
        fees = (
            (
                stack.duration,
                [number(r.energy_fee) for r in stack.price_rule if number(r.power_range_start) <= power][-1:],
            )
            for stack in stacks
        )
        points = _stairs((seconds, fee[0] if fee else 0.0) for seconds, fee in fees)
        curves.append(PriceCurve(f"from {power / 1000:g} kW" if len(powers) > 1 else "", points))
    return tuple(curves)


def _note(schedule: m.AbsolutePriceSchedule) -> str:
    words = [schedule.price_algorithm.rpartition(":")[2]]
    for name, cost in (("minimum", schedule.minimum_cost), ("maximum", schedule.maximum_cost)):
        if cost is not None:
            words.append(f"{name} {number(cost):g} {schedule.currency}")
    for tax in () if schedule.tax_rules is None else schedule.tax_rules.tax_rule:
        how = "included" if tax.tax_included_in_price else "added"
        words.append(f"{tax.tax_rule_name or 'tax'} {number(tax.tax_rate):g} % {how}")
    rules = [rule for stack in schedule.price_rule_stacks.price_rule_stack for rule in stack.price_rule]
    parking = next((rule for rule in rules if rule.parking_fee is not None), None)
    if parking is not None and parking.parking_fee is not None:
        words.append(f"parking {number(parking.parking_fee):g} per {parking.parking_fee_period} s")
    if schedule.overstay_rules is not None:
        fee = schedule.overstay_rules.overstay_rule[0]
        words.append(f"overstay {number(fee.overstay_fee):g} per {fee.overstay_fee_period} s")
    added = schedule.additional_selected_services
    for service in () if added is None else added.additional_service:
        words.append(f"{service.service_name} {number(service.service_fee):g}")
    return ", ".join([*words, "signed"] if schedule.id else words)


def _stairs(entries: Iterable[tuple[int, float]]) -> tuple[CurvePoint, ...]:
    """Durations and values as points, with the last value again at the end."""
    listed = list(entries)
    starts = list(itertools.accumulate((seconds for seconds, _ in listed), initial=0))
    values = [value for _, value in listed]
    return tuple(
        CurvePoint(float(start), value) for start, value in zip(starts, [*values, values[-1]], strict=True)
    )


# --- ISO 15118-2 -------------------------------------------------------------------------------------------


def _of_iso2(one: iso2.SAScheduleTuple) -> DrawnSchedule:
    entries = one.p_max_schedule.p_max_schedule_entry
    steps = [(entry.time_interval.start, number(entry.p_max)) for entry in entries]
    power = _until(steps, entries[-1].time_interval.duration)
    found = DrawnSchedule(f"schedule {one.sa_schedule_tuple_id}, charging", power)
    tariff = one.sales_tariff
    if tariff is None:
        return found
    priced = tariff.sales_tariff_entry
    levels = [(entry.time_interval.start, float(entry.e_price_level or 0)) for entry in priced]
    last = priced[-1].time_interval.duration
    curve = PriceCurve("", _until(levels, last))
    return dataclasses.replace(
        found, unit="level", prices=(curve,), note=tariff.sales_tariff_description or ""
    )


def _until(steps: list[tuple[int, float]], duration: int | None) -> tuple[CurvePoint, ...]:
    """Steps that hold from a start on, the last one for its duration, else for an hour."""
    end = steps[-1][0] + (3600 if duration is None else duration)
    return tuple(CurvePoint(float(start), value) for start, value in [*steps, (end, steps[-1][1])])
