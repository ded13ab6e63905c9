"""Costs by absolute prices, against values calculated by hand."""

from __future__ import annotations

import msgspec
import pytest

from secc.session.costs import NOTHING_USED, Costs, MeterSample, TaxCost, Usage, costs, counted
from secc.session.prices import (
    AbsolutePrices,
    AddedService,
    Overstay,
    OverstayFee,
    PriceAlgorithm,
    PriceBand,
    PriceStep,
    Tax,
)

KWH = 1_000_000
"""mWh."""
FLAT = AbsolutePrices(currency="EUR", language="eng", steps=(PriceStep(0, (PriceBand(0, 400_000),)),))
BANDS = (PriceBand(0, 300_000), PriceBand(11_000, 500_000))


def used(prices: AbsolutePrices, *samples: tuple[float, int] | tuple[float, int, int]) -> Usage:
    """Samples: seconds, mWh, and perhaps mW."""
    usage = NOTHING_USED
    for sample in samples:
        usage = counted(prices, usage, MeterSample(*sample))
    return usage


def cost(prices: AbsolutePrices, *samples: tuple[float, int] | tuple[float, int, int]) -> Costs:
    return costs(prices, used(prices, *samples), samples[-1][0])


def banded(algorithm: PriceAlgorithm) -> AbsolutePrices:
    return msgspec.structs.replace(FLAT, algorithm=algorithm, steps=(PriceStep(0, BANDS),))


def test_energy_costs_its_fee() -> None:
    found = cost(FLAT, (0, 5 * KWH), (3600, 15 * KWH + 500_000))
    assert found == Costs(currency="EUR", energy=4_200_000, total=4_200_000, used=10_500_000)


def test_nothing_used_costs_nothing() -> None:
    assert costs(FLAT, NOTHING_USED, 0) == Costs(currency="EUR")


def test_energy_before_the_prices_is_not_counted() -> None:
    assert cost(FLAT, (7, 900 * KWH)).total == 0


def test_a_fee_below_zero_pays_the_driver() -> None:
    paid = msgspec.structs.replace(FLAT, steps=(PriceStep(0, (PriceBand(0, -250_000),)),))
    assert cost(paid, (0, 0), (60, 2 * KWH)).total == -500_000


def test_each_step_has_its_fee() -> None:
    steps = (PriceStep(0, (PriceBand(0, 400_000),)), PriceStep(3600, (PriceBand(0, 200_000),)))
    prices = msgspec.structs.replace(FLAT, steps=steps)
    found = cost(prices, (0, 0), (3599, 10 * KWH), (3600, 11 * KWH), (90_000, 20 * KWH))
    assert found.energy == 10 * 400_000 + 10 * 200_000


def test_power_the_band_of_the_moment_decides() -> None:
    samples = ((0, 0, 0), (600, 2 * KWH, 10_999_999), (1200, 5 * KWH, 11_000_000), (1800, 6 * KWH, 5_000_000))
    assert cost(banded(PriceAlgorithm.POWER), *samples).energy == 3 * 300_000 + 3 * 500_000


def test_peak_power_the_highest_power_of_the_step_decides_for_all_its_energy() -> None:
    steps = (PriceStep(0, BANDS), PriceStep(3600, BANDS))
    prices = msgspec.structs.replace(banded(PriceAlgorithm.PEAK_POWER), steps=steps)
    first = ((0, 0, 0), (600, 2 * KWH, 7_000_000), (1200, 5 * KWH, 22_000_000), (1800, 6 * KWH, 3_000_000))
    assert cost(prices, *first).energy == 6 * 500_000
    second = (3600, 7 * KWH, 4_000_000)
    assert cost(prices, *first, second).energy == 6 * 500_000 + 300_000


def test_stacked_energy_each_band_gets_its_part_of_the_power() -> None:
    prices = banded(PriceAlgorithm.STACKED_ENERGY)
    assert cost(prices, (0, 0, 0), (3600, 22 * KWH, 22_000_000)).energy == 11 * 300_000 + 11 * 500_000
    assert cost(prices, (0, 0, 0), (3600, 10 * KWH, 10_000_000)).energy == 10 * 300_000
    three = (PriceBand(0, 100_000), PriceBand(5_000, 200_000), PriceBand(10_000, 300_000))
    prices = msgspec.structs.replace(prices, steps=(PriceStep(0, three),))
    found = cost(prices, (0, 0, 0), (3600, 20 * KWH, 20_000_000)).energy
    assert found == 5 * 100_000 + 5 * 200_000 + 10 * 300_000


def test_without_a_power_the_mean_since_the_last_change_of_the_register_counts() -> None:
    samples = ((0, 0), (60, 0), (1800, 6 * KWH))  # 6 kWh in half an hour: 12 kW
    assert cost(banded(PriceAlgorithm.POWER), *samples).energy == 6 * 500_000
    assert cost(banded(PriceAlgorithm.POWER), (0, 0), (3600, 6 * KWH)).energy == 6 * 300_000


