"""Hostile and broken peers on the power line: the rows of the bad-input catalogue, and their kin."""

from __future__ import annotations

import pytest

from secc.slac import events as e
from secc.slac import messages as m
from secc.slac.frames import BROADCAST, LOCAL_MODEM, Frame, Message, encode
from secc.slac.states import SlacState
from tests.support.matching import (
    EV,
    EV_2,
    EVSE,
    MODEM,
    RUN,
    RUN_2,
    Bench,
    acknowledged,
    changed,
    measured,
    unmoved,
)

ZERO = bytes(6)

# --- frames that are none ----------------------------------------------------------------------------------
REQUESTS: tuple[tuple[bytes, Message], ...] = (
    (BROADCAST, m.SlacParmReq(RUN)),
    (BROADCAST, m.StartAttenCharInd(RUN, EV)),
    (BROADCAST, m.MnbcSoundInd(RUN, 9)),
    (EVSE, m.AttenCharRsp(EV, RUN)),
    (EVSE, m.ValidateReq(0, 0, 1)),
    (EVSE, m.SlacMatchReq(EV, EVSE, RUN)),
    (EVSE, m.AmpMapReq(917, bytes(459))),
)


@pytest.mark.threat("SLAC-01")
def test_frames_of_up_to_eighteen_bytes_are_ignored() -> None:
    bench = acknowledged()
    whole = encode(Frame(EVSE, EV, m.SlacMatchReq(EV, EVSE, RUN)))
    assert all(unmoved(bench, whole[:size]) for size in range(14 + 19))


@pytest.mark.threat("SLAC-02")
@pytest.mark.parametrize(("destination", "message"), REQUESTS, ids=lambda part: type(part).__name__)
def test_each_request_cut_at_any_byte_is_ignored(destination: bytes, message: Message) -> None:
    bench = acknowledged()
    whole = encode(Frame(destination, EV, message, trailing=b""))
    assert all(unmoved(bench, whole[:size]) for size in range(len(whole)))


@pytest.mark.threat("SLAC-03")
@pytest.mark.parametrize("size", [1514, 9000])
@pytest.mark.parametrize(("destination", "message"), REQUESTS, ids=lambda part: type(part).__name__)
def test_a_request_much_longer_than_its_type_is_ignored(
    destination: bytes, message: Message, size: int
) -> None:
    bench = acknowledged()
    assert unmoved(bench, encode(Frame(destination, EV, message)).ljust(size, b"\xa5"))


@pytest.mark.parametrize(
    ("at", "value"),
    [(12, 0x81), (14, 0), (14, 3), (17, 0x10), (17, 0x01), (18, 1), (16, 0x50), (15, 0x65)],
    ids=["VLAN", "AV 1.0", "version 3", "fragments", "a fragment", "sequence", "no type", "a confirmation"],
)
def test_another_ethertype_version_fragment_or_type_is_ignored(at: int, value: int) -> None:
    bench = Bench()
    assert unmoved(bench, changed(BROADCAST, m.SlacParmReq(RUN), at, value))


@pytest.mark.parametrize("source", [ZERO, BROADCAST, bytes.fromhex("0180c2000001"), EVSE])
def test_a_source_that_can_be_no_ev_is_ignored(source: bytes) -> None:
    bench = Bench()
    assert unmoved(bench, encode(Frame(BROADCAST, source, m.SlacParmReq(RUN))))


# --- contents that are none --------------------------------------------------------------------------------


@pytest.mark.threat("SLAC-04")
@pytest.mark.parametrize("at", [19, 20])
def test_parameters_for_another_application_or_security_type_are_not_reported(at: int) -> None:
    bench = Bench()
    assert unmoved(bench, changed(BROADCAST, m.SlacParmReq(RUN), at, 1))


@pytest.mark.req("V2G3-A09-41")
@pytest.mark.parametrize(("at", "value"), [(19, 1), (20, 1), (21, 0), (22, 0), (23, 0), (24, 9), (30, 9)])
def test_a_start_with_a_wrong_field_starts_no_sounding(at: int, value: int) -> None:
    bench = Bench()
    bench.ask()
    bench.take()
    assert unmoved(bench, changed(BROADCAST, m.StartAttenCharInd(RUN, EV), at, value))


@pytest.mark.req("V2G3-A09-47")
@pytest.mark.threat("SLAC-11")
@pytest.mark.parametrize(
    ("at", "value"),
    [(19, 1), (20, 1), (21, 9), (27, 9), (35, 1), (52, 1), (69, 1)],
    ids=lambda part: str(part),
)
def test_a_wrong_response_leaves_the_repetitions_going(at: int, value: int) -> None:
    bench = measured()
    assert unmoved(bench, changed(EVSE, m.AttenCharRsp(EV, RUN), at, value))
    bench.wait(1.0)
    assert [type(message) for message in bench.take()] == [m.AttenCharInd, m.AttenCharInd]
    assert bench.matching.state is SlacState.UNMATCHED


@pytest.mark.threat("SLAC-11")
def test_without_any_response_the_average_is_sent_three_times_and_the_run_is_over() -> None:
    bench = measured()
    bench.wait(5.0)
    assert len(bench.take()) == 2
    (report,) = bench.all_told(e.RunReport)
    assert isinstance(report, e.RunReport)
    assert report.outcome is e.Outcome.NO_RESPONSE


