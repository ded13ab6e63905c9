"""The charge loop of DC: both control modes, both directions, and what happens between two requests."""

from typing import Any

import pytest

from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import RationalNumber
from secc.session.inputs import DischargePermitted, EnergyTargeted, PowerLimited, StopRequested
from secc.session.iso20 import numbers
from secc.session.iso20.states import Iso20State as S
from secc.session.outlet import MeterReading
from secc.session.outputs import EndReason, RenewLease, SetOutput
from secc.settings import SeccConfig
from tests.support import iso20 as r
from tests.support.iso20 import DC, DC_BPT, DYNAMIC, SCHEDULED, Bench20, code
from tests.support.iso20_config import with_iso20


def value(rational: RationalNumber) -> float:
    return numbers.down(rational) / 1000


def looping(
    config: SeccConfig = DC, service: int = 2, parameter_set: int = SCHEDULED, **limits: float
) -> Bench20:
    bench = Bench20(config).to_first_loop_dc(service, parameter_set, **limits)
    bench.outlet(present_current=3.0)  # the battery is there
    return bench


def target(bench: Bench20, watts: float | None) -> tuple[Any, ...]:
    return bench.feed(EnergyTargeted(watts))


def set_point(bench: Bench20) -> SetOutput:
    points = [output for output in bench.outputs if isinstance(output, SetOutput)]
    return points[-1]


# --- Scheduled ---


@pytest.mark.inv("INV-07")
@pytest.mark.req("V2G20-2187", "V2G20-2188")
def test_targets_are_served_up_to_every_limit_with_a_flag() -> None:
    bench = looping()
    response = bench.ask(r.dc_loop(400, 80))
    assert set_point(bench) == SetOutput(400.0, 80.0)
    assert not response.evse_current_limit_achieved
    response = bench.ask(r.dc_loop(400, 130))
    assert set_point(bench) == SetOutput(400.0, 100.0)  # the limit of the EV
    assert response.evse_current_limit_achieved
    bench.feed(PowerLimited(8000.0))
    response = bench.ask(r.dc_loop(400, 80))
    assert set_point(bench) == SetOutput(400.0, 20.0)
    assert response.evse_power_limit_achieved
    assert value(response.cl_res_control_mode.evse_maximum_charge_power) == 8000


@pytest.mark.req("V2G20-2183")
def test_a_voltage_of_zero_is_not_named_and_a_current_of_zero_is_zero() -> None:
    bench = looping()
    bench.ask(r.dc_loop(0, 50))
    assert set_point(bench) == SetOutput(410.0, 50.0)  # near the battery, below the limit of the EV
    bench.ask(r.dc_loop(400, 0))
    assert set_point(bench) == SetOutput(400.0, 0.0)


@pytest.mark.req("V2G20-2654", "V2G20-2655")
def test_limits_of_the_loop_only_narrow() -> None:
    bench = looping()
    bench.ask(r.dc_loop(400, 120, ev_maximum_charge_current=200))
    assert set_point(bench).current == 100.0
    bench.ask(r.dc_loop(400, 120, ev_maximum_charge_current=20))
    assert set_point(bench).current == 20.0
    bench.ask(r.dc_loop(400, 120, ev_maximum_charge_power=4000))
    assert set_point(bench).current == 10.0
    bench.ask(r.dc_loop(400, 120))
    assert set_point(bench).current == 100.0


def test_the_agreed_schedule_limits_the_power() -> None:
    bench = Bench20(DC).to_schedule()
    bench.feed(PowerLimited(20_000.0))
    bench.ask(r.scheduled())
    bench.feed(PowerLimited(None))
    from secc.session.outlet import ControlPilot

    bench.outlet(control_pilot=ControlPilot.C)
    bench.ask(r.cable_check())
    bench.isolation()
    for request in (r.cable_check(), r.pre_charge()):
        bench.ask(request)
    bench.outlet(present_voltage=380.0)
    bench.ask(r.start())
    bench.outlet(present_current=3.0)
    response = bench.ask(r.dc_loop(400, 100))
    assert set_point(bench) == SetOutput(400.0, 50.0)
    assert response.evse_power_limit_achieved


def test_a_negative_current_in_a_plain_service_is_zero() -> None:
    bench = looping()
    bench.ask(r.dc_loop(400, 50))
    bench.ask(r.dc_loop(400, -50))
    assert set_point(bench) == SetOutput(400.0, 0.0)


