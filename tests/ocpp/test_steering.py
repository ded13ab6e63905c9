"""Operation modes of 2.1 whose values another system, the frequency or the load gives."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from secc.ocpp import v201
from secc.ocpp.composite import Supply, allowed_at
from secc.ocpp.model import Payload
from secc.ocpp.ports import GridReading, StationServices
from secc.ocpp.profile_model import ChargingProfile, OperationMode, Period
from secc.ocpp.profiles import ProfileRefusal, added
from secc.ocpp.steering import Balance, ExternalValues, LocalSteering, SteeringValues, resolved
from secc.session.iso20.services import Service
from tests.ocpp.negotiating import Negotiating, schedule, tx_profile
from tests.ocpp.support import STATION
from tests.ocpp.test_needs import power, steered
from tests.ocpp.test_profiles import NOW, RUNNING

SUPPLY = Supply(voltage=230.0, phases=3, max_power=22_000.0)
BPT = ("DC", "DC_BPT")


def local(mode: str, *, unit: str = "W", duration: int | None = None, **values: Any) -> Payload:
    """A dynamic TxProfile with one period in this mode."""
    body: Payload = {
        "id": 1,
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": 0, "operationMode": mode, **values}],
    }
    if duration is not None:
        body["duration"] = duration
    return tx_profile(body, kind="Dynamic")


FREQUENCY = local(
    "LocalFrequency",
    v2xBaseline=1000.0,
    v2xFreqWattCurve=[{"frequency": 49.8, "power": -5000.0}, {"frequency": 50.2, "power": 5000.0}],
    v2xSignalWattCurve=[{"signal": -10, "power": -2000.0}, {"signal": 10, "power": 2000.0}],
)


def now(body: Payload, **values: Any) -> tuple[float | None, float | None, float]:
    """Limit, set-point and discharge of this moment."""
    profile = v201.read_profile(body, 1)
    found = allowed_at([resolved(profile, SUPPLY, SteeringValues(**values))], SUPPLY, NOW, RUNNING, NOW)
    return found.watts, found.setpoint, found.discharge


# --- values ------------------------------------------------------------------------------------------------


def test_the_set_point_of_another_system_stays_within_the_limits_of_the_period() -> None:
    body = local("ExternalSetpoint", limit=9000.0, dischargeLimit=-4000.0)
    for wanted, found in ((5000.0, 5000.0), (20_000.0, 9000.0), (-3000.0, -3000.0), (-9000.0, -4000.0)):
        assert now(body, external=ExternalValues(setpoint=wanted))[1] == found
    amperes = local("ExternalSetpoint", unit="A", limit=10.0)
    assert now(amperes, external=ExternalValues(setpoint=6900.0))[1] == pytest.approx(6900.0)
    assert now(amperes, external=ExternalValues(setpoint=9000.0))[1] == pytest.approx(6900.0)


def test_without_a_value_the_profile_does_not_apply() -> None:
    nothing = (None, None, 0.0)
    assert now(local("ExternalSetpoint", limit=9000.0)) == nothing
    assert now(local("ExternalLimits"), external=ExternalValues(setpoint=1.0)) == nothing
    assert now(FREQUENCY, reading=GridReading(power=1.0)) == nothing
    assert now(local("LocalLoadBalancing"), reading=GridReading(frequency=50.0)) == nothing


def test_limits_of_another_system_make_those_of_the_period_stricter() -> None:
    body = local("ExternalLimits", limit=9000.0, dischargeLimit=-4000.0)
    external = ExternalValues(limit=7000.0, discharge=6000.0)
    assert now(body, external=external) == (7000.0, None, 4000.0)
    assert now(body, external=ExternalValues(limit=10_000.0)) == (9000.0, None, 0.0)


@pytest.mark.parametrize(
    ("hertz", "signal", "watts"),
    [
        (50.0, None, 1000.0),
        (50.1, None, 3500.0),
        (49.0, None, -4000.0),
        (51.0, None, 6000.0),
        (50.0, 10, 3000.0),
        (50.0, -5, 0.0),
        (50.0, -50, -1000.0),
    ],
)
def test_the_curves_add_to_the_baseline(hertz: float, signal: int | None, watts: float) -> None:
    assert now(FREQUENCY, reading=GridReading(frequency=hertz), signal=signal)[1] == pytest.approx(watts)


@pytest.mark.parametrize(
    ("load", "ev", "watts"),
    [
        (9000.0, 0.0, -3000.0),  # the site draws 9 kW: the EV gives what is above 6 kW
        (6000.0, -3000.0, -3000.0),  # and continues while it does
        (-4000.0, 0.0, 2000.0),  # the site feeds 4 kW: the EV takes what is beyond 2 kW
        (3000.0, 0.0, 0.0),
    ],
)
def test_the_load_of_the_site_is_kept_between_its_limits(load: float, ev: float, watts: float) -> None:
    found = now(
        local("LocalLoadBalancing"),
        reading=GridReading(power=load),
        ev_power=ev,
        balance=Balance(upper=6000.0, lower=-2000.0),
    )
    assert found[1] == watts


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (local("CentralFrequency"), "without a set-point"),
        (local("CentralFrequency", setpoint=1.0, limit=5.0), "with limits"),
        (local("ExternalSetpoint", setpoint=1.0), "with a set-point"),
        (local("LocalLoadBalancing", setpoint=1.0), "with a set-point"),
        (local("LocalFrequency", v2xBaseline=0.0), "two points"),
        (local("LocalFrequency", limit=5.0), "with limits"),
    ],
)
def test_a_mode_that_contradicts_its_values_is_refused(body: Payload, why: str) -> None:
    refused = added((), v201.read_profile(body, 1), RUNNING)
    assert isinstance(refused, ProfileRefusal)
    assert why in refused.text


def test_curves_must_rise_and_be_in_watts() -> None:
    period = FREQUENCY["chargingSchedule"][0]["chargingSchedulePeriod"][0]
    falling = {**period, "v2xFreqWattCurve": period["v2xFreqWattCurve"][::-1]}
    refused = added((), v201.read_profile(local("LocalFrequency", **falling), 1), RUNNING)
    assert isinstance(refused, ProfileRefusal)
    assert "do not rise" in refused.text
    with pytest.raises(ValueError, match="expected W"):
        v201.read_profile(local("LocalFrequency", unit="A", **period), 1)


def profile(mode: OperationMode) -> ChargingProfile:
    found = v201.read_profile(local("Idle"), 1)
    first = msgspec.structs.replace(found.schedules[0], periods=(Period(0, None, mode=mode),))
    return msgspec.structs.replace(found, schedules=(first,))


class Meter:
    """A meter of the grid whose readings a test sets."""

    def __init__(self, *readings: GridReading | Exception) -> None:
        self.readings = list(readings)

    def reading(self) -> GridReading:
        found = self.readings[0] if len(self.readings) == 1 else self.readings.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def steering(told: list[str], clock: list[float]) -> LocalSteering:
    return LocalSteering(clock=lambda: clock[0], ev_power=lambda: 0.0, balance=Balance, report=told.append)


def test_a_meter_that_fails_is_reported_once_and_has_no_value() -> None:
    told: list[str] = []
    found = steering(told, [0.0])
    found.meter = Meter(OSError("gone"), OSError("gone"), GridReading(math.nan), GridReading(50.0))
    readings = [found.values().reading for _ in range(4)]
    assert readings == [None, None, None, GridReading(50.0)]
    assert told == [
        "meter of the grid: OSError: gone",
        f"meter of the grid: {GridReading(math.nan)} is not finite",
    ]


def test_without_a_meter_its_modes_are_refused_with_the_reason() -> None:
    found = steering([], [0.0])
    assert OperationMode.LOCAL_FREQUENCY not in found.modes
    assert "needs a meter" in found.unsupported(profile(OperationMode.LOCAL_LOAD_BALANCING))
    found.meter = Meter(GridReading())
    assert found.unsupported(profile(OperationMode.LOCAL_LOAD_BALANCING)) == ""


def test_values_of_another_system_end_and_signals_begin_at_their_time() -> None:
    clock = [100.0]
    found = steering([], clock)
    found.external = ExternalValues(setpoint=1.0, until=160.0)
    found.signalled(5, 90.0)
    found.signalled(7, 130.0)
    assert (found.values().external, found.values().signal) == (found.external, 5)
    clock[0] = 130.0
    assert found.values().signal == 7
    clock[0] = 160.0
    assert found.values().external is None
    for number in range(100):
        found.signalled(number, 1000.0 + number)
    assert len(found._signals) <= 22
    found.end_transaction()
    assert found.values().signal is None


# --- with an EV --------------------------------------------------------------------------------------------


async def command(place: Negotiating, action: str, **body: Any) -> Payload:
    return await place.csms.command(STATION, action, body)


async def test_another_system_turns_the_energy_and_without_its_renewal_the_next_profile_applies() -> None:
    body = local("ExternalSetpoint", limit=9000.0, dischargeLimit=-5000.0)
    async with steered(body, Service.DC_BPT, BPT) as place:
        place.backend.steer_externally(setpoint=-4000.0, seconds=3600.0)
        await place.until(lambda: -4100.0 < power(place) < -1000.0)
        await place.until(lambda: place.bodies("NotifyChargingLimit"))
        place.backend.steer_externally(setpoint=-4100.0, seconds=0.5)
        await place.until(lambda: power(place) > 500.0)
    (limit,) = place.bodies("NotifyChargingLimit")  # the second value is no significant change
    (period,) = limit["chargingSchedule"][0]["chargingSchedulePeriod"]
    assert (period["setpoint"], period["operationMode"]) == (-4000.0, "ExternalSetpoint")


async def test_without_the_permission_of_the_csms_another_system_takes_no_energy() -> None:
    async with steered(local("ExternalSetpoint", limit=9000.0)) as place:
        place.backend.steer_externally(setpoint=-4000.0)
        await place.until(lambda: abs(power(place)) < 1.0)
        with pytest.raises(ValueError, match="finite"):
            place.backend.steer_externally(setpoint=math.nan)
        with pytest.raises(ValueError, match="at least 0"):
            place.backend.steer_externally(discharge=-1.0)


async def test_the_ev_follows_the_frequency_and_the_signal_of_the_grid_operator() -> None:
    meter = Meter(GridReading(frequency=49.9))
    services = StationServices(grid_meter=meter)
    async with steered(FREQUENCY, Service.DC_BPT, BPT, services=services) as place:
        await place.until(lambda: -1600.0 < power(place) < -1000.0)
        later = {"timestamp": "2001-01-01T00:00:00Z", "signal": 10}
        assert await command(place, "AFRRSignal", **later) == {"status": "Accepted"}
        await place.until(lambda: 300.0 < power(place) < 600.0)
        meter.readings = [OSError("gone")]
        await place.until(lambda: power(place) > 3000.0)


async def test_a_signal_without_a_curve_and_values_of_single_phases_are_rejected() -> None:
    async with steered(tx_profile(schedule(1, (0, 9000)))) as place:
        answer = await command(place, "AFRRSignal", timestamp="2001-01-01T00:00:00Z", signal=1)
        assert answer["statusInfo"]["reasonCode"] == "NoSignalCurve"
        phases = local("CentralSetpoint", setpoint=10.0, setpoint_L2=5.0)
        answer = await command(place, "SetChargingProfile", evseId=1, chargingProfile=phases)
        assert answer["statusInfo"]["reasonCode"] == "PhaseConflict"
        balancing = local("LocalLoadBalancing")
        answer = await command(place, "SetChargingProfile", evseId=1, chargingProfile=balancing)
        assert answer["statusInfo"]["reasonCode"] == "UnsupportedParam"
        reactive = local("CentralSetpoint", setpoint=10.0, setpointReactive=5.0)
        answer = await command(place, "SetChargingProfile", evseId=1, chargingProfile=reactive)
        assert "setpointReactive" in answer["statusInfo"]["additionalInfo"]


async def test_thresholds_of_the_load_are_variables_of_a_station_with_a_meter() -> None:
    services = StationServices(grid_meter=Meter(GridReading(power=9000.0)))
    rows = [
        {
            "component": {"name": "V2XChargingCtrlr", "evse": {"id": 1}},
            "variable": {"name": "LocalLoadBalancing", "instance": name},
            "attributeValue": value,
        }
        for name, value in (("UpperThreshold", "5000"), ("LowerThreshold", "6000"), ("UpperOffset", "1000"))
    ]
    async with steered(local("LocalLoadBalancing"), Service.DC_BPT, BPT, services=services) as place:
        answer = await command(place, "SetVariables", setVariableData=rows)
        found = [one["attributeStatus"] for one in answer["setVariableResult"]]
        assert found == ["Accepted", "Rejected", "Accepted"]
        await place.until(lambda: power(place) < -1000.0)


async def test_energy_from_the_ev_ends_with_the_time_offline_and_returns_with_the_csms() -> None:
    body = local("CentralSetpoint", setpoint=-4000.0)
    profile = {**body, "maxOfflineDuration": 1}
    async with steered(profile, Service.DC_BPT, BPT) as place:
        await place.until(lambda: power(place) < -1000.0)
        await place.csms.stop()
        await place.until(lambda: power(place) > 500.0)
        await place.csms.start(port=place.csms.port)
        await place.until(lambda: power(place) < -1000.0)


async def test_a_profile_that_the_time_offline_makes_invalid_does_not_return() -> None:
    body = local("CentralSetpoint", setpoint=-4000.0)
    profile = {**body, "maxOfflineDuration": 1, "invalidAfterOfflineDuration": True}
    async with steered(profile, Service.DC_BPT, BPT) as place:
        await place.until(lambda: power(place) < -1000.0)
        await place.csms.stop()
        await place.until(lambda: power(place) > 500.0)
        await place.csms.start(port=place.csms.port)
        await place.until(lambda: place.backend.conversation.online)
        assert place.backend.limits.profiles == ()
        place.backend.outlet.observe()
        await place.until(lambda: power(place) > 500.0)
