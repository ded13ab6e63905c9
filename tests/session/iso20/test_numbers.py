"""RationalNumber to thousandths and back: exact where it fits, towards the safe side where it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.messages.iso20_common import RationalNumber
from secc.session.iso20 import numbers


def rational(value: int, exponent: int = 0) -> RationalNumber:
    return RationalNumber(exponent=exponent, value=value)


def test_whole_values_are_exact_in_both_directions() -> None:
    assert numbers.down(rational(400)) == numbers.up(rational(400)) == 400_000
    assert numbers.maximum(400_000) == numbers.minimum(400_000) == rational(400)
    assert numbers.nearest(-20_500) == rational(-205, -1)


def test_what_is_finer_than_a_thousandth_is_rounded_towards_the_safe_side() -> None:
    assert numbers.down(rational(12_345, -5)) == 123
    assert numbers.up(rational(12_345, -5)) == 124
    assert numbers.down(rational(-1, -128)) == -1
    assert numbers.up(rational(1, -128)) == 1


@pytest.mark.parametrize("value", [32_767, 1, -1, -32_768])
def test_a_huge_exponent_is_bounded(value: int) -> None:
    bound = numbers.LARGEST if value > 0 else -numbers.LARGEST
    assert numbers.down(rational(value, 127)) == numbers.up(rational(value, 127)) == bound
    assert numbers.down(rational(0, 127)) == 0


@given(st.integers(-(10**12), 10**12))
def test_limits_cross_the_border_on_the_safe_side(thousandths: int) -> None:
    above, below = numbers.minimum(thousandths), numbers.maximum(thousandths)
    assert numbers.up(below) <= thousandths <= numbers.down(above)
    room = abs(thousandths) // 3200 + 1  # what 16 bits can hold
    assert thousandths - numbers.down(below) <= room
    assert numbers.up(above) - thousandths <= room


@given(st.integers(-(10**12), 10**12))
def test_a_measurement_keeps_its_sign_and_size(thousandths: int) -> None:
    number = numbers.nearest(thousandths)
    assert abs(numbers.down(number) - thousandths) <= abs(thousandths) // 6400 + 1
    assert number.value * thousandths >= 0
    assert -32_768 <= number.value <= 32_767


@given(st.integers(-32_767, 32_767), st.integers(-3, 4))
def test_every_number_that_can_be_sent_exactly_comes_back(value: int, exponent: int) -> None:
    thousandths = value * 10 ** (exponent + 3)
    for write in (numbers.maximum, numbers.minimum, numbers.nearest):
        back = numbers.down(write(thousandths))
        assert back == thousandths