@pytest.mark.req("V2G20-1600", "V2G20-2315")
@pytest.mark.parametrize(
    ("service", "parameter_set", "request_made"),
    [
        (2, SCHEDULED, r.dc_dynamic_loop()),
        (2, DYNAMIC, r.dc_loop()),
        (2, SCHEDULED, r.dc_bpt_loop()),
        (2, DYNAMIC, r.dc_bpt_dynamic_loop()),
        (6, SCHEDULED, r.dc_loop()),
        (6, DYNAMIC, r.dc_dynamic_loop()),
        (6, SCHEDULED, r.dc_bpt_dynamic_loop()),
        (6, DYNAMIC, r.dc_bpt_loop()),
    ],
    ids=range(8),
)
def test_another_mode_or_direction_than_selected_is_refused(
    service: int, parameter_set: int, request_made: dc.DCChargeLoopReq
) -> None:
    bench = looping(DC_BPT, service, parameter_set)
    assert code(bench.ask(request_made)) == "FAILED"
    assert bench.session.energised is None


@pytest.mark.req("V2G20-1600")
@pytest.mark.parametrize(
    ("service", "parameter_set", "request_made", "expected"),
    [
        (2, SCHEDULED, r.dc_loop(), dc.ScheduledDCCLResControlMode),
        (2, DYNAMIC, r.dc_dynamic_loop(), dc.DynamicDCCLResControlMode),
        (6, SCHEDULED, r.dc_bpt_loop(), dc.BPTScheduledDCCLResControlMode),
        (6, DYNAMIC, r.dc_bpt_dynamic_loop(), dc.BPTDynamicDCCLResControlMode),
    ],
    ids=range(4),
)
def test_the_answer_has_the_variant_of_the_request(
    service: int, parameter_set: int, request_made: dc.DCChargeLoopReq, expected: type[Any]
) -> None:
    response = looping(DC_BPT, service, parameter_set).ask(request_made)
    assert type(response.cl_res_control_mode) is expected


@pytest.mark.req("V2G20-459")
def test_messages_of_other_phases_are_out_of_order_in_the_loop() -> None:
    for request in (r.dc_parameters(), r.ac_loop(), r.scheduled(), r.metering_confirmation()):
        bench = looping()
        bench.ask(r.dc_loop())
        assert code(bench.ask(request)) == "FAILED_SequenceError"


# --- Dynamic ---


def test_without_a_target_the_ev_gets_what_it_takes() -> None:
    bench = looping(DC, 2, DYNAMIC)
    bench.ask(r.dc_dynamic_loop())
    point = set_point(bench)
    assert point.voltage * point.current <= 40_000
    assert point.current == pytest.approx(40_000 / 410, abs=0.1)


@pytest.mark.inv("INV-07")
def test_the_target_of_energy_management_is_set_at_once() -> None:
    bench = looping(DC, 2, DYNAMIC)
    bench.ask(r.dc_dynamic_loop())
    target(bench, 19_000.0)
    assert set_point(bench) == SetOutput(410.0, 50.0)  # at the 380 V of now
    target(bench, None)
    assert set_point(bench).current > 90.0
    target(bench, -19_000.0)
    assert set_point(bench).current == 0.0  # a plain service never takes


@pytest.mark.req("V2G20-2187")
def test_lower_limits_of_the_ev_take_effect_with_the_answer() -> None:
    bench = looping(DC, 2, DYNAMIC)
    target(bench, 30_000.0)
    bench.ask(r.dc_dynamic_loop())
    bench.ask(r.dc_dynamic_loop(ev_maximum_charge_power=10_000))
    point = set_point(bench)
    assert point.voltage * point.current <= 10_000
    assert point.current > 20.0


def test_a_target_below_the_least_power_of_the_ev_is_no_power() -> None:
    bench = looping(DC, 2, DYNAMIC, ev_minimum_charge_power=5000)
    target(bench, 4000.0)
    bench.ask(r.dc_dynamic_loop(ev_minimum_charge_power=5000))
    assert set_point(bench).current == 0.0


def test_a_full_battery_gets_nothing() -> None:
    bench = looping(DC, 2, DYNAMIC)
    bench.ask(r.dc_dynamic_loop())
    bench.ask(r.dc_dynamic_loop(display_parameters=r.display(charging_complete=True)))
    assert set_point(bench).current == 0.0
    target(bench, 10_000.0)
    assert set_point(bench).current == 0.0


# --- discharge ---


def giving(parameter_set: int = DYNAMIC, watts: float = -7600.0) -> Bench20:
    """Discharges 20 A at 380 V."""
    bench = looping(DC_BPT, 6, parameter_set)
    target(bench, watts)
    bench.outlet(present_current=0.0)
    for _ in range(2):
        bench.ask(r.dc_bpt_dynamic_loop() if parameter_set == DYNAMIC else r.dc_bpt_loop(400, -20))
        bench.tick(0.2)
    return bench


