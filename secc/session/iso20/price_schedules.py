"""Prices on their way to the EV: price schedules of ISO 15118-20 out of the prices of a back end.

Values are exact: what could not be written without rounding is refused when the back end hands it in. A step
lasts until the next one, the last one to the end of the power schedule beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from secc.messages import iso20_common as m
from secc.messages.iso20_common import RationalNumber
from secc.pki.signed_prices import price_schedule
from secc.session.prices import (
    AbsolutePrices,
    AddedService,
    Overstay,
    OverstayFee,
    PriceAlgorithm,
    PriceBand,
    PriceLevels,
    Prices,
    PriceStep,
    SignedPrices,
    Tax,
)
from secc.settings.iso20 import Pricing

Schedule = m.AbsolutePriceSchedule | m.PriceLevelSchedule


def written(prices: Prices, *, anchor: int, end: int) -> Schedule:
    """The message of prices that hold from `anchor` on, for `end` seconds; a signed one as it is.

    Raises SignatureError for a signed one that is none.
    """
    match prices:
        case SignedPrices(exi):
            return price_schedule(exi)
        case AbsolutePrices():
            return _absolute(prices, anchor, end)
        case PriceLevels():
            return _levels(prices, anchor, end)


def pricing_of(prices: Prices) -> Pricing:
    """The form of prices. Raises SignatureError for a signed one that is none."""
    if isinstance(prices, SignedPrices):
        absolute = isinstance(price_schedule(prices.exi), m.AbsolutePriceSchedule)
    else:
        absolute = isinstance(prices, AbsolutePrices)
    return Pricing.ABSOLUTE if absolute else Pricing.LEVELS


def read_back(schedule: m.AbsolutePriceSchedule) -> AbsolutePrices:
    """The prices in a signed schedule, for receipts: steps count from its TimeAnchor.

    Raises ValueError for values that `secc.session.prices` does not accept.
    """
    stacks = schedule.price_rule_stacks.price_rule_stack
    starts = itertools.accumulate([stack.duration for stack in stacks[:-1]], initial=0)
    rules, taxes = schedule.overstay_rules, schedule.tax_rules
    found = schedule.additional_selected_services
    added = () if found is None else found.additional_service
    return AbsolutePrices(
        currency=schedule.currency,
        language=schedule.language,
        steps=tuple(
            PriceStep(start, tuple(_band(rule) for rule in stack.price_rule))
            for start, stack in zip(starts, stacks, strict=True)
        ),
        algorithm=PriceAlgorithm(schedule.price_algorithm),
        number=schedule.price_schedule_id,
        minimum_cost=_read(schedule.minimum_cost),
        maximum_cost=_read(schedule.maximum_cost),
        taxes=() if taxes is None else tuple(map(_tax_of, taxes.tax_rule)),
        overstay=None if rules is None else _overstay_of(rules),
        services=tuple(AddedService(one.service_name, _whole(one.service_fee)) for one in added),
    )


def entries_of(prices: Prices, end: int) -> int:
    """Entries of the message: of prices that begin before `end` seconds from now."""
    match prices:
        case SignedPrices(exi):
            found = price_schedule(exi)
            if isinstance(found, m.AbsolutePriceSchedule):
                return len(found.price_rule_stacks.price_rule_stack)
            return len(found.price_level_schedule_entries.price_level_schedule_entry)
        case AbsolutePrices():
            return sum(step.start < end for step in prices.steps)
        case PriceLevels():
            return sum(step.start < end for step in prices.levels)


def neutral(*, anchor: int, end: int) -> m.PriceLevelSchedule:
    """A price schedule that says nothing: an EV of the field refuses a schedule without one [V2G20-2176]."""
    entry = m.PriceLevelScheduleEntry(duration=end, price_level=0)
    return m.PriceLevelSchedule(
        time_anchor=anchor,
        price_schedule_id=1,
        number_of_price_levels=1,
        price_level_schedule_entries=m.PriceLevelScheduleEntryList(price_level_schedule_entry=(entry,)),
    )


# Any: one of two fields of the messages that have a price schedule.
def element(schedule: Schedule) -> dict[str, Any]:
    """A price schedule as the element that it is in a message."""
    absolute = isinstance(schedule, m.AbsolutePriceSchedule)
    return {"absolute_price_schedule" if absolute else "price_level_schedule": schedule}


def exact(value: int, exponent: int) -> RationalNumber:
    """`value` times ten to the power of `exponent`, with as few digits as it needs; it fits, as the rules of
    `secc.session.prices` have it."""
    while value and value % 10 == 0 and (exponent < 0 or abs(value) > _MOST):
        value, exponent = value // 10, exponent + 1
    return RationalNumber(exponent=exponent if value else 0, value=value)


_MOST = 32_767
_MILLIONTHS, _THOUSANDTHS = -6, -3


def rounded(value: int, exponent: int) -> RationalNumber:
    """The same as close as 16 bits allow: for amounts that were calculated."""
    while abs(value) > _MOST:
        value, exponent = (abs(value) + 5) // 10 * (1 if value > 0 else -1), exponent + 1
    return exact(value, exponent)


def money(millionths: int) -> RationalNumber:
    """An amount of the currency, or a fee."""
    return exact(millionths, _MILLIONTHS)


def _absolute(prices: AbsolutePrices, anchor: int, end: int) -> m.AbsolutePriceSchedule:
    lasting = _lasting([step.start for step in prices.steps], end)
    stacks = tuple(
        m.PriceRuleStack(duration=seconds, price_rule=tuple(_rule(band) for band in step.bands))
        for step, seconds in zip(prices.steps, lasting, strict=False)
    )
    added = tuple(m.AdditionalService(service_name=o.name, service_fee=money(o.fee)) for o in prices.services)
    return m.AbsolutePriceSchedule(
        time_anchor=anchor,
        price_schedule_id=prices.number,
        price_schedule_description=prices.description,
        currency=prices.currency,
        language=prices.language,
        price_algorithm=prices.algorithm.value,
        minimum_cost=_optional(prices.minimum_cost),
        maximum_cost=_optional(prices.maximum_cost),
        tax_rules=m.TaxRuleList(tax_rule=tuple(map(_tax, prices.taxes))) if prices.taxes else None,
        price_rule_stacks=m.PriceRuleStackList(price_rule_stack=stacks),
        overstay_rules=None if prices.overstay is None else _overstay(prices.overstay),
        additional_selected_services=m.AdditionalServiceList(additional_service=added) if added else None,
    )


def _rule(band: PriceBand) -> m.PriceRule:
    return m.PriceRule(
        energy_fee=money(band.energy_fee),
        parking_fee=_optional(band.parking_fee),
        parking_fee_period=band.parking_period,
        carbon_dioxide_emission=band.carbon_dioxide,
        renewable_generation_percentage=band.renewable,
        power_range_start=exact(band.from_power, 0),
    )


def _tax(tax: Tax) -> m.TaxRule:
    return m.TaxRule(
        tax_rule_id=tax.number,
        tax_rule_name=tax.name,
        tax_rate=exact(tax.rate, _THOUSANDTHS),
        tax_included_in_price=tax.included,
        applies_to_energy_fee=tax.on_energy,
        applies_to_parking_fee=tax.on_parking,
        applies_to_overstay_fee=tax.on_overstay,
        applies_minimum_maximum_cost=tax.on_limits,
    )


def _overstay(overstay: Overstay) -> m.OverstayRuleList:
    def rule(one: OverstayFee) -> m.OverstayRule:
        return m.OverstayRule(
            overstay_rule_description=one.description,
            start_time=one.start,
            overstay_fee=money(one.fee),
            overstay_fee_period=one.period,
        )

    below = overstay.below_power
    return m.OverstayRuleList(
        overstay_time_threshold=overstay.after,
        overstay_power_threshold=None if below is None else exact(below, 0),
        overstay_rule=tuple(rule(one) for one in overstay.fees),
    )


def _whole(number: RationalNumber, exponent: int = _MILLIONTHS) -> int:
    """A number in units of ten to the power of `exponent`; raises ValueError where it is not whole there."""
    shift = number.exponent - exponent
    if not -6 <= shift <= 18 or (shift < 0 and number.value % 10**-shift):
        raise ValueError(f"{number.value} times ten to the power of {number.exponent} cannot be counted")
    whole: int = number.value * 10**shift if shift >= 0 else number.value // 10**-shift
    return whole


def _read(number: RationalNumber | None) -> int | None:
    return None if number is None else _whole(number)


def _band(rule: m.PriceRule) -> PriceBand:
    start, fee = _whole(rule.power_range_start, 0), _whole(rule.energy_fee)
    return PriceBand(start, fee, _read(rule.parking_fee), rule.parking_fee_period)


def _tax_of(rule: m.TaxRule) -> Tax:
    return Tax(
        rule.tax_rule_id,
        _whole(rule.tax_rate, _THOUSANDTHS),
        rule.tax_rule_name,
        included=bool(rule.tax_included_in_price),
        on_energy=rule.applies_to_energy_fee,
        on_parking=rule.applies_to_parking_fee,
        on_overstay=rule.applies_to_overstay_fee,
        on_limits=rule.applies_minimum_maximum_cost,
    )


def _overstay_of(rules: m.OverstayRuleList) -> Overstay:
    below = rules.overstay_power_threshold
    return Overstay(
        tuple(
            OverstayFee(one.start_time, _whole(one.overstay_fee), one.overstay_fee_period)
            for one in rules.overstay_rule
        ),
        rules.overstay_time_threshold or 0,
        None if below is None else _whole(below, 0),
    )


def _levels(prices: PriceLevels, anchor: int, end: int) -> m.PriceLevelSchedule:
    lasting = _lasting([step.start for step in prices.levels], end)
    entries = tuple(
        m.PriceLevelScheduleEntry(duration=seconds, price_level=step.level)
        for step, seconds in zip(prices.levels, lasting, strict=False)
    )
    return m.PriceLevelSchedule(
        time_anchor=anchor,
        price_schedule_id=prices.number,
        price_schedule_description=prices.description,
        number_of_price_levels=prices.count,
        price_level_schedule_entries=m.PriceLevelScheduleEntryList(price_level_schedule_entry=entries),
    )


def _optional(millionths: int | None) -> RationalNumber | None:
    return None if millionths is None else money(millionths)


def _lasting(starts: Iterable[int], end: int) -> list[int]:
    """Seconds that each step lasts; steps from the end on are left out."""
    within = [start for start in starts if start < end]
    return [after - start for start, after in itertools.pairwise([*within, end])]
