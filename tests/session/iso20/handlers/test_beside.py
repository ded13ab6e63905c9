"""A new schedule negotiated on the side stream, beside the charge loop."""

import dataclasses
from typing import Any

import pytest

from secc.messages.iso20_common import ChargeProgress, Processing
from secc.session.inputs import (
    EnergyTargeted,
    PowerLimited,
    RenegotiationRequested,
    SchedulesOffered,
    StopRequested,
)
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.states import SideState
from secc.session.outlet import EvseFault
from secc.session.outputs import AskSchedules, Notice, SetOutput
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer
from secc.session.states import Timer
from secc.session.streams import Stream
from secc.settings import DcConfig, EnergyConfig, EnergyMode, Iso20Config, SeccConfig
from tests.support import iso20 as r
from tests.support.iso20 import AC, DC, DC_BPT, DYNAMIC, Bench20, code
from tests.support.iso20_config import with_iso20

ASKS = dataclasses.replace(
    DC,
    energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED,), dc=DcConfig(), ask_backend_for_schedules=True),
)


def offer(watts: float) -> ScheduleOffer:
    return ScheduleOffer((PowerSchedule(1, (PowerStep(0, watts),), 86_400),))


def answer(bench: Bench20, watts: float | None) -> None:
    found = None if watts is None else offer(watts)
    bench.feed(SchedulesOffered(bench.ticket(AskSchedules), found))


def in_loop(config: SeccConfig = DC, parameter_set: int = 1) -> Bench20:
    bench = Bench20(config)
    bench.to_first_loop_dc(parameter_set=parameter_set)
    bench.ask(r.dc_loop() if parameter_set == 1 else r.dc_dynamic_loop())
    return bench


def in_loop_with_backend() -> Bench20:
    """A session whose back end has offered 30 kW."""
    bench = Bench20(ASKS).to_schedule()
    bench.ask(r.scheduled())
    answer(bench, 30_000.0)
    bench.ask(r.scheduled())
    bench.prepare()
    bench.ask(r.start())
    bench.outlet(present_voltage=380.0, present_current=10.0)
    bench.ask(r.dc_loop(400, 80))
    return bench


def power(bench: Bench20) -> float:
    """W of the last set-point."""
    point = [output for output in bench.outputs if isinstance(output, SetOutput)][-1]
    return point.voltage * point.current


def stream(bench: Bench20) -> Any:
    return bench.session.streams.get(Stream.SCHEDULE)


@pytest.mark.req("V2G20-1045", "V2G20-1046", "V2G20-1048", "V2G20-1050")
def test_a_new_schedule_counts_from_the_next_request_of_the_loop_on() -> None:
    bench = in_loop_with_backend()
    assert power(bench) == pytest.approx(30_000.0, rel=0.01)
    assert code(bench.beside(r.dc_parameters())) == "OK"
    first = bench.beside(r.scheduled())
    assert first.evse_processing is Processing.ONGOING
    bench.ask(r.dc_loop(400, 80))
    answer(bench, 12_000.0)
    second = bench.beside(r.scheduled())
    assert second.evse_processing is Processing.FINISHED
    bench.ask(r.dc_loop(400, 80))
    assert power(bench) == pytest.approx(30_000.0, rel=0.01)  # offered, not chosen
    assert code(bench.beside(r.renegotiate(r.profile()))) == "OK"
    assert power(bench) == pytest.approx(30_000.0, rel=0.01)  # chosen, not in force
    bench.ask(r.dc_loop(400, 80))
    assert power(bench) == pytest.approx(12_000.0, rel=0.01)
    assert bench.session.state is S.WAIT_LOOP_DC
    assert stream(bench) is SideState.SCHEDULE_DC


