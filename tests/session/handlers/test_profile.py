"""The charging profile against the schedule it was made for."""

from __future__ import annotations

import pytest

from secc.messages.iso2 import ChargingProfile, PhysicalValue, ProfileEntry, ResponseCode, UnitSymbol
from secc.session.events import PowerSchedule, PowerStep
from secc.session.handlers.profile import check_profile
from secc.session.refusals import Refused

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
    check_profile(profile(*entries), SCHEDULE)


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
        check_profile(profile(*entries), SCHEDULE)
    assert caught.value.code is ResponseCode.FAILED_CHARGING_PROFILE_INVALID
