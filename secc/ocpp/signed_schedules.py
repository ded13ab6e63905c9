"""Price schedules of OCPP 2.1 that a mobility operator has signed, relayed to an EV of ISO 15118-20. Pure.

OCPP has the values of a price schedule as JSON, the digest of the EXI fragment that the operator made of
them, and one signature for all. The station makes the fragment again and compares the digest: where it is the
same the EV receives what was signed. The JSON leaves open how the Id, the time and the language were written;
each form is tried, and the digest decides. The station has no key for it and does not verify the signature.
"""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Iterator

from secc.errors import EncodeError
from secc.messages import iso20_common as m
from secc.ocpp.dialect import from_iso
from secc.ocpp.model import Payload
from secc.ocpp.price_schedules import language_of
from secc.pki.keys import KeyType
from secc.pki.suites import SUITES, SignatureSuite
from secc.pki.xmldsig import SignedPart, digest, iso20_part, relayed
from secc.session.prices import PriceNeed, PriceOffer, SignedPrices, TuplePrices
from secc.settings.iso20 import Pricing

__all__ = ["signed_offer"]

_SUITES = (SUITES[KeyType.SECP521R1], SUITES[KeyType.ED448])
_IDS = ("id{}", "ID{}", "Id{}", "_{}")
"""Forms of an Id with the number `signatureId`; an Id cannot begin with a digit."""
_FORMS = {Pricing.ABSOLUTE: "absolutePriceSchedule", Pricing.LEVELS: "priceLevelSchedule"}


def signed_offer(profile: Payload, need: PriceNeed) -> PriceOffer | None:
    """Return the signed prices of a charging profile, with their signature; None: it has none in the form
    that the EV has selected. Raises ValueError if they cannot be made again as they were signed."""
    field = _FORMS[need.pricing]
    there = [one for one in profile["chargingSchedule"] if field in one]
    text = profile.get("priceScheduleSignature")
    if not there or text is None:
        return None
    value = _octets(text, "priceScheduleSignature")
    suite = next((one for one in _SUITES if one.size == len(value)), None)
    if suite is None:
        raise ValueError(f"priceScheduleSignature has {len(value)} bytes, expected 132 or 114")
    ids: list[int | None] = [one.schedule_id for one in need.schedules] or [None]
    prices, parts = [], []
    for number, schedule in zip(ids, profile["chargingSchedule"], strict=False):
        if field not in schedule:
            continue
        part = _part(schedule, field, suite)
        parts.append(part)
        prices.append(TuplePrices(charging=SignedPrices(part.fragment()), schedule_id=number))
    if len(prices) != len(there):
        raise ValueError(f"one signature covers {len(there)} price schedules, {len(prices)} are offered")
    signature = iso20_part("Signature", relayed(parts, value, suite))
    return PriceOffer(tuple(prices), signature=signature.fragment())


def _part(schedule: Payload, field: str, suite: SignatureSuite) -> SignedPart:
    """Return a price schedule in the form whose digest is that of the profile."""
    if "digestValue" not in schedule or "signatureId" not in schedule:
        raise ValueError("a price schedule without digestValue or signatureId")
    wanted = _octets(schedule["digestValue"], "digestValue")
    for found in _candidates(schedule[field], field, schedule["signatureId"]):
        part = iso20_part(type(found).__name__, found)
        try:
            if digest(part, suite) == wanted:
                return part
        except EncodeError as error:
            raise ValueError(f"{field}: {error}") from error
    raise ValueError(f"digestValue is not that of the {field}")


def _candidates(
    body: Payload, field: str, number: int
) -> Iterator[m.AbsolutePriceSchedule | m.PriceLevelSchedule]:
    moment = from_iso(body["timeAnchor"])
    if moment is None:
        raise ValueError(f"{body['timeAnchor']!r} is not a time")
    anchors = (round(moment * 1_000_000), int(moment))
    if field == "priceLevelSchedule":
        for form, anchor in itertools.product(_IDS, anchors):
            yield _levels(body, form.format(number), anchor)
        return
    texts = dict.fromkeys((body["language"], language_of(body["language"])))
    for form, anchor, text in itertools.product(_IDS, anchors, texts):
        yield _absolute(body, form.format(number), anchor, text)


