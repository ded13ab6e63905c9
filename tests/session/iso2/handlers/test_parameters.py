"""ChargeParameterDiscovery: parameter checks and schedules."""

import dataclasses
from collections.abc import Callable

import pytest

from secc.messages.iso2 import (
    BodyElement,
    ChargeParameterDiscoveryReq,
    ChargeParameterDiscoveryRes,
    EnergyTransferMode,
    EVSEProcessing,
    PhysicalValue,
    SAScheduleList,
    UnitSymbol,
)
from secc.session.inputs import SchedulesOffered
from secc.session.iso2.states import State
from secc.session.outputs import AskSchedules, Notice, NoticeKind, SetOutput
from secc.session.schedules import EnergyNeed, PowerSchedule, PowerStep, ScheduleOffer
from secc.session.ticket import Ticket
from secc.settings import EnergyConfig
from tests.support import requests as r
from tests.support.bench import AC, DC, DC_MODES, STRICT_DC, Bench, code

WRONG = "FAILED_WrongChargeParameter"
ASKING = dataclasses.replace(DC, energy=EnergyConfig(modes=DC_MODES, ask_backend_for_schedules=True))


def schedule(response: BodyElement | None, index: int = 0) -> list[tuple[int, int | None, float]]:
    """Start, duration and watts of each entry of one tuple."""
    assert isinstance(response, ChargeParameterDiscoveryRes)
    assert isinstance(response.sa_schedules, SAScheduleList)
    entries = response.sa_schedules.sa_schedule_tuple[index].p_max_schedule.p_max_schedule_entry
    return [
        (e.time_interval.start, e.time_interval.duration, e.p_max.value * 10.0**e.p_max.multiplier)
        for e in entries
    ]


# --- checks ---


@pytest.mark.req("V2G2-476")
@pytest.mark.parametrize("request_", [r.dc_parameters(), r.ac_parameters(EnergyTransferMode.DC_UNIQUE)])
def test_mode_that_is_not_offered_is_refused(request_: ChargeParameterDiscoveryReq) -> None:
    bench = Bench(AC).to_parameters()
    assert code(bench.request(request_)) == "FAILED_WrongEnergyTransferMode"
    assert bench.ended


@pytest.mark.req("V2G2-477")
@pytest.mark.parametrize(
    "request_",
    [
        r.dc_parameters(EnergyTransferMode.AC_THREE_PHASE_CORE),
        r.ac_parameters(max_current=r.amperes(-100)),
        r.ac_parameters(max_current=r.amperes(0)),
        r.ac_parameters(max_current=r.amperes(32767, 3)),
        r.ac_parameters(max_current=r.amperes(-32767, -3)),
        r.ac_parameters(max_current=r.volts(32)),
        r.ac_parameters(max_voltage=r.volts(0)),
        r.ac_parameters(max_voltage=r.volts(-1, -3)),
        r.ac_parameters(min_current=r.amperes(-1)),
        r.ac_parameters(min_current=r.amperes(33)),
        r.ac_parameters(max_current=r.amperes(64), min_current=r.amperes(40)),
        r.ac_parameters(energy=r.watt_hours(-1)),
        r.ac_parameters(energy=r.watts(1)),
    ],
)
def test_ac_parameters_that_cannot_be_are_refused(request_: ChargeParameterDiscoveryReq) -> None:
    assert code(Bench(AC).to_parameters().request(request_)) == WRONG


@pytest.mark.req("V2G2-477")
@pytest.mark.parametrize(
    "request_",
    [
        r.ac_parameters(EnergyTransferMode.DC_EXTENDED),
        r.dc_parameters(max_current=r.amperes(-100)),
        r.dc_parameters(max_current=r.amperes(0)),
        r.dc_parameters(max_voltage=r.volts(-1)),
        r.dc_parameters(max_voltage=r.volts(32767, 3)),
        r.dc_parameters(max_voltage=r.volts(149)),
        r.dc_parameters(max_power=r.watts(-32767, 3)),
        r.dc_parameters(max_power=r.volts(5)),
    ],
)
def test_dc_parameters_that_cannot_be_are_refused(request_: ChargeParameterDiscoveryReq) -> None:
    assert code(Bench(DC).to_parameters().request(request_)) == WRONG


