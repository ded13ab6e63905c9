"""Numbers as physical values of messages, and back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.messages import din, iso2, iso20_common
from secc.messages.numbers import number, physical_value, rational_number

AMPERE, WATT = iso2.UnitSymbol.A, iso2.UnitSymbol.W


@pytest.mark.parametrize(
    ("value", "multiplier", "written"),
    [
        (0.0, 0, 0),
        (12.5, -1, 125),
        (-12.5, -1, -125),
        (400.0, 0, 400),
        (0.001, -3, 1),
        (0.0004, 0, 0),
        (3276.7, -1, 32767),
        (32.767, -3, 32767),
        (32.768, -2, 3277),
        (150_000.0, 1, 15_000),
        (32_767_000.0, 3, 32_767),
    ],
)
def test_a_number_becomes_the_most_exact_value(value: float, multiplier: int, written: int) -> None:
    assert physical_value(value, WATT) == iso2.PhysicalValue(multiplier=multiplier, unit=WATT, value=written)
    assert rational_number(value) == iso20_common.RationalNumber(exponent=multiplier, value=written)


def test_the_unit_says_for_which_protocol_the_value_is() -> None:
    assert isinstance(physical_value(1.0, AMPERE), iso2.PhysicalValue)
    assert isinstance(physical_value(1.0, din.UnitSymbol.A), din.PhysicalValue)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 32_767_501.0, -1e9])
def test_what_a_physical_value_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"not a number that|does not fit"):
        physical_value(value, WATT)


def test_a_rational_number_holds_more() -> None:
    assert rational_number(1e9) == iso20_common.RationalNumber(exponent=5, value=10_000)
    with pytest.raises(ValueError, match="does not fit"):
        rational_number(1e140)


def test_numbers_come_back() -> None:
    assert number(iso2.PhysicalValue(multiplier=-1, unit=AMPERE, value=125)) == 12.5
    assert number(din.PhysicalValue(multiplier=2, value=4)) == 400.0
    assert number(iso20_common.RationalNumber(exponent=-2, value=-1)) == -0.01


@given(st.floats(min_value=-32_767_000, max_value=32_767_000))
def test_there_and_back_is_as_near_as_sixteen_bits_allow(value: float) -> None:
    for made in (physical_value(value, WATT), rational_number(value)):
        assert abs(number(made) - value) <= max(0.0005, abs(value) / 6_000)
