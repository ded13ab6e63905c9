"""ScheduleExchange in both control modes."""

import dataclasses
from typing import Any

import pytest

from secc.messages import iso20_common as m
from secc.messages.iso20_common import ChargeProgress, Processing
from secc.session import limits
from secc.session.inputs import (
    EnergyTargeted,
    PauseRequested,
    PowerLimited,
    SchedulesOffered,
    StopRequested,
)
from secc.session.iso20.states import Iso20State as S
from secc.session.outputs import AskSchedules, SetOutput
from secc.session.schedules import (
    DynamicOffer,
    Mobility,
    PowerSchedule,
    PowerStep,
    ScheduleOffer,
)
from secc.settings import EnergyConfig, EnergyMode, Iso20Config, SeccConfig, TimestampUnit
from tests.support import iso20 as r
from tests.support.iso20 import AC, DC, DC_BPT, DYNAMIC, Bench20, code
from tests.support.iso20_config import with_iso20
from tests.support.states20 import in_state

ASKING = dataclasses.replace(
    DC, energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,), ask_backend_for_schedules=True)
)


def tuples(response: Any) -> tuple[m.ScheduleTuple, ...]:
    found: tuple[m.ScheduleTuple, ...] = response.scheduled_se_res_control_mode.schedule_tuple
    return found


def entries(response: Any, index: int = 0) -> list[tuple[int, float]]:
    schedule = tuples(response)[index].charging_schedule.power_schedule
    return [
        (entry.duration, entry.power.value * 10.0**entry.power.exponent)
        for entry in schedule.power_schedule_entries.power_schedule_entry
    ]


@pytest.mark.req("V2G20-1563")
def test_without_a_departure_the_schedule_covers_a_day() -> None:
    bench = Bench20(DC).to_schedule()
    response = bench.ask(r.scheduled())
    assert response.evse_processing is Processing.FINISHED
    assert entries(response) == [(86_400, 50_000)]
    assert bench.session.state is S.WAIT_CABLE_CHECK


@pytest.mark.req("V2G20-1058", "V2G20-1989")
def test_with_a_departure_the_schedule_ends_there() -> None:
    bench = Bench20(AC).to_schedule(1)
    assert entries(bench.ask(r.scheduled(8 * 3600))) == [(8 * 3600, 22_080)]
    assert bench.session.state is S.WAIT_POWER_ON_AC


@pytest.mark.req("V2G20-2176")
def test_a_neutral_price_goes_with_each_schedule_unless_switched_off() -> None:
    (one,) = tuples(Bench20(DC).to_schedule().ask(r.scheduled(3600)))
    price = one.charging_schedule.price_level_schedule
    assert price is not None
    assert price.number_of_price_levels == 1
    assert [e.duration for e in price.price_level_schedule_entries.price_level_schedule_entry] == [3600]
    (one,) = tuples(Bench20(with_iso20(DC, price_schedule=False)).to_schedule().ask(r.scheduled()))
    assert one.charging_schedule.price_level_schedule is None


@pytest.mark.req("V2G20-1534")
@pytest.mark.parametrize(
    ("unit", "anchor"),
    [(TimestampUnit.MICROSECONDS, 1_700_000_000_000_000), (TimestampUnit.SECONDS, 1_700_000_000)],
)
def test_the_time_anchor_has_the_unit_of_the_header_and_is_not_in_the_future(
    unit: TimestampUnit, anchor: int
) -> None:
    response = Bench20(with_iso20(DC, timestamp_unit=unit)).to_schedule().ask(r.scheduled())
    found = tuples(response)[0].charging_schedule.power_schedule.time_anchor
    assert found == anchor <= response.header.time_stamp


@pytest.mark.inv("INV-08")
def test_nothing_is_offered_above_a_limit_of_now() -> None:
    bench = Bench20(DC).to_schedule()
    bench.feed(PowerLimited(8000.0))
    assert entries(bench.ask(r.scheduled())) == [(86_400, 8000)]


