"""Which limit is in force now: the outlet's, its momentary one, the schedule's, load management's, the EV's.

Every set-point and every announced maximum comes from here [INV-07] [INV-08]. Thousandths of V, A, W and Wh.
"""

from __future__ import annotations

import msgspec

from secc.session.agreed import DcLimits, Demand, Match, Purpose, SetPoint
from secc.session.context import Agreed
from secc.session.quantities import (
    NO_DISCHARGE,
    ZERO,
    Bounds,
    ChargeLimit,
    DischargeLimit,
    Milli,
    least,
    milli,
)
from secc.settings.energy import DcConfig

__all__ = [
    "ac_current",
    "ac_power",
    "at_battery",
    "dc",
    "deliverable",
    "hardware_power",
    "lowest_voltage",
    "matched",
    "offerable",
    "phases",
    "plan",
    "scheduled_power",
    "set_point",
]


# --- DC ----------------------------------------------------------------------------------------------------


def dc(session: Agreed) -> DcLimits:
    """What the outlet can deliver now; computed when something that it depends on has changed."""
    evse, scheduled = session.evse, scheduled_power(session)
    back = session.may_discharge
    limited = (session.external_limit, session.held)
    seen = (evse.max_voltage, evse.max_current, evse.max_power, *limited, scheduled, back)
    known = session.dc_limits
    if known is not None and known.seen == seen:
        return known
    config = session.config.energy.dc
    from_car, power_from_car = _from_car(session)
    current = ChargeLimit(least(milli(config.max_current), _momentary(evse.max_current)))
    power = ChargeLimit(least(milli(config.max_power), _shared_power(session)))
    session.dc_limits = DcLimits(
        seen=seen,
        voltage=least(milli(config.max_voltage), _momentary(evse.max_voltage)),
        lowest_voltage=lowest_voltage(config),
        current=Bounds.of(current, from_car),
        power=Bounds.of(power, power_from_car),
    )
    return session.dc_limits


def _from_car(session: Agreed) -> tuple[DischargeLimit, DischargeLimit]:
    """Current and power that the outlet takes from a car: none without a permission. Its momentary limits
    hold in both directions."""
    config, power, evse = session.config.energy.dc, session.may_discharge, session.evse
    if power <= 0 or session.held:
        return NO_DISCHARGE, NO_DISCHARGE
    most = min(power, milli(config.max_discharge_power))
    current = least(milli(config.max_discharge_current), _momentary(evse.max_current))
    return DischargeLimit(current), DischargeLimit(least(Milli(most), _momentary(evse.max_power)))


def lowest_voltage(config: DcConfig) -> Milli:
    """mV below which nothing is set, and below which there is no battery: an outlet at less than the safe
    voltage cannot be distinguished from one without voltage."""
    return max(milli(config.min_voltage), milli(config.safe_voltage))


def set_point(session: Agreed, demand: Demand, purpose: Purpose = Purpose.DC) -> SetPoint:
    """The lowest limit for a demand; pre-charge has a separate one [INV-05]."""
    config = session.config.energy.dc
    match = matched(session)
    most = milli(config.pre_charge_current) if purpose is Purpose.PRE_CHARGE else None
    return plan(demand, dc(session), config, match, milli(session.evse.present_voltage), most)


def plan(
    demand: Demand, can: DcLimits, config: DcConfig, match: Match | None, present: Milli, most: Milli | None
) -> SetPoint:
    """What to deliver: within what the outlet and the EV can, near the battery's voltage.

    `match` is what is known of the battery's voltage, `present` the voltage read at the output, `most` one
    more limit of the current.
    """
    if demand.current < 0:
        return _plan_discharge(demand, can, config, match, present)
    ev, window = demand.limits, milli(config.demand_window)
    volts = min(demand.voltage, ev.voltage, can.voltage)
    if match is not None:
        volts = min(volts, Milli(match.voltage + window))
        if not match.flowed:
            most = _unmatched(match, config, volts, present, most)
    if volts < can.lowest_voltage:
        return SetPoint()
    wanted, allowed = demand.current, can.current.upper
    by_current = min(wanted, ev.current, allowed)
    if most is not None and most < by_current:
        by_current = most
    if by_current <= 0:
        return SetPoint(volts)
    watts = can.power.upper
    if ev.power is not None and ev.power < watts:
        watts = Milli(ev.power)
    by_power = watts * 1000 // volts
    return SetPoint(
        voltage=volts,
        current=Milli(min(by_current, by_power)),
        voltage_limited=can.voltage < demand.voltage,
        current_limited=allowed < wanted,
        power_limited=by_power < by_current,
    )


