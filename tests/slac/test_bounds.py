"""Several stations and EVs on one line, and floods: bounds of memory, answers and work."""

from __future__ import annotations

import sys
import tracemalloc

import pytest

from secc.slac import events as e
from secc.slac import messages as m
from secc.slac.frames import BROADCAST, Frame, encode
from secc.slac.runs import MAX_PENDING, MAX_RUNS
from secc.slac.states import SlacState
from tests.support.matching import EV, EVSE, MODEM, RUN, Bench

# --- cross-talk --------------------------------------------------------------------------------------------


def test_of_two_stations_that_hear_one_ev_the_one_it_does_not_choose_stays_quiet_and_ready() -> None:
    near, far = Bench(), Bench()
    far.matching.evse_mac = neighbour = bytes.fromhex("0200000000c2")
    for bench, level in ((near, 10), (far, 40)):
        bench.ask()
        bench.start()
        bench.sound(level=level)
    near.acknowledge()
    far.hear(EV, neighbour, m.AttenCharRsp(EV, RUN))
    near.take(), far.take()
    for bench in (near, far):
        bench.hear(EV, EVSE, m.SlacMatchReq(EV, EVSE, RUN))
    assert [type(message) for message in near.take()] == [m.SlacMatchCnf]
    far.wait(10.1)
    assert far.take() == []
    assert far.matching.state is SlacState.UNMATCHED
    (report,) = far.all_told(e.RunReport)
    assert isinstance(report, e.RunReport)
    assert report.outcome is e.Outcome.NO_MATCH


def test_five_evs_are_measured_at_the_same_time() -> None:
    bench = Bench()
    evs = [b"\x02\0\0\0\1" + bytes((i,)) for i in range(5)]
    for ev in evs:
        bench.ask(ev)
    for ev in evs:
        bench.hear(ev, BROADCAST, m.StartAttenCharInd(RUN, ev))
    for _ in range(10):
        for ev in evs:
            bench.hear(ev, BROADCAST, m.MnbcSoundInd(RUN, 0))
            bench.hear(MODEM, BROADCAST, m.AttenProfileInd(ev, bytes([ev[5]] * 58)))
    told = {
        message.source_address: message for message in bench.take() if isinstance(message, m.AttenCharInd)
    }
    assert {ev: told[ev].profile[0] for ev in evs} == {ev: ev[5] for ev in evs}


# --- floods ------------------------------------------------------------------------------------------------


def flood(serial: int) -> list[bytes]:
    """A request, a start, a sound and a measurement of an invented EV."""
    ev = b"\x06" + serial.to_bytes(5, "big")
    return [
        encode(Frame(BROADCAST, ev, m.SlacParmReq(RUN))),
        encode(Frame(BROADCAST, ev, m.StartAttenCharInd(RUN, ev))),
        encode(Frame(BROADCAST, ev, m.MnbcSoundInd(RUN, 9))),
        encode(Frame(BROADCAST, MODEM, m.AttenProfileInd(ev, bytes(58)))),
    ]


@pytest.mark.threat("SLAC-09")
def test_a_flood_from_invented_addresses_keeps_nothing_beyond_its_bounds() -> None:
    bench = Bench()
    frames = [data for serial in range(3_000) for data in flood(serial)]

    def play(part: list[bytes]) -> None:
        for data in part:
            bench.now += 0.001
            bench.matching.handle(e.FrameReceived(data), bench.now)

    play(frames[:6_000])  # full by now
    tracemalloc.start()
    try:
        play(frames[6_000:])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(bench.matching.runs) <= MAX_RUNS
    assert len(bench.matching.pending) <= MAX_PENDING
    assert kept < 128 * 1024


@pytest.mark.threat("SLAC-09")
def test_answers_to_a_flood_are_fewer_than_its_questions() -> None:
    bench = Bench()
    for serial in range(4_000):
        bench.ask(b"\x06" + serial.to_bytes(5, "big"))
        bench.now += 0.00025
    assert len(bench.take()) <= 1_000


def test_the_work_per_frame_does_not_grow_with_the_flood() -> None:
    """Counted in calls of Python functions, which do not depend on the machine."""
    bench = Bench()
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    def cost(serials: range) -> float:
        nonlocal calls
        frames = [data for serial in serials for data in flood(serial)]
        calls = 0
        sys.setprofile(count)
        try:
            for data in frames:
                bench.now += 0.0001
                bench.matching.handle(e.FrameReceived(data), bench.now)
        finally:
            sys.setprofile(None)
        return calls / len(frames)

    cost(range(500))
    first, last = cost(range(1_000, 1_250)), cost(range(20_000, 20_250))
    assert last < 1.2 * first
    assert last < 60
