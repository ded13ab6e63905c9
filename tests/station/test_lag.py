"""How late the event loop is, and when that is worth a line."""

import itertools

import pytest

from secc.station.lag import LoopLag


class Beats:
    """Each beat of a loop, late by the next stall."""

    def __init__(self) -> None:
        self.now = 1000.0

    def measure(self, made: LoopLag, looks: int, *stalls: float) -> None:
        for late in itertools.islice(itertools.chain(stalls, itertools.repeat(0.0)), looks):
            self.now += 0.1 + late
            made.measured(self.now, late)


def test_a_delay_of_half_the_margin_is_reported_and_not_again_for_a_while() -> None:
    said = list[str]()
    made = LoopLag(0.3, said.append)
    beats = Beats()
    beats.measure(made, 5, 0.0, 0.1, 0.2, 0.4, 0.25)
    assert made.worst == pytest.approx(0.4)
    assert said == ["the event loop was late by 0.200 s, the lease leaves room for 0.300 s"]
    assert made.warnings == ("the event loop was late by 0.400 s, the lease leaves room for 0.300 s",)
    beats.measure(made, 120)
    assert said[1:] == ["the event loop was late by 0.400 s, the lease leaves room for 0.300 s"]


def test_a_delay_is_forgotten_after_a_minute() -> None:
    made = LoopLag(0.3, lambda _: None)
    beats = Beats()
    beats.measure(made, 600, 0.1)
    assert made.worst == pytest.approx(0.1)
    assert made.warnings == ()
    beats.measure(made, 600)
    assert made.worst < 0.01
