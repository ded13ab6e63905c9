"""Which limit is in force now: the outlet's, its momentary one, the schedule's, load management's, the EV's.

Every set-point and every announced maximum comes from here [INV-07] [INV-08].
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING

from secc.session.context import Demand, Match
from secc.session.quantities import ZERO, decimal, least

if TYPE_CHECKING:
    from secc.session.machine import Session


def voltage(session: Session) -> Fraction:
    """V that the outlet can deliver now, DC."""
    return least(decimal(session.config.energy.dc.max_voltage), _momentary(session.evse.max_voltage))


def lowest_voltage(session: Session) -> Fraction:
    """V below which nothing is set, and below which there is no battery: an outlet at less than the safe
    voltage cannot be told from one without voltage."""
    dc = session.config.energy.dc
    return max(decimal(dc.min_voltage), decimal(dc.safe_voltage))


def current(session: Session) -> Fraction:
    """A that the outlet can deliver now, DC."""
    return least(decimal(session.config.energy.dc.max_current), _momentary(session.evse.max_current))


def power(session: Session) -> Fraction:
    """W that the outlet can deliver now, DC; schedule and load management included."""
    return least(decimal(session.config.energy.dc.max_power), shared_power(session))


def deliverable(session: Session) -> Fraction | None:
    """Wh that an EV gets by its own wish and the schedule, DC; None while one of them is missing."""
    parameters, offer = session.parameters, session.latest_offer
    if parameters is None or parameters.energy is None or offer is None:
        return None
    schedule = offer.followed
    ends = [*(step.start for step in schedule.steps[1:]), schedule.end]
    steps = zip(schedule.steps, ends, strict=True)
    most = sum((decimal(step.max_power) * (end - step.start) for step, end in steps), ZERO) / 3600
    return least(parameters.energy, most)


def ac_current(session: Session) -> Fraction:
    """A per phase that the EV may draw now [V2G2-844]."""
    ac = session.config.energy.ac
    by_current = least(decimal(ac.max_current), _momentary(session.evse.max_current))
    watts = shared_power(session)
    if watts is None:
        return by_current
    return least(by_current, watts / (decimal(ac.nominal_voltage) * phases(session)))


def hardware_power(session: Session, dc: bool) -> Fraction:
    """W that the outlet can deliver by its configuration: what a schedule of our own offers [V2G2-315]."""
    if dc:
        return decimal(session.config.energy.dc.max_power)
    ac = session.config.energy.ac
    return decimal(ac.nominal_voltage) * decimal(ac.max_current) * phases(session)


def offerable(session: Session, *, dc: bool) -> Fraction:
    """W that can be offered now: what the outlet has, its momentary limits, load management."""
    watts = least(
        hardware_power(session, dc), _momentary(session.evse.max_power), _momentary(session.external_limit)
    )
    if dc:
        return watts
    by_current = _momentary(session.evse.max_current)
    volts = decimal(session.config.energy.ac.nominal_voltage)
    return watts if by_current is None else least(watts, by_current * volts * phases(session))


def phases(session: Session) -> int:
    """Phases in use, AC."""
    return session.parameters.phases if session.parameters is not None else 1


def shared_power(session: Session) -> Fraction | None:
    """W by the momentary limit, load management and the schedule [V2G2-832]; None when none of them says
    anything."""
    limits = [
        _momentary(session.evse.max_power),
        _momentary(session.external_limit),
        scheduled_power(session),
    ]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def scheduled_power(session: Session) -> Fraction | None:
    """PMax of the schedule in force; its last value stays in force after its end, until a new one."""
    if session.offer is None:
        return None
    elapsed = session.now - session.offer.offered_at
    steps = [step for step in session.offer.followed.steps if step.start <= max(elapsed, 0.0)]
    return decimal(steps[-1].max_power)


@dataclasses.dataclass(frozen=True, slots=True)
class SetPoint:
    """What to deliver, and what kept it below what the EV asked for."""

    voltage: Fraction = ZERO
    current: Fraction = ZERO
    voltage_limited: bool = False
    current_limited: bool = False
    power_limited: bool = False


def set_point(session: Session, demand: Demand, *, max_current: Fraction | None = None) -> SetPoint:
    """The lowest of everything, for a demand; `max_current` is one more limit, for pre-charge."""
    ev = demand.limits
    match = matched(session)
    highest = None if match is None else match.voltage + decimal(session.config.energy.dc.demand_window)
    volts = least(demand.voltage, ev.voltage, voltage(session), highest)
    by_current = least(demand.current, ev.current, current(session), max_current, _unmatched(session, volts))
    if volts < lowest_voltage(session):
        return SetPoint()
    if by_current <= 0:
        return SetPoint(volts, ZERO)
    by_power = least(ev.power, power(session)) / volts
    return SetPoint(
        voltage=volts,
        current=least(by_current, by_power),
        voltage_limited=voltage(session) < demand.voltage,
        current_limited=current(session) < demand.current,
        power_limited=by_power < by_current,
    )


def matched(session: Session) -> Match | None:
    """What is known of the battery's voltage, with the present reading; None before the start."""
    match, evse = session.match, session.evse
    if match is None or decimal(evse.present_current) <= decimal(session.config.energy.dc.pre_charge_current):
        return match
    return Match(max(match.voltage, decimal(evse.present_voltage)), flowed=True)


def _unmatched(session: Session, volts: Fraction) -> Fraction | None:
    """A, while nothing shows that the battery is at the output's voltage: none at a voltage far below that of
    pre-charge, and no more than in pre-charge while the output reads another voltage [INV-05]."""
    match, dc = matched(session), session.config.energy.dc
    if match is None or match.flowed:
        return None
    window = decimal(dc.demand_window)
    if volts < match.voltage - window:
        return ZERO
    apart = abs(decimal(session.evse.present_voltage) - match.voltage)
    return decimal(dc.pre_charge_current) if apart > window else None


def _momentary(value: float | None) -> Fraction | None:
    return None if value is None else decimal(value)
