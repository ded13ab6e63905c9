"""Feedback of the outlet: a test starts without voltage, off means off, a contactor follows."""

import dataclasses
import math

import pytest

from secc.messages.iso2 import EVSEProcessing
from secc.session.inputs import ContactorReported, ControllerFault, PowerLimited, StopRequested
from secc.session.iso2.states import State
from secc.session.outlet import ControlPilot, EvseFault
from secc.session.outputs import CloseContactor, OpenContactor, RenewLease, SetOutput, StartCableCheck
from secc.settings import EnergyConfig, EnergyMode
from tests.support import requests as r
from tests.support.bench import AC, DC, Bench, code, fast, sent
from tests.support.dc_car import PROTOCOLS, DcCar

both = pytest.mark.parametrize("protocol", PROTOCOLS)


def energising(bench: Bench, since: int = 0) -> list[object]:
    """What the outlet was ordered to switch on."""
    return [
        output
        for output in bench.outputs[since:]
        if isinstance(output, (CloseContactor, StartCableCheck, RenewLease))
        or (isinstance(output, SetOutput) and output.voltage > 0)
    ]


# --- the isolation test begins without voltage ---


@both
@pytest.mark.inv("INV-06")
@pytest.mark.parametrize("volts", [61.0, 398.0, -398.0, math.nan, math.inf])
def test_no_isolation_test_begins_with_voltage_at_the_output(protocol: str, volts: float) -> None:
    car = DcCar(protocol).to_cable_check()
    car.bench.outlet(present_voltage=volts)
    assert car.cable_check() == "OK"
    assert car.set_points == [SetOutput(0.0, 0.0)]
    car.bench.tick(4.9)
    assert car.cable_check() == "OK"
    assert energising(car.bench) == []


@both
@pytest.mark.inv("INV-06")
def test_the_test_begins_as_soon_as_the_voltage_is_gone(protocol: str) -> None:
    car = DcCar(protocol).to_cable_check()
    car.bench.outlet(present_voltage=398.0)
    car.cable_check()
    car.bench.tick(1.0)
    car.bench.outlet(present_voltage=60.0)
    car.bench.tick(0.1)
    assert len(car.tests) == 1
    car.tested()
    assert car.cable_check() == "OK"
    assert car.pre_charge(380) == "OK"


@both
@pytest.mark.inv("INV-06", "INV-30")
def test_an_output_that_stays_live_before_the_test_is_refused_and_blocks_the_outlet(protocol: str) -> None:
    car = DcCar(protocol).to_cable_check()
    car.bench.outlet(present_voltage=398.0)
    car.cable_check()
    car.bench.tick(5.2)
    assert car.cable_check() == "FAILED"
    assert car.bench.end is not None
    assert car.bench.end.fault is EvseFault.SWITCH_OFF
    assert "398 V" in car.bench.end.fault_detail
    assert energising(car.bench) == []


@pytest.mark.inv("INV-06")
def test_a_renegotiated_session_waits_for_its_output_to_be_off() -> None:
    bench = Bench(DC).to_demand()
    bench.request(r.renegotiate())
    before = len(bench.outputs)
    bench.request(r.dc_parameters())
    response = bench.request(r.cable_check())
    assert getattr(response, "evse_processing", None) is EVSEProcessing.ONGOING
    assert energising(bench, before) == []
    bench.outlet(present_voltage=0.0)
    bench.request(r.cable_check())
    assert [type(output) for output in energising(bench, before)] == [RenewLease, StartCableCheck]


@pytest.mark.inv("INV-06", "INV-04")
def test_a_pilot_that_leaves_while_the_voltage_falls_keeps_the_test_from_beginning() -> None:
    bench = Bench(DC).to_cable_check()
    bench.outlet(control_pilot=ControlPilot.C, present_voltage=398.0)
    bench.request(r.cable_check())
    bench.outlet(control_pilot=ControlPilot.B, present_voltage=0.0)
    bench.tick(2.0)
    assert energising(bench) == []