@pytest.mark.req("V2G20-1046")
def test_new_parameters_count_with_the_choice_and_not_before() -> None:
    bench = in_loop()
    bench.outlet(present_voltage=380.0, present_current=10.0)
    bench.ask(r.dc_loop(400, 80))
    before = power(bench)
    bench.beside(r.dc_parameters(ev_maximum_charge_current=20))
    bench.beside(r.scheduled())
    bench.ask(r.dc_loop(400, 80))
    assert power(bench) == before
    bench.beside(r.renegotiate(r.profile()))
    bench.ask(r.dc_loop(400, 80))
    assert power(bench) == pytest.approx(400.0 * 20.0, rel=0.01)


def test_ac_is_renegotiated_beside_the_loop_as_well() -> None:
    bench = Bench20(AC).to_first_loop_ac()
    bench.ask(r.ac_loop())
    assert code(bench.beside(r.ac_parameters())) == "OK"
    assert code(bench.beside(r.scheduled())) == "OK"
    assert code(bench.beside(r.renegotiate(r.profile()))) == "OK"
    assert code(bench.ask(r.ac_loop())) == "OK"
    assert bench.session.state is S.WAIT_LOOP_AC


def test_in_dynamic_mode_the_needs_are_renegotiated_without_a_schedule() -> None:
    bench = in_loop(parameter_set=DYNAMIC)
    assert code(bench.beside(r.dc_parameters())) == "OK"
    assert code(bench.beside(r.dynamic())) == "OK"
    assert code(bench.beside(r.renegotiate())) == "OK"
    assert code(bench.ask(r.dc_dynamic_loop())) == "OK"


@pytest.mark.req("V2G20-1846")
def test_before_the_first_request_of_the_loop_the_side_stream_is_closed() -> None:
    bench = Bench20(DC).to_first_loop_dc()
    assert code(bench.beside(r.dc_parameters())) == "FAILED_SequenceError"
    assert bench.ended


@pytest.mark.req("V2G20-479")
def test_a_schedule_that_was_not_offered_is_refused() -> None:
    bench = in_loop()
    bench.beside(r.dc_parameters())
    bench.beside(r.scheduled())
    response = bench.beside(r.renegotiate(r.profile(tuple_id=9)))
    assert code(response) == "FAILED_ScheduleSelectionInvalid"
    assert bench.ended


@pytest.mark.req("V2G20-459")
@pytest.mark.parametrize("progress", [ChargeProgress.START, ChargeProgress.STOP, ChargeProgress.STANDBY])
def test_start_stop_and_standby_belong_to_the_main_stream(progress: ChargeProgress) -> None:
    bench = in_loop()
    bench.beside(r.dc_parameters())
    bench.beside(r.scheduled())
    response = bench.beside(r.power_delivery(progress, r.profile()))
    assert code(response) == "FAILED_SequenceError"
    assert bench.ended


def test_a_choice_that_is_not_finished_is_repeated() -> None:
    bench = in_loop()
    bench.beside(r.dc_parameters())
    bench.beside(r.scheduled())
    progress = ChargeProgress.SCHEDULE_RENEGOTIATION
    first = bench.beside(r.power_delivery(progress, r.profile(), Processing.ONGOING))
    assert (code(first), stream(bench)) == ("OK", SideState.SCHEDULE_PROFILE)
    assert bench.side.next_terms is None
    assert code(bench.beside(r.renegotiate(r.profile()))) == "OK"
    assert bench.side.next_terms is not None


def loops(bench: Bench20, seconds: float) -> None:
    """The charge loop goes on for so long."""
    for _ in range(int(seconds)):
        bench.tick(1.0)
        assert code(bench.ask(r.dc_loop())) == "OK"


@pytest.mark.req("V2G20-1052")
@pytest.mark.parametrize("requests", [(), (r.scheduled(),)], ids=["after parameters", "after schedules"])
def test_a_renegotiation_that_stands_still_is_left_and_the_loop_goes_on(requests: tuple[Any, ...]) -> None:
    bench = in_loop(with_iso20(DC, side_stream=5.0))
    offered = bench.session.latest_offer
    bench.beside(r.dc_parameters(ev_maximum_charge_current=20))
    for request in requests:
        bench.beside(request)
    loops(bench, 6)
    assert stream(bench) is SideState.SCHEDULE_DC
    assert bench.side.aside is None
    assert bench.session.latest_offer is offered
    assert code(bench.beside(r.dc_parameters())) == "OK"  # and may begin again


