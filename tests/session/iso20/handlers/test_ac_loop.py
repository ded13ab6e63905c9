"""The charge loop of AC: set-points, limits, the meter."""

from typing import Any

import pytest

from secc.messages import iso20_ac as ac
from secc.messages.iso20_common import RationalNumber
from secc.session.inputs import DischargePermitted, EnergyTargeted, PowerLimited, StopRequested
from secc.session.iso20 import numbers
from secc.session.outlet import ControlPilot, MeterReading
from secc.session.outputs import CloseContactor
from secc.session.schedules import Mobility
from secc.settings import SeccConfig
from tests.support import iso20 as r
from tests.support.iso20 import AC, AC_BPT, DYNAMIC, SCHEDULED, Bench20, code
from tests.support.iso20_config import with_iso20


def value(rational: RationalNumber) -> float:
    return numbers.down(rational) / 1000


def looping(
    config: SeccConfig = AC, service: int = 1, parameter_set: int = SCHEDULED, **limits: float
) -> Bench20:
    return Bench20(config).to_first_loop_ac(service, parameter_set, **limits)


def target(bench: Bench20, watts: float) -> None:
    bench.feed(EnergyTargeted(watts))


def told(response: Any) -> float:
    return value(response.cl_res_control_mode.evse_target_active_power)


# --- Scheduled ---


def test_in_scheduled_mode_the_power_is_named_only_where_it_is_less_than_the_schedule() -> None:
    bench = looping()
    assert bench.ask(r.ac_loop()).cl_res_control_mode == ac.ScheduledACCLResControlMode()
    bench.feed(PowerLimited(6000.0))
    assert told(bench.ask(r.ac_loop())) == 6000
    bench.feed(PowerLimited(None))
    assert bench.ask(r.ac_loop()).cl_res_control_mode.evse_target_active_power is None


def test_a_lower_limit_also_asks_for_a_new_schedule() -> None:
    bench = looping()
    bench.ask(r.ac_loop())
    bench.feed(PowerLimited(6000.0))
    status = bench.ask(r.ac_loop()).evse_status
    assert status.evse_notification.value == "ScheduleRenegotiation"
    bench.ask(r.renegotiate())
    bench.ask(r.scheduled())
    bench.ask(r.renegotiate(r.profile((60, 6000))))
    assert bench.ask(r.ac_loop()).evse_status is None


# --- Dynamic ---


@pytest.mark.req("V2G20-1825")
def test_in_dynamic_mode_the_power_is_always_named() -> None:
    bench = looping(AC, 1, DYNAMIC)
    assert told(bench.ask(r.ac_dynamic_loop())) == 22_000  # what the EV takes
    target(bench, 5000.0)
    assert told(bench.ask(r.ac_dynamic_loop())) == 5000
    bench.feed(PowerLimited(3000.0))
    assert told(bench.ask(r.ac_dynamic_loop())) == 3000
    assert told(bench.ask(r.ac_dynamic_loop(ev_maximum_charge_power=2000))) == 2000
    target(bench, -5000.0)
    assert told(bench.ask(r.ac_dynamic_loop())) == 0


@pytest.mark.req("V2G20-1818", "V2G20-1822")
def test_the_power_is_divided_where_the_ev_uses_each_phase() -> None:
    each = {f"ev_maximum_charge_power{phase}": 7000.0 for phase in ("", "_l2", "_l3")}
    bench = looping(AC, 1, DYNAMIC, **each)
    target(bench, 9000.0)
    mode = bench.ask(r.ac_dynamic_loop(**each)).cl_res_control_mode
    powers = (
        mode.evse_target_active_power,
        mode.evse_target_active_power_l2,
        mode.evse_target_active_power_l3,
    )
    assert [value(power) for power in powers] == [3000, 3000, 3000]


