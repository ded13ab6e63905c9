"""Isolation test and pre-charge by time, ticket and interruption, in both DC protocols."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import msgspec
import pytest

from secc.messages import iso2
from secc.session import isolation, pre_charge
from secc.session.inputs import CableCheckReported, StopRequested
from secc.session.outlet import ControlPilot, EvseFault, IsolationLevel
from secc.session.outputs import Notice, NoticeKind, OpenContactor, SetOutput
from secc.session.refusals import Cause, Refused
from secc.session.ticket import Ticket
from secc.settings import CompatConfig
from tests.support import requests as r
from tests.support.bench import DC, Bench, code, sent
from tests.support.dc_car import PROTOCOLS, DcCar

both = pytest.mark.parametrize("protocol", PROTOCOLS)
OFF = SetOutput(0.0, 0.0)


def stale(car: DcCar) -> list[str]:
    outputs = car.bench.outputs
    return [o.text for o in outputs if isinstance(o, Notice) and o.kind is NoticeKind.STALE]


# --- the isolation test ---


@both
@pytest.mark.inv("INV-20", "INV-06")
def test_the_result_of_another_test_is_not_the_result_of_this_one(protocol: str) -> None:
    car = DcCar(protocol).to_cable_check()
    car.cable_check()
    ticket = car.tests[-1].ticket
    other = Ticket(ticket.generation, ticket.number + 100)
    car.bench.feed(CableCheckReported(other, IsolationLevel.VALID))
    assert stale(car) == [f"isolation test for {other}"]
    assert car.bench.session.energised is not None
    car.cable_check()
    assert car.pre_charge(380) == "FAILED_SequenceError"


@both
@pytest.mark.inv("INV-20", "INV-06")
def test_the_first_result_of_a_test_stays(protocol: str) -> None:
    car = DcCar(protocol).to_cable_check()
    car.cable_check()
    car.tested(IsolationLevel.VALID)
    car.tested(IsolationLevel.INVALID)
    assert len(stale(car)) == 1
    assert car.bench.session.fault is None
    assert car.cable_check() == "OK"
    assert car.pre_charge(380) == "OK"


@both
@pytest.mark.inv("INV-20")
def test_a_result_before_any_test_is_stale(protocol: str) -> None:
    car = DcCar(protocol).to_cable_check()
    car.bench.feed(CableCheckReported(Ticket(0, 0), IsolationLevel.VALID))
    assert len(stale(car)) == 1
    assert car.bench.session.fault is None


def gives_up(car: DcCar) -> None:
    """Before there is a result."""
    car.cable_check()
    assert car.stop() == "OK"


def passes(car: DcCar) -> None:
    car.cable_check()
    car.tested(IsolationLevel.VALID)
    car.cable_check()
    car.pre_charge(380)


def charges(car: DcCar) -> None:
    passes(car)
    car.bench.outlet(present_voltage=380.0)
    car.start()
    car.demand(400, 50)


@both
@pytest.mark.inv("INV-06", "INV-30")
@pytest.mark.parametrize("meanwhile", [gives_up, passes, charges])
def test_a_fault_of_the_isolation_is_never_stale(protocol: str, meanwhile: Callable[[DcCar], None]) -> None:
    car = DcCar(protocol).to_cable_check()
    meanwhile(car)
    car.tested(IsolationLevel.FAULT)
    session = car.bench.session
    assert (session.fault, session.energised) == (EvseFault.ISOLATION, None)
    assert session.commanded is None
    assert stale(car) == []


@both
@pytest.mark.inv("INV-20", "INV-30")
def test_a_fault_of_the_isolation_counts_whichever_test_has_found_it(protocol: str) -> None:
    car = DcCar(protocol).to_cable_check()
    car.bench.feed(CableCheckReported(Ticket(0, 0), IsolationLevel.FAULT))
    assert car.bench.session.fault is EvseFault.ISOLATION
    assert car.cable_check() == "FAILED"


@both
@pytest.mark.inv("INV-06", "INV-30")
def test_a_failed_isolation_test_is_refused_and_blocks(protocol: str) -> None:
    car = DcCar(protocol).to_cable_check()
    car.cable_check()
    car.tested(IsolationLevel.FAULT)
    assert car.set_points[-1] == OFF
    assert car.cable_check() == "FAILED"
    assert car.bench.end is not None
    assert car.bench.end.fault is EvseFault.ISOLATION


@both
@pytest.mark.parametrize(
    ("level", "answer"), [("INVALID", "FAILED"), ("NO_IMD", "FAILED"), ("WARNING", "OK")]
)
def test_only_a_good_result_goes_on(protocol: str, level: str, answer: str) -> None:
    car = DcCar(protocol).to_cable_check()
    car.cable_check()
    car.tested(IsolationLevel[level])
    assert car.cable_check() == answer


@both
@pytest.mark.parametrize(
    ("outlet", "volts"), [({}, None), ({"max_voltage": 400.0}, 400.0), ({"max_voltage": 430.0}, None)]
)
def test_the_test_voltage_is_the_lower_of_car_and_outlet(
    protocol: str, outlet: dict[str, float], volts: float | None
) -> None:
    car = DcCar(protocol).to_cable_check()
    car.bench.outlet(**outlet)
    car.cable_check()
    assert [test.max_voltage for test in car.tests] == [volts or (420.0 if car.is_din else 410.0)]


@both
@pytest.mark.inv("INV-06")
def test_a_test_that_was_interrupted_is_refused(protocol: str) -> None:
    car = DcCar(protocol).to_cable_check()
    car.cable_check()
    car.bench.outlet(control_pilot=ControlPilot.B)
    car.bench.outlet(control_pilot=ControlPilot.C)
    car.tested()
    assert car.cable_check() == "FAILED"
    assert len(car.tests) == 1


@both
def test_a_result_in_time_counts_also_when_the_car_asks_after_the_time(protocol: str) -> None:
    car = DcCar(protocol).to_cable_check()
    for _ in range(37):
        assert car.cable_check() == "OK"
        car.bench.tick(1.0)
    car.tested()
    car.bench.tick(2.0)
    assert car.cable_check() == "OK"
    assert car.pre_charge(380) == "OK"


# --- pre-charge ---


@both
@pytest.mark.inv("INV-05")
def test_a_car_that_is_at_its_voltage_may_go_on_with_pre_charge_up_to_the_total_time(protocol: str) -> None:
    car = DcCar(protocol).to_pre_charge()
    assert car.pre_charge(380) == "OK"
    car.bench.outlet(present_voltage=380.0)
    car.bench.tick(4.0)
    assert car.pre_charge(380) == "OK"
    car.bench.tick(2.0)
    assert car.pre_charge(380) == "OK"
    assert car.set_points[-1] == SetOutput(380.0, 2.0)
    car.bench.tick(13.9)
    assert car.set_points[-1] == SetOutput(380.0, 2.0)
    car.bench.tick(0.2)
    assert car.set_points[-1] == OFF
    assert car.pre_charge(380) == "FAILED"


@both
@pytest.mark.inv("INV-05")
def test_a_voltage_that_is_not_there_in_time_switches_off_and_repeats_do_not_prolong_it(
    protocol: str,
) -> None:
    car = DcCar(protocol).to_pre_charge()
    for _ in range(5):
        assert car.pre_charge(380) == "OK"
        car.bench.tick(0.99)
    assert car.set_points[-1] == SetOutput(380.0, 2.0)
    car.bench.tick(0.1)
    assert car.set_points[-1] == OFF
    assert car.start() == "FAILED"


@both
@pytest.mark.inv("INV-05")
@pytest.mark.parametrize(("volts", "answer"), [(360.0, "OK"), (400.0, "OK"), (359.9, None), (400.1, None)])
def test_a_start_takes_a_voltage_within_the_tolerance_and_waits_beyond_it(
    protocol: str, volts: float, answer: str | None
) -> None:
    car = DcCar(protocol).to_pre_charge()
    car.pre_charge(380)
    car.bench.outlet(present_voltage=volts)
    assert car.start() == (answer or "no response")


@both
@pytest.mark.inv("INV-04")
def test_an_interrupted_pre_charge_is_not_taken_up_again(protocol: str) -> None:
    car = DcCar(protocol).to_pre_charge()
    car.pre_charge(380)
    car.bench.outlet(control_pilot=ControlPilot.B)
    car.bench.outlet(control_pilot=ControlPilot.C)
    assert car.set_points[-1] == OFF
    assert car.pre_charge(380) == "FAILED"


@both
@pytest.mark.inv("INV-04")
def test_an_interrupted_pre_charge_does_not_start(protocol: str) -> None:
    car = DcCar(protocol).to_pre_charge()
    car.pre_charge(380)
    car.bench.outlet(present_voltage=380.0, control_pilot=ControlPilot.B)
    car.bench.outlet(control_pilot=ControlPilot.C)
    assert car.start() == "FAILED_PowerDeliveryNotApplied"
    assert car.bench.session.energised is None


@both
@pytest.mark.inv("INV-04")
def test_no_pre_charge_with_the_pilot_of_a_car_that_wants_no_energy(protocol: str) -> None:
    car = DcCar(protocol).to_pre_charge()
    car.bench.outlet(control_pilot=ControlPilot.B)
    assert car.pre_charge(380) == "FAILED"
    assert all(point == OFF for point in car.set_points)


@both
@pytest.mark.inv("INV-29")
def test_a_stop_before_pre_charge_is_answered_ok_without_energy(protocol: str) -> None:
    car = DcCar(protocol).to_pre_charge()
    car.bench.feed(StopRequested("the operator"))
    before = len(car.set_points)
    assert car.pre_charge(380) == "OK"
    assert all(point == OFF for point in car.set_points[before:])


@both
@pytest.mark.inv("INV-30")
def test_a_fault_goes_before_a_stop(protocol: str) -> None:
    car = DcCar(protocol).to_pre_charge()
    car.bench.feed(StopRequested("the operator"))
    car.bench.outlet(fault=EvseFault.MALFUNCTION)
    assert car.pre_charge(380) == "FAILED"


def test_a_fault_goes_before_a_stop_in_the_isolation_test() -> None:
    car = DcCar(PROTOCOLS[0]).to_cable_check()
    car.cable_check()
    car.bench.feed(StopRequested("the operator"))
    car.bench.outlet(fault=EvseFault.MALFUNCTION)
    assert car.cable_check() == "FAILED"


@both
@pytest.mark.parametrize(("volts", "amperes"), [(-1, 2), (380, -1)])
def test_a_negative_target_is_refused(protocol: str, volts: float, amperes: float) -> None:
    car = DcCar(protocol).to_pre_charge()
    assert car.pre_charge(volts, amperes) == "FAILED"
    assert "a negative target [INV-07]" in (car.bench.end.detail if car.bench.end else "")


# --- the guards that every way to energy has ---


@pytest.mark.inv("INV-10", "INV-29")
def test_every_output_that_energises_needs_a_grant_and_no_stop() -> None:
    bench = Bench(DC).to_pre_charge()
    isolation.check_may_energise(bench.session)
    bench.session.grant = None
    with pytest.raises(Refused, match="without a grant") as refused:
        isolation.check_may_energise(bench.session)
    assert refused.value.cause is Cause.FAILED
    stopped = Bench(DC).to_pre_charge()
    stopped.feed(StopRequested("the operator"))
    with pytest.raises(Refused, match="stopped"):
        isolation.check_may_energise(stopped.session)


def test_without_charge_parameters_nothing_is_agreed() -> None:
    with pytest.raises(Refused, match="no charge parameters") as refused:
        isolation.agreed(Bench(DC).session)
    assert refused.value.cause is Cause.FAILED


def test_an_output_that_was_never_pre_charged_is_at_no_voltage() -> None:
    session = Bench(DC).to_pre_charge().session
    with pytest.raises(Refused, match="or never on") as refused:
        pre_charge.confirm_start(session)
    assert refused.value.cause is Cause.NOT_APPLIED
    assert pre_charge.reached(session) is False


# --- the charge loop ---


@both
@pytest.mark.inv("INV-07")
def test_an_ev_at_fault_is_off_for_good_and_the_contactor_opens(protocol: str) -> None:
    car = DcCar(protocol).to_charge()
    assert car.demand(380, 50) == "OK"
    car.failing("CurrentDemandReq")
    assert OpenContactor() in car.bench.last
    assert car.bench.session.energised is None
    before = len(car.set_points)
    car.demand(380, 50)
    assert all(point == OFF for point in car.set_points[before:])


@pytest.mark.inv("INV-07")
@pytest.mark.parametrize("change", [{"charging_complete": True}, {"ready": False}])
def test_an_ev_that_is_full_or_not_ready_gets_nothing(change: dict[str, bool]) -> None:
    bench = Bench(DC).to_demand()
    request = r.current_demand()
    if "ready" in change:
        request = msgspec.structs.replace(request, dc_ev_status=r.dc_ev_status(ready=False))
    else:
        request = msgspec.structs.replace(request, charging_complete=True)
    assert code(bench.request(request)) == "OK"
    points = [output for output in bench.outputs if isinstance(output, SetOutput)]
    assert points[-1] == OFF
    assert sent(bench.last) is not None


LENIENT = dataclasses.replace(DC, compat=CompatConfig(ev_not_ready=True))


@pytest.mark.inv("INV-07")
def test_by_leniency_an_ev_that_is_not_ready_gets_nothing_and_is_not_stopped() -> None:
    bench = Bench(LENIENT).to_demand()
    waiting = msgspec.structs.replace(r.current_demand(), dc_ev_status=r.dc_ev_status(ready=False))
    assert code(bench.request(waiting)) == "OK"
    points = [output for output in bench.outputs if isinstance(output, SetOutput)]
    assert points[-1] == OFF
    assert bench.session.stop is None
    assert bench.session.energised is not None
    assert code(bench.request(r.current_demand())) == "OK"
    points = [output for output in bench.outputs if isinstance(output, SetOutput)]
    assert points[-1].current > 0


@pytest.mark.inv("INV-07")
def test_an_ev_that_is_not_ready_is_stopped_without_the_leniency() -> None:
    bench = Bench(DC).to_demand()
    waiting = msgspec.structs.replace(r.current_demand(), dc_ev_status=r.dc_ev_status(ready=False))
    assert code(bench.request(waiting)) == "OK"
    assert bench.session.stop is not None
    assert bench.session.energised is None


@pytest.mark.inv("INV-07")
@pytest.mark.parametrize("error", [True, False])
def test_an_ev_at_fault_or_full_receives_no_limit(error: bool) -> None:
    bench = Bench(DC).to_demand()
    bench.outlet(max_current=1.0)
    status = r.dc_ev_status(error=iso2.DCEVErrorCode.FAILED_RESS_TEMPERATURE_INHIBIT)
    request = r.current_demand()
    request = (
        msgspec.structs.replace(request, dc_ev_status=status)
        if error
        else msgspec.structs.replace(request, charging_complete=True)
    )
    response = bench.request(request)
    assert isinstance(response, iso2.CurrentDemandRes)
    assert not response.evse_current_limit_achieved