@both
@pytest.mark.inv("INV-06")
def test_no_test_begins_when_the_time_for_it_is_used_up(protocol: str) -> None:
    car = DcCar(protocol).to_cable_check()
    car.bench.outlet(present_voltage=398.0)
    car.cable_check()
    car.bench.outlet(control_pilot=ControlPilot.B, present_voltage=0.0)
    car.bench.tick(38.1)
    car.bench.outlet(control_pilot=ControlPilot.C)
    assert energising(car.bench) == []


@both
@pytest.mark.inv("INV-06", "INV-29")
def test_a_stop_while_the_voltage_falls_keeps_the_test_from_beginning(protocol: str) -> None:
    car = DcCar(protocol).to_cable_check()
    car.bench.outlet(present_voltage=398.0)
    car.cable_check()
    car.bench.feed(StopRequested())
    car.bench.outlet(present_voltage=0.0)
    car.bench.tick(2.0)
    assert energising(car.bench) == []


# --- DC: off is off ---


@both
@pytest.mark.inv("INV-03", "INV-30")
def test_current_that_flows_on_after_the_stop_blocks_the_outlet(protocol: str) -> None:
    car = DcCar(protocol).to_charge()
    car.demand(390, 50)
    car.bench.outlet(present_current=50.0)
    assert car.stop() == "OK"
    car.bench.tick(5.1)
    assert car.bench.session.fault is EvseFault.SWITCH_OFF
    assert "50 A" in car.bench.session.fault_detail


@both
def test_the_battery_of_an_honest_car_may_hold_the_voltage_until_welding_detection(protocol: str) -> None:
    car = DcCar(protocol).to_charge()
    car.demand(390, 50)
    car.bench.outlet(present_current=50.0, present_voltage=385.0)
    car.stop()
    car.bench.outlet(present_current=0.0)
    car.bench.tick(9.0)
    car.bench.outlet(control_pilot=ControlPilot.B)
    car.bench.tick(9.0)
    assert car.bench.session.fault is None


@pytest.mark.inv("INV-30")
@pytest.mark.parametrize("config", [AC, DC], ids=["AC", "DC"])
def test_a_failing_off_that_the_outlet_reports_blocks_it(config: object) -> None:
    bench = Bench(AC).to_status() if config is AC else Bench(DC).to_demand()
    bench.feed(ControllerFault("open_contactor: no answer in time", EvseFault.SWITCH_OFF))
    bench.request(r.session_stop())
    assert bench.end is not None
    assert bench.end.fault is EvseFault.SWITCH_OFF
    assert bench.end.fault_detail == "open_contactor: no answer in time"


def test_a_driver_that_fails_while_the_contactor_closes_is_a_contactor_error() -> None:
    bench = Bench(AC).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C)
    assert bench.request(r.start()) is None
    answer = sent(bench.feed(ControllerFault("close_contactor: OSError")))
    assert answer is not None
    assert code(answer) == "FAILED_ContactorError"
    assert OpenContactor() in bench.outputs


@pytest.mark.inv("INV-30")
def test_a_latched_fault_takes_the_place_of_one_that_is_not() -> None:
    bench = Bench(AC).to_status()
    bench.feed(ControllerFault("set_output: OSError"))
    bench.feed(ControllerFault("open_contactor: False", EvseFault.CONTACTOR))
    bench.request(r.charging_status())
    assert bench.end is not None
    assert (bench.end.fault, bench.end.fault_detail) == (EvseFault.CONTACTOR, "open_contactor: False")


# --- an EV at fault ---


@both
@pytest.mark.inv("INV-04", "INV-29")
def test_after_an_error_of_the_ev_nothing_is_switched_on_again(protocol: str) -> None:
    car = DcCar(protocol).to_charge()
    car.demand(390, 50)
    before = len(car.bench.outputs)
    assert car.failing("CurrentDemandReq") == "OK"
    assert SetOutput(0.0, 0.0) in car.bench.last
    assert OpenContactor() in car.bench.last
    for _ in range(4):
        car.bench.tick(1.0)
        assert car.demand(390, 50) == "OK"  # the car is given its time to stop
    assert energising(car.bench, before) == []
    assert car.stop() == "OK"


