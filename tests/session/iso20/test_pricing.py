"""Prices in ScheduleExchange."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from secc.messages import iso20_common as m
from secc.messages.iso20_common import Processing
from secc.session import limits
from secc.session.inputs import PowerLimited, PricesOffered, SchedulesOffered
from secc.session.iso20.states import Iso20State as S
from secc.session.outlet import ControlPilot
from secc.session.outputs import AskPrices, AskSchedules, Notice, NoticeKind, OfferChosen, OfferSent, Send
from secc.session.prices import (
    LevelStep,
    PriceLevels,
    PriceOffer,
    PriceStep,
    SignedPrices,
    TuplePrices,
)
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer
from secc.settings import EnergyConfig, EnergyMode, Pricing, SeccConfig
from tests.support import iso20 as r
from tests.support.iso20 import AC, AC_BPT, DC, Bench20
from tests.support.iso20_config import with_iso20
from tests.support.prices import BACK, DAY, LEVELS, for_all, fragment, message, signature, verify

PRICED = with_iso20(DC, prices=(Pricing.ABSOLUTE, Pricing.LEVELS))
ABSOLUTE, ABSOLUTE_DYNAMIC, OF_LEVELS, AC_ABSOLUTE = 3, 4, 5, 5
"""Numbers of the parameter sets."""


def asked(bench: Bench20) -> AskPrices:
    (found,) = [output for output in bench.outputs if isinstance(output, AskPrices)]
    return found


def priced(offer: PriceOffer | None, config: SeccConfig = PRICED, **extra: Any) -> tuple[Bench20, Any]:
    """The bench and the finished response, with these prices of the back end."""
    service, parameter_set = extra.get("service", 2), extra.get("parameter_set", ABSOLUTE)
    bench = Bench20(config).to_schedule(service, parameter_set)
    request = extra.get("request", r.scheduled(7200))
    assert bench.ask(request).evse_processing is Processing.ONGOING
    bench.feed(PricesOffered(asked(bench).ticket, offer))
    response = bench.ask(request)
    assert response.evse_processing is Processing.FINISHED
    return bench, response


def first(response: Any) -> m.ScheduleTuple:
    found: m.ScheduleTuple = response.scheduled_se_res_control_mode.schedule_tuple[0]
    return found


def ignored(bench: Bench20) -> list[str]:
    return [one.text for one in bench.outputs if isinstance(one, Notice) and "prices are" in one.text]


def test_a_parameter_set_without_prices_asks_for_none() -> None:
    bench = Bench20(PRICED).to_schedule()
    assert bench.ask(r.scheduled()).evse_processing is Processing.FINISHED
    assert [output for output in bench.outputs if isinstance(output, AskPrices)] == []


def test_each_form_of_prices_has_parameter_sets_after_those_without() -> None:
    bench = Bench20(PRICED).to_services()
    bench.ask(r.service_discovery())
    sets = bench.ask(r.service_detail(2)).service_parameter_list.parameter_set
    found = [
        {p.name: p.int_value for p in one.parameter if p.name in ("ControlMode", "Pricing")} for one in sets
    ]
    assert found == [{"ControlMode": c, "Pricing": p} for p in (0, 1, 2) for c in (1, 2)]
    assert [one.parameter_set_id for one in sets] == [1, 2, 3, 4, 5, 6]


@pytest.mark.req("V2G20-1987", "V2G20-2176")
def test_the_prices_of_the_back_end_go_with_the_schedule() -> None:
    bench, response = priced(for_all())
    schedule = first(response).charging_schedule
    assert schedule.price_level_schedule is None
    prices = schedule.absolute_price_schedule
    assert prices is not None
    assert prices.time_anchor == schedule.power_schedule.time_anchor
    assert [stack.duration for stack in prices.price_rule_stacks.price_rule_stack] == [3600, 3600]
    assert bench.session.state is S.WAIT_CABLE_CHECK
    need = asked(bench).need
    assert (need.pricing, need.end, need.max_entries, need.discharge) == (Pricing.ABSOLUTE, 7200, 1024, 0)
    assert [one.schedule_id for one in need.schedules] == [1]


def test_the_back_end_is_asked_once_after_the_schedules_are_known() -> None:
    energy = EnergyConfig(modes=(EnergyMode.DC_EXTENDED,), ask_backend_for_schedules=True)
    bench = Bench20(dataclasses.replace(PRICED, energy=energy)).to_schedule(2, ABSOLUTE)
    bench.ask(r.scheduled(7200))
    steps = (PowerStep(0, 20_000.0), PowerStep(60, 5000.0))
    offer = ScheduleOffer((PowerSchedule(4, steps, 7140), PowerSchedule(9, steps[:1], 7200)))
    assert not [output for output in bench.outputs if isinstance(output, AskPrices)]
    bench.feed(SchedulesOffered(bench.ticket(AskSchedules), offer))
    for _ in range(3):
        assert bench.ask(r.scheduled(7200)).evse_processing is Processing.ONGOING
    need = asked(bench).need
    assert [one.schedule_id for one in need.schedules] == [4, 9]
    prices = PriceOffer((TuplePrices(DAY, schedule_id=9), TuplePrices(BACK, schedule_id=4)))
    bench.feed(PricesOffered(asked(bench).ticket, prices))
    tuples = bench.ask(r.scheduled(7200)).scheduled_se_res_control_mode.schedule_tuple
    found = [one.charging_schedule.absolute_price_schedule for one in tuples]
    assert [len(one.price_rule_stacks.price_rule_stack) for one in found] == [1, 2]
    assert len([output for output in bench.outputs if isinstance(output, AskSchedules)]) == 1


@pytest.mark.req("V2G20-1563")
def test_without_a_departure_the_prices_cover_a_day() -> None:
    _, response = priced(for_all(), request=r.scheduled())
    prices = first(response).charging_schedule.absolute_price_schedule
    assert prices is not None
    assert sum(stack.duration for stack in prices.price_rule_stacks.price_rule_stack) == 86_400


def test_both_directions_have_their_prices() -> None:
    config = with_iso20(AC_BPT, discharge=True, prices=(Pricing.ABSOLUTE,))
    _, response = priced(for_all(), config, service=5, parameter_set=AC_ABSOLUTE)
    back = first(response).discharging_schedule
    assert back is not None
    assert back.absolute_price_schedule is not None
    (stack,) = back.absolute_price_schedule.price_rule_stacks.price_rule_stack
    assert stack.price_rule[0].energy_fee == m.RationalNumber(exponent=-2, value=-25)


def test_price_levels_are_sent_where_they_are_selected() -> None:
    _, response = priced(for_all(LEVELS), parameter_set=OF_LEVELS)
    levels = first(response).charging_schedule.price_level_schedule
    assert levels is not None
    assert levels.number_of_price_levels == 3


@pytest.mark.parametrize("offer", [None, PriceOffer((TuplePrices(None),))])
def test_without_prices_the_session_goes_on_with_neutral_ones(offer: PriceOffer | None) -> None:
    bench, response = priced(offer)
    schedule = first(response).charging_schedule
    assert schedule.absolute_price_schedule is None
    assert schedule.price_level_schedule is not None
    assert schedule.price_level_schedule.number_of_price_levels == 1
    assert bench.session.state is S.WAIT_CABLE_CHECK


def test_late_prices_are_left_out() -> None:
    bench = Bench20(PRICED).to_schedule(2, ABSOLUTE)
    bench.ask(r.scheduled())
    bench.tick(49.0)
    assert bench.ask(r.scheduled()).evse_processing is Processing.ONGOING
    bench.tick(1.5)
    response = bench.ask(r.scheduled())
    assert response.evse_processing is Processing.FINISHED
    assert first(response).charging_schedule.absolute_price_schedule is None
    assert ignored(bench) == ["prices are left out: the back end has not answered in time"]
    (stale,) = bench.feed(PricesOffered(asked(bench).ticket, for_all()))
    assert isinstance(stale, Notice)
    assert stale.kind is NoticeKind.STALE


@pytest.mark.parametrize(
    ("offer", "why"),
    [
        (for_all(LEVELS), "levels prices, the EV has selected absolute"),
        (
            for_all(
                msgspec.structs.replace(DAY, steps=tuple(PriceStep(i, DAY.steps[0].bands) for i in range(13)))
            ),
            "they have 13 entries, the EV stores 12",
        ),
    ],
)
def test_prices_that_do_not_fit_the_ev_are_left_out_and_reported(offer: PriceOffer, why: str) -> None:
    bench, response = priced(offer, request=r.scheduled(7200, points=12))
    assert first(response).charging_schedule.absolute_price_schedule is None
    assert why in ignored(bench)[0]


def test_signed_prices_go_out_as_they_came_and_verify() -> None:
    charging = message()
    offer = PriceOffer((TuplePrices(SignedPrices(fragment(charging))),), signature(charging))
    _, response = priced(offer)
    verify(response)
    found = first(response).charging_schedule.absolute_price_schedule
    assert found is not None
    assert fragment(found) == fragment(charging)


def test_signed_prices_of_which_one_does_not_fit_are_all_left_out() -> None:
    level = m.PriceLevelSchedule(
        id="id2",
        time_anchor=0,
        price_schedule_id=1,
        number_of_price_levels=1,
        price_level_schedule_entries=m.PriceLevelScheduleEntryList(
            price_level_schedule_entry=(m.PriceLevelScheduleEntry(duration=1, price_level=0),)
        ),
    )
    config = with_iso20(AC_BPT, discharge=True, prices=(Pricing.ABSOLUTE,))
    both = TuplePrices(SignedPrices(fragment(message())), SignedPrices(fragment(level)))
    bench, response = priced(
        PriceOffer((both,), signature(message(), level)), config, service=5, parameter_set=AC_ABSOLUTE
    )
    assert response.header.signature is None
    assert first(response).charging_schedule.absolute_price_schedule is None
    assert "one signature covers all" in ignored(bench)[-1]


def test_an_answer_that_says_ongoing_has_no_prices_and_no_signature() -> None:
    offer = PriceOffer((TuplePrices(SignedPrices(fragment(message()))),), signature(message()))
    bench, _ = priced(offer)
    answers = [one.message for one in bench.outputs if isinstance(one, Send)]
    ongoing, finished = (one for one in answers if isinstance(one, m.ScheduleExchangeRes))
    assert ongoing.header.signature is None
    assert first(ongoing).charging_schedule.absolute_price_schedule is None
    assert finished.header.signature is not None


def test_prices_of_dynamic_mode_are_in_its_answer() -> None:
    bench, response = priced(for_all(), parameter_set=ABSOLUTE_DYNAMIC, request=r.dynamic(7200))
    prices = response.dynamic_se_res_control_mode.absolute_price_schedule
    assert [stack.duration for stack in prices.price_rule_stacks.price_rule_stack] == [3600, 3600]
    assert asked(bench).need.schedules == ()


@pytest.mark.inv("INV-08")
def test_a_limit_that_came_while_prices_were_asked_for_holds() -> None:
    bench = Bench20(PRICED).to_schedule(2, ABSOLUTE)
    bench.ask(r.scheduled(7200))
    bench.feed(PowerLimited(8000.0))
    bench.clock.advance(5.0)
    bench.feed(PricesOffered(asked(bench).ticket, for_all()))
    power = first(bench.ask(r.scheduled(7200))).charging_schedule.power_schedule
    (entry,) = power.power_schedule_entries.power_schedule_entry
    assert entry.power == r.number(8000)


def test_the_record_has_the_offer_and_the_choice_of_the_ev() -> None:
    config = with_iso20(AC_BPT, discharge=True, prices=(Pricing.ABSOLUTE,))
    bench, _ = priced(for_all(), config, service=5, parameter_set=AC_ABSOLUTE)
    (sent,) = [output for output in bench.outputs if isinstance(output, OfferSent)]
    assert (sent.prices, sent.signed, sent.discharge) == (for_all().prices, False, 11_040)
    assert [one.schedule_id for one in sent.schedules] == [1]
    bench.outlet(control_pilot=ControlPilot.C)
    assert [output for output in bench.outputs if isinstance(output, OfferChosen)] == []
    bench.ask(r.start())
    assert [output for output in bench.outputs if isinstance(output, OfferChosen)] == [
        OfferChosen(1, TuplePrices(DAY, BACK))
    ]


@pytest.mark.inv("INV-08")
def test_a_limit_over_time_outlasts_the_start_in_dynamic_mode() -> None:
    energy = EnergyConfig(modes=(EnergyMode.DC_EXTENDED,), ask_backend_for_schedules=True)
    bench = Bench20(dataclasses.replace(DC, energy=energy)).to_schedule(2, 2)
    bench.ask(r.dynamic())
    offer = ScheduleOffer((PowerSchedule(1, (PowerStep(0, 9000.0),), 7200),))
    bench.feed(SchedulesOffered(bench.ticket(AskSchedules), offer))
    bench.ask(r.dynamic())
    bench.prepare()
    bench.ask(r.dynamic_start())
    assert limits.dc(bench.session).power.upper == 9_000_000


def test_absurd_numbers_of_levels_do_not_reach_the_wire() -> None:
    levels = PriceLevels(tuple(LevelStep(60 * index, index % 3) for index in range(1024)), 3)
    _, response = priced(for_all(levels), parameter_set=OF_LEVELS, request=r.scheduled(600))
    found = first(response).charging_schedule.price_level_schedule
    assert found is not None
    assert len(found.price_level_schedule_entries.price_level_schedule_entry) == 10


@pytest.mark.req("V2G20-1045", "V2G20-1050")
def test_prices_negotiated_beside_the_loop_count_with_the_choice_of_the_ev() -> None:
    config = with_iso20(AC, prices=(Pricing.ABSOLUTE,))
    bench, _ = priced(for_all(), config, service=1, parameter_set=AC_ABSOLUTE)
    bench.outlet(control_pilot=ControlPilot.C)
    bench.ask(r.start())
    bench.contactor()
    bench.ask(r.ac_loop())
    assert bench.side.prices.tariff is not None
    assert bench.side.prices.tariff.prices.charging == DAY

    bench.beside(r.ac_parameters())
    bench.beside(r.scheduled(7200))
    question = [output for output in bench.outputs if isinstance(output, AskPrices)][-1]
    bench.feed(PricesOffered(question.ticket, for_all(BACK)))
    response = bench.beside(r.scheduled(7200))
    assert first(response).charging_schedule.absolute_price_schedule is not None
    bench.ask(r.ac_loop())
    assert bench.side.prices.tariff.prices.charging == DAY  # nothing is chosen yet
    bench.beside(r.renegotiate(r.profile()))
    bench.ask(r.ac_loop())
    assert bench.side.prices.tariff.prices.charging == BACK
