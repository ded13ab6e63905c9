"""Prices of a back end over real sockets: the EV gets them, and an absurd offer costs no session."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest

from secc.messages import iso20_common as m
from secc.records import LinkEvent, LinkRecord, MessageRecord, OutputRecord, Record
from secc.records.text import as_json, as_text
from secc.session.iso20.services import ControlMode, Service
from secc.session.outputs import EndReason, EndSession, OfferChosen, OfferSent
from secc.session.prices import PriceOffer, SignedPrices, TuplePrices
from secc.settings import Pricing
from secc.sim import PricingBackend, ScriptedEvcc, SimulatedCable, SimulatedDcEvse
from secc.sim.iso20 import Iso20Plan
from secc.station.station import Station
from secc.trace import read, replay
from secc.trace.curve import svg
from secc.trace.offers import offers
from secc.trace.recorder import Recorder
from secc.trace.summary import summarize
from tests.boundary.test_prices import forged
from tests.station.test_iso20 import configuration
from tests.support.prices import DAY, LEVELS, for_all, fragment, message, signature, verify

PLAN = Iso20Plan(loops=3, pace=0.02, pricing=Pricing.ABSOLUTE)


async def charged(
    backend: PricingBackend, plan: Iso20Plan = PLAN, trace: io.StringIO | None = None
) -> list[Record]:
    """The records of one session, which must be complete."""
    config = configuration(plan.service)
    forms = (Pricing.ABSOLUTE, Pricing.LEVELS)
    config = dataclasses.replace(
        config, iso20=dataclasses.replace(config.iso20, prices=forms, loop_timeout=20.0)
    )
    records: list[Record] = []
    cable = SimulatedCable()

    recorder = None if trace is None else Recorder(trace.write, config, now=0.0, wall=0.0)
    station = Station(
        config, SimulatedDcEvse(cable), backend, reporter=records.append, recorder=recorder, sdp_port=0
    )
    async with station:
        ev = ScriptedEvcc(plan, cable=cable, tls=False, sdp_port=station.sdp_port or 0, patience=8.0)
        result = await ev.charge()
    assert result.error == ""
    ends = [
        one.output for one in records if isinstance(one, OutputRecord) and isinstance(one.output, EndSession)
    ]
    assert [end.reason for end in ends] == [EndReason.TERMINATED]
    return records


def offered(records: list[Record]) -> m.ScheduleExchangeRes:
    messages = [one.message for one in records if isinstance(one, MessageRecord)]
    found: Any = [one for one in messages if isinstance(one, m.ScheduleExchangeRes)][-1]
    return found  # type: ignore[no-any-return]


def outputs(records: list[Record], kind: type) -> list[Any]:
    return [one.output for one in records if isinstance(one, OutputRecord) and isinstance(one.output, kind)]


async def test_an_ev_gets_the_prices_and_its_choice_is_recorded() -> None:
    backend = PricingBackend(for_all())
    records = await charged(backend)
    (one,) = offered(records).scheduled_se_res_control_mode.schedule_tuple  # type: ignore[union-attr]
    assert one.charging_schedule.absolute_price_schedule is not None
    assert [need.pricing for need in backend.price_needs] == [Pricing.ABSOLUTE]
    (sent,), (chosen,) = outputs(records, OfferSent), outputs(records, OfferChosen)
    assert sent.prices == (TuplePrices(DAY),)
    assert chosen == OfferChosen(1, TuplePrices(DAY))
    lines = [as_text(record) for record in records if isinstance(record, OutputRecord)]
    assert "   OfferSent schedules 1: charging 0.39 EUR/kWh, 2 steps" in lines
    assert "   OfferChosen schedule 1, charging 0.39 EUR/kWh, 2 steps" in lines
    assert any('"name": "OfferChosen", "schedule_id": 1' in as_json(record) for record in records)


async def test_an_ev_in_dynamic_mode_gets_price_levels() -> None:
    plan = dataclasses.replace(
        PLAN, pricing=Pricing.LEVELS, control=ControlMode.DYNAMIC, service=Service.DC_BPT
    )
    mode = offered(await charged(PricingBackend(for_all(LEVELS)), plan)).dynamic_se_res_control_mode
    assert mode is not None
    assert mode.price_level_schedule is not None


async def test_signed_prices_reach_the_ev_byte_for_byte() -> None:
    signed = PriceOffer((TuplePrices(SignedPrices(fragment(message()))),), signature(message()))
    verify(offered(await charged(PricingBackend(signed))))


@pytest.mark.parametrize(
    "absurd",
    [
        for_all(forged(DAY, maximum_cost=float("nan"))),
        for_all(forged(LEVELS, levels=LEVELS.levels * 50_000)),
        for_all(forged(DAY, minimum_cost=10**300)),
        "a price",
    ],
    ids=["NaN", "100000 entries", "overflow", "text"],
)
async def test_absurd_prices_are_reported_and_the_session_goes_on_without(absurd: Any) -> None:
    records = await charged(PricingBackend(absurd))
    (one,) = offered(records).scheduled_se_res_control_mode.schedule_tuple  # type: ignore[union-attr]
    assert one.charging_schedule.absolute_price_schedule is None
    complaints = [
        one.text for one in records if isinstance(one, LinkRecord) and one.event is LinkEvent.COMPLAINT
    ]
    assert any("prices: " in text and ", expected " in text for text in complaints)
    assert outputs(records, OfferSent) == []


async def test_a_back_end_that_raises_costs_no_session() -> None:
    def broken(_: object) -> PriceOffer | None:
        raise RuntimeError("no tariff")

    records = await charged(PricingBackend(broken))
    assert any(isinstance(one, LinkRecord) and "no tariff" in one.text for one in records)


@pytest.mark.inv("INV-35")
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
async def test_a_session_with_prices_can_be_replayed(tmp_path: Path, signed: bool) -> None:
    relayed = PriceOffer((TuplePrices(SignedPrices(fragment(message()))),), signature(message()))
    lines = io.StringIO()
    await charged(PricingBackend(relayed if signed else for_all()), trace=lines)
    path = tmp_path / "priced.trace"
    path.write_text(lines.getvalue())
    trace = read(path)
    assert replay(trace) is None
    drawn = summarize(trace.sessions[0], trace.config)
    assert "WAIT_LOOP_DC" in svg(drawn)
    (offer,) = offers(drawn)
    assert (offer.chosen, offer.schedules[0].unit) == (1, "EUR/kWh")