@pytest.mark.req("V2G20-1034", "V2G20-1035")
def test_a_negative_target_takes_energy_out_of_the_battery() -> None:
    bench = giving()
    assert set_point(bench) == SetOutput(200.0, -20.0)  # not below the least voltage of the EV
    bench.outlet(present_current=-20.0, present_voltage=378.0)
    response = bench.ask(r.dc_bpt_dynamic_loop())
    assert value(response.evse_present_current) == -20.0


def test_a_negative_current_of_the_ev_is_taken_in_scheduled_mode() -> None:
    assert set_point(giving(SCHEDULED)) == SetOutput(200.0, -20.0)


@pytest.mark.inv("INV-07")
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("more", "amperes"),
    [
        ({"ev_maximum_discharge_current": 10}, -10.0),
        ({"ev_maximum_discharge_power": 3800}, -10.0),
        ({"ev_maximum_discharge_current": 0}, 0.0),
        ({"ev_maximum_discharge_power": 0}, 0.0),
    ],
    ids=str,
)
def test_the_discharge_limits_of_the_ev_hold_with_either_sign(
    sign: int, more: dict[str, float], amperes: float
) -> None:
    bench = giving()
    signed = {name: sign * limit for name, limit in more.items()}
    bench.ask(r.dc_bpt_dynamic_loop(sign, **signed))
    assert set_point(bench).current == amperes


@pytest.mark.inv("INV-07")
@pytest.mark.parametrize(
    ("momentary", "amperes"),
    [({"max_current": 5.0}, -5.0), ({"max_power": 3800.0}, -10.0), ({"max_power": 0.0}, 0.0)],
)
def test_a_momentary_limit_of_the_outlet_holds_for_discharge_too(
    momentary: dict[str, float], amperes: float
) -> None:
    bench = giving()
    bench.outlet(**momentary)
    bench.ask(r.dc_bpt_dynamic_loop())
    assert set_point(bench).current == amperes


def test_the_limits_of_the_outlet_hold_in_both_directions() -> None:
    bench = giving(watts=-1_000_000.0)
    assert set_point(bench).current == pytest.approx(-10_000 / 380, abs=0.01)  # the power of the EV
    bench.ask(r.dc_bpt_dynamic_loop(ev_maximum_discharge_power=-10_000))
    bench.feed(DischargePermitted(3800.0))
    assert set_point(bench).current == -10.0


@pytest.mark.parametrize("power", [0.0])
def test_a_permission_that_is_withdrawn_ends_the_discharge_at_once(power: float) -> None:
    bench = giving()
    bench.feed(DischargePermitted(power))
    assert set_point(bench).current == 0.0
    target(bench, 10_000.0)
    assert set_point(bench).current > 20.0  # charging stays possible
    response = bench.ask(r.dc_bpt_dynamic_loop())
    assert value(response.cl_res_control_mode.evse_maximum_discharge_power) == 0


@pytest.mark.parametrize(
    "more",
    [
        {"display_parameters": r.display(present_soc=30, minimum_soc=30)},
        {"ev_minimum_energy_request": 1},
        {"ev_minimum_v2_x_energy_request": 0, "ev_maximum_v2_x_energy_request": 1000},
        {"ev_minimum_v2_x_energy_request": -1000, "ev_maximum_v2_x_energy_request": -1},
    ],
    ids=str,
)
def test_a_battery_that_may_not_give_ends_the_discharge(more: dict[str, Any]) -> None:
    bench = giving()
    bench.ask(r.dc_bpt_dynamic_loop(**more))
    assert set_point(bench).current == 0.0


def test_discharge_ends_at_the_least_voltage_of_the_ev() -> None:
    bench = giving()
    bench.outlet(present_voltage=200.0)
    bench.ask(r.dc_bpt_dynamic_loop())
    assert set_point(bench).current == 0.0


@pytest.mark.req("V2G20-1468")
def test_a_change_of_direction_passes_zero_and_waits_until_nothing_flows() -> None:
    bench = looping(DC_BPT, 6, DYNAMIC)
    target(bench, 20_000.0)
    bench.ask(r.dc_bpt_dynamic_loop())
    bench.outlet(present_current=52.0)
    target(bench, -7600.0)
    assert set_point(bench).current == 0.0
    bench.tick(0.2)
    assert set_point(bench).current == 0.0  # the charge still flows
    bench.outlet(present_current=0.0)
    bench.tick(0.2)
    assert set_point(bench).current == -20.0
    bench.ask(r.dc_bpt_dynamic_loop())
    target(bench, 20_000.0)
    assert set_point(bench).current == 0.0
    bench.tick(0.2)
    assert set_point(bench).current > 50.0


