"""DIN SPEC 70121: isolation test, pre-charge, and the start of the charge."""

import pytest

from secc.messages import din
from secc.session.din.states import DinState as S
from secc.session.outlet import ControlPilot, EvseFault, IsolationLevel
from secc.session.outputs import RenewLease
from tests.support import din as d
from tests.support.bench import code
from tests.support.din import DinBench, answer, points, status_code

# --- isolation ---------------------------------------------------------------------------------------------


@pytest.mark.req("V2G-DC-493", "V2G-DC-967", "V2G-DC-418")
def test_cable_check_waits_for_the_pilot_then_for_the_test() -> None:
    bench = DinBench().at_cable_check()
    assert bench.ask(d.cable_check()) is None
    response = answer(bench.outlet(control_pilot=ControlPilot.C))
    assert status_code(response) == "EVSE_IsolationMonitoringActive"
    bench.isolation()
    finished = bench.ask(d.cable_check())
    assert isinstance(finished, din.CableCheckRes)
    assert finished.evse_processing is din.EVSEProcessing.FINISHED
    assert finished.dc_evse_status == din.DCEVSEStatus(
        evse_isolation_status=din.IsolationLevel.VALID,
        evse_status_code=din.DCEVSEStatusCode.EVSE_READY,
        notification_max_delay=0,
        evse_notification=din.EVSENotification.NONE,
    )


@pytest.mark.req("V2G-DC-547")
def test_cable_check_without_pilot_c_fails_after_the_detection_time() -> None:
    bench = DinBench().at_awaiting_pilot()
    assert code(answer(bench.tick(1.6))) == "FAILED"


@pytest.mark.inv("INV-06", "INV-30")
@pytest.mark.req("V2G-DC-890")
def test_an_isolation_fault_is_failed_and_a_malfunction() -> None:
    bench = DinBench().at_cable_check_result()
    bench.isolation(IsolationLevel.FAULT)
    response = bench.ask(d.cable_check())
    assert code(response) == "FAILED"
    assert status_code(response) == "EVSE_Malfunction"
    assert bench.end is not None
    assert bench.end.fault is EvseFault.ISOLATION


@pytest.mark.inv("INV-06")
@pytest.mark.parametrize("level", [IsolationLevel.NO_IMD, IsolationLevel.INVALID])
def test_a_test_without_a_sound_result_is_failed(level: IsolationLevel) -> None:
    bench = DinBench().at_cable_check_result()
    bench.isolation(level)
    response = bench.ask(d.cable_check())
    assert code(response) == "FAILED"
    assert isinstance(response, din.CableCheckRes)
    assert response.dc_evse_status.evse_isolation_status is din.IsolationLevel.INVALID


# --- pre-charge and start ----------------------------------------------------------------------------------


@pytest.mark.inv("INV-05", "INV-31")
def test_pre_charge_goes_to_the_voltage_with_2_amperes_at_most() -> None:
    bench = DinBench().at_pre_charge()
    response = bench.ask(d.pre_charge(d.volts(380), d.amperes(50)))
    assert code(response) == "OK"
    assert points(bench.last) == [(380.0, 2.0)]
    assert bench.last[0] == RenewLease(0.5)


@pytest.mark.req("V2G-DC-969")
def test_pre_charge_may_last_20_seconds_up_to_power_delivery() -> None:
    bench = DinBench().at_power_on()
    assert (0.0, 0.0) not in points(bench.tick(19.9))
    assert (0.0, 0.0) in points(bench.tick(0.2))
    assert code(bench.ask(d.power(True))) == "FAILED"


def test_a_start_without_a_profile_follows_the_first_schedule() -> None:
    bench = DinBench().at_power_on()
    assert code(bench.ask(d.power(True))) == "OK"
    assert bench.session.schedule_id == 1


@pytest.mark.req("V2G-DC-400")
def test_a_schedule_that_was_not_offered_is_refused() -> None:
    assert code(DinBench().at_power_on().ask(d.power(True, schedule_id=2))) == "FAILED_TariffSelectionInvalid"


@pytest.mark.req("V2G-DC-399")
@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (((0, 32767),), "OK"),
        (((0, 20_000), (3600, 0)), "OK"),
        (((0, 20_000), (86_400, 0)), "OK"),
        (((0, 20_000), (86_400, 1)), "FAILED_ChargingProfileInvalid"),
        (((60, 1000), (60, 500)), "FAILED_ChargingProfileInvalid"),
    ],
)
def test_a_profile_must_fit_the_schedule(profile: tuple[tuple[int, int], ...], expected: str) -> None:
    assert code(DinBench().at_power_on().ask(d.power(True, schedule_id=1, profile=profile))) == expected


def test_a_negative_power_is_no_profile_in_strict_mode() -> None:
    body = d.power(True, schedule_id=1, profile=((0, -1),))
    assert code(DinBench(d.STRICT_DIN).at_power_on().ask(body)) == "FAILED_ChargingProfileInvalid"


@pytest.mark.req("V2G-DC-401")
def test_a_start_that_cannot_be_is_not_applied() -> None:
    bench = DinBench().at_pre_charge()
    bench.ask(d.pre_charge())
    bench.outlet(present_voltage=380.0)
    bench.outlet(ready=False)
    response = bench.ask(d.power(True))
    assert code(response) == "FAILED_PowerDeliveryNotApplied"
    assert bench.ended


def test_a_start_waits_for_a_reading_that_comes_late() -> None:
    """A Tesla Model Y asked for power about a second before the recorded station read its voltage."""
    bench = DinBench().at_awaiting_voltage()
    assert answer(bench.tick(0.9)) is None
    bench.outlet(present_voltage=384.0)
    assert code(answer(bench.tick(0.1))) == "OK"
    assert bench.stands(S.WAIT_FIRST_DEMAND)


def test_a_start_without_the_voltage_is_not_applied_before_the_car_stops_waiting() -> None:
    bench = DinBench().at_awaiting_voltage()
    assert code(answer(bench.tick(1.4))) == "FAILED_PowerDeliveryNotApplied"


def test_an_ev_may_give_up_before_the_start() -> None:
    bench = DinBench().at_power_on()
    assert code(bench.ask(d.power(False))) == "OK"
    assert points(bench.last) == [(0.0, 0.0)]
    assert bench.stands(S.WAIT_STOP_DC)


@pytest.mark.inv("INV-04")
def test_pre_charge_and_start_need_the_pilot() -> None:
    bench = DinBench().at_pre_charge()
    bench.outlet(control_pilot=ControlPilot.B)
    assert code(bench.ask(d.pre_charge())) == "FAILED"
    bench = DinBench().at_power_on()
    assert points(bench.outlet(control_pilot=ControlPilot.B)) == [(0.0, 0.0)]
    bench.outlet(control_pilot=ControlPilot.C)
    assert code(bench.ask(d.power(True))) == "FAILED_PowerDeliveryNotApplied"
