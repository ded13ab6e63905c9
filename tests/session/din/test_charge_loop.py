"""DIN SPEC 70121: the charge loop, and the end of a charge."""

import dataclasses

import pytest

from secc.messages import din
from secc.messages.din import DCEVErrorCode
from secc.session.inputs import (
    ControllerFault,
    LinkLost,
    PowerLimited,
    RenegotiationRequested,
    StopRequested,
)
from secc.session.outlet import ControlPilot, EvseFault
from secc.session.outputs import EndReason, NoticeKind
from secc.settings import TimingConfig
from tests.support import din as d
from tests.support.bench import code
from tests.support.din import DIN, DinBench, answer, points, status_code

# --- the charge loop ---------------------------------------------------------------------------------------


@pytest.mark.inv("INV-07")
def test_a_demand_gets_what_it_wants_within_all_limits() -> None:
    bench = DinBench().at_first_demand()
    response = bench.ask(d.current_demand(d.volts(400), d.amperes(300), max_current=d.amperes(100)))
    assert points(bench.last) == [(400.0, 100.0)]
    assert isinstance(response, din.CurrentDemandRes)
    assert response.evse_current_limit_achieved
    assert not response.evse_voltage_limit_achieved
    assert response.evse_maximum_current_limit == d.amperes(125)
    assert response.evse_present_voltage == d.volts(380)


@pytest.mark.inv("INV-08")
def test_load_management_acts_at_the_next_renewal_of_the_lease() -> None:
    bench = DinBench().at_demand()
    bench.feed(PowerLimited(8000.0))
    assert points(bench.tick(0.25)) == [(400.0, 20.0)]


@pytest.mark.inv("INV-08")
def test_a_schedule_binds_beyond_what_its_entry_can_say() -> None:
    """PMax ends at 32767 W, the outlet has 50 kW: what it cannot say is not taken away."""
    bench = DinBench().at_first_demand()
    bench.ask(d.current_demand(d.volts(400), d.amperes(110)))
    assert points(bench.last) == [(400.0, 110.0)]


@pytest.mark.req("V2G-DC-957")
def test_the_loop_may_stand_still_for_5_seconds() -> None:
    bench = DinBench().at_demand()
    bench.tick(4.9)
    assert code(bench.ask(d.current_demand())) == "OK"
    outputs = bench.tick(5.1)
    assert (0.0, 0.0) in points(outputs)
    assert bench.end is not None
    assert bench.end.reason is EndReason.SEQUENCE_TIMEOUT


def test_before_and_after_the_loop_the_sequence_time_is_60_seconds() -> None:
    bench = DinBench().at_first_demand()
    bench.tick(59.0)
    assert code(bench.ask(d.current_demand())) == "OK"
    bench.ask(d.power(False))
    bench.tick(59.0)
    assert not bench.ended


@pytest.mark.inv("INV-29")
@pytest.mark.req("V2G-DC-500")
def test_an_ordered_stop_is_sent_by_the_status_code_alone() -> None:
    bench = DinBench().at_demand()
    bench.feed(StopRequested())
    response = bench.ask(d.current_demand())
    assert isinstance(response, din.CurrentDemandRes)
    assert response.dc_evse_status == din.DCEVSEStatus(
        evse_isolation_status=din.IsolationLevel.VALID,
        evse_status_code=din.DCEVSEStatusCode.EVSE_SHUTDOWN,
        notification_max_delay=0,
        evse_notification=din.EVSENotification.NONE,
    )
    end = bench.ask(d.power(False))
    assert (code(end), status_code(end)) == ("OK", "EVSE_Shutdown")


@pytest.mark.inv("INV-03", "INV-29")
def test_an_ev_that_does_not_heed_the_stop_is_switched_off_and_refused() -> None:
    bench = DinBench(dataclasses.replace(DIN, timing=TimingConfig(stop_delay=2.0))).at_demand()
    bench.feed(StopRequested())
    bench.tick(1.9)
    assert code(bench.ask(d.current_demand())) == "OK"
    assert (0.0, 0.0) in points(bench.tick(0.2))
    assert code(bench.ask(d.current_demand())) == "FAILED"


@pytest.mark.inv("INV-04")
@pytest.mark.req("V2G-DC-668")
def test_pilot_b_in_the_loop_is_an_emergency_shutdown() -> None:
    bench = DinBench().at_demand()
    assert points(bench.outlet(control_pilot=ControlPilot.B)) == [(0.0, 0.0)]
    response = bench.ask(d.current_demand())
    assert (code(response), status_code(response)) == ("OK", "EVSE_EmergencyShutdown")
    assert points(bench.last) == []


@pytest.mark.inv("INV-03", "INV-30")
@pytest.mark.parametrize("fault", [EvseFault.EMERGENCY_STOP, EvseFault.MALFUNCTION])
def test_a_fault_in_the_loop_is_switched_off_at_once_and_reported(fault: EvseFault) -> None:
    bench = DinBench().at_demand()
    assert points(bench.outlet(fault=fault)) == [(0.0, 0.0)]
    response = bench.ask(d.current_demand())
    assert (code(response), status_code(response)) == ("FAILED", "EVSE_EmergencyShutdown")
    assert bench.end is not None
    assert bench.end.fault is fault


