"""Exact arithmetic on physical values."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.messages.iso2 import PhysicalValue, UnitSymbol
from secc.session.iso2.wire import limit, measured
from secc.session.quantities import (
    Bounds,
    ChargeLimit,
    DischargeLimit,
    Milli,
    WrongUnit,
    amount,
    milli,
    number,
    of_wire,
)
from tests.support import requests as r


@pytest.mark.req("V2G2-279")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (r.volts(400), 400_000),
        (r.volts(4001, -1), 400_100),
        (r.volts(-32768, 3), -32_768_000_000),
        (r.volts(1, -3), 1),
    ],
)
def test_amount_is_exact_in_thousandths(value: PhysicalValue, expected: int) -> None:
    assert amount(value, UnitSymbol.V) == expected


@pytest.mark.parametrize(
    ("value", "exponent", "expected"),
    [(19, -4, 1), (-19, -4, -1), (999, -6, 0), (7, 4, 70_000_000), (32767, 3, 32_767_000_000)],
)
def test_what_is_finer_than_a_thousandth_is_cut_towards_zero(
    value: int, exponent: int, expected: int
) -> None:
    assert of_wire(value, exponent) == expected


def test_wrong_unit_is_an_error() -> None:
    with pytest.raises(WrongUnit, match="unit A, expected V"):
        amount(r.amperes(1), UnitSymbol.V)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, 100),
        (0.3, 300),
        (1.1, 1_100),
        (399.9999, 399_999),
        (1e-9, 0),
        (float("nan"), 0),
        (float("inf"), 0),
        (float("-inf"), 0),
        (-1.0, 0),
    ],
)
def test_numbers_of_the_station_are_decimals_rounded_down_and_never_below_zero(
    value: float, expected: int
) -> None:
    assert milli(value) == expected


@given(st.floats(min_value=0, max_value=1e8))
def test_a_number_of_the_station_is_never_rounded_up(value: float) -> None:
    assert 0 <= Fraction(repr(value)) - Fraction(milli(value), 1000) < Fraction(1, 1000)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (400_000, r.volts(400)),
        (400_100, r.volts(4001, -1)),
        (400_190, r.volts(4001, -1)),
        (50_000_000, r.volts(5000, 1)),
        (327_679_000, r.volts(32767, 1)),
        (10**15, r.volts(32767, 3)),
        (0, r.volts(0)),
        (-5_000, r.volts(0)),
    ],
)
def test_limit_on_the_wire(value: int, expected: PhysicalValue) -> None:
    assert limit(Milli(value), UnitSymbol.V) == expected


@given(st.integers(min_value=0, max_value=30_000_000_000))
def test_limit_is_never_above_the_number_and_hardly_below(value: int) -> None:
    announced = amount(limit(Milli(value), UnitSymbol.W), UnitSymbol.W)
    assert announced <= value
    assert value - announced < max(100, value / 3000)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (399.96, r.volts(400)),
        (-2.5, r.volts(-25, -1)),
        (0.25, r.volts(2, -1)),
        (0.35, r.volts(3, -1)),
        (float("nan"), r.volts(0)),
        (1e30, r.volts(32767, 3)),
    ],
)
def test_measurement_on_the_wire(value: float, expected: PhysicalValue) -> None:
    assert measured(value, UnitSymbol.V) == expected


@given(st.floats(min_value=-3000, max_value=3000))
def test_a_measurement_is_rounded_to_the_nearest_tenth_of_its_exact_value(value: float) -> None:
    tenths = round(Fraction(value) * 10)
    assert amount(measured(value, UnitSymbol.V), UnitSymbol.V) == tenths * 100


@given(st.integers(min_value=0, max_value=2_000_000))
def test_a_set_point_is_the_number_itself(value: int) -> None:
    assert milli(number(value)) == value


def test_limits_of_both_directions_make_one_signed_range() -> None:
    bounds = Bounds.of(ChargeLimit(125_000), DischargeLimit(40_000))
    assert (bounds.lower, bounds.upper) == (-40_000, 125_000)
    assert (bounds.most(1), bounds.most(-1)) == (125_000, 40_000)
