"""Which charging profile counts when."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.ocpp.composite import DAY, WEEK, LimitStep, Running, Supply, composite, limit_at, offer
from secc.ocpp.profile_model import (
    ChargingProfile,
    Period,
    ProfileFilter,
    ProfileKind,
    ProfilePurpose,
    Schedule,
)
from secc.ocpp.profiles import ProfileRefusal, added, after_transaction, cleared
from secc.session.schedules import EnergyNeed
from secc.settings import EnergyMode

SUPPLY = Supply(voltage=230.0, phases=3, max_power=22_000.0)
NOW = 1_000_000.0
RUNNING = Running("t1", NOW - 100.0)
NEED = EnergyNeed(
    mode=EnergyMode.AC_THREE_PHASE_CORE, departure=None, energy=None, max_power=None, max_steps=24
)


def profile(*limits: tuple[float, float], **changes: Any) -> ChargingProfile:
    """Relative, in W, for any transaction."""
    schedule = Schedule(
        unit=changes.pop("unit", "W"),
        periods=tuple(Period(start, limit, changes.pop("phases", None)) for start, limit in limits),
        start=changes.pop("start", None),
        duration=changes.pop("duration", None),
    )
    fields: dict[str, Any] = {
        "id": 1,
        "stack": 0,
        "purpose": ProfilePurpose.TX_DEFAULT,
        "evse": 1 if changes.get("purpose") is ProfilePurpose.TX else 0,
        "kind": ProfileKind.RELATIVE,
        "schedules": (schedule,),
        **changes,
    }
    return ChargingProfile(**fields)


def at(*profiles: ChargingProfile, time: float = NOW, running: Running | None = RUNNING) -> float | None:
    return limit_at(profiles, SUPPLY, time, running, NOW)


def test_without_a_profile_nothing_is_said() -> None:
    assert at() is None
    assert composite((), SUPPLY, NOW, DAY, RUNNING) == (LimitStep(NOW, None),)


def test_the_highest_stack_level_counts() -> None:
    low, high = profile((0, 5000.0)), profile((0, 9000.0), id=2, stack=3)
    assert at(low, high) == 9000.0


def test_a_higher_level_that_says_nothing_now_leaves_the_decision_to_the_lower() -> None:
    low, high = profile((0, 5000.0)), profile((0, 9000.0), id=2, stack=3, duration=50)
    assert at(low, high) == 5000.0
    assert at(low, high, time=NOW - 60.0) == 9000.0


def test_a_profile_of_the_transaction_stands_in_for_the_default() -> None:
    own = profile((0, 9000.0), id=2, purpose=ProfilePurpose.TX, transaction="t1")
    assert at(profile((0, 5000.0)), own) == 9000.0
    assert at(profile((0, 5000.0)), own, running=Running("t2", NOW)) == 5000.0
    assert at(profile((0, 5000.0)), own, running=None) == 5000.0


def test_the_limit_of_the_station_caps_everything() -> None:
    whole = profile((0, 4000.0), id=2, purpose=ProfilePurpose.STATION_MAX)
    outside = profile((0, 3000.0), id=3, purpose=ProfilePurpose.EXTERNAL)
    assert at(profile((0, 5000.0)), whole) == 4000.0
    assert at(profile((0, 5000.0)), whole, outside) == 3000.0


def test_a_relative_profile_counts_from_the_transaction() -> None:
    steps = profile((0, 5000.0), (200, 3000.0))
    assert composite((steps,), SUPPLY, NOW, DAY, RUNNING) == (
        LimitStep(NOW, 5000.0),
        LimitStep(NOW + 100, 3000.0),
    )
    assert composite((steps,), SUPPLY, NOW, DAY, None) == (
        LimitStep(NOW, 5000.0),
        LimitStep(NOW + 200, 3000.0),
    )


def test_an_absolute_profile_counts_from_its_start() -> None:
    steps = profile((0, 5000.0), (60, 3000.0), kind=ProfileKind.ABSOLUTE, start=NOW + 10, duration=120)
    assert composite((steps,), SUPPLY, NOW, DAY, RUNNING) == (
        LimitStep(NOW, None),
        LimitStep(NOW + 10, 5000.0),
        LimitStep(NOW + 70, 3000.0),
        LimitStep(NOW + 130, None),
    )


@pytest.mark.parametrize(("weekly", "every"), [(False, DAY), (True, WEEK)])
def test_a_recurring_profile_comes_again(*, weekly: bool, every: float) -> None:
    start = NOW - 3 * every + 50
    steps = profile((0, 5000.0), kind=ProfileKind.RECURRING, start=start, duration=100, weekly=weekly)
    assert at(steps) is None
    assert at(steps, time=NOW + 50) == 5000.0
    assert at(steps, time=NOW + 150) is None
    assert at(steps, time=NOW + 50 + every) == 5000.0


def test_a_profile_is_silent_outside_its_validity() -> None:
    steps = profile((0, 5000.0), valid_from=NOW + 10, valid_to=NOW + 20)
    assert composite((steps,), SUPPLY, NOW, DAY, RUNNING) == (
        LimitStep(NOW, None),
        LimitStep(NOW + 10, 5000.0),
        LimitStep(NOW + 20, None),
    )


@pytest.mark.parametrize(("phases", "watts"), [(None, 11_040.0), (3, 11_040.0), (1, 3680.0), (9, 11_040.0)])
def test_amperes_are_per_phase(phases: int | None, watts: float) -> None:
    assert SUPPLY.watts(Period(0, 16.0, phases), "A") == watts


def test_a_limit_below_zero_is_zero() -> None:
    assert SUPPLY.watts(Period(0, -5.0), "W") == 0.0
    assert SUPPLY.watts(Period(0, -5.0), "A") == 0.0


# --- what is kept ------------------------------------------------------------------------------------------


def test_a_profile_replaces_the_one_with_its_id_or_in_its_place() -> None:
    kept = added((), profile((0, 1.0)), RUNNING)
    assert isinstance(kept, tuple)
    kept = added(kept, profile((0, 2.0), stack=1), RUNNING)
    assert isinstance(kept, tuple)
    assert [one.stack for one in kept] == [1]
    kept = added(kept, profile((0, 3.0), id=9, stack=1), RUNNING)
    assert isinstance(kept, tuple)
    assert [one.id for one in kept] == [9]
    kept = added(kept, profile((0, 3.0), id=10, stack=1, evse=1), RUNNING)
    assert isinstance(kept, tuple)
    assert [one.id for one in kept] == [9, 10]


@pytest.mark.parametrize(
    ("new", "running", "reason"),
    [
        (profile(), RUNNING, "no schedule"),
        (profile((10, 1.0)), RUNNING, "the first period does not start at 0"),
        (profile((0, 1.0), kind=ProfileKind.RECURRING), RUNNING, "recurring without a start"),
        (profile((0, 1.0), purpose=ProfilePurpose.TX), None, "no transaction"),
        (
            profile((0, 1.0), purpose=ProfilePurpose.TX, evse=0),
            RUNNING,
            "a profile for a transaction belongs to an EVSE",
        ),
        (profile((0, 1.0), purpose=ProfilePurpose.TX, transaction="t9"), RUNNING, "another transaction"),
        (
            profile((0, 1.0), purpose=ProfilePurpose.STATION_MAX, evse=1),
            RUNNING,
            "a limit of the station belongs to EVSE 0",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(
    new: ChargingProfile, running: Running | None, reason: str
) -> None:
    found = added((), new, running)
    assert isinstance(found, ProfileRefusal)
    assert found.text == reason


def test_a_profile_of_the_transaction_ends_with_it() -> None:
    kept = added((profile((0, 1.0)),), profile((0, 2.0), id=2, purpose=ProfilePurpose.TX), RUNNING)
    assert isinstance(kept, tuple)
    assert [one.id for one in after_transaction(kept)] == [1]


@pytest.mark.parametrize(
    ("which", "left"),
    [
        (ProfileFilter(), [4]),
        (ProfileFilter(id=2), [1, 3, 4]),
        (ProfileFilter(stack=5), [1, 2, 4]),
        (ProfileFilter(evse=1), [1, 3, 4]),
        (ProfileFilter(purpose=ProfilePurpose.TX_DEFAULT), [2, 4]),
        (ProfileFilter(purpose=ProfilePurpose.TX_DEFAULT, stack=5), [1, 2, 4]),
    ],
)
def test_profiles_are_cleared_by_what_they_are(which: ProfileFilter, left: list[int]) -> None:
    kept = (
        profile((0, 1.0), id=1),
        profile((0, 1.0), id=2, purpose=ProfilePurpose.STATION_MAX, evse=1),
        profile((0, 1.0), id=3, stack=5),
        profile((0, 1.0), id=4, purpose=ProfilePurpose.EXTERNAL),
    )
    assert [one.id for one in cleared(kept, which)] == left


# --- what the EV gets --------------------------------------------------------------------------------------


def test_an_ev_gets_steps_from_now_capped_by_the_outlet() -> None:
    steps = (LimitStep(NOW, None), LimitStep(NOW + 600, 40_000.0), LimitStep(NOW + 1200, 3000.0))
    (schedule,) = offer(steps, SUPPLY, NEED, DAY).schedules
    assert [(step.start, step.max_power) for step in schedule.steps] == [
        (0, 22_000.0),
        (600, 22_000.0),
        (1200, 3000.0),
    ]
    assert schedule.end == DAY


def test_what_does_not_fit_into_the_memory_of_the_ev_becomes_the_lowest_step() -> None:
    steps = tuple(LimitStep(NOW + 100 * number, watts) for number, watts in enumerate((9e3, 8e3, 2e3, 7e3)))
    (schedule,) = offer(steps, SUPPLY, msgspec.structs.replace(NEED, max_steps=2), DAY).schedules
    assert [(step.start, step.max_power) for step in schedule.steps] == [(0, 9000.0), (100, 2000.0)]


def test_two_changes_within_a_second_become_the_lower_one() -> None:
    steps = (
        LimitStep(NOW, 9000.0),
        LimitStep(NOW + 0.5, 4000.0),
        LimitStep(NOW + 10.2, 5000.0),
        LimitStep(NOW + 10.9, 6000.0),
    )
    (schedule,) = offer(steps, SUPPLY, NEED, DAY).schedules
    assert [(step.start, step.max_power) for step in schedule.steps] == [(0, 4000.0), (11, 5000.0)]


PROFILES = st.builds(
    profile,
    st.tuples(st.just(0), st.floats(0, 50_000)),
    st.tuples(st.integers(1, 90_000), st.floats(0, 50_000)),
    id=st.integers(0, 5),
    stack=st.integers(0, 3),
    purpose=st.sampled_from(ProfilePurpose),
    kind=st.sampled_from(ProfileKind),
    start=st.integers(-100_000, 100_000).map(lambda offset: NOW + offset),
    duration=st.none() | st.integers(1, 100_000),
    transaction=st.sampled_from(("t1", "t2")),
    valid_to=st.none() | st.integers(0, 100_000).map(lambda offset: NOW + offset),
)


@given(st.lists(PROFILES, max_size=5), st.floats(0, DAY - 1))
def test_the_composite_says_at_each_moment_what_the_profiles_say(
    profiles: list[ChargingProfile], later: float
) -> None:
    steps = composite(profiles, SUPPLY, NOW, DAY, RUNNING)
    step = [one for one in steps if one.start <= NOW + later][-1]
    assert step.watts == limit_at(profiles, SUPPLY, NOW + later, RUNNING, NOW)


@given(st.lists(PROFILES, max_size=5), st.integers(1, 8))
def test_no_ev_is_ever_offered_more_than_a_profile_allows(profiles: list[ChargingProfile], room: int) -> None:
    steps = composite(profiles, SUPPLY, NOW, DAY, RUNNING)
    (schedule,) = offer(steps, SUPPLY, msgspec.structs.replace(NEED, max_steps=room), DAY).schedules
    assert len(schedule.steps) <= room
    ends = [*(one.start for one in schedule.steps[1:]), DAY]
    for one, end in zip(schedule.steps, ends, strict=True):
        assert one.max_power <= SUPPLY.max_power
        for moment in (one.start, (one.start + end) / 2, end - 0.001):
            allowed = limit_at(profiles, SUPPLY, NOW + moment, RUNNING, NOW)
            assert allowed is None or one.max_power <= allowed


def test_profiles_survive_the_disk() -> None:
    one = profile((0, 1.0), (5, 2.0), valid_from=NOW)
    again = msgspec.json.decode(msgspec.json.encode((one,)), type=tuple[ChargingProfile, ...])
    assert again == (one,)