@pytest.mark.inv("INV-03")
def test_a_driver_that_fails_switches_off() -> None:
    bench = DinBench().at_demand()
    assert points(bench.feed(ControllerFault("no answer"))) == [(0.0, 0.0)]
    assert code(bench.ask(d.current_demand())) == "FAILED"


@pytest.mark.inv("INV-03")
def test_a_lost_link_switches_off_and_ends() -> None:
    bench = DinBench().at_demand()
    assert (0.0, 0.0) in points(bench.feed(LinkLost()))
    assert bench.end is not None
    assert bench.end.reason is EndReason.LINK_LOST


@pytest.mark.inv("INV-31")
def test_a_lapsed_lease_ends_the_session() -> None:
    bench = DinBench().at_demand()
    bench.clock.advance(0.6)
    bench.ask(d.current_demand())
    assert bench.end is not None
    assert bench.end.reason is EndReason.LEASE_LAPSED


@pytest.mark.req("V2G-DC-962")
def test_an_unplugged_cable_ends_the_session() -> None:
    bench = DinBench().at_demand()
    bench.outlet(control_pilot=ControlPilot.A)
    assert bench.end is not None
    assert bench.end.reason is EndReason.UNPLUGGED


@pytest.mark.parametrize(
    "status", [d.ev_status(ready=False), d.ev_status(error=DCEVErrorCode.FAILED_EV_RESS_MALFUNCTION)]
)
def test_an_ev_that_is_not_ready_or_at_fault_gets_nothing_and_is_stopped(status: din.DCEVStatus) -> None:
    bench = DinBench().at_demand()
    response = bench.ask(d.current_demand(status=status))
    assert points(bench.last) == [(0.0, 0.0)]
    assert status_code(response) == "EVSE_Shutdown"


def test_a_full_ev_gets_nothing() -> None:
    bench = DinBench().at_demand()
    response = bench.ask(d.current_demand(complete=True))
    assert points(bench.last) == [(0.0, 0.0)]
    assert status_code(response) == "EVSE_Ready"


def test_a_renegotiation_cannot_be_reported() -> None:
    bench = DinBench().at_demand()
    (notice,) = bench.feed(RenegotiationRequested())
    assert getattr(notice, "kind", None) is NoticeKind.IGNORED
    assert status_code(bench.ask(d.current_demand())) == "EVSE_Ready"


@pytest.mark.parametrize(
    "request_",
    [
        d.current_demand(d.volts(-1)),
        d.current_demand(current=d.amperes(-1)),
        d.current_demand(d.volts(400, 0, din.UnitSymbol.A)),
        d.current_demand(max_current=d.amperes(-1)),
        d.current_demand(max_power=d.volts(1)),
    ],
)
def test_a_demand_that_makes_no_sense_is_refused_with_the_output_off(request_: din.CurrentDemandReq) -> None:
    bench = DinBench().at_demand()
    assert code(bench.ask(request_)) == "FAILED"
    assert (0.0, 0.0) in points(bench.last)


def test_a_second_start_in_the_loop_is_refused() -> None:
    assert code(DinBench().at_demand().ask(d.power(True))) == "FAILED"


# --- the end -----------------------------------------------------------------------------------------------


@pytest.mark.req("V2G-DC-556")
def test_welding_detection_waits_for_pilot_b_with_the_output_off() -> None:
    bench = DinBench().at_stop()
    assert bench.session.energised is None
    assert bench.ask(d.welding_detection()) is None
    bench.outlet(present_voltage=12.5)
    response = answer(bench.outlet(control_pilot=ControlPilot.B))
    assert isinstance(response, din.WeldingDetectionRes)
    assert response.evse_present_voltage == d.volts(125, -1)


@pytest.mark.req("V2G-DC-925")
def test_welding_detection_has_20_seconds() -> None:
    bench = DinBench().at_welding()
    bench.tick(19.9)
    assert code(bench.ask(d.welding_detection())) == "OK"
    bench.tick(0.2)
    assert code(bench.ask(d.welding_detection())) == "FAILED"


@pytest.mark.req("V2G-DC-988")
def test_session_stop_after_charging_waits_for_pilot_b() -> None:
    bench = DinBench().at_stop()
    assert bench.ask(din.SessionStop()) is None
    assert code(answer(bench.outlet(control_pilot=ControlPilot.B))) == "OK"
    assert bench.end is not None
    assert (bench.end.reason, bench.end.paused) == (EndReason.TERMINATED, None)


@pytest.mark.req("V2G-DC-547")
def test_session_stop_without_pilot_b_fails_after_the_detection_time() -> None:
    bench = DinBench().at_stop()
    bench.ask(din.SessionStop())
    assert code(answer(bench.tick(1.6))) == "FAILED"
