"""Receipts in the charge loop."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from secc.messages import iso20_common as m
from secc.session.costs import Costs
from secc.session.inputs import PricesOffered
from secc.session.iso20 import billing, price_schedules
from secc.session.iso20.side import MeteringQuestion, PriceTerms
from secc.session.outlet import ControlPilot, MeterReading
from secc.session.outputs import AskPrices, Notice
from secc.session.prices import (
    AbsolutePrices,
    PriceBand,
    PriceOffer,
    Prices,
    PriceStep,
    SignedPrices,
    Tax,
    TuplePrices,
)
from secc.settings import Pricing, SeccConfig, TimestampUnit
from tests.support import iso20 as r
from tests.support.iso20 import AC, AC_BPT, Bench20
from tests.support.iso20_config import with_iso20
from tests.support.prices import BACK, DAY, fragment, message, signature

FLAT = AbsolutePrices(
    currency="EUR", language="eng", steps=(PriceStep(0, (PriceBand(0, 400_000),)),), taxes=(Tax(3, 19_000),)
)
PRICED = with_iso20(AC, prices=(Pricing.ABSOLUTE,))
ABSOLUTE = 5
"""Number of the parameter set."""


def meter(bench: Bench20, energy: int, exported: int | None = None) -> None:
    bench.outlet(meter=MeterReading("meter", energy, exported=exported))


def charging(
    prices: Prices | PriceOffer, config: SeccConfig = PRICED, service: int = 1, exported: int | None = None
) -> Bench20:
    """In the first loop, at 1000 Wh on the meter."""
    offer = prices if isinstance(prices, PriceOffer) else PriceOffer((TuplePrices(prices),))
    bench = Bench20(config).to_schedule(service, ABSOLUTE)
    bench.ask(r.scheduled(7200))
    (question,) = [output for output in bench.outputs if isinstance(output, AskPrices)]
    bench.feed(PricesOffered(question.ticket, offer))
    bench.ask(r.scheduled(7200))
    bench.outlet(control_pilot=ControlPilot.C)
    bench.ask(r.start())
    bench.contactor()
    meter(bench, 1000, exported)
    bench.ask(r.ac_loop() if service == 1 else r.ac_bpt_loop())
    return bench


def number(value: m.RationalNumber) -> float:
    return float(value.value * 10.0**value.exponent)


def asked(bench: Bench20, request: Any = None) -> Any:
    bench.clock.advance(0.25)
    return bench.ask(r.ac_loop(meter_info_requested=True) if request is None else request)


@pytest.mark.req("V2G20-1081", "V2G20-1919")
def test_a_receipt_goes_with_meter_info_when_the_ev_asks() -> None:
    bench = charging(FLAT)
    meter(bench, 11_000)
    response = asked(bench)
    assert response.meter_info.charged_energy_reading_wh == 11_000
    found = response.receipt
    assert found.time_anchor == bench.side.prices.tariff.anchor  # type: ignore[union-attr]
    assert (number(found.energy_costs.amount), number(found.energy_costs.cost_per_unit)) == (4.0, 0.4)
    assert [(tax.tax_rule_id, number(tax.amount)) for tax in found.tax_costs] == [(3, 0.76)]
    assert (found.occupancy_costs, found.overstay_costs, found.additional_services_costs) == (None,) * 3
    assert bench.ask(r.ac_loop()).receipt is None


def test_without_absolute_prices_or_by_the_settings_there_is_no_receipt() -> None:
    bench = Bench20(AC).to_first_loop_ac()
    meter(bench, 1000)
    assert asked(bench).receipt is None
    bench = charging(FLAT, with_iso20(AC, prices=(Pricing.ABSOLUTE,), receipts=False))
    assert asked(bench).receipt is None
    assert bench.session.costs is not None


def test_parking_and_services_are_items_of_the_receipt() -> None:
    bench = charging(DAY)
    found = asked(bench).receipt
    assert number(found.occupancy_costs.amount) == 0.5
    assert number(found.additional_services_costs.amount) == 2.5


def test_energy_that_was_given_is_paid_by_its_prices() -> None:
    config = with_iso20(AC_BPT, discharge=True, prices=(Pricing.ABSOLUTE,))
    offer = PriceOffer((TuplePrices(msgspec.structs.replace(FLAT, taxes=()), BACK),))
    bench = charging(offer, config, service=5, exported=500)
    meter(bench, 3000, 6500)
    found = asked(bench, r.ac_bpt_loop(meter_info_requested=True))
    assert found.meter_info.bpt_discharged_energy_reading_wh == 6500
    assert number(found.receipt.energy_costs.amount) == pytest.approx(2 * 0.4 - 6 * 0.25)


def test_the_record_of_the_session_has_its_costs() -> None:
    bench = charging(FLAT)
    meter(bench, 3500)
    bench.ask(r.ac_loop())
    bench.ask(r.stop())
    bench.ask(r.session_stop())
    assert bench.end is not None
    costs = bench.end.costs
    assert isinstance(costs, Costs)
    assert (costs.energy, costs.total, costs.used) == (1_000_000, 1_190_000, 2_500_000)


def test_a_silent_meter_costs_nothing_and_stops_nothing() -> None:
    bench = charging(FLAT)
    bench.outlet(meter=None)
    response = asked(bench)
    assert (str(response.response_code), response.meter_info) == ("OK", None)
    assert response.receipt is None or response.meter_info is None


def test_new_prices_count_from_the_next_reading_on() -> None:
    bench = charging(msgspec.structs.replace(FLAT, taxes=()))
    meter(bench, 2000)
    bench.ask(r.ac_loop())
    bench.beside(r.ac_parameters())
    bench.beside(r.scheduled(7200))
    question = [output for output in bench.outputs if isinstance(output, AskPrices)][-1]
    dearer = AbsolutePrices(currency="EUR", language="eng", steps=(PriceStep(0, (PriceBand(0, 900_000),)),))
    bench.feed(PricesOffered(question.ticket, PriceOffer((TuplePrices(dearer),))))
    bench.beside(r.scheduled(7200))
    bench.beside(r.renegotiate(r.profile()))
    bench.ask(r.ac_loop())
    meter(bench, 4000)
    bench.ask(r.ac_loop())
    assert bench.session.costs is not None
    assert bench.session.costs.energy == 400_000 + 2 * 900_000


def signed(anchor: int) -> PriceOffer:
    charging = message("id1", anchor)
    return PriceOffer((TuplePrices(SignedPrices(fragment(charging))),), signature(charging))


def test_signed_prices_are_counted_by_their_time() -> None:
    config = with_iso20(AC, prices=(Pricing.ABSOLUTE,), timestamp_unit=TimestampUnit.SECONDS)
    bench = charging(signed(1_700_000_000 - 3600), config)
    meter(bench, 3000)
    assert number(asked(bench).receipt.energy_costs.amount) == pytest.approx(0.79)
    assert bench.side.bill.charging is not None
    assert bench.side.bill.charging.shift == 3600


def test_signed_prices_of_another_time_have_no_receipt() -> None:
    bench = charging(signed(1_800_000_000 * 1_000_000))
    assert asked(bench).receipt is None
    assert any(
        isinstance(one, Notice) and "no receipts by the signed prices" in one.text for one in bench.outputs
    )


@pytest.mark.parametrize("prices", [DAY, FLAT, BACK])
def test_what_was_written_is_read_back(prices: AbsolutePrices) -> None:
    found = price_schedules.written(prices, anchor=0, end=86_400)
    assert isinstance(found, m.AbsolutePriceSchedule)
    back = price_schedules.read_back(found)
    assert (back.taxes, back.services, back.minimum_cost) == (
        prices.taxes,
        prices.services,
        prices.minimum_cost,
    )
    assert [step.start for step in back.steps] == [step.start for step in prices.steps]
    assert back.steps[0].bands == prices.steps[0].bands


def test_the_receipt_of_a_confirmation_is_the_one_to_confirm() -> None:
    bench = charging(FLAT)
    meter(bench, 2000)
    bench.ask(r.ac_loop())
    sent = billing.receipt_of(bench.session)
    info = m.MeterInfo(meter_id="meter", charged_energy_reading_wh=2000)
    bench.side.metering = MeteringQuestion(MeterReading("meter", 2000), info, 1, bench.clock.now + 10, sent)
    meter(bench, 5000)
    status = m.EVSEStatus(
        notification_max_delay=9, evse_notification=m.EvseNotification.METERING_CONFIRMATION
    )
    assert billing.receipt(bench.session, status, asked=False) == sent
    assert billing.receipt(bench.session, None, asked=False) is None


def test_what_was_counted_stays_while_nothing_is_priced() -> None:
    bench = charging(msgspec.structs.replace(FLAT, taxes=()))
    meter(bench, 2000)
    bench.ask(r.ac_loop())
    tariff, prices = bench.side.prices.tariff, bench.side.prices
    bench.side.prices = PriceTerms()
    meter(bench, 5000)
    bench.ask(r.ac_loop())
    assert asked(bench).receipt is None
    bench.side.prices = prices
    bench.ask(r.ac_loop())
    meter(bench, 6000)
    bench.ask(r.ac_loop())
    assert tariff is not None
    assert bench.session.costs is not None
    assert bench.session.costs.energy == 400_000 + 400_000
