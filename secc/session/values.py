"""Physical values of the EV, checked: what ISO 15118-2 and DIN SPEC 70121 write with a unit.

None of them may be below zero.
"""

from __future__ import annotations

from secc.session import loop
from secc.session.agreed import Demand, EvLimits
from secc.session.context import Agreed, Context
from secc.session.isolation import agreed
from secc.session.quantities import ChargeLimit, Milli, Physical, WrongUnit, amount, number
from secc.session.refusals import Cause, Refused


def target(value: Physical, unit: str) -> Milli:
    """What the EV wants; negative values and wrong units are refused."""
    return _unsigned(value, unit, "target")


def maximum(value: Physical | None, unit: str) -> ChargeLimit | None:
    """What the EV takes at most, where it says so; negative values and wrong units are refused."""
    return None if value is None else ChargeLimit(_unsigned(value, unit, "maximum"))


def _unsigned(value: Physical, unit: str, what: str) -> Milli:
    try:
        thousandths = amount(value, unit)
    except WrongUnit as error:
        raise Refused(Cause.FAILED, str(error)) from error
    if thousandths < 0:
        raise Refused(Cause.FAILED, f"a negative {what} [INV-07]")
    return thousandths


def positive(value: Physical, unit: str, name: str) -> Milli:
    """A maximum of the EV in its charge parameters: above zero, and not beyond what any vehicle has."""
    thousandths = parameter(value, unit)
    if not 0 < thousandths <= _PLAUSIBLE[unit]:
        raise wrong(f"{name} is {number(thousandths):g} {unit!s}")
    return thousandths


_PLAUSIBLE = {"V": 10_000_000, "A": 10_000_000, "W": 20_000_000_000}


def parameter(value: Physical, unit: str) -> Milli:
    """A value in the charge parameters."""
    try:
        return amount(value, unit)
    except WrongUnit as error:
        raise wrong(str(error)) from error


def wrong(why: str) -> Refused:
    """The refusal of charge parameters."""
    return Refused(Cause.PARAMETERS, f"{why} [V2G2-477] [V2G-DC-398]")


def demand(
    session: Context,
    targets: tuple[Physical, Physical],
    voltage: Physical | None,
    current: Physical | None,
    power: Physical | None,
) -> Demand:
    """What the EV asks for in the charge loop: targets of voltage and current, and the maxima it sends."""
    maxima = _lowered(session, voltage, current, power)
    return Demand(target(targets[0], "V"), target(targets[1], "A"), maxima)


def _lowered(
    session: Context, voltage: Physical | None, current: Physical | None, power: Physical | None
) -> EvLimits:
    """The EV's maxima of now, with those that it sends in the charge loop."""
    before = agreed(session)
    if before.power is None:  # an EV that has announced a power may lower it to zero
        power = said_power(session, power)
    return loop.lowered(before, maximum(voltage, "V"), maximum(current, "A"), maximum(power, "W"))


def said_power(session: Agreed, value: Physical | None) -> Physical | None:
    """EVMaximumPowerLimit if it is specified: zero can mean unspecified (`CompatConfig`)."""
    if value is not None and value.value == 0 and session.config.compat.zero_power_limit:
        return None
    return value