@both
@pytest.mark.inv("INV-04", "INV-29")
@pytest.mark.parametrize(
    "name", ["CableCheckReq", "second CableCheckReq", "PreChargeReq", "PowerDeliveryReq"]
)
def test_an_error_of_the_ev_before_the_charge_keeps_the_output_off(protocol: str, name: str) -> None:
    car = DcCar(protocol).to_cable_check()
    if name != "CableCheckReq":
        car.cable_check()
    if name in ("PreChargeReq", "PowerDeliveryReq"):
        car.tested()
        car.cable_check()
    if name == "PowerDeliveryReq":
        car.pre_charge(380)
        car.bench.outlet(present_voltage=380.0)
    before = len(car.bench.outputs)
    assert car.failing(name.split()[-1]) == "OK"
    assert energising(car.bench, before) == []
    assert car.bench.session.energised is None
    car.pre_charge(380)
    car.start()
    car.demand(390, 50)
    assert energising(car.bench, before) == []


# --- AC: the contactor by its feedback ---


def at_start(**outlet: object) -> Bench:
    bench = Bench(AC).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C, **outlet)
    return bench


@pytest.mark.inv("INV-01", "INV-30")
def test_a_contactor_that_is_closed_before_the_start_is_welded() -> None:
    bench = at_start(contactor_closed=True)
    bench.tick(1.1)
    assert code(bench.request(r.start())) == "FAILED_ContactorError"
    assert bench.end is not None
    assert bench.end.fault is EvseFault.CONTACTOR
    assert energising(bench) == []


@pytest.mark.inv("INV-01", "INV-02")
def test_a_start_waits_for_a_contactor_that_opens_still_and_refuses_when_it_does_not() -> None:
    bench = at_start(contactor_closed=True)
    assert bench.request(r.start()) is None
    assert energising(bench) == []
    assert code(sent(bench.tick(1.1))) == "FAILED_ContactorError"
    assert bench.end is not None
    assert bench.end.fault is EvseFault.CONTACTOR


@pytest.mark.inv("INV-01", "INV-04")
def test_the_contactor_does_not_close_on_a_live_dc_output_of_the_same_outlet() -> None:
    modes = (EnergyMode.AC_THREE_PHASE_CORE, EnergyMode.DC_EXTENDED)
    bench = Bench(dataclasses.replace(AC, energy=EnergyConfig(modes=modes))).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C, present_voltage=398.0)
    assert bench.request(r.start()) is None
    bench.tick(1.0)
    assert energising(bench) == []
    bench.outlet(present_voltage=12.0)
    bench.tick(0.1)
    assert [type(output) for output in energising(bench)] == [RenewLease, CloseContactor]


@pytest.mark.inv("INV-02")
def test_a_renegotiated_start_after_an_interruption_waits_until_the_contactor_has_opened() -> None:
    bench = Bench(AC).to_status()
    bench.outlet(control_pilot=ControlPilot.B)  # the output goes off, the contactor takes its time
    bench.request(r.renegotiate())
    bench.request(r.ac_parameters())
    bench.outlet(control_pilot=ControlPilot.C)
    before = len(bench.outputs)
    assert bench.request(r.start()) is None
    assert energising(bench, before) == []
    bench.outlet(contactor_closed=False)
    assert [type(output) for output in energising(bench, before)] == [RenewLease, CloseContactor]
    assert code(bench.contactor()) != "OK"  # its feedback is a look behind
    assert code(sent(bench.outlet(contactor_closed=True))) == "OK"


@pytest.mark.inv("INV-02")
def test_a_start_is_not_confirmed_while_the_feedback_says_open() -> None:
    bench = at_start(contactor_closed=False)
    bench.request(r.start())
    outputs = bench.feed(ContactorReported(bench.ticket(CloseContactor), closed=True))
    assert sent(outputs) is None
    answer = sent(bench.tick(3.1))
    assert code(answer) == "FAILED_ContactorError"
    assert OpenContactor() in bench.last or OpenContactor() in bench.outputs
    assert bench.end is not None
    assert bench.end.fault is EvseFault.CONTACTOR


