"""Hostile and broken peers on the power line: the rows of the bad-input catalogue, and their kin."""

from __future__ import annotations

import sys
import tracemalloc

import pytest

from secc.settings import Deviation
from secc.settings.slac import Validation
from secc.slac import events as e
from secc.slac import messages as m
from secc.slac import vendor as v
from secc.slac.frames import BROADCAST, LOCAL_MODEM, Frame, Message, encode
from secc.slac.runs import MAX_PENDING, MAX_RUNS
from secc.slac.states import SlacState
from tests.support.matching import EV, EV_2, EVSE, MODEM, RUN, RUN_2, Bench

ZERO = bytes(6)


def changed(destination: bytes, message: Message, at: int, value: int, source: bytes = EV) -> bytes:
    """The frame of a message with one byte changed; offsets as in the standard's tables, from the frame."""
    data = bytearray(encode(Frame(destination, source, message)))
    data[at] = value
    return bytes(data)


def measured() -> Bench:
    """An EV that has received its average."""
    bench = Bench()
    bench.measure()
    bench.take()
    return bench


def acknowledged() -> Bench:
    """An EV that may ask for the key."""
    bench = measured()
    bench.acknowledge()
    return bench


def unmoved(bench: Bench, data: bytes) -> bool:
    """Whether a frame leaves everything as it was, and is counted as something that was not accepted."""
    before = bench.matching.state, repr(bench.matching.runs), bench.matching.counts[e.FrameVerdict.ACCEPTED]
    bench.told.clear()
    bench.put(e.FrameReceived(data))
    after = bench.matching.state, repr(bench.matching.runs), bench.matching.counts[e.FrameVerdict.ACCEPTED]
    return before == after and not bench.take() and not bench.told


# --- frames that are none -----------------------------------------------------------------------------------

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


# --- contents that are none ---------------------------------------------------------------------------------


@pytest.mark.threat("SLAC-04")
@pytest.mark.parametrize("at", [19, 20])
def test_parameters_for_another_application_or_security_type_are_not_told(at: int) -> None:
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
def test_without_any_response_the_average_is_told_three_times_and_the_run_is_over() -> None:
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


# --- order and owner ----------------------------------------------------------------------------------------


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


# --- deviations with a name ---------------------------------------------------------------------------------

TEXT = b"EV-ID of a tool".ljust(17, b"\0")


def tolerant(*deviations: Deviation) -> Bench:
    bench = Bench(tolerate=deviations)
    bench.measure()
    bench.take()
    return bench


def test_identifiers_that_are_not_zero_are_put_up_with_by_their_name_and_copied_into_the_answer() -> None:
    bench = tolerant(Deviation.IDENTIFIERS)
    bench.hear(EV, EVSE, m.AttenCharRsp(EV, RUN, TEXT))
    bench.hear(EV, EVSE, m.SlacMatchReq(EV, EVSE, RUN, pev_id=TEXT))
    (answer,) = bench.take()
    assert isinstance(answer, m.SlacMatchCnf)
    assert answer.pev_id == TEXT


def test_a_request_for_the_key_to_everybody_is_put_up_with_by_its_name_but_has_to_name_this_station() -> None:
    bench = tolerant(Deviation.GROUP)
    bench.acknowledge()
    other = bytes.fromhex("0200000000c2")
    assert unmoved(bench, encode(Frame(BROADCAST, EV, m.SlacMatchReq(EV, other, RUN))))
    bench.hear(EV, BROADCAST, m.SlacMatchReq(EV, EVSE, RUN))
    assert [type(message) for message in bench.take()] == [m.SlacMatchCnf]


@pytest.mark.parametrize(
    ("named", "data"),
    [
        (Deviation.GROUP, encode(Frame(EVSE, EV, m.SlacMatchReq(EV, EVSE, RUN, pev_id=TEXT)))),
        (Deviation.IDENTIFIERS, encode(Frame(BROADCAST, EV, m.SlacMatchReq(EV, EVSE, RUN)))),
    ],
)
def test_one_deviation_does_not_excuse_another(named: Deviation, data: bytes) -> None:
    bench = tolerant(named)
    bench.acknowledge()
    assert unmoved(bench, data)


def test_no_deviation_excuses_what_is_for_one_station_alone() -> None:
    bench = tolerant(*Deviation)
    assert unmoved(bench, encode(Frame(BROADCAST, EV, m.AttenCharRsp(EV, RUN))))


def test_an_acknowledgement_of_what_was_not_told_is_suspicious() -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    bench.acknowledge()
    assert len(bench.all_told(e.Suspicious)) == 1
    bench.take()
    bench.choose()
    assert bench.take() == []


def test_an_ev_that_begins_anew_in_the_middle_of_its_sounds_is_suspicious() -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    bench.ask()
    assert len(bench.all_told(e.Suspicious)) == 1


