"""Numbers of ISO 15118-20 on the wire: signs of a discharge, rounding, and readings that are no numbers."""

from __future__ import annotations

import dataclasses

import pytest

from secc.messages.iso20_common import RationalNumber
from secc.session.iso20 import wire
from secc.settings.iso20 import DischargeSign
from tests.support.iso20 import DC_BPT, Bench20


def rational(value: int, exponent: int = 0) -> RationalNumber:
    return RationalNumber(exponent=exponent, value=value)


@pytest.mark.req("V2G20-1213")
def test_a_discharge_limit_counts_by_its_magnitude() -> None:
    assert wire.magnitude(rational(-60)) == wire.magnitude(rational(60)) == 60_000


def test_a_target_is_rounded_towards_zero_and_keeps_its_sign() -> None:
    assert wire.toward_zero(rational(15, -4)) == 1
    assert wire.toward_zero(rational(-15, -4)) == -1


@pytest.mark.parametrize(
    ("sign", "limit", "positive"),
    [
        (DischargeSign.MIRROR, 60, True),
        (DischargeSign.MIRROR, -60, False),
        (DischargeSign.POSITIVE, -60, True),
        (DischargeSign.NEGATIVE, 60, False),
    ],
)
def test_the_sign_of_a_discharge_is_that_of_the_ev_or_of_the_setting(
    sign: DischargeSign, limit: int, *, positive: bool
) -> None:
    config = dataclasses.replace(DC_BPT, iso20=dataclasses.replace(DC_BPT.iso20, discharge_sign=sign))
    bench = Bench20(config)
    wire.settle_sign(bench.session, rational(limit))
    assert wire.signed(bench.side, rational(60)) == rational(60 if positive else -60)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_reading_that_is_no_number_counts_as_zero(value: float) -> None:
    assert wire.measured(value) == rational(0)