# --- the outlet's own offer ---


@pytest.mark.req("V2G2-304")
def test_without_departure_time_the_schedule_covers_24_hours() -> None:
    response = Bench(DC).to_parameters().request(r.dc_parameters())
    assert schedule(response) == [(0, 86400, 50000.0)]


@pytest.mark.req("V2G2-303")
@pytest.mark.parametrize(
    ("departure", "expected"),
    [
        (0, [(0, 86400, 50000.0)]),
        (1, [(0, 1, 50000.0)]),
        (3600, [(0, 3600, 50000.0)]),
        (86400, [(0, 86400, 50000.0)]),
        (90000, [(0, None, 50000.0), (3600, 86400, 50000.0)]),
        (2**32 - 1, [(0, None, 50000.0), (16777214, 86400, 50000.0)]),
    ],
)
def test_schedule_covers_exactly_the_time_to_the_departure(
    departure: int, expected: list[tuple[int, int | None, float]]
) -> None:
    assert schedule(Bench(DC).to_parameters().request(r.dc_parameters(departure=departure))) == expected


@pytest.mark.req("V2G2-310", "V2G2-305", "V2G2-330")
@pytest.mark.parametrize("most", [0, 1])
def test_no_more_entries_than_the_ev_can_store(most: int) -> None:
    request = r.dc_parameters(departure=100_000, max_entries=most)
    response = Bench(DC).to_parameters().request(request)
    expected = [(0, 86400, 50000.0)] if most else [(0, None, 50000.0), (13600, 86400, 50000.0)]
    assert schedule(response) == expected


def test_single_phase_is_offered_the_power_of_one_phase() -> None:
    response = Bench(AC).to_parameters().request(r.ac_parameters(EnergyTransferMode.AC_SINGLE_PHASE_CORE))
    assert schedule(response) == [(0, 86400, 7360.0)]


# --- the back end's offer ---

OFFER = ScheduleOffer(
    (
        PowerSchedule(3, (PowerStep(0, 20_000), PowerStep(600, 5_000), PowerStep(1200, 8_000)), 3600),
        PowerSchedule(9, (PowerStep(0, 1_000),), 86_400),
    )
)


@pytest.mark.req("V2G2-688", "V2G2-905")
def test_ongoing_until_the_back_end_has_offered() -> None:
    bench = Bench(ASKING).to_parameters()
    ongoing = bench.request(r.dc_parameters(departure=7200, max_power=r.watts(4000, 1)))
    assert isinstance(ongoing, ChargeParameterDiscoveryRes)
    assert ongoing.evse_processing is EVSEProcessing.ONGOING
    assert ongoing.sa_schedules is None
    need = EnergyNeed(mode=DC_MODES[0], departure=7200, energy=None, max_power=40_000.0, max_steps=1024)
    assert bench.last[0] == AskSchedules(Ticket(0, 2), need)
    bench.request(r.dc_parameters())
    assert bench.stands_in(State.WAIT_CHARGE_PARAMETERS)
    bench.feed(SchedulesOffered(Ticket(0, 2), OFFER))
    finished = bench.request(r.dc_parameters())
    assert schedule(finished) == [(0, None, 20000.0), (600, None, 5000.0), (1200, 3600, 8000.0)]
    assert schedule(finished, 1) == [(0, 86400, 1000.0)]
    assert bench.stands_in(State.WAIT_CABLE_CHECK)
    assert sum(isinstance(output, AskSchedules) for output in bench.outputs) == 1


def test_offer_with_too_many_steps_is_shortened_to_the_lowest_power() -> None:
    bench = Bench(ASKING).to_parameters()
    bench.request(r.dc_parameters(max_entries=2))
    bench.feed(SchedulesOffered(Ticket(0, 2), OFFER))
    assert schedule(bench.request(r.dc_parameters(max_entries=2))) == [
        (0, None, 20000.0),
        (600, 4200, 5000.0),
    ]


def test_without_an_offer_of_the_back_end_the_stations_limit_is_offered() -> None:
    bench = Bench(ASKING).to_parameters()
    bench.request(r.dc_parameters())
    bench.feed(SchedulesOffered(Ticket(0, 2), None))
    assert schedule(bench.request(r.dc_parameters())) == [(0, 86400, 50000.0)]