def test_a_back_end_that_does_not_answer_leaves_the_limit_of_the_outlet() -> None:
    config = dataclasses.replace(ASKS, iso20=Iso20Config(schedules=3.0))
    bench = in_loop_with_backend()
    bench.session.config = config
    bench.beside(r.dc_parameters())
    assert bench.beside(r.scheduled()).evse_processing is Processing.ONGOING
    loops(bench, 4)
    assert bench.beside(r.scheduled()).evse_processing is Processing.FINISHED


def test_an_answer_of_the_back_end_for_a_renegotiation_that_was_left_is_stale() -> None:
    bench = in_loop_with_backend()
    bench.beside(r.dc_parameters())
    bench.beside(r.scheduled())
    bench.ask(r.renegotiate())  # on the main stream: what was beside it is left
    ticket = bench.ticket(AskSchedules)
    bench.ask(r.scheduled())
    assert bench.ticket(AskSchedules) != ticket
    bench.feed(SchedulesOffered(ticket, offer(1000.0)))
    assert any(isinstance(one, Notice) and "schedules for" in one.text for one in bench.last)


def test_a_choice_that_never_came_into_force_is_forgotten_with_the_loop() -> None:
    bench = in_loop()
    bench.beside(r.dc_parameters(ev_maximum_charge_current=20))
    bench.beside(r.scheduled())
    bench.beside(r.renegotiate(r.profile()))
    bench.ask(r.renegotiate())
    bench.ask(r.dc_parameters(ev_maximum_charge_current=30))
    bench.ask(r.scheduled())
    bench.ask(r.start())
    bench.outlet(present_voltage=380.0, present_current=10.0)
    bench.ask(r.dc_loop(400, 80))
    assert power(bench) == pytest.approx(400.0 * 30.0, rel=0.01)


def test_a_stop_of_the_station_warns_and_the_loop_says_terminate() -> None:
    bench = in_loop()
    bench.beside(r.dc_parameters())
    bench.beside(r.scheduled())
    bench.feed(StopRequested())
    response = bench.beside(r.renegotiate(r.profile()))
    assert code(response) == "WARNING_ScheduleRenegotiationFailed"
    assert stream(bench) is SideState.SCHEDULE_DC
    assert bench.side.next_terms is None
    assert bench.ask(r.dc_loop()).evse_status.evse_notification.value == "Terminate"


def test_a_fault_refuses_the_choice() -> None:
    bench = in_loop()
    bench.beside(r.dc_parameters())
    bench.beside(r.scheduled())
    bench.outlet(fault=EvseFault.RESIDUAL_CURRENT)
    assert code(bench.beside(r.renegotiate(r.profile()))) == "FAILED"
    assert bench.ended


@pytest.mark.req("V2G20-1845")
def test_the_wish_for_a_new_schedule_is_met_with_the_first_message_of_the_side_stream() -> None:
    bench = in_loop()
    bench.feed(RenegotiationRequested())
    assert bench.ask(r.dc_loop()).evse_status.evse_notification.value == "ScheduleRenegotiation"
    bench.beside(r.dc_parameters())
    assert bench.ask(r.dc_loop()).evse_status is None


def test_a_limit_of_load_management_holds_during_a_negotiation_beside_it() -> None:
    bench = in_loop()
    bench.outlet(present_voltage=380.0, present_current=10.0)
    bench.beside(r.dc_parameters())
    bench.beside(r.scheduled())
    bench.feed(PowerLimited(5000.0))
    bench.beside(r.renegotiate(r.profile()))
    bench.ask(r.dc_loop(400, 80))
    assert power(bench) <= 5000.0


def test_silence_on_the_main_stream_ends_the_session_however_busy_the_side_stream_is() -> None:
    bench = in_loop()
    bench.beside(r.dc_parameters())
    for _ in range(8):
        bench.tick(0.3)
        if bench.ended:
            break
        bench.session.streams[Stream.SCHEDULE] = SideState.SCHEDULE_EXCHANGE
        bench.beside(r.scheduled())
    assert bench.end is not None
    assert bench.end.reason.value == "sequence timeout"


