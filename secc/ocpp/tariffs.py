"""Sales tariffs of OCPP as those of ISO 15118-2. Pure.

A tariff of OCPP has no signature of the mobility operator, so `pnc.sales_tariffs` decides whether it is sent.
"""

from __future__ import annotations

from secc.messages import iso2
from secc.ocpp.model import Payload


def sales_tariff(body: Payload, number: int) -> iso2.SalesTariff:
    """Return SalesTariffType as a tariff with this SalesTariffID; raises ValueError for an unknown cost."""
    entries = sorted(body["salesTariffEntry"], key=lambda one: int(one["relativeTimeInterval"]["start"]))
    return iso2.SalesTariff(
        sales_tariff_id=number,
        sales_tariff_description=body.get("salesTariffDescription"),
        num_e_price_levels=body.get("numEPriceLevels"),
        sales_tariff_entry=tuple(_entry(one) for one in entries),
    )


def _entry(body: Payload) -> iso2.SalesTariffEntry:
    interval = body["relativeTimeInterval"]
    return iso2.SalesTariffEntry(
        time_interval=iso2.RelativeTimeInterval(start=interval["start"], duration=interval.get("duration")),
        e_price_level=body.get("ePriceLevel"),
        consumption_cost=tuple(_consumption(one) for one in body.get("consumptionCost", [])),
    )


def _consumption(body: Payload) -> iso2.ConsumptionCost:
    value = float(body["startValue"])
    multiplier = 0
    while abs(value) > 32_767 and multiplier < 3:
        value, multiplier = value / 10, multiplier + 1
    start = iso2.PhysicalValue(multiplier=multiplier, unit=iso2.UnitSymbol.W, value=round(value))
    return iso2.ConsumptionCost(start_value=start, cost=tuple(_cost(one) for one in body["cost"]))


def _cost(body: Payload) -> iso2.Cost:
    return iso2.Cost(
        cost_kind=_KINDS[body["costKind"]],
        amount=body["amount"],
        amount_multiplier=body.get("amountMultiplier"),
    )


_KINDS = {
    "RelativePricePercentage": iso2.CostKind.RELATIVE_PRICE_PERCENTAGE,
    "RenewableGenerationPercentage": iso2.CostKind.RENEWABLE_GENERATION_PERCENTAGE,
    "CarbonDioxideEmission": iso2.CostKind.CARBON_DIOXIDE_EMISSION,
}
