"""AC_DER_IEC: its table against the machine, the rules of the grid, the set-points and their bounds."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from secc import exi
from secc.messages import iso20_ac_der_iec as der
from secc.messages import iso20_common as m
from secc.messages.iso20_common import Processing, RationalNumber
from secc.session.grid import GridCode, GridTargets, GridVoltWatt
from secc.session.inputs import (
    EnergyTargeted,
    GridCodeChanged,
    GridCodeGiven,
    GridTargeted,
    RenegotiationRequested,
)
from secc.session.iso20 import grid_messages
from secc.session.iso20.refusals_der import PAIRS_DER
from secc.session.iso20.side import side
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.table_der import ISO20_DER, RULES_DER
from secc.session.outlet import ControlPilot
from secc.session.outputs import (
    AskGridCode,
    GridEventSeen,
    Notice,
    NoticeKind,
    Send,
    SetReactivePower,
)
from secc.settings import CompatConfig
from tests.support import der as d
from tests.support import iso20 as r
from tests.support.der import DER, EACH_DER, DerBench, answered, parameters_of
from tests.support.grid import CODE
from tests.support.iso20 import code
from tests.support.tables import assert_refused_out_of_sequence

STRICT = CompatConfig.strict()
SCHEDULED, DYNAMIC = 1, 2


def _session_stop(bench: DerBench) -> None:
    _in_loop(bench)
    bench.ask(r.stop())


def _in_loop(bench: DerBench) -> None:
    bench.to_loop().ask(d.loop())


def _new_schedule(bench: DerBench) -> None:
    _in_loop(bench)
    bench.ask(r.renegotiate())


def _new_profile(bench: DerBench) -> None:
    _new_schedule(bench)
    bench.ask(r.scheduled())


def _standby(bench: DerBench) -> None:
    _in_loop(bench)
    bench.ask(r.standby())
    bench.outlet(contactor_closed=False)


WAYS: dict[S, Any] = {
    S.WAIT_PARAMETERS_AC: DerBench.to_parameters,
    S.WAIT_SCHEDULE_AC: DerBench.to_schedule,
    S.WAIT_POWER_ON_AC: DerBench.to_power_on_ac,
    S.WAIT_FIRST_LOOP_AC: DerBench.to_loop,
    S.WAIT_LOOP_AC: _in_loop,
    S.WAIT_NEW_SCHEDULE_AC: _new_schedule,
    S.WAIT_NEW_PROFILE_AC: _new_profile,
    S.WAIT_STANDBY_AC: _standby,
    S.WAIT_SESSION_STOP: _session_stop,
}
"""The states in which the energy messages of this namespace, or what leads to them, may come."""


def in_state(state: S) -> DerBench:
    iso20 = dataclasses.replace(DER.iso20, standby=state is S.WAIT_STANDBY_AC)
    bench = DerBench(dataclasses.replace(DER, compat=STRICT, iso20=iso20))
    WAYS[state](bench)
    assert bench.session.state is state
    return bench


def lawful(state: S, request: type[Any]) -> Any:
    stops = (S.WAIT_LOOP_AC, S.WAIT_NEW_SCHEDULE_AC)
    return r.stop() if request is m.PowerDeliveryReq and state in stops else EACH_DER[request]


PAIRS_OF_ALL = [(state, request) for state in WAYS for request in EACH_DER]
ILLEGAL = [pair for pair in PAIRS_OF_ALL if ISO20_DER.find(*pair, STRICT) is None]
LEGAL = [pair for pair in PAIRS_OF_ALL if ISO20_DER.find(*pair, STRICT) is not None]
CODECS = {
    **dict.fromkeys(m.PAIRS.values(), "iso20-common"),
    **dict.fromkeys(der.PAIRS.values(), "iso20-ac-der-iec"),
}


def name(value: object) -> str:
    return value.name if isinstance(value, S) else getattr(value, "__name__", str(value))


def valid(message: Any) -> None:
    codec = exi.codec(CODECS.get(type(message), "iso20-dc"))
    assert codec.decode(codec.encode(message)) == message


def test_one_of_each_request_is_at_hand() -> None:
    assert set(EACH_DER) == set(PAIRS_DER)


def test_no_row_is_about_a_message_of_the_ac_set() -> None:
    inputs = {rule.input for rule in RULES_DER if isinstance(rule.input, type)}
    assert {one for one in inputs if one.__module__.endswith("iso20_ac")} == set()
    assert {der.ACChargeLoopReq, der.ACChargeParameterDiscoveryReq} <= inputs


@pytest.mark.inv("INV-14", "INV-16", "INV-34")
@pytest.mark.req("V2G20-459", "V2G20-736")
@pytest.mark.parametrize(("state", "request_class"), ILLEGAL, ids=name)
def test_request_without_a_row_gets_its_paired_response_with_sequence_error_and_the_end(
    state: S, request_class: type[Any]
) -> None:
    bench = in_state(state)
    response = bench.ask(EACH_DER[request_class])
    assert_refused_out_of_sequence(bench, response, PAIRS_DER[request_class])
    valid(response)


@pytest.mark.parametrize(("state", "request_class"), LEGAL, ids=name)
def test_request_with_a_row_is_answered_in_order_and_schema_valid(state: S, request_class: type[Any]) -> None:
    bench = in_state(state)
    bench.ask(lawful(state, request_class))
    answers = [output.message for output in bench.last if isinstance(output, Send)]
    assert all(code(answer) != "FAILED_SequenceError" for answer in answers)
    for answer in answers:
        valid(answer)


# --- services and parameters -------------------------------------------------------------------------------


def test_only_its_service_is_offered_with_the_functions_that_the_grid_demands() -> None:
    bench = DerBench().to_services()
    services = bench.ask(r.service_discovery()).energy_transfer_service_list.service
    assert [one.service_id for one in services] == [10]
    sets = bench.ask(r.service_detail(10)).service_parameter_list.parameter_set
    values = {parameter.name: parameter.int_value for parameter in sets[0].parameter}
    assert values == {
        "Connector": 2,
        "ControlMode": 1,
        "MobilityNeedsMode": 1,
        "EVSENominalVoltage": 230,
        "Pricing": 0,
        "DERControlFunctions": CODE.functions,
    }


@pytest.mark.req("V2G20-3150", "V2G20-3151")
def test_the_parameters_repeat_while_the_ev_works_on_them() -> None:
    bench = DerBench().to_parameters()
    for _ in range(2):
        assert code(bench.ask(d.parameters(Processing.ONGOING))) == "OK"
        assert bench.session.state is S.WAIT_PARAMETERS_AC
    bench.ask(d.parameters())
    assert bench.session.state is S.WAIT_SCHEDULE_AC


@pytest.mark.req("V2G20-3154", "V2G20-3348", "V2G20-3354", "V2G20-3355")
def test_after_the_parameters_the_ev_may_go_back_to_the_services() -> None:
    bench = DerBench().to_schedule()
    assert code(bench.ask(r.service_discovery())) == "OK"
    assert bench.session.state is S.WAIT_SERVICE_DETAIL


@pytest.mark.req("V2G20-3190", "V2G20-3192", "V2G20-3228", "V2G20-3229")
def test_the_answer_has_exactly_the_functions_and_a_nominal_power_within_the_maximum() -> None:
    found = parameters_of(DerBench().to_parameters().ask(d.parameters()))
    assert found.evse_nominal_discharge_power == found.evse_maximum_discharge_power == r.number(-11_040)
    assert found.evse_nominal_charge_power == found.evse_maximum_charge_power == r.number(22_080)
    control = found.der_control
    assert control == grid_messages.control(CODE)
    assert control.active_power_support is not None
    assert control.active_power_support.over_frequency_watt is not None
    assert control.active_power_support.over_frequency_watt.fstart == r.number(50.2)
    assert control.reactive_power_support is not None
    assert control.reactive_power_support.watt_var is None
    curve = control.reactive_power_support.volt_var
    assert curve is not None
    points = [
        (p.x_value, p.y_value.setpoint_value, p.y_value.excitation)
        for p in curve.curve_data_points.curve_data_point
    ]
    assert points == [
        (r.number(210), r.number(4000), der.PowerFactorExcitation.OVER_EXCITED),
        (r.number(225), r.number(0), None),
        (r.number(240), r.number(4000), der.PowerFactorExcitation.UNDER_EXCITED),
    ]


@pytest.mark.parametrize("given", [None, GridCode()])
def test_without_rules_the_ev_may_not_feed_and_with_empty_ones_it_may(given: GridCode | None) -> None:
    found = parameters_of(DerBench(code=given).to_parameters().ask(d.parameters()))
    assert found.der_control == der.DERControl()
    assert found.evse_maximum_discharge_power == r.number(0 if given is None else -11_040)


def test_rules_that_come_after_the_services_are_stale() -> None:
    bench = DerBench(code=None).to_selection(10)
    (asked,) = [output for output in bench.outputs if isinstance(output, AskGridCode)]
    (notice,) = bench.feed(GridCodeGiven(asked.ticket, CODE))
    assert isinstance(notice, Notice)
    assert bench.side.offer is not None
    assert bench.side.offer.grid is None


@pytest.mark.inv("INV-20")
@pytest.mark.parametrize("first", [None, CODE])
def test_a_second_answer_for_the_same_question_is_stale(first: GridCode | None) -> None:
    bench = DerBench(code=first).to_authorization()
    (asked,) = [output for output in bench.outputs if isinstance(output, AskGridCode)]
    (notice,) = bench.feed(GridCodeGiven(asked.ticket, GridCode(dc_injection=0.5)))
    assert isinstance(notice, Notice)
    assert notice.kind is NoticeKind.STALE
    assert bench.side.grid.code == first


@pytest.mark.req("V2G20-1600")
def test_another_variant_of_the_parameters_or_the_loop_is_refused() -> None:
    response = DerBench().to_parameters().ask(d.plain_parameters())
    assert code(response) == "FAILED_WrongChargeParameter"
    assert isinstance(response.ac_cpd_res_energy_transfer_mode, der.ACCPDResEnergyTransferMode)
    bench = DerBench().to_loop()
    assert code(bench.ask(d.plain_loop())) == "FAILED"
    assert bench.ended
    assert code(DerBench().to_loop().ask(d.dynamic_loop())) == "FAILED"


# --- the loop ----------------------------------------------------------------------------------------------


def number(value: RationalNumber | None) -> float | None:
    return None if value is None else value.value * 10.0**value.exponent


def test_the_loop_has_the_limits_of_both_directions() -> None:
    found = answered(DerBench().to_loop().ask(d.loop()))
    assert number(found.evse_maximum_charge_power) == 22_080
    assert number(found.evse_maximum_discharge_power) == -11_040
    assert (found.dsoq_setpoint, found.dso_maximum_discharge_power) == (None, None)


@pytest.mark.inv("INV-07")
def test_discharge_is_bounded_by_the_grid_operator() -> None:
    bench = DerBench().to_loop(DYNAMIC)
    bench.feed(EnergyTargeted(-9000.0))
    bench.ask(d.dynamic_loop())
    assert number(answered(bench.ask(d.dynamic_loop())).evse_target_active_power) == -9000
    bench.feed(GridTargeted(GridTargets(max_discharge=4000.0)))
    found = answered(bench.ask(d.dynamic_loop()))
    assert number(found.evse_target_active_power) == -4000
    assert number(found.dso_maximum_discharge_power) == -4000
    assert number(found.evse_maximum_discharge_power) == -4000


@pytest.mark.inv("INV-07")
def test_without_rules_no_target_discharges() -> None:
    bench = DerBench(code=None).to_loop(DYNAMIC)
    bench.feed(EnergyTargeted(-9000.0))
    assert number(answered(bench.ask(d.dynamic_loop())).evse_target_active_power) == 0


def reactive(bench: DerBench) -> list[float]:
    return [output.power for output in bench.outputs if isinstance(output, SetReactivePower)]


def test_reactive_power_goes_to_the_ev_and_to_the_outlet_when_it_changes() -> None:
    bench = DerBench().to_loop()
    bench.feed(GridTargeted(GridTargets(reactive=-3000.0)))
    for _ in range(3):
        found = answered(bench.ask(d.loop()))
    assert number(found.dsoq_setpoint.dsoq_setpoint_value) == -3000
    assert number(found.evse_target_reactive_power) == -3000
    assert reactive(bench) == [-3000.0]
    bench.feed(GridTargeted(GridTargets()))
    assert answered(bench.ask(d.loop())).dsoq_setpoint is None
    assert reactive(bench) == [-3000.0, 0.0]


@pytest.mark.inv("INV-07")
@pytest.mark.parametrize(
    ("wanted", "ev", "bounded"),
    [(9000.0, None, 5000.0), (-9000.0, 2000.0, -2000.0), (1500.0, 2000.0, 1500.0)],
)
def test_reactive_power_is_bounded_by_the_setting_and_the_ev(
    wanted: float, ev: float | None, bounded: float
) -> None:
    bench = DerBench().to_parameters()
    bench.ask(d.parameters(reactive=ev))
    bench.ask(r.scheduled())
    bench.outlet(control_pilot=ControlPilot.C)
    bench.ask(r.start())
    bench.contactor()
    bench.feed(GridTargeted(GridTargets(reactive=wanted)))
    assert number(answered(bench.ask(d.loop())).evse_target_reactive_power) == bounded


@pytest.mark.inv("INV-07")
def test_active_and_reactive_power_together_stay_within_the_current_of_the_outlet() -> None:
    iso20 = dataclasses.replace(DER.iso20, der_reactive_power=30_000.0)
    bench = DerBench(dataclasses.replace(DER, iso20=iso20)).to_loop(DYNAMIC)
    bench.feed(GridTargeted(GridTargets(reactive=30_000.0)))
    bench.feed(EnergyTargeted(20_000.0))
    found = answered(bench.ask(d.dynamic_loop()))
    active, other = number(found.evse_target_active_power), number(found.evse_target_reactive_power)
    assert active == 20_000
    assert other is not None
    assert active**2 + other**2 <= 22_080**2
    assert other == pytest.approx(9355, abs=1)


def test_a_set_point_without_its_function_is_not_passed_on() -> None:
    bench = DerBench(code=GridCode(cos_phi_setpoint=True)).to_loop()
    bench.feed(GridTargeted(GridTargets(reactive=3000.0)))
    found = answered(bench.ask(d.loop()))
    assert (found.dsoq_setpoint, found.evse_target_reactive_power) == (None, None)
    bench.feed(GridTargeted(GridTargets(cos_phi=-0.95)))
    setpoint = answered(bench.ask(d.loop())).dso_cos_phi_setpoint
    assert setpoint.excitation is der.PowerFactorExcitation.UNDER_EXCITED
    assert number(setpoint.dso_cos_phi_setpoint_value) == pytest.approx(0.95)


def test_a_grid_event_is_reported_once_and_not_more_than_once_a_second() -> None:
    bench = DerBench().to_loop()
    conditions = [0, 4, 4, 9, 9, 9, 9, 9, 0]
    for condition in conditions:
        bench.ask(d.loop(condition))
        bench.clock.advance(0.3)
    seen = [output.condition for output in bench.outputs if isinstance(output, GridEventSeen)]
    assert seen == [4, 9]
    bench.ask(d.loop(0))
    seen = [output.condition for output in bench.outputs if isinstance(output, GridEventSeen)]
    assert seen == [4, 9, 0]


def test_set_points_of_the_grid_mean_nothing_in_another_service() -> None:
    bench = r.Bench20(r.AC).to_first_loop_ac()
    (notice,) = bench.feed(GridTargeted(GridTargets(reactive=5.0)))
    assert isinstance(notice, Notice)
    assert "outside AC_DER_IEC" in notice.text


def test_in_standby_nothing_flows() -> None:
    found = answered(in_state(S.WAIT_STANDBY_AC).ask(d.loop()))
    assert number(found.evse_target_active_power) == 0


def test_in_standby_and_with_the_output_off_no_reactive_power_is_asked_for() -> None:
    iso20 = dataclasses.replace(DER.iso20, standby=True)
    bench = DerBench(dataclasses.replace(DER, iso20=iso20)).to_loop()
    bench.feed(GridTargeted(GridTargets(reactive=-3000.0)))
    bench.ask(d.loop())
    assert code(bench.ask(r.standby())) == "OK"
    assert answered(bench.ask(d.loop())).evse_target_reactive_power is None
    assert reactive(bench) == [-3000.0, 0.0]


def test_more_reactive_power_offered_beside_the_loop_counts_with_the_choice() -> None:
    bench = DerBench().to_parameters()
    bench.ask(d.parameters(reactive=1000.0))
    bench.ask(r.scheduled())
    bench.outlet(control_pilot=ControlPilot.C)
    bench.ask(r.start())
    bench.contactor()
    bench.feed(GridTargeted(GridTargets(reactive=4000.0)))
    bench.ask(d.loop())
    bench.beside(d.parameters(reactive=3000.0))
    bench.beside(r.scheduled())
    bench.ask(d.loop())
    assert reactive(bench) == [1000.0]
    assert code(bench.beside(r.renegotiate(r.profile()))) == "OK"
    bench.ask(d.loop())
    assert reactive(bench) == [1000.0, 3000.0]


# --- rules that change in a session ------------------------------------------------------------------------

LATER = dataclasses.replace(CODE, volt_watt=GridVoltWatt(start=245.0, stop=255.0))


def rules_after(bench: DerBench) -> der.DERControl:
    """What the EV has when it negotiates again."""
    bench.feed(RenegotiationRequested())
    bench.ask(d.loop())
    bench.ask(r.renegotiate())
    return parameters_of(bench.ask(d.parameters())).der_control


@pytest.mark.req("V2G20-1046", "V2G20-3190")
def test_other_values_of_the_rules_are_in_the_next_charge_parameters() -> None:
    bench = DerBench().to_loop()
    bench.feed(GridCodeChanged(dataclasses.replace(LATER, q_setpoint=False, dc_injection=0.2)))
    found = rules_after(bench)
    assert found.active_power_support is not None
    assert found.active_power_support.volt_watt is not None
    assert number(found.active_power_support.volt_watt.u_start) == 245
    assert number(found.maximum_level_dc_injection) == 0.2
    assert found.reactive_power_support is not None
    offer = side(bench.session).offer
    assert offer is not None
    assert offer.grid is not None
    assert offer.grid.functions == CODE.functions


def test_a_function_that_the_session_does_not_have_stays_away() -> None:
    few = GridCode(volt_watt=CODE.volt_watt)
    bench = DerBench(code=few).to_loop()
    bench.feed(GridCodeChanged(LATER))
    found = rules_after(bench)
    assert found.reactive_power_support is None
    assert found.active_power_support is not None
    assert found.active_power_support.over_frequency_watt is None


@pytest.mark.parametrize(
    ("code", "change", "why"),
    [
        (None, LATER, "begun without"),
        (
            dataclasses.replace(CODE, zero_current=None),
            GridCode(volt_watt=GridVoltWatt(start=250.0, stop=300.0)),
            "over_voltage.start",
        ),
    ],
)
def test_rules_that_cannot_be_changed_are_noted(code: GridCode | None, change: GridCode, why: str) -> None:
    bench = DerBench(code=code).to_loop()
    (notice,) = bench.feed(GridCodeChanged(change))
    assert isinstance(notice, Notice)
    assert why in notice.text


def test_rules_that_come_before_the_services_are_offered_with_them() -> None:
    bench = DerBench().to_authorization()
    bench.feed(GridCodeChanged(LATER))
    assert side(bench.session).grid.code == LATER


def test_rules_outside_of_the_service_are_noted() -> None:
    bench = r.Bench20(r.AC).to_first_loop_ac()
    (notice,) = bench.feed(GridCodeChanged(LATER))
    assert isinstance(notice, Notice)
    assert "outside AC_DER_IEC" in notice.text