@pytest.mark.inv("INV-02")
def test_an_outlet_without_feedback_is_believed() -> None:
    bench = at_start()
    bench.request(r.start())
    assert code(sent(bench.feed(ContactorReported(bench.ticket(CloseContactor), closed=True)))) == "OK"


@pytest.mark.inv("INV-30")
def test_a_contactor_that_does_not_close_blocks_the_outlet() -> None:
    bench = at_start(contactor_closed=False)
    bench.request(r.start())
    assert code(bench.contactor(closed=False)) == "FAILED_ContactorError"
    assert bench.end is not None
    assert bench.end.fault is EvseFault.CONTACTOR


@pytest.mark.inv("INV-03", "INV-30")
def test_a_contactor_that_falls_open_in_the_loop_switches_off_and_blocks_the_outlet() -> None:
    bench = Bench(AC).to_status()
    bench.outlet(contactor_closed=False)
    bench.tick(0.25)
    assert OpenContactor() in bench.outputs
    assert code(bench.request(r.charging_status())) == "FAILED"
    assert bench.end is not None
    assert bench.end.fault is EvseFault.CONTACTOR


def test_a_feedback_that_bounces_is_no_fault() -> None:
    bench = Bench(AC).to_status()
    for _ in range(20):
        bench.outlet(contactor_closed=False)
        bench.tick(0.1)
        bench.outlet(contactor_closed=True)
        bench.tick(0.1)
    assert code(bench.request(r.charging_status())) == "OK"


@pytest.mark.parametrize("why", [{"fault": EvseFault.RESIDUAL_CURRENT}, {"control_pilot": ControlPilot.B}])
def test_a_contactor_that_the_outlet_opens_for_a_reason_is_no_fault_of_the_contactor(
    why: dict[str, object],
) -> None:
    bench = Bench(AC).to_status()
    bench.outlet(contactor_closed=False)
    bench.tick(0.1)
    bench.outlet(**why)
    bench.tick(3.0)
    assert bench.session.fault is not EvseFault.CONTACTOR


@pytest.mark.inv("INV-03", "INV-30")
def test_a_contactor_that_does_not_open_at_the_stop_blocks_the_outlet() -> None:
    bench = Bench(AC).to_status()
    assert code(bench.request(r.stop())) == "OK"
    bench.tick(1.1)
    assert bench.session.fault is EvseFault.CONTACTOR
    bench.outlet(control_pilot=ControlPilot.B)
    assert code(bench.request(r.session_stop())) == "OK"
    assert bench.end is not None
    assert bench.end.fault is EvseFault.CONTACTOR


def test_a_contactor_that_opens_in_time_is_no_fault() -> None:
    bench = Bench(AC).to_status()
    bench.request(r.stop())
    bench.tick(0.9)
    bench.outlet(contactor_closed=False)
    bench.tick(30.0)
    assert bench.session.fault is None


@pytest.mark.inv("INV-30")
def test_a_welded_contactor_of_a_dc_outlet_blocks_it_before_anything_is_tested() -> None:
    bench = Bench(DC).to_cable_check()
    bench.outlet(control_pilot=ControlPilot.C, contactor_closed=True)
    bench.request(r.cable_check())
    bench.tick(1.2)
    assert code(bench.request(r.cable_check())) == "FAILED"
    assert bench.end is not None
    assert bench.end.fault is EvseFault.CONTACTOR
    assert energising(bench) == []


def test_a_reading_of_before_is_not_judged() -> None:
    """An answer of the outlet that comes late brings no look at the contactor with it."""
    bench = Bench(AC).to_status()
    bench.request(r.stop())
    bench.clock.advance(3.0)  # no reading since the stop
    bench.feed(ContactorReported(bench.ticket(CloseContactor), closed=True))
    assert bench.session.fault is None
    bench.outlet(contactor_closed=False)
    assert bench.session.fault is None


def test_the_times_are_settings() -> None:
    config = dataclasses.replace(AC, timing=fast(contactor_release=0.5, contactor_lost=0.1))
    bench = Bench(config).to_status()
    bench.request(r.stop())
    bench.tick(0.6)
    assert bench.session.fault is EvseFault.CONTACTOR
    assert bench.stands_in(State.WAIT_STOP_AC)