@pytest.mark.req("V2G20-1987")
def test_the_back_end_is_asked_once_and_its_schedules_are_offered() -> None:
    bench = Bench20(ASKING).to_schedule()
    for _ in range(2):
        response = bench.ask(r.scheduled(7200, energies=(1000, 20_000, 30_000)))
        assert response.evse_processing is Processing.ONGOING
        assert entries(response) == [(1, 0)]  # nothing that could be mistaken for an offer
    (asked,) = [output for output in bench.outputs if isinstance(output, AskSchedules)]
    assert (asked.need.departure, asked.need.energy, asked.need.dynamic) == (7200, 20_000, False)
    steps = (PowerStep(0, 20_000), PowerStep(1800, 10_000), PowerStep(3600, 30_000))
    offer = ScheduleOffer((PowerSchedule(4, steps, 3600), PowerSchedule(9, (PowerStep(0, 5000),), 7200)))
    bench.feed(SchedulesOffered(asked.ticket, offer))
    response = bench.ask(r.scheduled(7200))
    assert response.evse_processing is Processing.FINISHED
    assert [one.schedule_tuple_id for one in tuples(response)] == [4, 9]
    assert entries(response) == [(1800, 20_000), (1800, 10_000), (3600, 30_000)]


def test_no_more_entries_than_the_ev_can_store_and_none_above_what_was_offered() -> None:
    bench = Bench20(ASKING).to_schedule()
    bench.ask(r.scheduled(points=12))
    steps = tuple(PowerStep(60 * index, 50_000 - 100 * index) for index in range(50))
    bench.feed(SchedulesOffered(bench.ticket(AskSchedules), ScheduleOffer((PowerSchedule(1, steps, 60),))))
    found = entries(bench.ask(r.scheduled(3600, points=12)))
    assert len(found) == 12
    assert found[-1] == (50 * 60 - 11 * 60, 45_100)


def test_a_silent_back_end_leads_to_the_limit_of_the_outlet() -> None:
    bench = Bench20(ASKING).to_schedule()
    bench.ask(r.scheduled())
    bench.tick(49.0)
    assert bench.ask(r.scheduled()).evse_processing is Processing.ONGOING
    bench.tick(1.5)
    response = bench.ask(r.scheduled())
    assert response.evse_processing is Processing.FINISHED
    assert entries(response) == [(86_400, 50_000)]


@pytest.mark.parametrize("request_made", [r.dynamic(), r.scheduled()], ids=["dynamic", "scheduled"])
def test_the_control_mode_is_that_of_the_selected_set(request_made: m.ScheduleExchangeReq) -> None:
    other = 1 if request_made.dynamic_se_req_control_mode is not None else DYNAMIC
    bench = Bench20(DC).to_schedule(2, other)
    assert code(bench.ask(request_made)) == "FAILED"
    assert bench.ended


@pytest.mark.req("V2G20-1290", "V2G20-1366", "V2G20-1640", "V2G20-2681")
@pytest.mark.parametrize(
    "request_made",
    [
        r.dynamic(energies=(30_000, 20_000, 10_000)),
        r.dynamic(energies=(0, 31_000, 30_000)),
        r.dynamic(socs=(81, 80)),
        r.dynamic(v2x=(-1000, None)),
        r.dynamic(v2x=(None, 1000)),
    ],
    ids=range(5),
)
def test_needs_that_contradict_themselves_are_refused(request_made: m.ScheduleExchangeReq) -> None:
    bench = Bench20(DC).to_schedule(2, DYNAMIC)
    assert code(bench.ask(request_made)) == "FAILED_WrongChargeParameter"


def test_energies_of_scheduled_mode_are_checked_as_well() -> None:
    bench = Bench20(DC).to_schedule()
    assert code(bench.ask(r.scheduled(energies=(3, 2, 1)))) == "FAILED_WrongChargeParameter"


@pytest.mark.req("V2G20-2663")
def test_dynamic_mode_offers_no_schedule_and_no_mobility_needs() -> None:
    bench = Bench20(DC).to_schedule(2, DYNAMIC)
    response = bench.ask(r.dynamic())
    assert response.evse_processing is Processing.FINISHED
    assert response.scheduled_se_res_control_mode is None
    assert response.dynamic_se_res_control_mode == m.DynamicSEResControlMode()
    assert bench.session.offer is None


