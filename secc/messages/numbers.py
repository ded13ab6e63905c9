"""Numbers as the physical values of messages, and back.

ISO 15118-2 and DIN SPEC 70121 write a value of 16 bits, a power of ten from -3 to 3 and a unit
(`PhysicalValue`) [V2G2-279]; ISO 15118-20 a value of 16 bits and a power of ten (`RationalNumber`).
"""

from __future__ import annotations

import math
from typing import overload

from secc.messages import din, iso2, iso20_common

__all__ = ["number", "physical_value", "rational_number"]


@overload
def physical_value(value: float, unit: iso2.UnitSymbol) -> iso2.PhysicalValue: ...
@overload
def physical_value(value: float, unit: din.UnitSymbol) -> din.PhysicalValue: ...
def physical_value(
    value: float, unit: iso2.UnitSymbol | din.UnitSymbol
) -> iso2.PhysicalValue | din.PhysicalValue:
    """The nearest `PhysicalValue` of the protocol that `unit` belongs to, to a thousandth or coarser.

    `physical_value(12.5, iso2.UnitSymbol.A)`. Raises ValueError for NaN, infinities and beyond ±32,767,000.
    """
    scaled, multiplier = _scaled(value, finest=-3, coarsest=3)
    if isinstance(unit, din.UnitSymbol):
        return din.PhysicalValue(multiplier=multiplier, unit=unit, value=scaled)
    return iso2.PhysicalValue(multiplier=multiplier, unit=unit, value=scaled)


def rational_number(value: float) -> iso20_common.RationalNumber:
    """The nearest `RationalNumber`, to a thousandth or coarser; the field implies the unit.

    Raises ValueError for NaN, infinities and numbers that 16 bits and an exponent up to 127 do not reach.
    """
    scaled, exponent = _scaled(value, finest=-3, coarsest=127)
    return iso20_common.RationalNumber(exponent=exponent, value=scaled)


def number(value: iso2.PhysicalValue | din.PhysicalValue | iso20_common.RationalNumber) -> float:
    """The number in the unit of its field: `number(physical_value(12.5, unit))` is 12.5."""
    exponent = value.exponent if isinstance(value, iso20_common.RationalNumber) else value.multiplier
    return float(value.value * 10**exponent) if exponent >= 0 else value.value / 10**-exponent


def _scaled(value: float, *, finest: int, coarsest: int) -> tuple[int, int]:
    """16 bits and the power of ten, without zeros after the decimal point."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number that a message can hold")
    for exponent in range(finest, coarsest + 1):
        scaled = round(value * 10**-exponent) if exponent <= 0 else round(value / 10**exponent)
        if -_LARGEST <= scaled <= _LARGEST:
            while exponent < 0 and scaled % 10 == 0:
                scaled, exponent = scaled // 10, exponent + 1
            return scaled, exponent
    raise ValueError(f"{value:g} does not fit into 16 bits times ten to the {coarsest}")


_LARGEST = 32_767