def test_a_validation_lasts_no_longer_than_the_standard_lets_it() -> None:
    bench = Bench(validation=Validation.ON)
    bench.measure()
    bench.acknowledge()
    bench.hear(EV, EVSE, m.ValidateReq(0, 0, 1))
    bench.hear(EV, EVSE, m.ValidateReq(0, 255, 1))
    bench.take()
    bench.wait(3.49)
    assert bench.take() == []
    bench.wait(0.02)
    assert bench.take() == [m.ValidateCnf(0, 0, 2)]


# --- somebody gives our modem a key -------------------------------------------------------------------------


def told_networks(*nids: bytes, settings: bool = True, source: bytes = MODEM) -> Bench:
    """A matched station whose modem reports these networks; empty: the network of the station."""
    bench = Bench(verify_network=settings)
    bench.link()
    for nid in nids:
        message = v.NetworkInfoCnf.of(nid or bench.matching.key.nid, EVSE, [EV])
        bench.hear(source, EVSE, message)
    return bench


def test_a_modem_in_another_network_is_left_and_told() -> None:
    bench = told_networks(b"\1\2\3\4\5\6\7")
    assert len(bench.all_told(e.Suspicious)) == 1
    (gone,) = bench.all_told(e.LinkGone)
    assert isinstance(gone, e.LinkGone)
    assert gone.failed
    assert bench.matching.state is SlacState.KEYING


def test_a_modem_in_its_own_network_or_in_none_stays() -> None:
    bench = told_networks(b"")
    bench.hear(MODEM, EVSE, v.NetworkInfoCnf.of(bytes(7), EVSE, []))
    assert bench.matching.state is SlacState.MATCHED


@pytest.mark.parametrize(("settings", "source"), [(False, MODEM), (True, EV_2)])
def test_nobody_is_believed_about_networks_who_was_not_asked(settings: bool, source: bytes) -> None:
    bench = told_networks(b"\1\2\3\4\5\6\7", settings=settings, source=source)
    assert bench.matching.state is SlacState.MATCHED


def test_the_modem_is_asked_for_its_network_only_where_the_settings_say_so() -> None:
    for settings, asked in ((True, True), (False, False)):
        bench = told_networks(settings=settings)
        bench.wait(1.1)
        assert (v.NetworkInfoReq() in bench.take()) is asked


# --- cross-talk ---------------------------------------------------------------------------------------------


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


# --- floods -------------------------------------------------------------------------------------------------


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


# --- unplugging in every state ------------------------------------------------------------------------------


def in_state(state: SlacState) -> Bench:
    """A matching in that state, with an EV where there is one."""
    match state:
        case SlacState.DOWN:
            bench = Bench()
            bench.put(e.ModemLost())
        case SlacState.KEYING:
            bench = Bench(armed=False)
        case SlacState.UNMATCHED:
            bench = Bench()
        case SlacState.MATCHING:
            bench = acknowledged()
        case SlacState.JOINING:
            bench = Bench()
            bench.match()
        case SlacState.AMPLITUDE_MAP:
            bench = Bench(amplitude_map=True)
            bench.match()
            bench.wait(0.2)
        case _:
            bench = Bench(sleep_on_pause=True)
            bench.link()
            if state is not SlacState.MATCHED:
                bench.put(e.PauseLink())
            if state is SlacState.RESUMING:
                bench.put(e.ResumeLink())
    assert bench.matching.state is state
    bench.take()
    return bench


@pytest.mark.parametrize("state", list(SlacState), ids=lambda state: state.name)
def test_unplugging_in_any_state_leaves_no_run_no_key_and_no_answers(state: SlacState) -> None:
    bench = in_state(state)
    given = bench.matching.key if bench.matching.key_given else None
    bench.put(e.VehicleGone())
    assert bench.matching.runs == {}
    assert bench.matching.key != given
    assert {type(message) for message in bench.take()} <= {m.SetKeyReq}
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    for act in (bench.ask, bench.start, bench.sound, bench.acknowledge, bench.choose):
        act()
    assert {type(message) for message in bench.take()} <= {m.SetKeyReq}


@pytest.mark.parametrize(
    ("state", "event"),
    [(state, event) for state in SlacState for event in (e.ModemLost(), e.ModemOpened(), e.LeaveLink())],
    ids=lambda part: part.name if isinstance(part, SlacState) else type(part).__name__,
)
def test_whatever_happens_to_the_modem_the_station_can_match_again(state: SlacState, event: e.Input) -> None:
    bench = in_state(state)
    bench.put(event)
    bench.put(e.VehicleGone())
    bench.put(e.ModemOpened())
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    bench.put(e.VehicleConnected())
    bench.take()
    bench.match()
    assert bench.matching.state is SlacState.JOINING
