"""Prices of a back end: what they may be."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from secc.session.prices import (
    AbsolutePrices,
    LevelStep,
    Overstay,
    OverstayFee,
    PriceBand,
    PriceLevels,
    PriceOffer,
    PriceStep,
    SignedPrices,
    Tax,
    TuplePrices,
    as_millionths,
)
from tests.support.prices import BACK, DAY, LEVELS

FEE = PriceBand(0, 390_000)


def test_an_amount_becomes_millionths() -> None:
    assert (as_millionths(0.395), as_millionths(-1.5)) == (395_000, -1_500_000)


@pytest.mark.parametrize("fee", [0, 327_670, 395_100, 1_234_000_000, -25, 32_767, 99_990_000])
def test_a_fee_that_the_message_holds_is_accepted(fee: int) -> None:
    assert PriceBand(0, fee).energy_fee == fee


def test_a_fee_with_too_many_digits_is_refused_and_the_nearest_one_is_named() -> None:
    with pytest.raises(ValueError, match=r"energy_fee is 395123, .* 395100 can be sent"):
        PriceBand(0, 395_123)
    assert PriceBand(0, 395_100)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PriceBand(-1, 0), "from_power is -1 W"),
        (lambda: PriceBand(0, 10**13), "energy_fee is"),
        (lambda: PriceBand(0, 0, parking_fee=1), "expected together"),
        (lambda: PriceBand(0, 0, parking_period=1), "expected together"),
        (lambda: PriceStep(0, ()), "0 bands, expected 1..8"),
        (lambda: PriceStep(0, (FEE,) * 9), "9 bands"),
        (lambda: PriceStep(0, (PriceBand(5, 0),)), "expected 0 and then rising"),
        (lambda: PriceStep(0, (FEE, FEE)), "expected 0 and then rising"),
        (lambda: Tax(1, -1), "rate is -1"),
        (lambda: OverstayFee(0, 1, 0), "period is 0 s"),
        (lambda: Overstay(()), "0 overstay fees"),
        (lambda: Overstay((OverstayFee(5, 1, 1), OverstayFee(5, 1, 1))), "a rising order"),
        (lambda: msgspec.structs.replace(DAY, currency="eur"), "ISO 4217"),
        (lambda: msgspec.structs.replace(DAY, language="EN"), "ISO 639"),
        (lambda: msgspec.structs.replace(DAY, steps=()), "0 price steps"),
        (lambda: msgspec.structs.replace(DAY, steps=(PriceStep(5, (FEE,)),)), "expected 0 and then rising"),
        (lambda: msgspec.structs.replace(DAY, taxes=(Tax(1, 0), Tax(1, 0))), "repeat"),
        (lambda: msgspec.structs.replace(DAY, minimum_cost=60_000_000), "above maximum_cost"),
        (lambda: PriceLevels((LevelStep(0, 3),), 3), "level 3 of 3"),
        (lambda: PriceLevels((), 3), "0 price levels"),
        (lambda: PriceOffer(()), "prices of 0 schedules"),
        (lambda: PriceOffer((TuplePrices(DAY), TuplePrices(LEVELS))), "repeat"),
    ],
)
def test_prices_that_make_no_sense_are_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_a_schedule_without_separate_prices_has_those_for_all() -> None:
    one, every = TuplePrices(DAY, schedule_id=2), TuplePrices(LEVELS)
    offer = PriceOffer((one, every))
    assert (offer.of(2), offer.of(1), offer.of(None)) == (one, every, every)
    assert PriceOffer((one,)).of(7) == TuplePrices()


def test_signed_prices_are_found_in_both_directions() -> None:
    first, second = SignedPrices(b"1"), SignedPrices(b"2")
    assert PriceOffer((TuplePrices(first, second), TuplePrices(DAY, schedule_id=1))).signed == (first, second)
    assert PriceOffer((TuplePrices(DAY, BACK),)).signed == ()
    assert isinstance(DAY, AbsolutePrices)