def _plan_discharge(
    demand: Demand, can: DcLimits, config: DcConfig, match: Match | None, present: Milli
) -> SetPoint:
    """What to take out of the EV: nothing before a battery has shown itself, and nothing below the voltage
    that the battery and the outlet need at least. The voltage of the set-point is that least one: the battery
    holds the voltage itself."""
    ev = demand.limits
    floor = max(ev.lowest_voltage, can.lowest_voltage)
    wanted, allowed = -demand.current, -can.current.lower
    by_current = min(wanted, ev.discharge_current, allowed)
    by_power = min(-can.power.lower, ev.discharge_power) * 1000 // max(present, 1)
    current = max(0, min(by_current, by_power))
    if current == 0 or match is None or present <= floor or present > can.voltage:
        return plan(msgspec.structs.replace(demand, current=ZERO), can, config, match, present, None)
    return SetPoint(
        voltage=floor,
        current=Milli(-current),
        current_limited=allowed < wanted,
        power_limited=by_power < by_current,
    )


def _unmatched(
    match: Match, config: DcConfig, volts: Milli, present: Milli, most: Milli | None
) -> Milli | None:
    """mA, while nothing shows that the battery is at the output's voltage: none at a voltage far below that
    of pre-charge, and no more than in pre-charge while the output reads another voltage [INV-05]."""
    window = milli(config.demand_window)
    if volts < match.voltage - window:
        return ZERO
    return least(milli(config.pre_charge_current), most) if abs(present - match.voltage) > window else most


def matched(session: Agreed) -> Match | None:
    """What is known of the battery's voltage, with the present reading; None before the start."""
    match, evse = session.match, session.evse
    if match is None or not abs(evse.present_current) > session.config.energy.dc.pre_charge_current:
        return match
    present = milli(evse.present_voltage)
    if match.flowed and present <= match.voltage:
        return match
    return Match(max(match.voltage, present), flowed=True)


def at_battery(session: Agreed) -> bool:
    """The output reads the voltage at which the battery is known to be, within `energy.dc.demand_window`."""
    match = matched(session)
    if match is None:
        return False
    apart = abs(milli(session.evse.present_voltage) - match.voltage)
    return apart <= milli(session.config.energy.dc.demand_window)


def deliverable(session: Agreed) -> Milli | None:
    """mWh that an EV gets by its own wish and the schedule, DC; None while one of them is missing."""
    parameters, offer = session.parameters, session.latest_offer
    if parameters is None or parameters.energy is None or offer is None:
        return None
    schedule = offer.followed
    ends = [*(step.start for step in schedule.steps[1:]), schedule.end]
    steps = zip(schedule.steps, ends, strict=True)
    most = sum(milli(step.max_power) * (end - step.start) for step, end in steps) // 3600
    return least(parameters.energy, Milli(most))


# --- AC ----------------------------------------------------------------------------------------------------


def ac_current(session: Agreed) -> Milli:
    """mA per phase that the EV may draw now [V2G2-844]."""
    ac = session.config.energy.ac
    by_current = least(milli(ac.max_current), _momentary(session.evse.max_current))
    watts = _shared_power(session)
    if watts is None:
        return by_current
    return least(by_current, Milli(watts * 1000 // (milli(ac.nominal_voltage) * phases(session))))


def ac_power(session: Agreed) -> Milli:
    """mW of all phases that the EV may draw now."""
    ac = session.config.energy.ac
    by_current = least(milli(ac.max_current), _momentary(session.evse.max_current))
    return least(_ac_power(session, by_current), _shared_power(session))


def phases(session: Agreed) -> int:
    """Phases in use, AC."""
    return session.parameters.phases if session.parameters is not None else 1


# --- both --------------------------------------------------------------------------------------------------


def hardware_power(session: Agreed, *, dc: bool) -> Milli:
    """mW that the outlet can deliver by its configuration: what a schedule of our own offers [V2G2-315]."""
    if dc:
        return milli(session.config.energy.dc.max_power)
    return _ac_power(session, milli(session.config.energy.ac.max_current))


def offerable(session: Agreed, *, dc: bool) -> Milli:
    """mW that can be offered now: what the outlet has, its momentary limits, load management; in AC nothing
    while the charge is held."""
    evse = session.evse
    by_current = _momentary(evse.max_current)
    return least(
        hardware_power(session, dc=dc),
        _momentary(evse.max_power),
        _momentary(session.external_limit),
        ZERO if session.held and not dc else None,
        None if dc or by_current is None else _ac_power(session, by_current),
    )


def _ac_power(session: Agreed, current: Milli) -> Milli:
    return Milli(milli(session.config.energy.ac.nominal_voltage) * current * phases(session) // 1000)


def scheduled_power(session: Agreed) -> Milli | None:
    """PMax of the schedule in force; its last value stays in force after its end, until a new one."""
    offer = session.offer
    if offer is None:
        return None
    steps = offer.followed.steps
    if len(steps) == 1:
        return milli(steps[0].max_power)
    elapsed = max(session.now - offer.offered_at, 0.0)
    return milli([step for step in steps if step.start <= elapsed][-1].max_power)


def _shared_power(session: Agreed) -> Milli | None:
    """mW by the momentary limit, load management and the schedule [V2G2-832]; None when none of them says
    anything."""
    limits = (
        _momentary(session.evse.max_power),
        _momentary(session.external_limit),
        scheduled_power(session),
        ZERO if session.held else None,
    )
    return min((limit for limit in limits if limit is not None), default=None)


def _momentary(value: float | None) -> Milli | None:
    return None if value is None else milli(value)
