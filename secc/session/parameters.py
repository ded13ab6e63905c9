"""Charge parameters: what the EV can take, against what the outlet has."""

from __future__ import annotations

from secc.session.agreed import EvLimits
from secc.session.context import Context
from secc.session.outputs import NoticeKind
from secc.session.quantities import ChargeLimit, Milli, Physical, milli, number
from secc.session.refusals import Cause, Refused
from secc.session.values import parameter, positive, said_power, wrong
from secc.settings.energy import EnergyMode


def check_mode(session: Context, mode: EnergyMode) -> None:
    """Refuse a mode that is not on offer, and any other than the one that was accepted first.

    Outlet, cable and contactors are made for one kind of energy; the phases stay too, as the limit per phase
    follows from them. So a renegotiation and a continued session keep the mode [V2G2-741].
    """
    before = session.parameters
    if mode not in session.modes:
        raise Refused(Cause.ENERGY_MODE, f"{mode.value} is not offered [V2G2-476] [V2G-DC-397]")
    if before is not None and mode is not before.mode:
        raise Refused(
            Cause.ENERGY_MODE, f"{mode.value}, in a session that has {before.mode.value} [V2G2-476]"
        )


def dc_limits(session: Context, voltage: Physical, current: Physical, power: Physical | None) -> EvLimits:
    """The EV's maxima, DC."""
    volts = positive(voltage, "V", "EVMaximumVoltageLimit")
    amperes = positive(current, "A", "EVMaximumCurrentLimit")
    watts, said = None, said_power(session, power)
    if said is not None:
        watts = ChargeLimit(positive(said, "W", "EVMaximumPowerLimit"))
    elif power is not None:
        session.notice(NoticeKind.LENIENT, "EVMaximumPowerLimit 0 W by zero_power_limit")
    config = session.config.energy.dc
    if volts < milli(config.min_voltage):
        raise wrong(
            f"the EV takes at most {number(volts):g} V, the outlet gives at least {config.min_voltage:g}"
        )
    if amperes < milli(config.min_current):
        raise wrong(
            f"the EV takes at most {number(amperes):g} A, the outlet gives at least {config.min_current:g}"
        )
    return EvLimits(volts, ChargeLimit(amperes), watts)


def ac_limits(session: Context, voltage: Physical, current: Physical, at_least: Physical) -> EvLimits:
    """The EV's maxima, AC, where the outlet can give it what it needs at least."""
    volts = positive(voltage, "V", "EVMaxVoltage")
    amperes = positive(current, "A", "EVMaxCurrent")
    least = parameter(at_least, "A")
    if not 0 <= least <= amperes:
        raise wrong(f"EVMinCurrent is {number(least):g} A, EVMaxCurrent {number(amperes):g} A")
    if least > milli(session.config.energy.ac.max_current):
        raise wrong(f"EVMinCurrent is {number(least):g} A, more than the outlet has")
    return EvLimits(volts, ChargeLimit(amperes))


def ac_energy(value: Physical) -> Milli:
    """EAmount."""
    energy = parameter(value, "Wh")
    if energy < 0:
        raise wrong(f"EAmount is {number(energy):g} Wh")
    return energy


def departure(session: Context, said: int | None) -> int | None:
    """DepartureTime; after a pause no later than before it, less the time gone by [V2G2-741] [V2G2-742]."""
    before = None if session.continues is None else session.continues.departure_at
    left = None if before is None else int(before - session.now)
    if left is None or left <= 0:  # what has passed binds nothing
        return said
    return left if said is None else min(said, left)
