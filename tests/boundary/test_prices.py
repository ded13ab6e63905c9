"""Absurd prices of a back end are refused at the boundary, with a report that names the value."""

from __future__ import annotations

import types
from typing import Any

import msgspec
import pytest

from secc.boundary import prices as rules
from secc.boundary.backend import checked_backend
from secc.boundary.start import check_prices
from secc.boundary.values import accept
from secc.errors import ConfigError, IntegrationError
from secc.session.prices import (
    MOST_BANDS,
    AbsolutePrices,
    PriceBand,
    PriceLevels,
    PriceOffer,
    PriceStep,
    SignedPrices,
    TuplePrices,
)
from secc.settings import Iso20Config, Pricing, SeccConfig
from secc.sim import PricingBackend, SimulatedBackend
from tests.support.prices import BACK, DAY, LEVELS, for_all, fragment, message, signature
from tests.support.values import forced, names


def offer(prices: Any) -> PriceOffer:
    return PriceOffer((TuplePrices(prices),))


def forged(thing: Any, **fields: Any) -> Any:
    """The object with other fields, without its own rules."""
    return forced(thing, fields)


def refused(value: Any) -> str:
    with pytest.raises(IntegrationError) as caught:
        accept("prices", rules.PRICES, value)
    assert len(str(caught.value)) < 500
    return str(caught.value)


@pytest.mark.parametrize(
    "good", [for_all(), offer(LEVELS), offer(None), PriceOffer((TuplePrices(DAY, BACK),))]
)
def test_sound_prices_are_passed_on_as_they_are(good: PriceOffer) -> None:
    assert accept("prices", rules.PRICES, good) == good


@pytest.mark.parametrize("fee", [float("nan"), float("inf"), 0.39, "0.39", None, True, 10**13, -(10**13)])
def test_a_fee_that_is_no_plain_number_of_millionths_is_refused(fee: Any) -> None:
    band = forged(PriceBand(0, 0), energy_fee=fee)
    step = forged(PriceStep(0, (PriceBand(0, 0),)), bands=(band,))
    words = refused(offer(forged(DAY, steps=(step,))))
    assert words.startswith("prices: prices[0].charging.steps[0].bands[0].energy_fee is ")
    assert "expected a whole number from -1000000000000 to 1000000000000 millionths" in words


@pytest.mark.parametrize(
    ("prices", "where"),
    [
        (forged(DAY, currency="€"), "charging.currency"),
        (forged(DAY, language=None), "charging.language"),
        (forged(DAY, algorithm="1-Power"), "charging.algorithm"),
        (forged(DAY, number=0), "charging.number"),
        (forged(DAY, description="\n"), "charging.description"),
        (forged(DAY, maximum_cost=float("nan")), "charging.maximum_cost"),
        (forged(DAY, taxes=DAY.taxes * 11), "charging.taxes"),
        (forged(DAY, services=DAY.services * 6), "charging.services"),
        (forged(DAY, steps=iter(())), "charging.steps"),
        (forged(LEVELS, count=0), "charging.count"),
        (forged(LEVELS, levels=(forged(LEVELS.levels[0], level=255),)), "charging.levels[0].level"),
        (forged(LEVELS, levels=(forged(LEVELS.levels[0], start=2**32),)), "charging.levels[0].start"),
        (SignedPrices(b""), "charging is"),
        (SignedPrices("text"), "charging is"),  # type: ignore[arg-type]
        ({"currency": "EUR"}, "charging is"),
    ],
)
def test_a_field_of_another_type_or_out_of_range_is_refused(prices: Any, where: str) -> None:
    assert f"prices[0].{where}" in refused(offer(prices))


def test_a_rule_between_fields_is_checked_again_for_a_forged_object() -> None:
    assert "is above maximum_cost" in refused(offer(forged(DAY, minimum_cost=60_000_000)))


def test_too_many_bands_are_refused_before_any_is_read() -> None:
    class Unreadable:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} was read")

    steps = tuple(PriceStep(60 * index, (PriceBand(0, 1), PriceBand(5, 2))) for index in range(1024))
    two = offer(forged(DAY, steps=steps))
    assert accept("prices", rules.PRICES, two) == two
    many = forged(two, prices=(two.prices[0], TuplePrices(LEVELS, schedule_id=1)))
    assert f"at most {MOST_BANDS} price bands and levels in total, there are 2050" in refused(many)
    heap = forged(LEVELS, levels=(Unreadable(),) * 100_000)
    assert "there are 100000" in refused(offer(heap))


def test_the_number_of_schedules_is_bounded() -> None:
    assert "at most 4 items" in refused(forged(for_all(), prices=for_all().prices * 1000))


def test_signed_prices_need_a_signature_over_them() -> None:
    signed = PriceOffer((TuplePrices(SignedPrices(fragment(message()))),), signature(message()))
    assert accept("prices", rules.PRICES, signed) == signed
    assert "a signature over the signed prices" in refused(msgspec.structs.replace(signed, signature=None))
    other = signature(message("id1", 5))
    assert "digest of #id1" in refused(msgspec.structs.replace(signed, signature=other))


@pytest.mark.parametrize("value", [7, "offer", [], types.SimpleNamespace(prices=())])
def test_what_is_no_offer_is_refused(value: Any) -> None:
    assert "an object of PriceOffer" in refused(value)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (AbsolutePrices, rules.ABSOLUTE),
        (PriceLevels, rules.LEVELS),
        (PriceBand, rules.BAND),
        (PriceOffer, rules.OFFER),
    ],
)
def test_every_field_has_a_rule(kind: Any, rule: Any) -> None:
    assert rule.fields == set(names(kind))


def test_prices_in_the_settings_need_a_back_end_that_has_prices() -> None:
    config = SeccConfig(iso20=Iso20Config(prices=(Pricing.ABSOLUTE,)))
    with pytest.raises(ConfigError, match=r"derive SimulatedBackend from secc\.ports\.PricesEnergy"):
        check_prices(config, checked_backend(SimulatedBackend()))
    check_prices(config, checked_backend(PricingBackend(None)))
    check_prices(SeccConfig(), checked_backend(SimulatedBackend()))