@pytest.mark.req("V2G2-713")
def test_a_silent_back_end_fails_after_55_seconds() -> None:
    bench = Bench(ASKING).to_parameters()
    codes = []
    for _ in range(56):
        codes.append(code(bench.request(r.dc_parameters())))
        bench.tick(1.0)
    assert codes == ["OK"] * 55 + ["FAILED"]


@pytest.mark.req("V2G2-315", "V2G2-297", "V2G2-328", "V2G2-329", "V2G2-832")
def test_schedule_in_force_limits_the_output_step_by_step() -> None:
    bench = Bench(ASKING).to_parameters()
    bench.request(r.dc_parameters())
    bench.feed(SchedulesOffered(Ticket(0, 2), OFFER))
    bench.request(r.dc_parameters())
    bench.prepare()
    bench.request(r.power_delivery(schedule_id=3))
    bench.request(r.current_demand(r.volts(400), r.amperes(80)))
    assert SetOutput(400.0, 50.0) in bench.last
    for _ in range(12):  # the car speaks each 50 s, the step is after 600 s
        bench.tick(50.0)
        bench.request(r.current_demand(r.volts(400), r.amperes(80)))
    assert [output for output in bench.outputs if isinstance(output, SetOutput)][-1] == SetOutput(400.0, 12.5)


@pytest.mark.req("V2G2-300", "V2G2-331")
@pytest.mark.parametrize(
    "broken",
    [
        lambda: PowerSchedule(0, (PowerStep(0, 1.0),), 60),
        lambda: PowerSchedule(1, (), 60),
        lambda: PowerSchedule(1, (PowerStep(1, 1.0),), 60),
        lambda: PowerSchedule(1, (PowerStep(0, 1.0), PowerStep(0, 1.0)), 60),
        lambda: PowerSchedule(1, (PowerStep(0, float("nan")),), 60),
        lambda: PowerSchedule(1, (PowerStep(0, 1.0),), 0),
        lambda: PowerSchedule(1, (PowerStep(0, 1.0),), 86_401),
        lambda: ScheduleOffer(()),
        lambda: ScheduleOffer(tuple(PowerSchedule(i, (PowerStep(0, 1.0),), 60) for i in (1, 2, 3, 4))),
        lambda: ScheduleOffer(tuple(PowerSchedule(i, (PowerStep(0, 1.0),), 60) for i in (1, 1))),
    ],
)
def test_an_impossible_offer_is_refused_when_it_is_made(broken: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"expected|repeat|outside"):
        broken()


def test_physical_value_of_a_wrong_unit_is_no_current() -> None:
    value = PhysicalValue(multiplier=0, unit=UnitSymbol.S, value=5)
    assert code(Bench(AC).to_parameters().request(r.ac_parameters(max_current=value))) == WRONG


def test_a_power_limit_of_zero_says_nothing_as_a_recorded_car_sends_it() -> None:
    bench = Bench(DC).to_parameters()
    assert code(bench.request(r.dc_parameters(max_power=r.watts(0)))) == "OK"
    assert Notice(NoticeKind.LENIENT, "EVMaximumPowerLimit 0 W by zero_power_limit") in bench.outputs
    bench.prepare()
    bench.request(r.start())
    bench.request(r.current_demand(r.volts(400), r.amperes(80), max_power=r.watts(0)))
    assert SetOutput(400.0, 80.0) in bench.last


def test_an_ev_that_has_sent_a_power_limit_may_lower_it_to_zero() -> None:
    bench = Bench(DC).to_parameters()
    bench.request(r.dc_parameters(max_power=r.watts(20_000)))
    bench.prepare()
    bench.request(r.start())
    bench.request(r.current_demand(r.volts(400), r.amperes(80), max_power=r.watts(0)))
    assert SetOutput(400.0, 0.0) in bench.last


def test_a_power_limit_of_zero_is_wrong_by_the_letter() -> None:
    bench = Bench(STRICT_DC).to_parameters()
    assert code(bench.request(r.dc_parameters(max_power=r.watts(0)))) == WRONG
