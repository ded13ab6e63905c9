"""Price schedules on the wire."""

from __future__ import annotations

import pytest

from secc.messages import iso20_common as m
from secc.messages.iso20_common import RationalNumber
from secc.session.iso20 import price_schedules
from secc.session.prices import PriceAlgorithm, SignedPrices
from secc.settings import Pricing
from tests.support.prices import COMMON, DAY, LEVELS, fragment, message


def rational(value: int, exponent: int = 0) -> RationalNumber:
    return RationalNumber(exponent=exponent, value=value)


@pytest.mark.parametrize(
    ("millionths", "expected"),
    [
        (390_000, rational(39, -2)),
        (1_000_000, rational(1)),
        (0, rational(0)),
        (-250_000, rational(-25, -2)),
        (50_000_000_000, rational(5000, 1)),
        (32_767, rational(32_767, -6)),
    ],
)
def test_money_is_written_exactly(millionths: int, expected: RationalNumber) -> None:
    found = price_schedules.money(millionths)
    assert found.value * 10 ** (found.exponent + 6) == millionths
    assert found.exponent <= 1
    assert found == expected or millionths == 50_000_000_000


def test_absolute_prices_become_a_schedule_with_everything_in_it() -> None:
    found = price_schedules.written(DAY, anchor=7, end=7200)
    assert isinstance(found, m.AbsolutePriceSchedule)
    assert (found.id, found.time_anchor, found.price_schedule_id) == (None, 7, 1)
    assert (found.currency, found.language) == ("EUR", "eng")
    assert found.price_algorithm == "urn:iso:std:iso:15118:-20:PriceAlgorithm:1-Power"
    assert (found.minimum_cost, found.maximum_cost) == (rational(1), rational(50))
    first, second = found.price_rule_stacks.price_rule_stack
    assert (first.duration, second.duration) == (3600, 3600)
    assert first.price_rule == (
        m.PriceRule(
            energy_fee=rational(39, -2),
            parking_fee=rational(5, -1),
            parking_fee_period=900,
            power_range_start=rational(0),
        ),
        m.PriceRule(energy_fee=rational(45, -2), power_range_start=rational(11_000)),
    )
    assert second.price_rule[0].carbon_dioxide_emission == 120
    assert second.price_rule[0].renewable_generation_percentage == 80
    assert found.tax_rules is not None
    assert found.tax_rules.tax_rule == (
        m.TaxRule(
            tax_rule_id=1,
            tax_rule_name="VAT",
            tax_rate=rational(19),
            tax_included_in_price=False,
            applies_to_energy_fee=True,
            applies_to_parking_fee=True,
            applies_to_overstay_fee=True,
            applies_minimum_maximum_cost=True,
        ),
    )
    assert found.overstay_rules is not None
    assert found.overstay_rules.overstay_time_threshold == 600
    assert found.overstay_rules.overstay_power_threshold == rational(500)
    assert found.overstay_rules.overstay_rule[0].overstay_fee == rational(1, -1)
    assert found.additional_selected_services is not None
    assert found.additional_selected_services.additional_service[0].service_fee == rational(25, -1)
    assert COMMON.decode_fragment(fragment(found)) == ("AbsolutePriceSchedule", found)


def test_price_levels_become_a_schedule() -> None:
    found = price_schedules.written(LEVELS, anchor=7, end=3600)
    assert isinstance(found, m.PriceLevelSchedule)
    entries = found.price_level_schedule_entries.price_level_schedule_entry
    assert [(entry.duration, entry.price_level) for entry in entries] == [(1800, 2), (1800, 0)]
    assert found.number_of_price_levels == 3


def test_steps_after_the_end_are_left_out() -> None:
    found = price_schedules.written(DAY, anchor=0, end=3600)
    assert isinstance(found, m.AbsolutePriceSchedule)
    assert [stack.duration for stack in found.price_rule_stacks.price_rule_stack] == [3600]
    assert price_schedules.entries_of(DAY, 3600) == 1
    assert price_schedules.entries_of(LEVELS, 2**32) == 2


@pytest.mark.req("V2G20-2637")
def test_a_signed_schedule_is_written_as_it_is() -> None:
    signed = SignedPrices(fragment(message()))
    assert price_schedules.written(signed, anchor=7, end=60) == message()
    assert price_schedules.pricing_of(signed) is Pricing.ABSOLUTE
    assert price_schedules.entries_of(signed, 60) == 1


@pytest.mark.parametrize("algorithm", PriceAlgorithm)
def test_the_name_of_an_algorithm_is_a_urn_of_the_standard(algorithm: PriceAlgorithm) -> None:
    assert algorithm.value.startswith("urn:iso:std:iso:15118:-20:PriceAlgorithm:")
