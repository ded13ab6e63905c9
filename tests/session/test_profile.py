"""The charging profile against the schedule it was made for."""

from __future__ import annotations

import pytest

from secc import exi
from secc.messages import iso2
from secc.messages.iso2 import ChargingProfile, PhysicalValue, ProfileEntry, UnitSymbol
from secc.session.iso2 import wire
from secc.session.outlet import ControlPilot
from secc.session.outputs import Notice, SetOutput
from secc.session.profile import check_profile
from secc.session.refusals import Cause, Refused
from secc.session.schedules import PowerSchedule, PowerStep
from tests.support import din as d
from tests.support import requests as r
from tests.support.bench import AC, DC, STRICT_DC, Bench, code
from tests.support.din import DinBench

SCHEDULE = PowerSchedule(
    schedule_id=1,
    steps=(PowerStep(start=0, max_power=11_000), PowerStep(start=600, max_power=3_000)),
    duration=600,
)


def profile(*entries: tuple[int, int]) -> ChargingProfile:
    return ChargingProfile(
        profile_entry=tuple(
            ProfileEntry(
                charging_profile_entry_start=start,
                charging_profile_entry_max_power=PhysicalValue(multiplier=0, unit=UnitSymbol.W, value=power),
            )
            for start, power in entries
        )
    )


@pytest.mark.req("V2G2-224")
@pytest.mark.parametrize(
    "entries",
    [
        ((0, 3_000),),
        ((0, 11_000), (600, 3_000)),
        ((0, 11_000), (600, 3_000), (1200, 0)),
        ((0, 11_000), (600, 0)),
    ],
)
def test_profile_within_the_schedule_is_accepted(entries: tuple[tuple[int, int], ...]) -> None:
    check_profile(wire.entries(profile(*entries)) or (), SCHEDULE)


@pytest.mark.req("V2G2-225", "V2G2-478")
@pytest.mark.parametrize(
    "entries",
    [
        ((0, 11_001),),
        ((0, 11_000),),
        ((0, 11_000), (601, 3_000)),
        ((0, 11_000), (600, 3_000), (1200, 1)),
        ((0, 3_000), (0, 3_000)),
        ((0, -1),),
    ],
)
def test_profile_beyond_the_schedule_is_refused(entries: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(Refused) as caught:
        check_profile(wire.entries(profile(*entries)) or (), SCHEDULE)
    assert caught.value.cause is Cause.PROFILE


# --- values that cannot be ---

INVALID = "FAILED_ChargingProfileInvalid"
OVERFLOWED = bytes.fromhex("8098020e8a6bfddbcfdcdfd150000000010a38f78020c41002800000")
"""A recorded car plans with -2413.6 W, a 16 bit value that has overflowed, and with 4 phases."""


def planned() -> iso2.PowerDeliveryReq:
    message = exi.ISO2.decode(OVERFLOWED)
    assert isinstance(message, iso2.V2GMessage)
    assert isinstance(message.body, iso2.PowerDeliveryReq)
    return message.body


def test_the_recorded_profile_is_read_as_it_was_sent() -> None:
    request = planned()
    assert request.charging_profile is not None
    (entry,) = request.charging_profile.profile_entry
    assert entry.charging_profile_entry_max_number_of_phases_in_use == 4
    power = entry.charging_profile_entry_max_power
    assert power.value * 10.0**power.multiplier == pytest.approx(-2413.6)


def test_a_dc_profile_that_cannot_be_counts_as_not_said_and_the_car_charges() -> None:
    bench = Bench(DC).to_power_on_dc()
    assert code(bench.request(planned())) == "OK"
    assert [o.text for o in bench.last if isinstance(o, Notice)] == ["ChargingProfile by impossible_profile"]
    bench.request(r.current_demand(r.volts(400), r.amperes(100)))
    assert max(o.voltage * o.current for o in bench.outputs if isinstance(o, SetOutput)) <= 50_000


def test_it_is_said_once_while_the_voltage_is_waited_for() -> None:
    bench = Bench(DC).to_power_on_dc()
    bench.outlet(present_voltage=500.0)
    bench.request(planned())
    bench.tick(1.0)
    assert sum(isinstance(o, Notice) and "impossible_profile" in o.text for o in bench.outputs) == 1


@pytest.mark.req("V2G2-478")
def test_strict_mode_and_ac_take_no_such_profile() -> None:
    assert code(Bench(STRICT_DC).to_power_on_dc().request(planned())) == INVALID
    bench = Bench(AC).to_power_on_ac()
    bench.outlet(control_pilot=ControlPilot.C)
    assert code(bench.request(planned())) == INVALID


@pytest.mark.req("V2G2-225")
def test_pmax_holds_beside_a_value_that_cannot_be() -> None:
    body = r.power_delivery(profile=((0, r.watts(-2414)), (60, r.watts(30_000, 1))))
    assert code(Bench(DC).to_power_on_dc().request(body)) == INVALID


def test_in_din_a_negative_power_counts_as_not_said_too() -> None:
    body = d.power(True, schedule_id=1, profile=((0, -24136),))
    assert code(DinBench().at_power_on().ask(body)) == "OK"
    assert code(DinBench(d.STRICT_DIN).at_power_on().ask(body)) == INVALID
