"""Exact arithmetic on physical values."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.messages.iso2 import PhysicalValue, UnitSymbol
from secc.session.quantities import WrongUnit, amount, decimal, limit, measured, milli
from tests.support import requests as r


@pytest.mark.req("V2G2-279")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (r.volts(400), Fraction(400)),
        (r.volts(4001, -1), Fraction(4001, 10)),
        (r.volts(-32768, 3), Fraction(-32_768_000)),
        (r.volts(1, -3), Fraction(1, 1000)),
    ],
)
def test_amount_is_exact(value: PhysicalValue, expected: Fraction) -> None:
    assert amount(value, UnitSymbol.V) == expected


def test_wrong_unit_is_an_error() -> None:
    with pytest.raises(WrongUnit, match="unit A, expected V"):
        amount(r.amperes(1), UnitSymbol.V)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0.1, Fraction(1, 10)), (float("nan"), 0), (float("inf"), 0), (float("-inf"), 0), (-1.0, 0)],
)
def test_numbers_of_ours_are_decimals_and_never_below_zero(number: float, expected: Fraction) -> None:
    assert decimal(number) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (Fraction(400), r.volts(400)),
        (Fraction(4001, 10), r.volts(4001, -1)),
        (Fraction(40019, 100), r.volts(4001, -1)),
        (Fraction(50_000), r.volts(5000, 1)),
        (Fraction(327_679), r.volts(32767, 1)),
        (Fraction(10) ** 12, r.volts(32767, 3)),
        (Fraction(0), r.volts(0)),
        (Fraction(-5), r.volts(0)),
    ],
)
def test_limit_on_the_wire(number: Fraction, expected: PhysicalValue) -> None:
    assert limit(number, UnitSymbol.V) == expected


@given(st.fractions(min_value=0, max_value=30_000_000))
def test_limit_is_never_above_the_number_and_hardly_below(number: Fraction) -> None:
    told = amount(limit(number, UnitSymbol.W), UnitSymbol.W)
    assert told <= number
    assert number - told < max(Fraction(1, 10), number / 3000)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(399.96, r.volts(400)), (-2.5, r.volts(-25, -1)), (float("nan"), r.volts(0)), (1e30, r.volts(32767, 3))],
)
def test_measurement_on_the_wire(number: float, expected: PhysicalValue) -> None:
    assert measured(number, UnitSymbol.V) == expected


@given(st.fractions(min_value=0, max_value=2000))
def test_set_point_is_never_above_the_number(number: Fraction) -> None:
    assert Fraction(str(milli(number))) <= number
