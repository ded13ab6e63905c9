"""Headers: a time stamp in the unit of the settings that never goes back."""

import pytest

from secc.session.iso20 import header
from secc.settings import TimestampUnit

MICROSECONDS, SECONDS = TimestampUnit.MICROSECONDS, TimestampUnit.SECONDS


@pytest.mark.req("V2G20-1534")
def test_a_moment_in_both_units() -> None:
    assert header.stamp(1_700_000_000.25, MICROSECONDS) == 1_700_000_000_250_000
    assert header.stamp(1_700_000_000.25, SECONDS) == 1_700_000_000


@pytest.mark.parametrize("utc", [-1.0, 1e12, float("inf"), float("nan")])
def test_a_clock_that_makes_no_sense_counts_as_zero(utc: float) -> None:
    assert header.stamp(utc, MICROSECONDS) == 0


@pytest.mark.req("V2G20-1537")
def test_microseconds_rise_strictly_even_when_the_clock_is_set_back() -> None:
    assert header.following(10, 10, MICROSECONDS) == 11
    assert header.following(10, 5, MICROSECONDS) == 11
    assert header.following(10, 20, MICROSECONDS) == 20


def test_seconds_never_fall() -> None:
    assert header.following(10, 10, SECONDS) == 10
    assert header.following(10, 5, SECONDS) == 10


@pytest.mark.req("V2G20-752")
def test_the_header_repeats_the_session_id() -> None:
    made = header.header(b"12345678", 7)
    assert (made.session_id, made.time_stamp, made.signature) == (b"12345678", 7, None)