def test_the_back_end_gets_the_needs_and_sets_the_target() -> None:
    bench = Bench20(ASKING).to_schedule(2, DYNAMIC)
    needs = r.dynamic(3600, (-5000, 10_000, 20_000), socs=(20, 80))
    assert bench.ask(needs).evse_processing is Processing.ONGOING
    (asked,) = [output for output in bench.outputs if isinstance(output, AskSchedules)]
    need = asked.need
    assert (need.dynamic, need.departure, need.ask_mobility) == (True, 3600, False)
    assert (need.min_energy, need.energy, need.max_energy) == (-5000, 10_000, 20_000)
    assert (need.minimum_soc, need.target_soc) == (20, 80)
    bench.feed(SchedulesOffered(asked.ticket, DynamicOffer(7000.0, Mobility(60))))
    response = bench.ask(needs)
    assert response.evse_processing is Processing.FINISHED
    assert response.dynamic_se_res_control_mode == m.DynamicSEResControlMode()  # needs are the EV's here
    assert bench.side.wanted == 7_000_000


@pytest.mark.req("V2G20-2666")
def test_with_mobility_needs_of_the_station_its_values_are_sent() -> None:
    config = dataclasses.replace(ASKING, iso20=Iso20Config(mobility_needs=True))
    bench = Bench20(config).to_schedule(2, 3)
    bench.ask(r.dynamic())
    (asked,) = [output for output in bench.outputs if isinstance(output, AskSchedules)]
    assert asked.need.ask_mobility
    bench.feed(SchedulesOffered(asked.ticket, DynamicOffer(None, Mobility(600, 30, 90))))
    found = bench.ask(r.dynamic()).dynamic_se_res_control_mode
    assert (found.departure_time, found.minimum_soc, found.target_soc) == (600, 30, 90)


def test_a_wished_pause_is_in_the_answer() -> None:
    bench = Bench20(DC).to_schedule()
    bench.feed(PauseRequested())
    assert bench.ask(r.scheduled()).go_to_pause is True
    assert Bench20(DC).to_schedule().ask(r.scheduled()).go_to_pause is None


@pytest.mark.inv("INV-29")
def test_after_a_stop_nothing_is_offered() -> None:
    bench = Bench20(DC).to_schedule()
    bench.feed(StopRequested())
    response = bench.ask(r.scheduled())
    assert (code(response), response.evse_processing) == ("OK", Processing.ONGOING)


def permitted(config: SeccConfig, *, export: bool) -> Any:
    bench = Bench20(config).to_schedule(6)
    if not export:
        bench.session.discharge_permitted = 0.0
    return tuples(bench.ask(r.scheduled(3600)))[0].discharging_schedule


@pytest.mark.req("V2G20-1213", "V2G20-1753")
def test_a_discharging_schedule_needs_the_permission() -> None:
    schedule = permitted(DC_BPT, export=True)
    (entry,) = schedule.power_schedule.power_schedule_entries.power_schedule_entry
    assert (entry.duration, entry.power.value * 10**entry.power.exponent) == (3600, -20_000)
    assert permitted(DC_BPT, export=False) is None


@pytest.mark.inv("INV-08")
def test_a_schedule_of_the_back_end_limits_the_power_in_dynamic_mode() -> None:
    bench = Bench20(ASKING).to_schedule(2, DYNAMIC)
    bench.ask(r.dynamic())
    offer = ScheduleOffer((PowerSchedule(1, (PowerStep(0, 9000.0), PowerStep(60, 2000.0)), 60),))
    bench.feed(SchedulesOffered(bench.ticket(AskSchedules), offer))
    assert bench.ask(r.dynamic()).evse_processing is Processing.FINISHED
    assert limits.dc(bench.session).power.upper == 9_000_000
    bench.clock.advance(60.0)
    bench.tick()
    assert limits.dc(bench.session).power.upper == 2_000_000


# --- a renegotiation on the main stream --------------------------------------------------------------------