def _octets(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{name} is not base64") from error


# --- the messages, value by value --------------------------------------------------------------------------


def _levels(body: Payload, name: str, anchor: int) -> m.PriceLevelSchedule:
    entries = tuple(
        m.PriceLevelScheduleEntry(duration=one["duration"], price_level=one["priceLevel"])
        for one in body["priceLevelScheduleEntries"]
    )
    return m.PriceLevelSchedule(
        id=name,
        time_anchor=anchor,
        price_schedule_id=body["priceScheduleId"],
        price_schedule_description=body.get("priceScheduleDescription"),
        number_of_price_levels=body["numberOfPriceLevels"],
        price_level_schedule_entries=m.PriceLevelScheduleEntryList(price_level_schedule_entry=entries),
    )


def _absolute(body: Payload, name: str, anchor: int, text: str) -> m.AbsolutePriceSchedule:
    taxes = tuple(_tax(one) for one in body.get("taxRules", []))
    services = tuple(
        m.AdditionalService(service_name=one["serviceName"], service_fee=_number(one["serviceFee"]))
        for one in body.get("additionalSelectedServices", [])
    )
    stacks = tuple(
        m.PriceRuleStack(duration=one["duration"], price_rule=tuple(_rule(rule) for rule in one["priceRule"]))
        for one in body["priceRuleStacks"]
    )
    return m.AbsolutePriceSchedule(
        id=name,
        time_anchor=anchor,
        price_schedule_id=body["priceScheduleID"],
        price_schedule_description=body.get("priceScheduleDescription"),
        currency=body["currency"],
        language=text,
        price_algorithm=body["priceAlgorithm"],
        minimum_cost=_optional(body, "minimumCost"),
        maximum_cost=_optional(body, "maximumCost"),
        tax_rules=m.TaxRuleList(tax_rule=taxes) if taxes else None,
        price_rule_stacks=m.PriceRuleStackList(price_rule_stack=stacks),
        overstay_rules=_overstay(body["overstayRuleList"]) if "overstayRuleList" in body else None,
        additional_selected_services=(
            m.AdditionalServiceList(additional_service=services) if services else None
        ),
    )


def _rule(body: Payload) -> m.PriceRule:
    return m.PriceRule(
        energy_fee=_number(body["energyFee"]),
        parking_fee=_optional(body, "parkingFee"),
        parking_fee_period=body.get("parkingFeePeriod"),
        carbon_dioxide_emission=body.get("carbonDioxideEmission"),
        renewable_generation_percentage=body.get("renewableGenerationPercentage"),
        power_range_start=_number(body["powerRangeStart"]),
    )


def _tax(body: Payload) -> m.TaxRule:
    return m.TaxRule(
        tax_rule_id=body["taxRuleID"],
        tax_rule_name=body.get("taxRuleName"),
        tax_rate=_number(body["taxRate"]),
        tax_included_in_price=body.get("taxIncludedInPrice"),
        applies_to_energy_fee=body["appliesToEnergyFee"],
        applies_to_parking_fee=body["appliesToParkingFee"],
        applies_to_overstay_fee=body["appliesToOverstayFee"],
        applies_minimum_maximum_cost=body["appliesToMinimumMaximumCost"],
    )


def _overstay(body: Payload) -> m.OverstayRuleList:
    return m.OverstayRuleList(
        overstay_time_threshold=body.get("overstayTimeThreshold"),
        overstay_power_threshold=_optional(body, "overstayPowerThreshold"),
        overstay_rule=tuple(
            m.OverstayRule(
                overstay_rule_description=one.get("overstayRuleDescription"),
                start_time=one["startTime"],
                overstay_fee=_number(one["overstayFee"]),
                overstay_fee_period=one["overstayFeePeriod"],
            )
            for one in body["overstayRule"]
        ),
    )


def _optional(body: Payload, name: str) -> m.RationalNumber | None:
    return None if name not in body else _number(body[name])


def _number(body: Payload) -> m.RationalNumber:
    """As it was written: another exponent would be another fragment."""
    return m.RationalNumber(exponent=body["exponent"], value=body["value"])
