"""The output by signed set-points: limits of both directions, and the ramp."""

import dataclasses

import msgspec
import pytest

from secc.session import limits, output
from secc.session.agreed import DcLimits, Demand, EvLimits, Match, Purpose, SetPoint
from secc.session.outputs import RenewLease, SetOutput
from secc.session.quantities import Bounds, ChargeLimit, DischargeLimit, Milli, milli
from secc.settings import DcConfig, EnergyConfig
from tests.support.bench import DC, DC_MODES, Bench

EV = EvLimits(
    voltage=milli(450.0),
    current=ChargeLimit(100_000),
    power=ChargeLimit(40_000_000),
    discharge_current=DischargeLimit(60_000),
    discharge_power=DischargeLimit(16_000_000),
)
CAN = DcLimits(
    seen=(),
    voltage=milli(500.0),
    lowest_voltage=milli(150.0),
    current=Bounds.of(ChargeLimit(125_000), DischargeLimit(50_000)),
    power=Bounds.of(ChargeLimit(50_000_000), DischargeLimit(20_000_000)),
)


BATTERY = Match(milli(400.0), flowed=True)


def planned(current: int, *, can: DcLimits = CAN, match: Match | None = BATTERY) -> SetPoint:
    demand = Demand(milli(400.0), Milli(current), EV)
    return limits.plan(demand, can, DcConfig(), match, milli(400.0), None)


@pytest.mark.inv("INV-07")
@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (30_000, 30_000),
        (200_000, 100_000),  # the car's current
        (-30_000, -30_000),
        (-45_000, -40_000),  # the car's power from the battery, 16 kW at 400 V
        (-200_000, -40_000),
        (0, 0),
    ],
)
def test_a_signed_demand_is_kept_within_the_limits_of_its_direction(current: int, expected: int) -> None:
    assert planned(current).current == expected


@pytest.mark.inv("INV-07")
def test_an_outlet_that_takes_nothing_from_a_car_has_a_set_point_of_zero() -> None:
    none = msgspec.structs.replace(CAN, current=Bounds.of(ChargeLimit(125_000), DischargeLimit(0)))
    assert planned(-10_000, can=none) == SetPoint(milli(400.0))


def test_what_limits_a_discharge_is_said_as_for_a_charge() -> None:
    point = planned(-200_000)
    assert (point.current_limited, point.power_limited) == (True, True)
    point = planned(-30_000)
    assert (point.current_limited, point.power_limited) == (False, False)


@pytest.mark.inv("INV-05")
def test_nothing_is_taken_from_a_car_before_its_battery_has_shown_itself() -> None:
    assert planned(-30_000, match=None).current == 0


def ramped() -> Bench:
    dc = DcConfig(current_ramp=10.0)
    return Bench(dataclasses.replace(DC, energy=EnergyConfig(modes=DC_MODES, dc=dc))).to_power_on_dc()


def test_the_ramp_holds_in_both_directions_and_a_change_of_direction_passes_zero() -> None:
    session = ramped().session
    output.off(session)
    found = []
    for seconds, amperes in ((0.0, -50), (1.0, -50), (1.0, -50), (0.0, -5), (1.0, 50), (1.0, 50)):
        session.now += seconds
        output.command(session, SetPoint(milli(400.0), Milli(amperes * 1000)))
        assert session.commanded is not None
        found.append(session.commanded.current)
    assert found == [0.0, -10.0, -20.0, -5.0, 0.0, 10.0]


@pytest.mark.inv("INV-31")
def test_a_demand_is_one_set_point_and_one_lease() -> None:
    session = Bench(DC).to_first_demand().session
    session._outputs.clear()
    point = output.deliver(session, Purpose.DC, Demand(milli(390.0), milli(20.0), EV))
    assert point.current == 20_000
    assert session._outputs == [RenewLease(0.5), SetOutput(390.0, 20.0)]
    session._outputs.clear()
    output.deliver(session, Purpose.DC, Demand(milli(390.0), milli(20.0), EV), point)
    assert session._outputs == [RenewLease(0.5)]