def test_less_than_the_least_power_of_the_ev_is_none() -> None:
    bench = looping(AC, 1, DYNAMIC)
    target(bench, 1000.0)
    assert told(bench.ask(r.ac_dynamic_loop(ev_minimum_charge_power=1400))) == 0


def test_a_full_battery_gets_nothing() -> None:
    bench = looping(AC, 1, DYNAMIC)
    full = r.display(charging_complete=True)
    assert told(bench.ask(r.ac_dynamic_loop(display_parameters=full))) == 0


def test_mobility_needs_of_the_station_are_in_the_answer() -> None:
    bench = looping(AC, 1, DYNAMIC)
    bench.side.mobility = Mobility(600, 30, 90)
    mode = bench.ask(r.ac_dynamic_loop()).cl_res_control_mode
    assert (mode.departure_time, mode.minimum_soc, mode.target_soc, mode.ack_max_delay) == (600, 30, 90, 30)


# --- both directions ---


@pytest.mark.req("V2G20-1034", "V2G20-1035", "V2G20-1468")
@pytest.mark.parametrize("sign", [1, -1])
def test_a_negative_target_is_reported_after_a_step_of_zero(sign: int) -> None:
    bench = looping(AC_BPT, 5, DYNAMIC)
    request = r.ac_bpt_dynamic_loop(sign)
    assert told(bench.ask(request)) == 22_000
    target(bench, -5000.0)
    assert [told(bench.ask(request)) for _ in range(3)] == [0, -5000, -5000]
    target(bench, 5000.0)
    assert [told(bench.ask(request)) for _ in range(2)] == [0, 5000]


@pytest.mark.inv("INV-07")
def test_the_discharge_limits_of_all_sides_hold() -> None:
    bench = looping(AC_BPT, 5, DYNAMIC)
    target(bench, -1_000_000.0)
    bench.ask(r.ac_bpt_dynamic_loop())
    assert told(bench.ask(r.ac_bpt_dynamic_loop())) == -11_000  # the EV
    assert told(bench.ask(r.ac_bpt_dynamic_loop(ev_maximum_discharge_power=-4000))) == -4000
    bench.feed(DischargePermitted(2000.0))
    assert told(bench.ask(r.ac_bpt_dynamic_loop())) == -2000
    bench.feed(DischargePermitted(0.0))
    assert told(bench.ask(r.ac_bpt_dynamic_loop())) == 0


@pytest.mark.inv("INV-07")
@pytest.mark.parametrize(("momentary", "watts"), [({"max_power": 3000.0}, -3000), ({"max_current": 0.0}, 0)])
def test_a_momentary_limit_of_the_outlet_holds_for_discharge_too(
    momentary: dict[str, float], watts: int
) -> None:
    bench = looping(AC_BPT, 5, DYNAMIC)
    target(bench, -8000.0)
    bench.ask(r.ac_bpt_dynamic_loop())
    assert told(bench.ask(r.ac_bpt_dynamic_loop())) == -8000
    bench.outlet(**momentary)
    assert told(bench.ask(r.ac_bpt_dynamic_loop())) == watts


# --- the mode and the variant ---


@pytest.mark.req("V2G20-1600", "V2G20-2315")
@pytest.mark.parametrize(
    ("service", "parameter_set", "good"),
    [
        (1, SCHEDULED, r.ac_loop()),
        (1, DYNAMIC, r.ac_dynamic_loop()),
        (5, SCHEDULED, r.ac_bpt_loop()),
        (5, DYNAMIC, r.ac_bpt_dynamic_loop()),
    ],
    ids=range(4),
)
def test_only_the_selected_mode_and_direction_are_answered_in_kind(
    service: int, parameter_set: int, good: ac.ACChargeLoopReq
) -> None:
    for request in (r.ac_loop(), r.ac_dynamic_loop(), r.ac_bpt_loop(), r.ac_bpt_dynamic_loop()):
        bench = looping(AC_BPT, service, parameter_set)
        response = bench.ask(request)
        asked, answered = type(request.cl_req_control_mode), type(response.cl_res_control_mode)
        assert answered.__name__ == asked.__name__.replace("CLReq", "CLRes")
        assert code(response) == ("OK" if request == good else "FAILED")


