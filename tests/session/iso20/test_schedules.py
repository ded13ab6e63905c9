"""Schedules on the wire."""

import msgspec
import pytest

from secc.messages.iso20_common import PowerScheduleEntry
from secc.session.iso20 import schedules
from secc.session.iso20.schedules import Form
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer
from tests.support.iso20 import number

FORM = Form(anchor=7, departure=3600, points=1024, prices=False)
ONE = ScheduleOffer((PowerSchedule(3, (PowerStep(0, 9000.0), PowerStep(600, 3000.0)), 3000),))


def entries(form: Form, offer: ScheduleOffer = ONE) -> tuple[PowerScheduleEntry, ...]:
    (one,) = schedules.tuples(offer, form).schedule_tuple
    return one.charging_schedule.power_schedule.power_schedule_entries.power_schedule_entry


@pytest.mark.req("V2G20-1058", "V2G20-1753")
def test_steps_become_durations() -> None:
    assert entries(FORM) == (
        PowerScheduleEntry(duration=600, power=number(9000)),
        PowerScheduleEntry(duration=3000, power=number(3000)),
    )


@pytest.mark.req("V2G20-1563")
def test_without_a_departure_the_last_step_lasts_to_the_end_of_the_day() -> None:
    found = entries(msgspec.structs.replace(FORM, departure=None))
    assert sum(entry.duration for entry in found) == 86_400


def test_steps_that_do_not_fit_become_the_lowest_of_them() -> None:
    steps = tuple(PowerStep(index * 10, watts) for index, watts in enumerate((9.0, 5.0, 7.0, 3.0, 8.0)))
    assert schedules.shortened(steps, 3) == (*steps[:2], PowerStep(20, 3.0))
    assert schedules.shortened(steps, 5) == steps


@pytest.mark.req("V2G20-1818")
def test_each_phase_gets_a_third_rounded_down() -> None:
    found = entries(msgspec.structs.replace(FORM, per_phase=True))[0]
    assert found == PowerScheduleEntry(
        duration=600, power=number(3000), power_l2=number(3000), power_l3=number(3000)
    )


@pytest.mark.req("V2G20-1213")
@pytest.mark.parametrize(("positive", "sign"), [(False, -1), (True, 1)])
def test_a_discharging_schedule_has_the_sign_of_the_session(positive: bool, sign: int) -> None:
    form = msgspec.structs.replace(FORM, discharge=5_000_000, positive=positive, prices=True)
    (one,) = schedules.tuples(ONE, form).schedule_tuple
    assert one.discharging_schedule is not None
    back = one.discharging_schedule.power_schedule.power_schedule_entries.power_schedule_entry
    assert back == (PowerScheduleEntry(duration=3600, power=number(sign * 5000)),)
    assert one.discharging_schedule.price_level_schedule is not None
    assert one.charging_schedule.power_schedule.power_schedule_entries.power_schedule_entry[0].power.value > 0


def test_without_discharge_there_is_no_discharging_schedule() -> None:
    (one,) = schedules.tuples(ONE, FORM).schedule_tuple
    assert one.discharging_schedule is None
    assert one.charging_schedule.price_level_schedule is None


def test_the_tolerance_is_reported() -> None:
    (one,) = schedules.tuples(ONE, msgspec.structs.replace(FORM, tolerance=500_000)).schedule_tuple
    assert one.charging_schedule.power_schedule.power_tolerance == number(500)
