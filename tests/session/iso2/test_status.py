"""How the station presents itself: meter, clock, status."""

import dataclasses
from collections.abc import Callable

import pytest

from secc.messages.iso2 import ChargingStatusRes, CurrentDemandRes, IsolationLevel, MeterInfo
from secc.session.outlet import ControlPilot, EvseFault, MeterReading
from secc.settings import EnergyConfig
from tests.support import requests as r
from tests.support.bench import AC, DC, Bench, code, dc_code

READING = MeterReading("DE-METER-1", 123_456, utc=1_700_000_000, signature=b"\x01\x02", status=-3)
ON_THE_WIRE = MeterInfo(
    meter_id="DE-METER-1",
    meter_reading=123_456,
    sig_meter_reading=b"\x01\x02",
    meter_status=-3,
    t_meter=1_700_000_000,
)


@pytest.mark.req("V2G2-902", "V2G2-691")
def test_reading_of_the_meter_is_sent_in_the_ac_loop_without_asking_for_a_receipt() -> None:
    bench = Bench(AC).to_status()
    bench.outlet(meter=READING)
    response = bench.request(r.charging_status())
    assert isinstance(response, ChargingStatusRes)
    assert response.meter_info == ON_THE_WIRE
    assert response.receipt_required is False


@pytest.mark.req("V2G2-902")
def test_reading_of_the_meter_is_sent_in_the_dc_loop() -> None:
    bench = Bench(DC).to_demand()
    bench.outlet(meter=READING)
    response = bench.request(r.current_demand())
    assert isinstance(response, CurrentDemandRes)
    assert response.meter_info == ON_THE_WIRE
    assert response.receipt_required is None


@pytest.mark.req("V2G2-666")
def test_meter_info_can_be_left_out() -> None:
    bench = Bench(dataclasses.replace(AC, energy=EnergyConfig(meter_info=False))).to_status()
    bench.outlet(meter=READING)
    response = bench.request(r.charging_status())
    assert isinstance(response, ChargingStatusRes)
    assert response.meter_info is None


@pytest.mark.parametrize(
    "broken",
    [
        lambda: MeterReading("", 0),
        lambda: MeterReading("m" * 33, 0),
        lambda: MeterReading("m", -1),
        lambda: MeterReading("m", 2**64),
        lambda: MeterReading("m", 0, signature=bytes(65)),
        lambda: MeterReading("m", 0, status=2**15),
    ],
)
def test_a_reading_that_does_not_fit_is_refused_when_it_is_made(broken: Callable[[], MeterReading]) -> None:
    with pytest.raises(ValueError, match="expected"):
        broken()


@pytest.mark.parametrize("utc", [float("nan"), float("inf"), 1e300])
def test_a_broken_wall_clock_counts_as_zero(utc: float) -> None:
    bench = Bench(AC)
    bench.outlet(utc=utc)
    response = bench.request(r.session_setup(), b"\0")
    assert code(response) == "OK_NewSessionEstablished"
    assert response.evse_time_stamp == 0  # type: ignore[union-attr]


@pytest.mark.req("V2G2-366")
def test_dc_status_follows_the_isolation_test() -> None:
    bench = Bench(DC).to_cable_check_result()
    response = bench.request(r.cable_check())
    assert dc_code(response) == "EVSE_IsolationMonitoringActive"
    bench.isolation()
    response = bench.request(r.cable_check())
    assert dc_code(response) == "EVSE_Ready"
    assert response.dc_evse_status.evse_isolation_status is IsolationLevel.VALID  # type: ignore[union-attr]


@pytest.mark.req("V2G2-366")
def test_an_outlet_that_is_not_ready_says_so() -> None:
    bench = Bench(DC).to_demand()
    bench.outlet(ready=False)
    assert dc_code(bench.request(r.current_demand())) == "EVSE_NotReady"


def test_a_tripped_rcd_is_sent_to_the_ac_vehicle() -> None:
    bench = Bench(AC).to_status()
    bench.outlet(fault=EvseFault.RESIDUAL_CURRENT)
    response = bench.request(r.charging_status())
    assert code(response) == "FAILED"
    assert response.ac_evse_status.rcd is True  # type: ignore[union-attr]


@pytest.mark.inv("INV-04")
def test_pre_charge_with_pilot_b_is_refused() -> None:
    bench = Bench(DC).to_pre_charge()
    bench.outlet(control_pilot=ControlPilot.B)
    assert code(bench.request(r.pre_charge())) == "FAILED"
