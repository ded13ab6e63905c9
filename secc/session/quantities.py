"""Exact arithmetic on physical values: whole thousandths of V, A, W and Wh.

No limit may be missed by a float.

A value on the wire is an integer times a power of ten [V2G2-279]; with exponents from -3 on it is a whole
number of thousandths. What the station announces as a limit is rounded down, so it never says more than holds
[INV-08]; what was measured is rounded to the nearest.

Currents and powers are signed: positive from the station to the car. A limit is a magnitude, and its
direction is its type: `ChargeLimit` or `DischargeLimit`. `Bounds` makes both into one signed range.
"""

import functools
import math
from typing import NewType, Protocol

import msgspec

__all__ = [
    "NO_DISCHARGE",
    "ZERO",
    "Bounds",
    "ChargeLimit",
    "DischargeLimit",
    "Milli",
    "Physical",
    "WrongUnit",
    "amount",
    "least",
    "milli",
    "number",
    "of_wire",
    "reading",
    "signed",
    "to_wire",
]

Milli = NewType("Milli", int)
"""Thousandths of a unit: mV, mA, mW, mWh. Signed."""
ChargeLimit = NewType("ChargeLimit", int)
"""The most that may flow from the station to the car, in thousandths, 0 or more."""
DischargeLimit = NewType("DischargeLimit", int)
"""The most that may flow from the car to the station, in thousandths, 0 or more."""

ZERO = Milli(0)
NO_DISCHARGE = DischargeLimit(0)


class Bounds(msgspec.Struct, frozen=True, gc=False):
    """What a signed current or power may be: from `lower`, 0 or less, to `upper`, 0 or more."""

    lower: Milli
    upper: Milli

    @classmethod
    def of(cls, charge: ChargeLimit, discharge: DischargeLimit) -> "Bounds":
        """The range that two limits leave."""
        return cls(Milli(-discharge), Milli(charge))

    def most(self, direction: int) -> int:
        """The magnitude allowed towards the car (1) or from it (-1)."""
        return self.upper if direction > 0 else -self.lower


class Physical(Protocol):
    """A physical value as ISO 15118-2 and DIN SPEC 70121 write it."""

    @property
    def value(self) -> int: ...
    @property
    def multiplier(self) -> int: ...
    @property
    def unit(self) -> str | None: ...


class WrongUnit(ValueError):
    """A physical value came in another unit than the element has."""


def amount(value: Physical, unit: str) -> Milli:
    """The exact amount; raises WrongUnit. In DIN SPEC 70121 the unit may be left out: an Opel Mokka-e does
    (recordings 1_config-dc-dinspec)."""
    found, exponent = value.unit, value.multiplier
    if found is not unit and found is not None and found != unit:
        raise WrongUnit(f"unit {found!s}, expected {unit!s}")
    if -3 <= exponent <= 3:
        return Milli(value.value * _POWERS[exponent + 3])
    return of_wire(value.value, exponent)


def of_wire(value: int, exponent: int) -> Milli:
    """`value` times ten to the `exponent`; below -3 rounded towards zero."""
    if exponent >= -3:
        return Milli(value * _POWERS[exponent + 3] if exponent <= 3 else value * 10 ** (exponent + 3))
    size = abs(value) // 10 ** (-3 - exponent)
    return Milli(size if value >= 0 else -size)


_POWERS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)


@functools.lru_cache(maxsize=256)
def milli(value: float) -> Milli:
    """A number of the station as the decimal it was written as, rounded down to a thousandth; NaN,
    infinities and negatives count as zero."""
    if not 0.0 < value < math.inf:
        return ZERO
    nearest = round(value * 1000)
    return Milli(nearest - 1 if value < nearest / 1000 else nearest)


def signed(value: float) -> Milli:
    """A signed number of the station, rounded towards zero to a thousandth; NaN and infinities count as
    zero."""
    return milli(value) if value >= 0 else Milli(-milli(-value))


def number(value: int) -> float:
    """V, A, W or Wh, for the controller and for people."""
    return value / 1000


def least(*limits: Milli | None) -> Milli:
    """The lowest of the limits that exist; at least one must."""
    return min(limit for limit in limits if limit is not None)


@functools.lru_cache(maxsize=256)
def to_wire(limit: Milli) -> tuple[int, int]:
    """A limit of the station as value and exponent, rounded down to a tenth or coarser; below zero is
    zero."""
    return _scaled(max(limit, 0) // 100)


def reading(measured: float) -> tuple[int, int]:
    """A measurement as value and exponent, to the nearest tenth; what is no number counts as zero."""
    if not math.isfinite(measured):
        return 0, 0
    scaled = measured * 10
    tenths = round(scaled)
    if (
        abs(scaled - tenths) > 0.499
    ):  # the product is rounded too: near the middle only the exact value decides
        over, under = measured.as_integer_ratio()
        tenths, rest = divmod(10 * over, under)
        tenths += 2 * rest > under or (2 * rest == under and tenths % 2)
    return _scaled(tenths)


def _scaled(tenths: int) -> tuple[int, int]:
    """Exponent 0 where that is exact, else -1; a higher one, cutting digits, only for large values."""
    sign, size = (-1, -tenths) if tenths < 0 else (1, tenths)
    exponent = -1
    while (exponent == -1 and size % 10 == 0) or size > 32767:
        size, exponent = size // 10, exponent + 1
    if exponent > 3:
        size, exponent = 32767, 3
    return sign * size, exponent
