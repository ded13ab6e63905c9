"""Exact arithmetic on physical values: fractions, because no limit may be missed by a float.

A value is `Value` times ten to the `Multiplier` [V2G2-279]. What we announce as a limit is rounded down, so
it never says more than holds [INV-08]; what we measured is rounded to the nearest.
"""

import functools
import math
from fractions import Fraction

from secc.messages import din
from secc.messages.iso2 import PhysicalValue, UnitSymbol

Quantity = PhysicalValue | din.PhysicalValue
"""As it comes on the wire."""

ZERO = Fraction(0)


class WrongUnit(ValueError):
    """A physical value came in another unit than the element has."""


def amount(value: Quantity, unit: UnitSymbol) -> Fraction:
    """The exact amount; raises WrongUnit. In DIN SPEC 70121 the unit may be left out: an Opel Mokka-e does
    (recordings 1_config-dc-dinspec)."""
    if value.unit is not None and value.unit.value != unit.value:
        raise WrongUnit(f"unit {value.unit.value}, expected {unit.value}")
    return value.value * Fraction(10) ** value.multiplier


@functools.lru_cache(maxsize=256)
def decimal(value: float) -> Fraction:
    """A number of ours as the decimal it was written as; NaN, infinities and negatives count as zero."""
    return max(ZERO, Fraction(str(value))) if math.isfinite(value) else ZERO


def least(*limits: Fraction | None) -> Fraction:
    """The lowest of the limits that exist; at least one must."""
    return min(limit for limit in limits if limit is not None)


def limit(value: Fraction, unit: UnitSymbol) -> PhysicalValue:
    """A limit of ours on the wire, rounded down to a tenth or coarser."""
    return _physical(math.floor(max(value, ZERO) * 10), unit)


def measured(value: float, unit: UnitSymbol) -> PhysicalValue:
    """A measurement on the wire, to the nearest tenth; what is no number counts as zero."""
    return _physical(round(Fraction(value) * 10) if math.isfinite(value) else 0, unit)


def milli(value: Fraction) -> float:
    """A set-point for the controller, rounded down to a thousandth."""
    return math.floor(value * 1000) / 1000


def _physical(tenths: int, unit: UnitSymbol) -> PhysicalValue:
    """Multiplier 0 where that is exact, else -1; a higher one, cutting digits, only for large values."""
    sign, size = (-1, -tenths) if tenths < 0 else (1, tenths)
    multiplier = -1
    while (multiplier == -1 and size % 10 == 0) or size > 32767:
        size, multiplier = size // 10, multiplier + 1
    if multiplier > 3:
        size, multiplier = 32767, 3
    return PhysicalValue(multiplier=multiplier, unit=unit, value=sign * size)