@pytest.mark.parametrize("way", [S.WAIT_NEW_PROFILE_DC, S.WAIT_NEW_PROFILE_AC], ids=["DC", "AC"])
def test_a_choice_that_is_not_finished_is_waited_for(way: S) -> None:
    bench = in_state(way)
    ongoing = r.power_delivery(ChargeProgress.SCHEDULE_RENEGOTIATION, processing=Processing.ONGOING)
    assert code(bench.ask(ongoing)) == "OK"
    assert bench.session.state is way
    assert code(bench.ask(r.renegotiate(r.profile()))) == "OK"
    assert bench.session.state.in_charge_loop


@pytest.mark.inv("INV-08")
@pytest.mark.req("V2G20-1050")
@pytest.mark.parametrize("answer", [None, 90_000.0], ids=["no limit", "a higher limit"])
def test_the_limit_in_force_holds_in_dynamic_mode_until_the_ev_has_chosen(answer: float | None) -> None:
    bench = Bench20(ASKING).to_schedule(parameter_set=DYNAMIC)
    offer(bench, 4000.0)
    power_on(bench)
    bench.ask(r.dc_dynamic_loop())
    assert code(bench.ask(r.renegotiate())) == "OK"
    offer(bench, answer)
    bench.feed(EnergyTargeted(30_000.0))
    assert highest(bench) <= 4000.0
    assert code(bench.ask(r.renegotiate())) == "OK"
    bench.ask(r.dc_dynamic_loop())
    assert highest(bench) > 4000.0


def offer(bench: Bench20, watts: float | None) -> None:
    """The EV names its needs, and the back end answers with a limit over time."""
    bench.ask(r.dynamic())
    found = None
    if watts is not None:
        found = ScheduleOffer((PowerSchedule(1, (PowerStep(0, watts),), 86_400),))
    bench.feed(SchedulesOffered(bench.ticket(AskSchedules), found))
    assert bench.ask(r.dynamic()).evse_processing is Processing.FINISHED


def power_on(bench: Bench20) -> None:
    bench.prepare()
    bench.ask(r.dynamic_start())


def highest(bench: Bench20) -> float:
    """W of the highest set-point so far."""
    points = [one for one in bench.outputs if isinstance(one, SetOutput)]
    return max(point.voltage * point.current for point in points)


# --- energy of the EV, negotiated on the main stream -------------------------------------------------------


def discharging(least: float) -> Bench20:
    """In the loop of DC_BPT, Dynamic: the station wants energy, the EV has this EVMinimumV2XEnergyRequest."""
    bench = Bench20(DC_BPT).to_first_loop_dc(6, DYNAMIC)
    limits: dict[str, Any] = {"ev_minimum_v2_x_energy_request": least, "ev_maximum_v2_x_energy_request": 1000}
    bench.feed(EnergyTargeted(-3000.0))
    bench.ask(r.dc_bpt_dynamic_loop(**limits))
    bench.tick(0.3)
    bench.ask(r.dc_bpt_dynamic_loop(**limits))
    bench.ask(r.renegotiate())
    bench.ask(r.dc_bpt_parameters())
    return bench


def current(bench: Bench20) -> float:
    commanded = bench.session.commanded
    assert commanded is not None
    return commanded.current


@pytest.mark.req("V2G20-1050")
def test_energy_that_the_ev_offers_in_a_negotiation_is_taken_from_its_next_request_of_the_loop_on() -> None:
    bench = discharging(0)
    assert bench.ask(r.dynamic(v2x=(-1000, 1000))).evse_processing is m.Processing.FINISHED
    bench.feed(EnergyTargeted(-4000.0))
    assert (bench.session.may_discharge, current(bench)) == (0, 0.0)
    bench.ask(r.renegotiate())
    bench.feed(EnergyTargeted(-3000.0))
    assert current(bench) == 0.0
    bench.ask(r.dc_bpt_dynamic_loop())
    assert current(bench) < 0


def test_energy_that_the_ev_refuses_in_a_negotiation_is_not_taken_any_more() -> None:
    bench = discharging(-1000)
    assert current(bench) < 0
    bench.ask(r.dynamic(v2x=(0, 1000)))
    bench.tick(0.3)
    assert (bench.session.may_discharge, current(bench)) == (0, 0.0)
