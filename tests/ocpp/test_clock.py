"""The clock of the CSMS, and jumps of the clock of the station."""

from __future__ import annotations

from secc.ocpp.clock import CsmsClock

START = 1_800_000_000.0


class Times:
    """Both clocks of a station, as a test sets them."""

    def __init__(self, *, follow: bool = True) -> None:
        self.wall, self.ticks = START, 0.0
        self.told: list[str] = []
        self.clock = CsmsClock(
            lambda: self.wall, follow=follow, report=self.told.append, ticks=lambda: self.ticks
        )

    def passes(self, seconds: float, *, jump: float = 0.0) -> float:
        self.ticks += seconds
        self.wall += seconds + jump
        return self.clock.now


def test_the_time_of_the_csms_goes_on_when_the_clock_of_the_station_jumps() -> None:
    times = Times()
    times.clock.adjust(START + 100.0)
    assert times.passes(10.0) == START + 110.0
    assert times.passes(1.0, jump=-3600.0) == START + 111.0
    assert times.passes(1.0, jump=86_400.0) == START + 112.0
    assert "the clock of the station has jumped by -3600 s" in times.told
    times.clock.adjust(START + 113.0)
    assert times.passes(0.0) == START + 113.0
    assert len(times.told) == 3


def test_before_the_csms_has_set_the_time_a_correction_of_the_clock_counts() -> None:
    times = Times()
    assert times.passes(5.0, jump=1000.0) == START + 1005.0
    assert times.told == []


def test_a_station_that_keeps_its_clock_keeps_its_jumps_as_well() -> None:
    times = Times(follow=False)
    times.clock.adjust(START + 100.0)
    assert times.passes(5.0, jump=-50.0) == START - 45.0


def test_a_slow_drift_is_no_jump() -> None:
    times = Times()
    times.clock.adjust(START)
    for _ in range(100):
        times.passes(10.0, jump=0.01)
    assert times.told == []
    assert times.clock.now == times.wall
