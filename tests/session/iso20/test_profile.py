"""A power profile against its schedule."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.messages.iso20_common import EVPowerProfile, PowerScheduleEntry
from secc.session.iso20.profile import excess
from secc.session.schedules import PowerSchedule, PowerStep
from tests.support.iso20 import number, profile

SCHEDULE = PowerSchedule(1, (PowerStep(0, 10_000.0), PowerStep(60, 4000.0), PowerStep(120, 8000.0)), 60)


@pytest.mark.req("V2G20-1070", "V2G20-1559")
@pytest.mark.parametrize(
    "entries",
    [
        ((60, 10_000), (60, 4000), (60, 8000)),
        ((30, 10_000), (30, 9000), (120, 4000)),
        ((1000, 4000),),
        ((180, 4000), (3600, 8000)),
        ((60, 0), (60, 0)),
    ],
    ids=str,
)
def test_what_stays_below_the_schedule_is_accepted(entries: tuple[tuple[int, float], ...]) -> None:
    assert excess(profile(*entries), SCHEDULE, 0) == ""


@pytest.mark.req("V2G20-478")
@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (((60, 10_001),), "10001 W from 0 s on, allowed are 0 to 10000 W"),
        (((61, 10_000),), "10000 W from 0 s on, allowed are 0 to 4000 W"),
        (((60, 10_000), (60, 4001)), "4001 W from 60 s on, allowed are 0 to 4000 W"),
        (((180, 4000), (1, 8001)), "8001 W from 180 s on, allowed are 0 to 8000 W"),
        (((60, -1),), "-1 W from 0 s on, allowed are 0 to 10000 W"),
    ],
    ids=range(5),
)
def test_what_goes_beyond_it_is_named(entries: tuple[tuple[int, float], ...], words: str) -> None:
    assert excess(profile(*entries), SCHEDULE, 0) == words


def test_discharge_is_bounded_apart() -> None:
    assert excess(profile((60, -5000)), SCHEDULE, 5_000_000) == ""
    assert excess(profile((60, -5001)), SCHEDULE, 5_000_000) != ""
    assert excess(profile((60, 10_000)), SCHEDULE, 5_000_000) == ""


def test_the_phases_are_added_up() -> None:
    entry = PowerScheduleEntry(duration=60, power=number(4000), power_l2=number(4000), power_l3=number(4000))
    found = profile()
    whole = EVPowerProfile(
        time_anchor=0,
        scheduled_ev_ppt_control_mode=found.scheduled_ev_ppt_control_mode,
        ev_power_profile_entries=type(found.ev_power_profile_entries)(ev_power_profile_entry=(entry,)),
    )
    assert "12000 W" in excess(whole, SCHEDULE, 0)


@given(
    st.lists(st.tuples(st.integers(1, 100), st.integers(0, 12_000)), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(1, 100), st.integers(0, 12_000)), min_size=1, max_size=8),
)
def test_it_agrees_with_a_look_at_every_second(
    entries: list[tuple[int, int]], steps: list[tuple[int, int]]
) -> None:
    starts = [0, *itertools.accumulate(seconds for seconds, _ in steps[:-1])]
    schedule = PowerSchedule(
        1, tuple(PowerStep(at, float(watts)) for at, (_, watts) in zip(starts, steps, strict=True)), 60
    )
    second, bad = 0, False
    for seconds, watts in entries:
        for moment in range(second, second + seconds):
            allowed = [step.max_power for step in schedule.steps if step.start <= moment][-1]
            bad = bad or watts > allowed
        second += seconds
    assert bool(excess(profile(*entries), schedule, 0)) is bad