@pytest.mark.req("V2G20-1213", "V2G20-1768")
def test_limits_of_both_directions_are_in_every_answer() -> None:
    for parameter_set, request in ((DYNAMIC, r.dc_bpt_dynamic_loop()), (SCHEDULED, r.dc_bpt_loop())):
        found = looping(DC_BPT, 6, parameter_set).ask(request).cl_res_control_mode
        assert value(found.evse_maximum_charge_power) == 50_000
        assert value(found.evse_maximum_discharge_power) == -20_000
        assert value(found.evse_maximum_discharge_current) == -60
        assert value(found.evse_minimum_voltage) == 150


@pytest.mark.inv("INV-29")
def test_a_stop_ends_the_discharge() -> None:
    bench = giving()
    bench.feed(StopRequested())
    bench.ask(r.dc_bpt_dynamic_loop())
    assert set_point(bench).current == 0.0


# --- between two requests ---


@pytest.mark.req("V2G20-1502", "V2G20-443")
def test_silence_takes_the_current_away_and_then_ends_the_session() -> None:
    for bench, request in ((looping(), r.dc_loop(400, 50)), (giving(), r.dc_bpt_dynamic_loop())):
        bench.ask(request)
        bench.tick(0.9)
        assert set_point(bench).current != 0.0
        bench.tick(0.2)
        assert set_point(bench).current == 0.0
        assert not bench.ended
        bench.tick(1.0)
        assert bench.end is not None
        assert bench.end.reason is EndReason.SEQUENCE_TIMEOUT


@pytest.mark.req("V2G20-1502")
def test_the_time_of_the_standard_is_a_setting() -> None:
    bench = looping(with_iso20(DC, loop_timeout=0.5))
    bench.ask(r.dc_loop())
    bench.tick(0.49)
    assert not bench.ended
    bench.tick(0.02)
    assert bench.ended


@pytest.mark.req("V2G20-443")
def test_after_the_start_the_usual_time_holds() -> None:
    bench = Bench20(DC).to_first_loop_dc()
    bench.tick(59.0)
    assert bench.session.state is S.WAIT_FIRST_LOOP_DC
    bench.tick(1.1)
    assert bench.ended


@pytest.mark.inv("INV-31")
def test_a_new_demand_brings_the_current_back() -> None:
    bench = looping()
    bench.ask(r.dc_loop(400, 50))
    bench.tick(1.1)
    bench.ask(r.dc_loop(400, 50))
    assert set_point(bench).current == 50.0
    assert any(isinstance(output, RenewLease) for output in bench.last)


# --- the meter ---


@pytest.mark.req("V2G20-1081", "V2G20-1082", "V2G20-1833")
def test_the_meter_is_in_the_first_answer_and_where_it_is_asked_for() -> None:
    bench = looping()
    bench.outlet(meter=MeterReading("M1", 1000, utc=1_700_000_000, exported=20))
    info = bench.ask(r.dc_loop()).meter_info
    assert (info.meter_id, info.charged_energy_reading_wh) == ("M1", 1000)
    assert info.bpt_discharged_energy_reading_wh is None  # the service has one direction
    assert bench.ask(r.dc_loop()).meter_info is None
    assert bench.ask(r.dc_loop(meter_info_requested=True)).meter_info is not None


def test_the_meter_of_the_other_direction_is_in_a_service_of_both_directions() -> None:
    bench = looping(DC_BPT, 6, SCHEDULED)
    bench.outlet(meter=MeterReading("M1", 1000, utc=1_700_000_000, exported=20))
    assert bench.ask(r.dc_bpt_loop()).meter_info.bpt_discharged_energy_reading_wh == 20


def test_without_a_meter_there_is_none_and_the_answer_is_ok() -> None:
    response = looping().ask(r.dc_loop(meter_info_requested=True))
    assert (code(response), response.meter_info) == ("OK", None)


@pytest.mark.inv("INV-07")
@pytest.mark.parametrize("change", ["the EV", "the outlet"])
def test_the_voltage_keeps_to_a_lower_limit_while_the_direction_changes(change: str) -> None:
    """The step at zero has no current, but a voltage."""
    bench = looping(DC_BPT, 6)
    bench.ask(r.dc_bpt_loop(400, 20))
    assert set_point(bench) == SetOutput(400.0, 20.0)
    lower = {"ev_maximum_voltage": 390} if change == "the EV" else {}
    if change == "the outlet":
        bench.outlet(max_voltage=390.0)
    bench.ask(r.dc_bpt_loop(400, -20, **lower))
    assert set_point(bench) == SetOutput(390.0, 0.0)


@pytest.mark.parametrize("watts", [float("nan"), float("inf"), float("-inf")], ids=str)
def test_a_target_that_is_no_number_counts_as_zero(watts: float) -> None:
    bench = looping(DC_BPT, 6, DYNAMIC)
    bench.ask(r.dc_bpt_dynamic_loop())
    target(bench, watts)
    bench.ask(r.dc_bpt_dynamic_loop())
    assert set_point(bench).current == 0.0
