"""The picture of what an EV was offered."""

from __future__ import annotations

import pathlib
import xml.etree.ElementTree as ET
from typing import Any

import msgspec
import pytest

from secc.cli import main
from secc.messages import iso2
from secc.messages import iso20_common as m
from secc.session.iso20 import price_schedules, schedules
from secc.session.iso20.schedules import Form
from secc.session.prices import PriceOffer, TuplePrices
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer
from secc.trace.offer_picture import offer_svg
from secc.trace.offers import PriceCurve, offers
from secc.trace.reader import TracedMessage
from secc.trace.summary import CurvePoint, SessionSummary
from secc.v2gtp import V2gtpFrame
from tests.support import iso20 as r
from tests.support.iso20 import HEAD
from tests.support.prices import BACK, DAY, LEVELS
from tests.support.traced import recorded

TWO = ScheduleOffer(
    (
        PowerSchedule(1, (PowerStep(0, 11_000.0), PowerStep(3600, 4000.0)), 3600),
        PowerSchedule(2, (PowerStep(0, 7000.0),), 7200),
    )
)
PRICED = PriceOffer((TuplePrices(DAY, BACK, 1), TuplePrices(DAY, None, 2)))
FORM = Form(anchor=0, departure=7200, points=1024, prices=True, discharge=5_000_000, offer=PRICED)


def summary(*messages: msgspec.Struct) -> SessionSummary:
    said = tuple(
        TracedMessage(100.0 + at, True, one, V2gtpFrame(0x8002, b"")) for at, one in enumerate(messages)
    )
    return SessionSummary("session 1", "", (), 100.0, 10.0, said, (), {})


def answer(form: Form = FORM, **more: Any) -> m.ScheduleExchangeRes:
    return m.ScheduleExchangeRes(
        header=HEAD,
        response_code=m.ResponseCode.OK,
        evse_processing=more.get("processing", m.Processing.FINISHED),
        scheduled_se_res_control_mode=schedules.tuples(TWO, form),
    )