# --- what is no fault of the outlet ---


@both
def test_the_current_of_a_charge_is_not_judged_and_the_first_seconds_after_it_neither(protocol: str) -> None:
    car = DcCar(protocol).to_charge()
    car.demand(380, 100)
    car.bench.outlet(present_current=100.0)
    for _ in range(8):
        car.bench.tick(1.0)
        assert car.demand(380, 100) == "OK"
    assert car.stop() == "OK"
    car.bench.tick(4.9)
    assert car.bench.session.fault is None
    car.bench.outlet(present_current=2.0)
    car.bench.tick(10.0)
    assert car.bench.session.fault is None


@both
@pytest.mark.inv("INV-03", "INV-30")
@pytest.mark.parametrize(("amperes", "shown"), [(2.1, "2.1 A"), (-3.0, "-3 A")])
def test_a_fault_of_switching_off_says_what_was_read(protocol: str, amperes: float, shown: str) -> None:
    car = DcCar(protocol).to_charge()
    car.demand(380, 100)
    car.stop()
    car.bench.outlet(present_current=amperes)
    car.bench.tick(5.1)
    assert car.bench.session.fault is EvseFault.SWITCH_OFF
    assert car.bench.session.fault_detail == f"{shown} at the output that is switched off"


def test_an_ac_outlet_has_no_dc_current_to_judge() -> None:
    bench = Bench(AC).to_status()
    bench.outlet(present_current=32.0)
    bench.request(r.stop())
    bench.outlet(contactor_closed=False)
    bench.tick(20.0)
    assert bench.session.fault is None


def test_a_contactor_that_does_not_open_fails_what_is_owed_then() -> None:
    bench = Bench(DC).to_cable_check()
    bench.outlet(contactor_closed=True)
    assert bench.request(r.cable_check()) is None
    answer = sent(bench.tick(1.1))
    assert (type(answer).__name__, code(answer)) == ("CableCheckRes", "FAILED")
    assert bench.end is not None
    assert bench.end.fault_detail == "closed while it must be open"


@pytest.mark.inv("INV-02")
@pytest.mark.parametrize(("judged", "after"), [("release", 1.1), ("lost", 0.3), ("discharge", 5.1)])
def test_no_reading_of_before_is_judged_by_an_input_without_a_look(judged: str, after: float) -> None:
    bench = Bench(DC).to_demand() if judged == "discharge" else Bench(AC).to_status()
    if judged == "lost":
        bench.outlet(contactor_closed=False)
    else:
        bench.request(r.stop())
        bench.outlet(present_current=5.0)
    bench.session.lease_until += 100.0
    bench.clock.advance(after)
    bench.feed(PowerLimited(5000.0))
    assert bench.session.fault is None
    bench.outlet()
    assert bench.session.fault is (EvseFault.SWITCH_OFF if judged == "discharge" else EvseFault.CONTACTOR)


@pytest.mark.inv("INV-03", "INV-06")
def test_a_fault_while_the_voltage_falls_keeps_the_test_from_beginning() -> None:
    car = DcCar("ISO 15118-2").to_cable_check()
    car.bench.outlet(present_voltage=398.0)
    car.cable_check()
    car.bench.outlet(fault=EvseFault.MALFUNCTION)
    car.bench.outlet(fault=None, present_voltage=12.0)
    car.bench.tick(1.0)
    assert energising(car.bench) == []
    assert not car.bench.ended
    assert car.cable_check() == "FAILED"


def test_an_ac_outlet_may_show_the_voltage_of_the_grid() -> None:
    bench = at_start(present_voltage=230.0)
    bench.request(r.start())
    assert code(bench.contactor()) == "OK"


def test_feedback_that_is_ahead_of_the_report_is_no_fault() -> None:
    bench = at_start(contactor_closed=False)
    bench.request(r.start())
    bench.outlet(contactor_closed=True)
    bench.tick(1.5)
    assert not bench.ended
    assert code(sent(bench.feed(ContactorReported(bench.ticket(CloseContactor), closed=True)))) == "OK"