def test_the_current_ends_without_requests_of_the_loop_however_busy_the_side_stream_is() -> None:
    bench = in_loop()
    assert Timer.DEMAND_AGE in bench.session.timers.due
    bench.tick(0.9)
    bench.beside(r.dc_parameters())
    bench.tick(0.2)
    assert power(bench) == 0.0


# --- what was said beside the loop about the battery -------------------------------------------------------


def emptied(*, minimum: float = 0) -> Bench20:
    """In the loop of DC_BPT, Dynamic, with a battery of which no more may be taken."""
    bench = Bench20(DC_BPT).to_first_loop_dc(6, DYNAMIC)
    bench.ask(r.dc_bpt_dynamic_loop(**v2x(minimum)))
    return bench


def v2x(least: float) -> dict[str, Any]:
    return {"ev_minimum_v2_x_energy_request": least, "ev_maximum_v2_x_energy_request": 1000}


def renegotiated_v2x(bench: Bench20, least: float) -> None:
    bench.beside(r.dc_bpt_parameters())
    assert bench.beside(r.dynamic(v2x=(least, 1000))).evse_processing is Processing.FINISHED


def power_back(bench: Bench20) -> bool:
    """Energy flows from the EV after energy management has asked for it."""
    bench.feed(EnergyTargeted(-3000.0))
    bench.ask(r.dc_bpt_dynamic_loop())
    return any(isinstance(one, SetOutput) and one.current < 0 for one in bench.outputs)


def test_energy_that_the_ev_offers_beside_the_loop_is_not_taken_before_it_has_chosen() -> None:
    bench = emptied()
    renegotiated_v2x(bench, -1000)
    assert not power_back(bench)
    assert code(bench.beside(r.renegotiate())) == "OK"
    assert power_back(bench)


def test_what_the_loop_shows_of_the_battery_is_later_than_what_was_said_beside_it() -> None:
    bench = emptied(minimum=-1000)
    renegotiated_v2x(bench, -1000)
    bench.ask(r.dc_bpt_dynamic_loop(**v2x(0)))
    assert code(bench.beside(r.renegotiate())) == "OK"
    assert not power_back(bench)


# --- a choice that the main stream overtakes ---------------------------------------------------------------


def chosen_beside(config: SeccConfig) -> Bench20:
    """The EV has lowered its limit to 10 A, and has not yet sent a request of the loop."""
    bench = in_loop(config)
    bench.beside(r.dc_parameters(ev_maximum_charge_current=10))
    bench.beside(r.scheduled())
    assert code(bench.beside(r.renegotiate(r.profile()))) == "OK"
    return bench


def most(bench: Bench20) -> float:
    """A of the last set-point."""
    return [one for one in bench.outputs if isinstance(one, SetOutput)][-1].current


@pytest.mark.inv("INV-07")
@pytest.mark.req("V2G20-1050")
def test_a_choice_counts_after_standby_as_well() -> None:
    bench = chosen_beside(with_iso20(DC, standby=True))
    assert code(bench.ask(r.standby())) == "OK"
    assert code(bench.ask(r.start())) == "OK"
    bench.ask(r.dc_loop())
    assert 0.0 < most(bench) <= 10.0


@pytest.mark.inv("INV-07")
def test_a_choice_counts_at_once_when_the_main_stream_renegotiates() -> None:
    bench = chosen_beside(DC)
    bench.outlet(present_voltage=400.0, present_current=20.0)
    assert code(bench.ask(r.renegotiate())) == "OK"
    assert 0.0 < most(bench) <= 10.0


def test_a_choice_is_forgotten_with_a_stop() -> None:
    bench = chosen_beside(DC)
    parameters = bench.session.parameters
    assert code(bench.ask(r.stop())) == "OK"
    assert bench.session.parameters is parameters
    assert bench.side.next_terms is None
