"""A car is matched while other devices on the power line send as much as they can."""

from __future__ import annotations

import pytest

from secc.slac import messages as m
from secc.slac.frames import BROADCAST
from secc.slac.runs import MAX_HEARD, MAX_RUNS
from tests.support.matching import EV, EVSE, MODEM, RUN, RUN_2, Bench

FAINT = bytes([60]) * 58
OURS = bytes([20]) * 58


class FloodedBench(Bench):
    """`wait` lets invented EVs send: requests, requests and starts, or a sound of each as well."""

    def __init__(self, rate: int, frames: int) -> None:
        super().__init__()
        self._rate, self._frames, self._serial = rate, frames, 0
        self._next = self.now

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self._next <= end:
            super().wait(self._next - self.now)
            self._flood()
            self._next += 1 / self._rate
        super().wait(end - self.now)

    def _flood(self) -> None:
        self._serial += 1
        ev = b"\x06" + self._serial.to_bytes(5, "big")
        self.hear(ev, BROADCAST, m.SlacParmReq(RUN))
        if self._frames > 1:
            self.hear(ev, BROADCAST, m.StartAttenCharInd(RUN, ev))
        if self._frames > 2:
            self.hear(ev, BROADCAST, m.MnbcSoundInd(RUN, 9))
            self.hear(MODEM, BROADCAST, m.AttenProfileInd(ev, FAINT))

    def attempt(self) -> bool:
        """One attempt of a car, as long as it is answered; whether it gets the key."""
        for _ in range(3):
            self.take()
            self.hear(EV, BROADCAST, m.SlacParmReq(RUN))
            answered = self.take() != []
            self.wait(0.1)
            if answered:
                break
        for _ in range(3):
            self.hear(EV, BROADCAST, m.StartAttenCharInd(RUN, EV))
            self.wait(0.03)
        for remaining in range(9, -1, -1):
            self.hear(EV, BROADCAST, m.MnbcSoundInd(RUN, remaining))
            self.hear(MODEM, BROADCAST, m.AttenProfileInd(EV, OURS))
            self.wait(0.03)
        self.wait(0.1)
        self.hear(EV, EVSE, m.AttenCharRsp(EV, RUN))
        self.take()
        self.hear(EV, EVSE, m.SlacMatchReq(EV, EVSE, RUN))
        return any(isinstance(message, m.SlacMatchCnf) for message in self.take())


@pytest.mark.threat("SLAC-09")
@pytest.mark.parametrize("frames", [1, 2, 3], ids=["requests", "starts", "sounds"])
@pytest.mark.parametrize("rate", [500, 2_000])
def test_a_car_is_matched_in_its_first_attempts_in_a_flood(rate: int, frames: int) -> None:
    bench = FloodedBench(rate, frames)
    bench.wait(1.0)
    begun = bench.now
    while not bench.attempt():
        bench.wait(0.4)
    assert bench.now - begun < 4.0  # a car tries for 10 s
    assert len(bench.matching.runs) <= MAX_RUNS


def test_a_louder_ev_replaces_the_faintest_of_those_that_were_measured() -> None:
    bench = Bench()
    for serial in range(MAX_HEARD):
        ev = b"\x06" + serial.to_bytes(5, "big")
        bench.measure(ev, count=10)
        bench.acknowledge(ev)
    bench.ask(EV, RUN_2)
    bench.start(EV, RUN_2)
    bench.sound(1, EV, RUN_2, level=21)
    assert bench.matching.runs[EV].profiles == []
    bench.sound(1, EV, RUN_2, level=19)
    assert len(bench.matching.runs[EV].profiles) == 1
    assert sum(1 for run in bench.matching.runs.values() if run.profiles) == MAX_HEARD


def test_an_ev_that_repeats_its_request_is_answered_in_a_flood_of_first_requests() -> None:
    bench = Bench()
    for serial in range(1_000):
        bench.ask(b"\x06" + serial.to_bytes(5, "big"))
    bench.take()
    bench.ask()
    assert bench.take() == []
    bench.ask()
    assert [type(message) for message in bench.take()] == [m.SlacParmCnf]