@pytest.mark.req("V2G3-A09-98")
@pytest.mark.threat("SLAC-07")
@pytest.mark.parametrize(
    ("at", "value"),
    [(0, 9), (6, 9), (19, 1), (20, 1), (21, 0), (22, 1), (23, 1), (40, 9), (46, 1), (63, 9), (69, 9)],
)
def test_a_wrong_request_for_the_key_gets_none_and_the_right_one_does(at: int, value: int) -> None:
    bench = acknowledged()
    assert unmoved(bench, changed(EVSE, m.SlacMatchReq(EV, EVSE, RUN), at, value))
    bench.choose()
    assert [type(message) for message in bench.take()] == [m.SlacMatchCnf]


@pytest.mark.threat("SLAC-07")
def test_a_request_for_the_key_without_any_run_gets_none() -> None:
    bench = Bench()
    assert unmoved(bench, encode(Frame(EVSE, EV, m.SlacMatchReq(EV, EVSE, RUN))))


@pytest.mark.parametrize(
    "payload", [EV + b"\x00\x00", EV + b"\x3b\x00" + bytes(59), EV + b"\xc8\x00" + bytes(200)]
)
def test_a_measurement_of_no_groups_or_too_many_is_not_counted(payload: bytes) -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    data = encode(Frame(BROADCAST, MODEM, m.AttenProfileInd(EV, b"")))[:19] + payload
    bench.put(e.FrameReceived(data.ljust(60, b"\0")))
    assert bench.matching.runs[EV].profiles == []


@pytest.mark.threat("SLAC-12")
@pytest.mark.parametrize("carriers", [0, 919, 0x1000, 0xFFFF])
def test_an_amplitude_map_whose_length_lies_is_ignored(carriers: int) -> None:
    bench = Bench()
    bench.link()
    data = bytearray(encode(Frame(EVSE, EV, m.AmpMapReq(917, bytes(459)))))
    data[19:21] = carriers.to_bytes(2, "little")
    assert unmoved(bench, bytes(data))


# --- order and owner ---------------------------------------------------------------------------------------


@pytest.mark.threat("SLAC-05")
def test_sounds_before_their_start_are_not_counted() -> None:
    bench = Bench()
    bench.ask()
    bench.take()
    for i in range(10):
        assert unmoved(bench, encode(Frame(BROADCAST, EV, m.MnbcSoundInd(RUN, 9 - i))))
        assert unmoved(bench, encode(Frame(BROADCAST, MODEM, m.AttenProfileInd(EV, bytes(58)))))
    bench.wait(2.0)
    assert bench.take() == []


@pytest.mark.threat("SLAC-06")
@pytest.mark.parametrize(("source", "run"), [(EV, RUN_2), (EV_2, RUN), (EV_2, RUN_2)])
def test_sounds_of_another_run_or_another_ev_are_not_counted(source: bytes, run: bytes) -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    bench.take()
    assert unmoved(bench, encode(Frame(BROADCAST, source, m.MnbcSoundInd(run, 9))))


def test_a_third_stations_start_with_a_run_id_it_has_overheard_makes_no_run() -> None:
    bench = Bench()
    bench.ask()
    bench.take()
    assert unmoved(bench, encode(Frame(BROADCAST, EV_2, m.StartAttenCharInd(RUN, EV_2))))
    assert unmoved(bench, encode(Frame(BROADCAST, EV_2, m.StartAttenCharInd(RUN, EV))))


def test_a_fourth_start_changes_neither_timer_nor_counters() -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    due = bench.matching.runs[EV].deadline
    bench.wait(0.1)
    bench.hear(EV, BROADCAST, m.StartAttenCharInd(RUN, EV))
    assert bench.matching.runs[EV].deadline == due


@pytest.mark.threat("SLAC-10")
@pytest.mark.parametrize(
    "message",
    [m.SlacMatchReq(EV_2, EVSE, RUN), m.SlacMatchReq(EV, EVSE, RUN), m.SetKeyReq(bytes(7), bytes(16))],
)
@pytest.mark.parametrize("destination", [EVSE, BROADCAST, LOCAL_MODEM])
def test_a_third_station_after_the_match_gets_nothing_and_moves_nothing(
    message: Message, destination: bytes
) -> None:
    bench = Bench()
    bench.link()
    assert unmoved(bench, encode(Frame(destination, EV_2, message)))
    assert bench.matching.state is SlacState.MATCHED


@pytest.mark.threat("SLAC-13")
def test_a_recorded_exchange_played_again_yields_another_key_or_none() -> None:
    bench = Bench()
    recorded = bench.match()
    bench.put(e.VehicleGone())
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    bench.put(e.VehicleConnected())
    bench.ask()
    bench.start()
    bench.sound(0)
    for i in range(10):  # the recording has sounds, but the modem measures nothing where nothing sounds
        bench.hear(EV, BROADCAST, m.MnbcSoundInd(RUN, 9 - i))
    bench.acknowledge()
    bench.choose()
    assert not [message for message in bench.take() if isinstance(message, m.SlacMatchCnf)]
    bench.wait(5.0)
    again = bench.match()
    assert (again.nid, again.nmk) != (recorded.nid, recorded.nmk)


@pytest.mark.threat("SLAC-08")
def test_no_key_of_a_thousand_matches_comes_twice() -> None:
    bench = Bench()
    seen = set()
    for _ in range(1_000):
        seen.add(bench.matching.key.nmk)
        bench.put(e.LeaveLink())
        bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    assert len(seen) == 1_000
