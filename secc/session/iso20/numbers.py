"""RationalNumber and the whole milli-units in which the core calculates.

A RationalNumber is a value of 16 bits times ten to the power of an exponent of 8 bits, without a unit. Inside
the station a physical value is an integer of thousandths: mV, mA, mW, mWh. A limit that crosses this border
is rounded towards the safe side: a maximum down, a minimum up.
"""

from __future__ import annotations

import functools

from secc.messages.iso20_common import RationalNumber

LARGEST = 10**12
"""Thousandths: what is larger counts as this much. No outlet and no vehicle comes near it."""

_MOST = 32_767
_POWERS: tuple[int, ...] = tuple(10**power for power in range(14))


@functools.lru_cache(maxsize=1024)
def down(number: RationalNumber) -> int:
    """Thousandths, rounded down; at most `LARGEST` in both directions."""
    return _thousandths(number.value, number.exponent, up=False)


@functools.lru_cache(maxsize=1024)
def up(number: RationalNumber) -> int:
    """Thousandths, rounded up; at most `LARGEST` in both directions."""
    return _thousandths(number.value, number.exponent, up=True)


def _thousandths(value: int, exponent: int, *, up: bool) -> int:
    shift = exponent + 3
    if shift >= 0:
        # 10**12 is reached with any value other than zero: larger exponents need not be calculated.
        number: int = value * _POWERS[min(shift, 13)]
        return max(-LARGEST, min(LARGEST, number))
    divisor = _POWERS[min(-shift, 6)]  # a value of 16 bits is below one thousandth from here on
    return -(-value // divisor) if up else value // divisor


@functools.lru_cache(maxsize=4096)
def maximum(thousandths: int) -> RationalNumber:
    """A maximum on the wire: never more than it is."""
    return _rational(thousandths, up=False)


@functools.lru_cache(maxsize=1024)
def minimum(thousandths: int) -> RationalNumber:
    """A minimum on the wire: never less than it is."""
    return _rational(thousandths, up=True)


@functools.lru_cache(maxsize=4096)
def nearest(thousandths: int) -> RationalNumber:
    """A measurement on the wire, as close as 16 bits allow; the sign is kept."""
    exponent = -3
    size = abs(thousandths)
    while size > _MOST:
        exponent += 1
        divisor = _POWERS[exponent + 3]
        size = (abs(thousandths) + divisor // 2) // divisor
    return _short(size if thousandths >= 0 else -size, exponent)


def _rational(thousandths: int, *, up: bool) -> RationalNumber:
    value, exponent = thousandths, -3
    while abs(value) > _MOST:
        exponent += 1
        divisor = _POWERS[exponent + 3]
        value = -(-thousandths // divisor) if up else thousandths // divisor
    return _short(value, exponent)


def _short(value: int, exponent: int) -> RationalNumber:
    """Without digits that say nothing: 400 V, not 4000 tenths."""
    while exponent < 0 and value % 10 == 0:
        value, exponent = value // 10, exponent + 1
    return RationalNumber(exponent=exponent, value=value)