def test_each_parking_period_that_has_begun_is_paid() -> None:
    band = PriceBand(0, 0, parking_fee=500_000, parking_period=900)
    prices = msgspec.structs.replace(FLAT, steps=(PriceStep(0, (band,)), PriceStep(3600, (PriceBand(0, 0),))))
    assert cost(prices, (0, 0)).occupancy == 500_000
    assert cost(prices, (0, 0), (899, 0)).occupancy == 500_000
    assert cost(prices, (0, 0), (900, 0)).occupancy == 1_000_000
    assert cost(prices, (0, 0), (10, 0), (20, 0), (1900, 0)).occupancy == 1_500_000
    assert cost(prices, (0, 0), (3599, 0), (7200, 0)).occupancy == 2_000_000  # free from 3600 s on


def test_overstay_begins_after_its_time_below_its_power() -> None:
    fees = (OverstayFee(0, 100_000, 60), OverstayFee(600, 1_000_000, 300))
    prices = msgspec.structs.replace(FLAT, overstay=Overstay(fees, after=300, below_power=500))
    charge = ((0, 0, 11_000_000), (100, KWH, 11_000_000), (200, KWH, 0))
    assert cost(prices, *charge, (499, KWH, 0)).overstay == 0
    assert cost(prices, *charge, (500, KWH, 0)).overstay == 100_000
    assert cost(prices, *charge, (559, KWH, 0)).overstay == 100_000
    assert cost(prices, *charge, (560, KWH, 0)).overstay == 200_000
    assert cost(prices, *charge, (1099, KWH, 0)).overstay == 1_000_000
    assert cost(prices, *charge, (1100, KWH, 0)).overstay == 1_000_000 + 1_000_000
    assert cost(prices, *charge, (1400, KWH, 0)).overstay == 1_000_000 + 2_000_000


def test_an_ev_that_charges_again_does_not_overstay_any_more() -> None:
    prices = msgspec.structs.replace(FLAT, overstay=Overstay((OverstayFee(0, 100_000, 60),), below_power=500))
    charge = ((0, 0, 11_000_000), (100, KWH, 11_000_000), (200, KWH, 0), (230, 2 * KWH, 9_000_000))
    assert cost(prices, *charge, (9999, 3 * KWH, 9_000_000)).overstay == 100_000


def test_an_ev_that_has_not_charged_yet_does_not_overstay() -> None:
    prices = msgspec.structs.replace(FLAT, overstay=Overstay((OverstayFee(0, 100_000, 60),)))
    assert cost(prices, (0, 0, 0), (5000, 0, 0)).overstay == 0


def test_a_tax_is_added_to_what_it_is_raised_on() -> None:
    band = PriceBand(0, 400_000, parking_fee=1_000_000, parking_period=3600)
    prices = msgspec.structs.replace(
        FLAT,
        steps=(PriceStep(0, (band,)),),
        taxes=(Tax(1, 19_000), Tax(2, 5_000, on_parking=False)),
        services=(AddedService("wash", 3_000_000),),
    )
    found = cost(prices, (0, 0), (3599, 10 * KWH))
    assert (found.energy, found.occupancy, found.services) == (4_000_000, 1_000_000, 3_000_000)
    assert found.taxes == (TaxCost(1, 950_000), TaxCost(2, 200_000))
    assert found.total == 4_000_000 + 1_000_000 + 3_000_000 + 950_000 + 200_000


def test_a_tax_in_the_price_is_stated_and_not_added() -> None:
    prices = msgspec.structs.replace(FLAT, taxes=(Tax(1, 19_000, included=True),))
    found = cost(prices, (0, 0), (60, 10 * KWH))
    assert found.taxes == (TaxCost(1, 638_655),)  # 4 EUR * 19 / 119
    assert found.total == 4_000_000


@pytest.mark.parametrize(
    ("energy", "total"), [(KWH, 2_380_000), (10 * KWH, 4_760_000), (100 * KWH, 11_900_000)]
)
def test_minimum_and_maximum_bound_the_total_with_their_tax(energy: int, total: int) -> None:
    prices = msgspec.structs.replace(
        FLAT, taxes=(Tax(1, 19_000),), minimum_cost=2_000_000, maximum_cost=10_000_000
    )
    assert cost(prices, (0, 0), (60, energy)).total == total


def test_costs_add_up_and_currencies_do_not() -> None:
    one = Costs(currency="EUR", energy=1, total=3, taxes=(TaxCost(1, 2),), used=5)
    two = Costs(currency="EUR", energy=4, total=9, taxes=(TaxCost(1, 3), TaxCost(2, 2)), used=7)
    taxes = (TaxCost(1, 5), TaxCost(2, 2))
    assert one.plus(two) == Costs(currency="EUR", energy=5, total=12, taxes=taxes, used=12)
    with pytest.raises(ValueError, match="EUR and in CHF"):
        one.plus(Costs(currency="CHF"))


def test_many_small_readings_cost_the_same_as_one() -> None:
    small = [(second, second * 3_055, 11_000_000) for second in range(0, 3601, 5)]
    prices = banded(PriceAlgorithm.POWER)
    assert cost(prices, *small).energy == cost(prices, small[0], small[-1]).energy == 5_499_000
