"""Price schedules and tariffs of OCPP 2.1 as prices for an EV, ISO 15118-20. Pure.

A price that cannot be written exactly is refused with ValueError: the EV must see what is billed.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from fractions import Fraction

from secc.ocpp.dialect import from_iso
from secc.ocpp.model import Payload
from secc.ocpp.profile_model import Schedule
from secc.session.prices import (
    AbsolutePrices,
    AddedService,
    LevelStep,
    Overstay,
    OverstayFee,
    PriceAlgorithm,
    PriceBand,
    PriceLevels,
    PriceNeed,
    PriceOffer,
    PriceStep,
    Tax,
    TuplePrices,
)
from secc.settings.iso20 import Pricing

DAY = 86_400


def offer(schedules: Sequence[Schedule], need: PriceNeed, now: float) -> PriceOffer | None:
    """Return the prices of the schedules of a profile in the form of `need`; None: there are none."""
    ids: list[int | None] = [one.schedule_id for one in need.schedules] or [None]
    found = []
    for number, schedule in zip(ids, schedules, strict=False):
        prices = _prices(schedule, need.pricing, now)
        if prices is not None:
            found.append(TuplePrices(charging=prices, schedule_id=number))
    return PriceOffer(tuple(found)) if found else None


def _prices(schedule: Schedule, pricing: Pricing, now: float) -> AbsolutePrices | PriceLevels | None:
    if pricing is Pricing.ABSOLUTE and schedule.absolute_prices is not None:
        return absolute(schedule.absolute_prices, now)
    if pricing is Pricing.LEVELS and schedule.price_levels is not None:
        return levels(schedule.price_levels, now)
    return None


def levels(body: Payload, now: float) -> PriceLevels:
    """Read PriceLevelScheduleType."""
    starts = _starts(body["timeAnchor"], [one["duration"] for one in body["priceLevelScheduleEntries"]], now)
    steps = [LevelStep(at, body["priceLevelScheduleEntries"][place]["priceLevel"]) for at, place in starts]
    return PriceLevels(
        levels=tuple(steps),
        count=body["numberOfPriceLevels"],
        number=max(1, body["priceScheduleId"]),
        description=body.get("priceScheduleDescription"),
    )


def absolute(body: Payload, now: float) -> AbsolutePrices:
    """Read AbsolutePriceScheduleType."""
    stacks = body["priceRuleStacks"]
    starts = _starts(body["timeAnchor"], [one["duration"] for one in stacks], now)
    steps = [PriceStep(at, tuple(_band(rule) for rule in stacks[place]["priceRule"])) for at, place in starts]
    return AbsolutePrices(
        currency=body["currency"],
        language=language_of(body["language"]),
        steps=tuple(steps),
        algorithm=_algorithm(body["priceAlgorithm"]),
        number=max(1, body["priceScheduleID"]),
        description=body.get("priceScheduleDescription"),
        minimum_cost=_optional(body.get("minimumCost")),
        maximum_cost=_optional(body.get("maximumCost")),
        taxes=tuple(_tax(one) for one in body.get("taxRules", [])),
        overstay=None if "overstayRuleList" not in body else _overstay(body["overstayRuleList"]),
        services=tuple(
            AddedService(one["serviceName"], _millionths(one["serviceFee"]))
            for one in body.get("additionalSelectedServices", [])
        ),
    )


def _starts(anchor: str, durations: Sequence[int], now: float) -> list[tuple[int, int]]:
    """Return (seconds from now, place) of the steps that are not over; the first one starts at 0."""
    begin = from_iso(anchor)
    if begin is None:
        raise ValueError(f"{anchor!r} is not a time")
    at, found = round(begin - now), []
    for place, duration in enumerate(durations):
        if at + duration > 0 or place + 1 == len(durations):
            found.append((max(0, at), place))
        at += duration
    if found[0][0] > 0:  # nothing is known before the first step: its price holds from now on
        found[0] = 0, found[0][1]
    return found


def _band(rule: Payload) -> PriceBand:
    parking = rule.get("parkingFee")
    return PriceBand(
        from_power=_whole(_fraction(rule["powerRangeStart"]), "powerRangeStart"),
        energy_fee=_millionths(rule["energyFee"]),
        parking_fee=_optional(parking),
        parking_period=None if parking is None else rule.get("parkingFeePeriod"),
        carbon_dioxide=rule.get("carbonDioxideEmission"),
        renewable=rule.get("renewableGenerationPercentage"),
    )


def _tax(rule: Payload) -> Tax:
    return Tax(
        number=max(1, rule["taxRuleID"]),
        rate=_whole(_fraction(rule["taxRate"]) * 1000, "taxRate"),
        name=rule.get("taxRuleName"),
        included=rule.get("taxIncludedInPrice", False),
        on_energy=rule["appliesToEnergyFee"],
        on_parking=rule["appliesToParkingFee"],
        on_overstay=rule["appliesToOverstayFee"],
        on_limits=rule["appliesToMinimumMaximumCost"],
    )


def _overstay(body: Payload) -> Overstay:
    threshold = body.get("overstayPowerThreshold")
    return Overstay(
        fees=tuple(
            OverstayFee(
                start=one["startTime"],
                fee=_millionths(one["overstayFee"]),
                period=one["overstayFeePeriod"],
                description=one.get("overstayRuleDescription"),
            )
            for one in body["overstayRule"]
        ),
        after=body.get("overstayTimeThreshold", 0),
        below_power=None if threshold is None else _whole(_fraction(threshold), "overstayPowerThreshold"),
    )


def _algorithm(text: str) -> PriceAlgorithm:
    for one in PriceAlgorithm:
        if text == one.value or text == one.value.rpartition("-")[2]:
            return one
    raise ValueError(f"price algorithm {text!r} is not known")


def language_of(text: str) -> str:
    """Return the language with three letters; OCPP has those of RFC 5646, usually with two."""
    short = text.split("-")[0].lower()
    return short if len(short) == 3 else _LANGUAGES.get(short, "und")


_LANGUAGES = {
    "cs": "ces",
    "da": "dan",
    "de": "deu",
    "en": "eng",
    "es": "spa",
    "fi": "fin",
    "fr": "fra",
    "hu": "hun",
    "it": "ita",
    "ja": "jpn",
    "ko": "kor",
    "nb": "nob",
    "nl": "nld",
    "no": "nor",
    "pl": "pol",
    "pt": "por",
    "sk": "slk",
    "sl": "slv",
    "sv": "swe",
    "zh": "zho",
}


def _fraction(value: Payload) -> Fraction:
    """Read RationalNumberType."""
    return int(value["value"]) * Fraction(10) ** int(value["exponent"])


def _millionths(value: Payload) -> int:
    return _whole(_fraction(value) * 1_000_000, "a price")


def _optional(value: Payload | None) -> int | None:
    return None if value is None else _millionths(value)


def _whole(value: Fraction, name: str) -> int:
    if value.denominator != 1:
        raise ValueError(f"{name} {float(value):g} has more digits than the message")
    return int(value)


# --- tariffs -----------------------------------------------------------------------------------------------


def check_tariff(tariff: Payload) -> str:
    """Return what the station does not support in TariffType, or an empty text: prices of energy by the time
    of day are supported."""
    for name in ("chargingTime", "idleTime", "fixedFee", "reservationTime", "reservationFixed"):
        if name in tariff:
            return f"{name} is not supported"
    for price in tariff.get("energy", {}).get("prices", []):
        unknown = set(price.get("conditions", {})) - {"startTimeOfDay", "endTimeOfDay", "customData"}
        if unknown:
            return f"the condition {sorted(unknown)[0]} is not supported"
    try:
        from_tariff(tariff, 0.0)
    except ValueError as error:
        return str(error)
    return ""


def from_tariff(tariff: Payload, now: float) -> AbsolutePrices | None:
    """Return the prices of energy of a tariff for the coming day, times of day in UTC; None: it has none."""
    prices = tariff.get("energy", {}).get("prices", [])
    if not prices:
        return None
    moments = sorted({0, *(at for one in prices for at in _edges(one, now))})
    steps: list[PriceStep] = []
    for at in moments:
        fee = next((one["priceKwh"] for one in prices if _holds(one, now + at)), None)
        if fee is None:
            raise ValueError("a time of day has no price")
        band = PriceBand(from_power=0, energy_fee=_whole(Fraction(str(fee)) * 1_000_000, "priceKwh"))
        if not steps or steps[-1].bands != (band,):
            steps.append(PriceStep(at, (band,)))
    taxes = tariff["energy"].get("taxRates", [])
    return AbsolutePrices(
        currency=tariff["currency"],
        language="und",
        steps=tuple(steps),
        taxes=tuple(
            Tax(number=number, rate=_whole(Fraction(str(one["tax"])) * 1000, "tax"), name=one["type"])
            for number, one in enumerate(taxes, start=1)
        ),
    )


def _edges(price: Payload, now: float) -> list[int]:
    """Return the seconds from now, within a day, at which a price may begin or end."""
    conditions = price.get("conditions", {})
    day = now % DAY
    texts = (conditions.get("startTimeOfDay"), conditions.get("endTimeOfDay"))
    return [round((_seconds(one) - day) % DAY) for one in texts if one is not None]


def _holds(price: Payload, at: float) -> bool:
    conditions = price.get("conditions", {})
    begin = _seconds(conditions.get("startTimeOfDay", "00:00"))
    end = _seconds(conditions.get("endTimeOfDay", "24:00"))
    moment = (at + 0.5) % DAY
    return begin <= moment < end if begin < end else moment >= begin or moment < end


def _seconds(text: str) -> int:
    if text == "24:00":
        return DAY
    moment = datetime.time.fromisoformat(text)
    return moment.hour * 3600 + moment.minute * 60
