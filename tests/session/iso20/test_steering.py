"""The power in Dynamic mode: signed arithmetic that a sign error cannot survive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.session.iso20.steering import Room, ramped, target, through_zero

POWERS = st.integers(-100, 100)
MAGNITUDES = st.integers(0, 50)


@pytest.mark.req("V2G20-1034", "V2G20-1035")
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [(None, 50), (20, 20), (70, 50), (0, 0), (-10, -10), (-70, -30)],
)
def test_a_target_is_held_within_both_bounds(wanted: int | None, expected: int) -> None:
    assert target(wanted, Room(charge=50, discharge=30)) == expected


def test_without_a_permission_nothing_flows_back() -> None:
    assert target(-10, Room(charge=50, discharge=0)) == 0
    assert target(None, Room(charge=0, discharge=30)) == 0


def test_less_than_the_least_power_is_none_and_never_more_than_wanted() -> None:
    room = Room(charge=50, discharge=30, least_charge=10, least_discharge=8)
    assert [target(wanted, room) for wanted in (9, 10, -7, -8)] == [0, 10, 0, -8]


@given(st.none() | POWERS, MAGNITUDES, MAGNITUDES, MAGNITUDES, MAGNITUDES)
def test_no_bound_of_one_direction_reaches_the_other(
    wanted: int | None, charge: int, discharge: int, least: int, least_back: int
) -> None:
    found = target(
        wanted,
        Room(charge=charge, discharge=discharge, least_charge=least, least_discharge=least_back),
    )
    assert -discharge <= found <= charge
    if wanted is not None:
        assert found * wanted >= 0
        assert abs(found) <= abs(wanted)
    else:
        assert found >= 0


@given(POWERS, POWERS)
def test_a_change_of_direction_stops_at_zero(before: int, power: int) -> None:
    found = through_zero(before, power)
    assert found in (0, power)
    assert found * before >= 0
    assert found == power or before * power < 0


@given(POWERS, POWERS, st.integers(0, 10**8))
def test_a_ramp_lets_power_rise_slowly_and_fall_at_once(before: int, power: int, rise: int) -> None:
    found = ramped(before, power, rise)
    assert found * power >= 0
    assert abs(found) <= abs(power)
    assert abs(found) <= (abs(before) if before * power >= 0 else 0) + rise
    if abs(power) <= abs(before) and before * power >= 0:
        assert found == power