def words(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_power_and_prices_of_each_direction_are_found_with_the_choice() -> None:
    (offer,) = offers(summary(answer(), r.start(r.profile(tuple_id=2))))
    assert (offer.at, offer.chosen) == (0.0, 2)
    names = [one.name for one in offer.schedules]
    assert names == [f"schedule {one}, {way}" for one in (1, 2) for way in ("charging", "discharging")]
    charging, back, *_ = offer.schedules
    assert charging.power == (
        CurvePoint(0.0, 11_000.0),
        CurvePoint(3600.0, 4000.0),
        CurvePoint(7200.0, 4000.0),
    )
    assert charging.unit == "EUR/kWh"
    assert [curve.label for curve in charging.prices] == ["from 0 kW", "from 11 kW"]
    assert [point.value for point in charging.prices[0].points] == [0.39, 0.29, 0.29]
    assert [point.value for point in charging.prices[1].points] == [0.45, 0.29, 0.29]
    assert charging.note == (
        "1-Power, minimum 1 EUR, maximum 50 EUR, VAT 19 % added, parking 0.5 per 900 s, "
        "overstay 0.1 per 60 s, reservation 2.5"
    )
    assert {point.value for point in back.power} == {-5000.0}
    assert back.prices == (PriceCurve("", (CurvePoint(0.0, -0.25), CurvePoint(7200.0, -0.25))),)


def test_a_neutral_price_and_an_ongoing_answer_are_not_drawn() -> None:
    plain = Form(anchor=0, departure=7200, points=1024, prices=True)
    (offer,) = offers(summary(answer(processing=m.Processing.ONGOING), answer(plain)))
    assert [one.prices for one in offer.schedules] == [(), ()]


def test_prices_of_dynamic_mode_are_drawn() -> None:
    prices = price_schedules.written(LEVELS, anchor=0, end=3600)
    mode = m.DynamicSEResControlMode(**price_schedules.element(prices))
    response = m.ScheduleExchangeRes(
        header=HEAD,
        response_code=m.ResponseCode.OK,
        evse_processing=m.Processing.FINISHED,
        dynamic_se_res_control_mode=mode,
    )
    (offer,) = offers(summary(response))
    (one,) = offer.schedules
    assert (one.name, one.unit) == ("Dynamic mode", "level")
    assert [point.value for point in one.prices[0].points] == [2.0, 0.0, 0.0]


def test_a_sales_tariff_of_iso2_is_drawn() -> None:
    interval = iso2.RelativeTimeInterval
    power = iso2.PMaxScheduleEntry(
        time_interval=interval(start=0, duration=7200),
        p_max=iso2.PhysicalValue(multiplier=3, unit=iso2.UnitSymbol.W, value=11),
    )
    tariff = iso2.SalesTariff(
        sales_tariff_id=1,
        sales_tariff_description="night",
        num_e_price_levels=2,
        sales_tariff_entry=(
            iso2.SalesTariffEntry(time_interval=interval(start=0), e_price_level=2),
            iso2.SalesTariffEntry(time_interval=interval(start=3600, duration=3600), e_price_level=1),
        ),
    )
    one = iso2.SAScheduleTuple(
        sa_schedule_tuple_id=4,
        p_max_schedule=iso2.PMaxSchedule(p_max_schedule_entry=(power,)),
        sales_tariff=tariff,
    )
    status = iso2.ACEVSEStatus(
        notification_max_delay=0, evse_notification=iso2.EVSENotification.NONE, rcd=False
    )
    response = iso2.ChargeParameterDiscoveryRes(
        response_code=iso2.ResponseCode.OK,
        evse_processing=iso2.EVSEProcessing.FINISHED,
        sa_schedules=iso2.SAScheduleList(sa_schedule_tuple=(one,)),
        evse_charge_parameter=iso2.ACEVSEChargeParameter(
            ac_evse_status=status,
            evse_nominal_voltage=iso2.PhysicalValue(multiplier=0, unit=iso2.UnitSymbol.V, value=230),
            evse_max_current=iso2.PhysicalValue(multiplier=0, unit=iso2.UnitSymbol.A, value=16),
        ),
    )
    chosen = iso2.PowerDeliveryReq(charge_progress=iso2.ChargeProgress.START, sa_schedule_tuple_id=4)
    (offer,) = offers(summary(response, chosen))
    (drawn,) = offer.schedules
    assert (offer.chosen, drawn.unit, drawn.note) == (4, "level", "night")
    assert [(point.at, point.value) for point in drawn.power] == [(0.0, 11_000.0), (7200.0, 11_000.0)]
    assert [(p.at, p.value) for p in drawn.prices[0].points] == [(0.0, 2.0), (3600.0, 1.0), (7200.0, 1.0)]


def test_the_picture_names_schedules_prices_and_the_choice() -> None:
    found = words(offer_svg(offers(summary(answer(), r.start(r.profile(tuple_id=1)))), title="E1"))
    assert "offer 1, 0.0 s after the beginning; the EV has chosen schedule 1" in found
    assert "schedule 1, charging ✓: power, W" in found
    assert "schedule 1, discharging ✓: power, W" in found
    assert "schedule 1, charging ✓: price, EUR/kWh from 0 kW" in found
    assert "from 11 kW" in found
    assert "schedule 2, charging: power, W" in found
    assert "2 h" in found


def test_a_picture_without_an_offer_says_so_and_one_with_odd_texts_is_valid() -> None:
    assert "no schedules were offered" in words(offer_svg([]))
    odd = msgspec.structs.replace(price_schedules.written(DAY, anchor=0, end=60), currency="<&\x07")
    mode = m.DynamicSEResControlMode(**price_schedules.element(odd))
    response = msgspec.structs.replace(
        answer(), scheduled_se_res_control_mode=None, dynamic_se_res_control_mode=mode
    )
    assert any("<&" in one for one in words(offer_svg(offers(summary(response)))))


def test_the_command_draws_the_offers_of_a_trace(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace, picture = recorded().save(tmp_path / "session.trace"), tmp_path / "offers.svg"
    assert main(["trace", str(trace), "--offers", str(picture)]) == 0
    assert "offers of session 1 drawn: 1" in capsys.readouterr().out
    assert "schedule 1, charging" in picture.read_text("utf-8")
