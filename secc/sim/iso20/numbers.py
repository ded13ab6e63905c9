"""Numbers of ISO 15118-20: a value of 16 bits times a power of ten."""

from __future__ import annotations

from secc.messages.iso20_common import RationalNumber

__all__ = ["number", "rational"]

_LARGEST = 32767
_FINEST = -3


def rational(value: float) -> RationalNumber:
    """The nearest number with the smallest exponent, from 10⁻³ up, that can hold `value`."""
    exponent, scaled = _FINEST, round(value * 10**-_FINEST)
    while abs(scaled) > _LARGEST or (exponent < 0 and scaled % 10 == 0):
        scaled, exponent = round(scaled / 10), exponent + 1
    return RationalNumber(exponent=exponent, value=scaled)


def number(value: RationalNumber) -> float:
    """The value in the unit of its field."""
    return float(value.value) * 10.0**value.exponent if value.exponent else float(value.value)