# --- the meter ---


@pytest.mark.req("V2G20-1864")
def test_more_power_than_is_in_force_is_warned_of_and_then_refused() -> None:
    bench = looping(with_iso20(AC, profile_grace=10.0), 1, DYNAMIC)
    target(bench, 5000.0)
    bench.outlet(present_power=5400.0)
    answers = []
    for _ in range(5):
        answers.append(code(bench.ask(r.ac_dynamic_loop())))
        bench.tick(1.0)
    bench.outlet(present_power=9000.0)
    for _ in range(21):
        answers.append(code(bench.ask(r.ac_dynamic_loop())))
        if bench.ended:
            break
        bench.tick(1.0)
    assert answers[:15] == ["OK"] * 15
    assert answers[15:25] == ["WARNING_EVPowerProfileViolation"] * 10
    assert answers[25] == "FAILED_EVPowerProfileViolation"
    assert bench.ended


def test_an_ev_that_comes_back_within_the_grace_time_is_not_warned() -> None:
    bench = looping(AC, 1, DYNAMIC)
    target(bench, 5000.0)
    for watts in (9000.0, 5000.0) * 12:
        bench.outlet(present_power=watts)
        assert code(bench.ask(r.ac_dynamic_loop())) == "OK"
        bench.tick(1.5)


def test_energy_that_flows_back_without_leave_is_a_violation() -> None:
    bench = looping(with_iso20(AC, profile_grace=1.0), 1, DYNAMIC)
    bench.outlet(present_power=-3000.0)
    bench.ask(r.ac_dynamic_loop())
    bench.tick(1.5)
    assert code(bench.ask(r.ac_dynamic_loop())) == "WARNING_EVPowerProfileViolation"
    bench.tick(1.0)
    assert code(bench.ask(r.ac_dynamic_loop())) == "FAILED_EVPowerProfileViolation"


@pytest.mark.req("V2G20-1833")
def test_the_meter_is_in_the_first_answer() -> None:
    bench = looping()
    bench.outlet(meter=MeterReading("M1", 1000, utc=1_700_000_000))
    assert bench.ask(r.ac_loop()).meter_info.charged_energy_reading_wh == 1000
    assert bench.ask(r.ac_loop()).meter_info is None


@pytest.mark.req("V2G20-1500")
def test_silence_in_the_loop_ends_the_session() -> None:
    bench = looping()
    bench.ask(r.ac_loop())
    bench.tick(1.9)
    assert not bench.ended
    bench.tick(0.2)
    assert bench.ended


@pytest.mark.parametrize(("service", "config"), [(1, AC), (5, AC_BPT)], ids=["AC", "AC_BPT"])
@pytest.mark.parametrize("parameter_set", [SCHEDULED, DYNAMIC], ids=["Scheduled", "Dynamic"])
def test_with_the_contactor_open_after_a_stop_the_target_is_zero(
    service: int, config: SeccConfig, parameter_set: int
) -> None:
    bench = Bench20(config).to_power_on_ac(service, parameter_set)
    bench.outlet(control_pilot=ControlPilot.C)
    bench.feed(StopRequested())
    assert code(bench.ask(r.start() if parameter_set == SCHEDULED else r.dynamic_start())) == "OK"
    assert not any(isinstance(one, CloseContactor) for one in bench.outputs)
    plain, both = (r.ac_loop, r.ac_bpt_loop), (r.ac_dynamic_loop, r.ac_bpt_dynamic_loop)
    request = (plain if parameter_set == SCHEDULED else both)[service == 5]()
    found = bench.ask(request).cl_res_control_mode.evse_target_active_power
    assert found.value == 0
