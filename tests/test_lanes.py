"""Lanes: the streams of a connection do not wait for each other."""

from secc.lanes import MAX_BESIDE, Lanes
from secc.v2gtp import V2gtpFrame

MAIN, SCHEDULE, METERING = 0x8004, 0x8101, 0x8102


def frames(*types: int) -> tuple[V2gtpFrame, ...]:
    return tuple(V2gtpFrame(payload_type, bytes([number])) for number, payload_type in enumerate(types))


def lanes() -> Lanes[str]:
    return Lanes((SCHEDULE, METERING))


def taken(of: Lanes[str]) -> list[int]:
    found = []
    while (frame := of.next()) is not None:
        found.append(frame.payload_type)
    return found


def test_the_main_stream_goes_first() -> None:
    found = lanes()
    found.add(frames(METERING, SCHEDULE, MAIN, SCHEDULE, MAIN))
    assert taken(found) == [MAIN, MAIN, SCHEDULE, SCHEDULE, METERING]
    assert found.empty


def test_frames_of_one_stream_keep_their_order() -> None:
    found = lanes()
    found.add(frames(0x8002, MAIN, 0x8002))
    assert taken(found) == [0x8002, MAIN, 0x8002]


def test_a_response_that_is_held_back_stops_its_stream_only() -> None:
    found = lanes()
    found.add(frames(MAIN, SCHEDULE))
    found.main.held = (2.0, "loop")
    assert taken(found) == [SCHEDULE]
    assert found.deadline == 2.0
    assert found.main.due(1.999) is None
    assert found.main.due(2.0) == "loop"
    assert taken(found) == [MAIN]


def test_the_earliest_response_that_is_held_back_is_the_deadline() -> None:
    found = lanes()
    assert found.deadline is None
    found.main.held = (3.0, "loop")
    found.of(SCHEDULE).held = (2.0, "side")
    assert found.deadline == 2.0
    assert found.of(SCHEDULE).release() == "side"
    assert found.deadline == 3.0


def test_a_side_stream_holds_few_frames_and_gives_up_the_last() -> None:
    found = lanes()
    found.of(SCHEDULE).held = (1.0, "side")
    found.add(frames(*[SCHEDULE] * (MAX_BESIDE + 2)))
    assert [surplus.payload for surplus in iter(found.surplus, None)] == [b"\x03", b"\x02"]
    assert len(found.of(SCHEDULE).waiting) == MAX_BESIDE


def test_the_main_stream_has_no_surplus() -> None:
    found = lanes()
    found.add(frames(*[MAIN] * 20))
    assert found.surplus() is None


def test_after_the_end_nothing_waits() -> None:
    found = lanes()
    found.add(frames(MAIN, SCHEDULE))
    found.clear()
    assert found.empty
