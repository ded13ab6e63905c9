"""The matching of a station: time is a number, the power line is a list of frames."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.settings import Deviation
from secc.settings.slac import KeyResult, LinkStatus, SlacConfig, Validation
from secc.slac import events as e
from secc.slac import messages as m
from secc.slac import vendor as v
from secc.slac.frames import BROADCAST, Frame, Message, decode, encode
from secc.slac.matching import Matching
from secc.slac.runs import MAX_PENDING, MAX_RUNS
from secc.slac.states import SlacState
from secc.slac.table import RULES, TABLE
from tests.support import vectors
from tests.support.matching import EV, EV_2, EVSE, MODEM, RUN, RUN_2, Bench

# --- the good case ------------------------------------------------------------------------------------------


def test_a_modem_is_given_a_key_and_asked_for_its_name() -> None:
    bench = Bench(armed=False, plugged=False)
    names = [
        type(decode(o.data).message).__name__
        for o in bench.matching.handle(e.ModemOpened(), 100.1)
        if isinstance(o, e.SendFrame)
    ]
    assert names == ["OperationAttributesReq", "SoftwareVersionReq", "LumissilVersionReq", "SetKeyReq"]


def test_a_whole_matching_ends_with_the_key_and_the_link() -> None:
    bench = Bench()
    bench.ask()
    assert bench.take() == [m.SlacParmCnf(RUN, EV, sounds=10, time_out=6)]
    bench.start()
    bench.sound()
    assert bench.take() == [m.AttenCharInd(EV, RUN, 10, bytes([20] * 58))]
    bench.acknowledge()
    bench.choose()
    key = bench.matching.key
    assert bench.take() == [m.SlacMatchCnf(EV, EVSE, RUN, key.nid, key.nmk)]
    assert bench.all_told(e.LinkReady) == []
    bench.wait(0.2)
    assert bench.all_told(e.LinkReady) == [e.LinkReady(EV, RUN, key.nid)]
    assert bench.matching.state is SlacState.MATCHED


@pytest.mark.req("V2G3-A09-43", "V2G3-A09-20")
@pytest.mark.parametrize("count", [9, 1])
def test_fewer_sounds_are_averaged_when_the_time_is_over(count: int) -> None:
    bench = Bench()
    bench.measure(count=count)
    assert bench.take()[1:] == []
    bench.wait(0.6)
    assert bench.sent[0] == m.AttenCharInd(EV, RUN, count, bytes([20] * 58))


def test_no_measurement_no_answer() -> None:
    bench = Bench()
    bench.measure(count=0)
    bench.take()
    bench.wait(5.0)
    assert bench.take() == []
    (report,) = bench.all_told(e.RunReport)
    assert isinstance(report, e.RunReport)
    assert report.outcome is e.Outcome.NO_PROFILE


def test_twenty_sounds_count_as_ten() -> None:
    bench = Bench()
    bench.measure(count=20)
    told = [message for message in bench.take() if isinstance(message, m.AttenCharInd)]
    assert told[0] == m.AttenCharInd(EV, RUN, 10, bytes([20] * 58))


@pytest.mark.req("V2G3-A09-46")
def test_the_average_is_told_three_times_and_then_no_key_is_given() -> None:
    bench = Bench()
    bench.measure()
    bench.take()
    bench.wait(0.19)
    bench.take()
    bench.wait(0.2)
    bench.wait(0.2)
    assert bench.take() == [m.AttenCharInd(EV, RUN, 10, bytes([20] * 58))]
    bench.acknowledge()
    bench.choose()
    assert bench.take() == []


def test_the_same_request_for_the_key_gets_the_same_answer_again() -> None:
    bench = Bench()
    first = bench.match()
    bench.choose()
    assert bench.take() == [first]


def test_the_key_is_not_given_ten_seconds_later() -> None:
    bench = Bench()
    bench.measure()
    bench.acknowledge()
    bench.take()
    bench.wait(10.01)
    bench.choose()
    assert bench.take() == []


# --- requests that must not be answered ---------------------------------------------------------------------


@pytest.mark.parametrize("row", [340, 342, 343, 349, 351, 352])
def test_recorded_frames_with_a_wrong_address_or_run_are_ignored(row: int) -> None:
    data = next(bytes.fromhex(r["hex"]) for r in vectors.lines("slac.jsonl") if r["id"] == row)
    bench = Bench()
    bench.ask()
    if row != 340:
        bench.start()
        bench.sound()
    if row in (349, 351, 352):
        bench.acknowledge()
    bench.take()
    before = bench.matching.state, dict(bench.matching.runs)
    bench.put(e.FrameReceived(data))
    assert bench.take() == []
    assert (bench.matching.state, dict(bench.matching.runs)) == before


@pytest.mark.parametrize(
    "prepare",
    [lambda b: None, lambda b: b.ask(), lambda b: (b.ask(), b.start()), lambda b: b.measure()],
    ids=["nothing", "asked", "started", "measured, not acknowledged"],
)
def test_no_key_before_the_measurement_is_acknowledged(prepare: Callable[[Bench], object]) -> None:
    bench = Bench()
    prepare(bench)
    bench.take()
    bench.choose()
    assert bench.take() == []


@pytest.mark.threat("SLAC-07")
def test_the_key_goes_to_nobody_else() -> None:
    bench = Bench()
    bench.measure()
    bench.acknowledge()
    bench.take()
    bench.choose(ev=EV_2)
    bench.hear(EV_2, EVSE, m.SlacMatchReq(EV, EVSE, RUN))
    assert bench.take() == []


def test_a_start_more_than_400_ms_after_the_answer_is_ignored() -> None:
    bench = Bench()
    bench.ask()
    bench.wait(0.35)
    bench.start()
    assert bench.matching.runs == {}


def test_a_start_without_a_request_is_ignored() -> None:
    bench = Bench()
    bench.start()
    assert bench.matching.runs == {}


def test_sounds_of_others_are_not_counted() -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    bench.hear(EV_2, BROADCAST, m.MnbcSoundInd(RUN, 9))
    bench.hear(EV, BROADCAST, m.MnbcSoundInd(RUN_2, 9))
    assert bench.matching.runs[EV].sounds == 0


def test_measurements_that_are_not_of_the_own_modem_are_not_counted() -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    bench.hear(EV_2, BROADCAST, m.AttenProfileInd(EV, bytes(58)))
    bench.hear(MODEM, BROADCAST, m.AttenProfileInd(EV, b""))
    assert bench.matching.runs[EV].profiles == []


def test_measurements_without_sounds_are_suspicious() -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    bench.hear(EV, BROADCAST, m.MnbcSoundInd(RUN, 9))
    for _ in range(9):
        bench.hear(MODEM, BROADCAST, m.AttenProfileInd(EV, bytes(58)))
    assert len(bench.matching.runs[EV].profiles) == 3
    assert len(bench.all_told(e.Suspicious)) == 1


def test_what_was_sent_to_a_neighbour_is_not_for_us() -> None:
    bench = Bench()
    bench.measure()
    bench.take()
    bench.hear(EV, EV_2, m.AttenCharRsp(EV, RUN))
    bench.choose()
    assert bench.take() == []
    assert bench.matching.counts[e.FrameVerdict.NOT_FOR_US] == 1


def test_nobody_is_answered_while_nothing_is_plugged_in() -> None:
    bench = Bench(plugged=False)
    bench.ask()
    assert bench.take() == []


def test_nobody_is_answered_before_the_modem_has_its_key() -> None:
    bench = Bench(armed=False)
    bench.ask()
    assert bench.take() == []


def test_nobody_is_answered_while_matched() -> None:
    bench = Bench()
    bench.match()
    bench.wait(0.3)
    bench.put(e.LinkUsed(used=True))
    bench.ask()
    bench.ask(EV_2, RUN_2)
    bench.choose(EV_2, RUN_2)
    assert bench.take() == []
    assert bench.matching.state is SlacState.MATCHED


@pytest.mark.req("V2G3-M06-07")
def test_nobody_is_answered_after_the_time_to_begin_is_over() -> None:
    bench = Bench(slac_init=40.0)
    bench.wait(40.0)
    assert bench.all_told(e.NoRequest) == [e.NoRequest()]
    bench.ask()
    assert bench.take() == []
    bench.put(e.VehicleConnected())
    bench.ask()
    assert len(bench.take()) == 1


# --- beginning anew, several at once ------------------------------------------------------------------------


@pytest.mark.req("V2G3-A09-16")
@pytest.mark.parametrize("run", [RUN, RUN_2])
def test_an_ev_may_begin_anew_in_the_middle_of_its_sounding(run: bytes) -> None:
    bench = Bench()
    bench.measure(count=4)
    bench.measure(run=run)
    told = [message for message in bench.take() if isinstance(message, m.AttenCharInd)]
    assert told == [m.AttenCharInd(EV, run, 10, bytes([20] * 58))]


def test_the_key_is_not_given_for_an_older_run() -> None:
    bench = Bench()
    bench.measure()
    bench.acknowledge()
    bench.measure(run=RUN_2)
    bench.acknowledge(run=RUN_2)
    bench.take()
    bench.choose(run=RUN)
    assert bench.take() == []


def test_two_evs_of_one_maker_with_the_same_run_id_are_kept_apart() -> None:
    bench = Bench()
    bench.ask()
    bench.ask(EV_2)
    bench.start()
    bench.start(EV_2)
    bench.sound(level=10)
    bench.sound(ev=EV_2, level=50)
    told = [message for message in bench.take() if isinstance(message, m.AttenCharInd)]
    assert set(told) == {
        m.AttenCharInd(EV, RUN, 10, bytes([10] * 58)),
        m.AttenCharInd(EV_2, RUN, 10, bytes([50] * 58)),
    }
    bench.acknowledge()
    bench.choose()
    assert [type(message) for message in bench.take()] == [m.SlacMatchCnf]
    assert list(bench.matching.runs) == []


def test_an_ev_that_did_not_get_the_key_may_begin_anew() -> None:
    bench = Bench()
    bench.match()
    bench.ask()
    assert bench.take() == [m.SlacParmCnf(RUN, EV)]
    assert bench.matching.state is SlacState.UNMATCHED
    bench.match()


def test_everything_remembered_is_bounded_under_a_flood() -> None:
    bench = Bench()
    for i in range(2000):
        ev = b"\x02" + i.to_bytes(5, "big")
        bench.ask(ev)
        bench.hear(ev, BROADCAST, m.StartAttenCharInd(RUN, ev))
        bench.now += 0.001
    assert len(bench.matching.runs) <= MAX_RUNS
    assert len(bench.matching.pending) <= MAX_PENDING


@pytest.mark.threat("SLAC-09")
def test_a_real_ev_is_matched_in_a_flood_of_a_thousand_requests_a_second() -> None:
    bench = Bench()
    serial = 0

    def flood(seconds: float) -> None:
        nonlocal serial
        for _ in range(round(seconds * 1000)):
            serial += 1
            bench.ask(b"\x06" + serial.to_bytes(5, "big"))
            bench.wait(0.001)

    flood(1.0)
    for _ in range(3):  # as a car does, until it is answered
        bench.take()
        bench.ask()
        if bench.take():
            break
        flood(0.2)
    flood(0.1)
    for _ in range(3):
        bench.hear(EV, BROADCAST, m.StartAttenCharInd(RUN, EV))
        flood(0.03)
    for _ in range(10):
        bench.hear(EV, BROADCAST, m.MnbcSoundInd(RUN, 0))
        bench.hear(MODEM, BROADCAST, m.AttenProfileInd(EV, bytes(58)))
        flood(0.03)
    bench.acknowledge()
    bench.take()
    bench.choose()
    assert [type(message) for message in bench.take()] == [m.SlacMatchCnf]


def test_one_ev_is_not_answered_more_than_ten_times_a_second() -> None:
    bench = Bench()
    for _ in range(100):
        bench.ask()
        bench.now += 0.001
    assert len(bench.take()) == 10
    assert bench.matching.counts[e.FrameVerdict.RATE] == 90


# --- the key ------------------------------------------------------------------------------------------------


@pytest.mark.threat("SLAC-08")
@pytest.mark.req("V2G3-A09-121")
def test_each_match_has_a_key_of_its_own() -> None:
    bench = Bench()
    first = bench.match()
    bench.put(e.VehicleGone())
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    bench.put(e.VehicleConnected())
    second = bench.match()
    assert first.nmk != second.nmk
    assert first.nid != second.nid


def test_a_silent_modem_is_told_about_and_tried_again_for_ever() -> None:
    bench = Bench(armed=False)
    bench.wait(20.0)
    assert bench.all_told(e.ModemSilent) == [e.ModemSilent()]
    assert len(bench.take()) >= 6
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    assert bench.all_told(e.Armed) == [e.Armed()]


@pytest.mark.parametrize(
    ("accepted", "result", "armed"),
    [
        (KeyResult.ANY, 0, True),
        (KeyResult.ANY, 1, True),
        (KeyResult.ANY, 2, False),
        (KeyResult.ONE, 0, False),
        (KeyResult.ZERO, 0, True),
        (KeyResult.VENDOR, 0, True),
        (KeyResult.VENDOR, 1, True),
        (KeyResult.VENDOR, 2, False),
    ],
)
def test_the_result_of_the_modem_is_read_as_configured(accepted: KeyResult, result: int, armed: bool) -> None:
    bench = Bench(armed=False, set_key_result=accepted)
    bench.hear(MODEM, EVSE, m.SetKeyCnf(result))
    assert bool(bench.all_told(e.Armed)) is armed


@pytest.mark.parametrize(("result", "armed"), [(0, False), (1, True), (2, False)])
def test_with_a_qualcomm_modem_one_is_success(result: int, armed: bool) -> None:
    bench = Bench(armed=False)
    bench.give_vendor()
    bench.hear(MODEM, EVSE, m.SetKeyCnf(result))
    assert bool(bench.all_told(e.Armed)) is armed
    assert bench.all_told(e.KeyRefused) == ([] if armed else [e.KeyRefused(result)])


def test_a_refused_key_is_sent_again_and_reported_once() -> None:
    bench = Bench(armed=False)
    bench.give_vendor()
    bench.sent.clear()
    for _ in range(6):
        bench.hear(MODEM, EVSE, m.SetKeyCnf(0))
        bench.wait(1.0)
    assert {type(one) for one in bench.take()} == {m.SetKeyReq}
    assert bench.all_told(e.KeyRefused) == [e.KeyRefused(0)]
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    assert bench.matching.state is SlacState.UNMATCHED


def test_a_maker_that_is_known_later_turns_a_success_into_a_refusal() -> None:
    bench = Bench(armed=False)
    bench.hear(MODEM, EVSE, m.SetKeyCnf(0))
    assert bench.all_told(e.Armed)
    bench.take()
    bench.give_vendor()
    assert bench.matching.state is SlacState.KEYING
    assert bench.all_told(e.KeyRefused) == [e.KeyRefused(0)]
    assert [type(one) for one in bench.take()] == [m.SetKeyReq]


def test_a_confirmation_for_somebody_elses_request_is_ignored() -> None:
    bench = Bench(armed=False)
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1, your_nonce=b"\xaa\xaa\xaa\xaa"))
    assert bench.matching.state is SlacState.KEYING


def test_only_the_configured_modem_is_believed() -> None:
    bench = Bench(armed=False, modem_mac="02:00:00:00:00:aa")
    bench.hear(EV_2, EVSE, m.SetKeyCnf(1))
    assert bench.all_told(e.Armed) == []
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    assert bench.matching.state is SlacState.UNMATCHED


def test_the_key_does_not_show_in_anything_that_is_told() -> None:
    bench = Bench()
    answer = bench.match()
    bench.wait(1.0)
    text = repr(bench.told) + repr(bench.matching.handle(e.LeaveLink(), bench.now))
    assert answer.nmk.hex() not in text
    assert repr(answer.nmk)[2:-1] not in text


def test_groups_that_the_modem_does_not_measure_get_the_mean_of_the_others() -> None:
    bench = Bench()
    bench.ask()
    bench.start()
    for i in range(10):
        bench.hear(EV, BROADCAST, m.MnbcSoundInd(RUN, 9 - i))
        bench.hear(MODEM, BROADCAST, m.AttenProfileInd(EV, bytes([40] * 30 + [20] * 20)))
    (told,) = [message for message in bench.take() if isinstance(message, m.AttenCharInd)]
    assert told.profile == bytes([40] * 30 + [20] * 20 + [32] * 8)
    assert told.groups == 50


# --- the link -----------------------------------------------------------------------------------------------


def test_the_modem_is_asked_until_the_link_is_up() -> None:
    bench = Bench()
    bench.give_vendor()
    bench.match()
    bench.wait(1.0)
    assert set(map(type, bench.take())) == {v.LinkStatusReq}
    bench.hear(MODEM, EVSE, v.LinkStatusCnf(0, 0))
    assert bench.matching.state is SlacState.JOINING
    bench.hear(MODEM, EVSE, v.LinkStatusCnf(0, 1))
    assert len(bench.all_told(e.LinkReady)) == 1


@pytest.mark.parametrize("mmv", [0, 1])
def test_a_lumissil_modem_is_asked_by_its_own_messages(mmv: int) -> None:
    bench = Bench()
    bench.put(e.FrameReceived(encode(Frame(EVSE, MODEM, v.LumissilVersionCnf(), None, mmv))))
    bench.match()
    bench.wait(0.3)
    assert bench.take() == [v.LumissilLinkReq()]
    bench.hear(MODEM, EVSE, v.LumissilLinkCnf(0, 1))
    assert bench.matching.state is SlacState.MATCHED


def test_a_link_that_does_not_come_in_twelve_seconds_has_failed() -> None:
    bench = Bench()
    bench.give_vendor()
    bench.match()
    bench.hear(MODEM, EVSE, v.LinkStatusCnf(0, 0))
    bench.wait(12.1)
    (gone,) = bench.all_told(e.LinkGone)
    assert isinstance(gone, e.LinkGone)
    assert gone.failed
    assert bench.matching.state is SlacState.KEYING


def matched_with_a_modem_that_can_be_asked() -> Bench:
    bench = Bench()
    bench.link()
    return bench


def test_one_denial_is_no_loss_and_three_are() -> None:
    bench = matched_with_a_modem_that_can_be_asked()
    for link in (0, 0, 1, 0, 0):
        bench.hear(MODEM, EVSE, v.LinkStatusCnf(0, link))
    assert bench.matching.state is SlacState.MATCHED
    bench.hear(MODEM, EVSE, v.LinkStatusCnf(0, 0))
    assert bench.all_told(e.LinkGone) == [e.LinkGone("the modem reports no link", True)]


def test_somebody_elses_denials_are_not_believed() -> None:
    bench = matched_with_a_modem_that_can_be_asked()
    for _ in range(5):
        bench.hear(EV_2, EVSE, v.LinkStatusCnf(0, 0))
    assert bench.matching.state is SlacState.MATCHED


def test_a_modem_that_never_answers_for_its_link_is_assumed_to_have_one() -> None:
    bench = Bench()
    bench.give_vendor()
    bench.match()
    bench.wait(2.0)
    assert bench.all_told(e.LinkUnwatched) == [e.LinkUnwatched()]
    assert len(bench.all_told(e.LinkReady)) == 1
    bench.wait(60.0)
    assert bench.matching.state is SlacState.MATCHED
    assert len(bench.all_told(e.LinkUnwatched)) == 1


def test_the_next_car_at_such_a_modem_does_not_wait_for_its_answers() -> None:
    bench = Bench()
    bench.give_vendor()
    bench.match()
    bench.wait(2.0)
    bench.put(e.LeaveLink())
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    bench.put(e.VehicleConnected())
    bench.match()
    bench.wait(0.25)
    assert bench.matching.state is SlacState.MATCHED
    assert len(bench.all_told(e.LinkUnwatched)) == 1


def test_such_a_modem_is_watched_again_once_it_answers() -> None:
    bench = Bench()
    bench.give_vendor()
    bench.match()
    bench.wait(2.0)
    for _ in range(3):
        bench.hear(MODEM, EVSE, v.LinkStatusCnf(0, 0))
    assert bench.all_told(e.LinkGone) == [e.LinkGone("the modem reports no link", True)]


def test_seconds_of_silence_do_not_end_a_running_session() -> None:
    bench = matched_with_a_modem_that_can_be_asked()
    bench.wait(60.0)
    assert bench.matching.state is SlacState.MATCHED
    assert not bench.all_told(e.LinkGone)


def test_a_modem_that_is_not_to_be_asked_is_not_asked() -> None:
    bench = Bench(link_status=LinkStatus.OFF)
    bench.give_vendor()
    bench.match()
    bench.wait(10.0)
    assert bench.matching.state is SlacState.MATCHED
    assert bench.take() == []
    assert not bench.all_told(e.LinkUnwatched)


def test_a_link_that_must_be_confirmed_does_not_come_without_an_answer() -> None:
    bench = Bench(link_status=LinkStatus.REQUIRED)
    bench.give_vendor()
    bench.match()
    bench.wait(12.1)
    assert not bench.all_told(e.LinkReady)
    assert len(bench.all_told(e.LinkGone)) == 1


def test_a_link_that_must_be_confirmed_ends_with_the_answers() -> None:
    bench = Bench(link_status=LinkStatus.REQUIRED)
    bench.link()
    bench.wait(10.0)
    assert len(bench.all_told(e.LinkGone)) == 1


@pytest.mark.req("V2G3-M09-17")
def test_leaving_means_a_new_key() -> None:
    bench = matched_with_a_modem_that_can_be_asked()
    key = bench.matching.key
    bench.put(e.LeaveLink())
    (request,) = bench.take()
    assert isinstance(request, m.SetKeyReq)
    assert request.nmk not in (b"", key.nmk)


def test_after_leaving_nobody_is_answered_until_the_pilot_invites_again() -> None:
    bench = matched_with_a_modem_that_can_be_asked()
    bench.put(e.LeaveLink())
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    bench.take()
    bench.ask()
    assert bench.take() == []
    bench.put(e.VehicleConnected())
    bench.ask()
    assert bench.take() == [m.SlacParmCnf(RUN, EV)]


def test_a_lost_interface_ends_the_link_and_a_new_one_begins_with_a_new_key() -> None:
    bench = matched_with_a_modem_that_can_be_asked()
    key = bench.matching.key
    bench.put(e.ModemLost())
    assert len(bench.all_told(e.LinkGone)) == 1
    bench.put(e.ModemOpened())
    assert bench.matching.key != key


# --- validation ---------------------------------------------------------------------------------------------


def ready_to_validate(mode: Validation) -> Bench:
    bench = Bench(validation=mode)
    bench.measure()
    bench.acknowledge()
    bench.take()
    return bench


@pytest.mark.req("V2G3-A09-51", "V2G3-A09-72")
@pytest.mark.parametrize(("mode", "result"), [(Validation.OFF, 3), (Validation.NOT_REQUIRED, 4)])
def test_without_validation_the_ev_is_told_so_and_may_match(mode: Validation, result: int) -> None:
    bench = ready_to_validate(mode)
    bench.hear(EV, EVSE, m.ValidateReq(0, 0, 1))
    assert bench.take() == [m.ValidateCnf(0, 0, result)]
    bench.choose()
    assert [type(message) for message in bench.take()] == [m.SlacMatchCnf]


@pytest.mark.parametrize("toggles", [1, 2, 3])
def test_toggles_of_the_pilot_are_counted(toggles: int) -> None:
    bench = ready_to_validate(Validation.ON)
    bench.hear(EV, EVSE, m.ValidateReq(0, 0, 1))
    bench.hear(EV, EVSE, m.ValidateReq(0, 19, 1))
    for _ in range(toggles):
        bench.wait(0.2)
        bench.put(e.PilotMoved(True))
        bench.wait(0.2)
        bench.put(e.PilotMoved(False))
    bench.take()
    bench.wait(2.0 - 0.4 * toggles)
    assert bench.take() == [m.ValidateCnf(0, toggles, 2)]
    bench.choose()
    assert [type(message) for message in bench.take()] == [m.SlacMatchCnf]


def test_a_bouncing_pilot_is_no_toggle() -> None:
    bench = ready_to_validate(Validation.ON)
    bench.hear(EV, EVSE, m.ValidateReq(0, 0, 1))
    bench.hear(EV, EVSE, m.ValidateReq(0, 9, 1))
    bench.wait(0.2)
    bench.put(e.PilotMoved(True))
    bench.wait(0.02)
    bench.put(e.PilotMoved(False))
    bench.take()
    bench.wait(0.78)
    assert bench.take() == [m.ValidateCnf(0, 0, 2)]


def test_the_first_answer_is_repeated_when_step_two_does_not_come() -> None:
    bench = ready_to_validate(Validation.ON)
    bench.hear(EV, EVSE, m.ValidateReq(0, 0, 1))
    bench.wait(5.0)
    assert bench.take() == [m.ValidateCnf(0, 0, 1)] * 3
    assert bench.matching.runs == {}


@pytest.mark.req("V2G3-A09-85")
def test_a_result_other_than_ready_ends_the_validation_without_an_answer() -> None:
    bench = ready_to_validate(Validation.ON)
    bench.hear(EV, EVSE, m.ValidateReq(0, 0, 1))
    bench.take()
    bench.hear(EV, EVSE, m.ValidateReq(0, 9, 3))
    bench.choose()
    assert [type(message) for message in bench.take()] == [m.SlacMatchCnf]


@pytest.mark.req("V2G3-A09-77", "V2G3-A09-56")
def test_another_signal_type_is_ignored() -> None:
    bench = ready_to_validate(Validation.ON)
    bench.hear(EV, EVSE, m.ValidateReq(0xFF, 0, 1))
    assert bench.take() == []


@pytest.mark.req("V2G3-M09-13")
def test_a_second_validation_has_to_wait() -> None:
    bench = Bench(validation=Validation.ON)
    for ev in (EV, EV_2):
        bench.measure(ev)
        bench.acknowledge(ev)
    bench.take()
    bench.hear(EV, EVSE, m.ValidateReq(0, 0, 1))
    bench.hear(EV_2, EVSE, m.ValidateReq(0, 0, 1))
    assert bench.take() == [m.ValidateCnf(0, 0, 1), m.ValidateCnf(0, 0, 0)]


# --- unplugging ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prepare",
    [
        lambda b: b.ask(),
        lambda b: (b.ask(), b.start(), b.sound(4)),
        lambda b: b.measure(),
        lambda b: (b.measure(), b.acknowledge()),
        lambda b: b.match(),
        lambda b: (b.match(), b.wait(0.3)),
    ],
    ids=["asked", "sounding", "averaged", "acknowledged", "joining", "matched"],
)
def test_unplugging_ends_everything_at_once(prepare: Callable[[Bench], object]) -> None:
    bench = Bench()
    prepare(bench)
    bench.take()
    bench.put(e.VehicleGone())
    bench.wait(3.0)
    bench.acknowledge()
    bench.choose()
    assert {type(message) for message in bench.take()} <= {m.SetKeyReq}
    assert bench.matching.runs == {}


def test_a_pilot_that_flaps_while_the_key_is_set_does_no_harm() -> None:
    bench = Bench(armed=False)
    bench.put(e.VehicleGone())
    bench.put(e.VehicleConnected())
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    bench.ask()
    assert any(isinstance(message, m.SlacParmCnf) for message in bench.take())


# --- recorded cars, and the table ---------------------------------------------------------------------------

RECORDED = ("audi-dc-iso2.pcap", "tesla-3-din.pcap", "vw-ac-iso2.pcap", "ISO-2_AC_DS5366.pcapng")


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_cars_are_matched(name: str) -> None:
    """The frames of car and modem from the recording; the answers are ours, at the recorded moments."""
    row = next(row for row in vectors.lines("slac.jsonl") if row.get("name") == name)
    frames = [(f["ms"] / 1000, f["n"], bytes.fromhex(f["hex"])) for f in row["frames"] if f["n"] != "SDP"]
    station = next(data[6:12] for _, kind, data in frames if kind == "CM_SLAC_PARM.CNF")
    matching = Matching(SlacConfig(), evse_mac=station, random_bytes=os.urandom)
    begun = next(at for at, kind, _ in frames if kind == "CM_SLAC_PARM.REQ") - 1.0
    matching.handle(e.ModemOpened(), begun)
    modem = next(data[6:12] for _, kind, data in frames if kind == "CM_ATTEN_PROFILE.IND")
    matching.handle(e.FrameReceived(encode(Frame(station, modem, m.SetKeyCnf(1)))), begun + 0.1)
    matching.handle(e.VehicleConnected(), begun + 0.2)
    ours: list[Message] = []
    theirs: list[Message] = []
    for at, _kind, data in frames:
        if data[6:12] == station:
            theirs.append(decode(data).message)
            continue
        while at > begun and (due := matching.deadline) is not None and due < at:
            ours += _sent(matching.handle(e.SlacTick(), due))
        if at > begun:
            ours += _sent(matching.handle(e.FrameReceived(data), at))
    averages = [message for message in ours if isinstance(message, m.AttenCharInd)]
    assert averages[-1].sounds == next(x for x in theirs if isinstance(x, m.AttenCharInd)).sounds
    assert any(isinstance(message, m.SlacMatchCnf) for message in ours)


def _sent(outputs: tuple[e.Output, ...]) -> list[Message]:
    return [decode(output.data).message for output in outputs if isinstance(output, e.SendFrame)]


def test_the_table_has_one_row_for_each_state_and_input() -> None:
    assert len(TABLE) == sum(len(row.states) for row in RULES)


EVENTS: tuple[e.Input, ...] = (
    e.ModemOpened(),
    e.ModemLost(),
    e.VehicleConnected(),
    e.VehicleConnected(expect_request=False),
    e.VehicleGone(),
    e.PilotMoved(True),
    e.PilotMoved(False),
    e.LeaveLink(),
    e.PauseLink(),
    e.ResumeLink(),
    e.SlacTick(),
)
FRAMES: tuple[tuple[bytes, bytes, Message], ...] = tuple(
    (source, destination, message)
    for source, run in ((EV, RUN), (EV_2, RUN_2), (MODEM, RUN))
    for destination, message in (
        (BROADCAST, m.SlacParmReq(run)),
        (BROADCAST, m.StartAttenCharInd(run, source)),
        (BROADCAST, m.MnbcSoundInd(run, 3)),
        (BROADCAST, m.AttenProfileInd(EV, bytes([9] * 58))),
        (EVSE, m.AttenCharRsp(source, run)),
        (EVSE, m.ValidateReq(0, 0, 1)),
        (EVSE, m.ValidateReq(0, 5, 1)),
        (EVSE, m.SlacMatchReq(source, EVSE, run)),
        (EVSE, m.SetKeyCnf(1)),
        (EVSE, m.AmpMapReq(8, bytes(4))),
        (EVSE, m.AmpMapCnf(0)),
        (EVSE, v.LinkStatusCnf(0, 1)),
        (EVSE, v.LinkStatusCnf(0, 0)),
        (EVSE, v.SoftwareVersionCnf(0, 1, b"x")),
        (EVSE, v.LumissilLinkCnf(0, 0)),
    )
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(EVENTS) | st.sampled_from(FRAMES) | st.binary(max_size=90),
            st.sampled_from([0.0, 0.001, 0.02, 0.1, 0.3, 0.7, 5.0, 13.0]),
        ),
        max_size=60,
    ),
    st.sets(st.sampled_from(("amplitude_map", "apply_amplitude_map", "sleep_on_pause"))),
    st.sets(st.sampled_from(Deviation)),
)
def test_random_histories_never_break_the_rules(
    history: list[tuple[e.Input | tuple[bytes, bytes, Message] | bytes, float]],
    switched_on: set[str],
    tolerate: set[Deviation],
) -> None:
    switches = dict.fromkeys(switched_on, True)
    bench = Bench(validation=Validation.ON, tolerate=tuple(tolerate), **switches)
    acknowledged: set[bytes] = set()
    plugged = True
    for step, seconds in history:
        bench.wait(seconds)
        bench.take()
        if isinstance(step, bytes):
            bench.put(e.FrameReceived(step))
        elif isinstance(step, tuple):
            if isinstance(step[2], m.AttenCharRsp):
                acknowledged.add(step[0])
            bench.hear(*step)
        else:
            plugged = (plugged and not isinstance(step, e.VehicleGone)) or isinstance(
                step, e.VehicleConnected
            )
            bench.put(step)
        for message in bench.take():
            if isinstance(message, m.SlacMatchCnf):
                assert message.pev_mac in acknowledged
                assert plugged
        assert len(bench.matching.runs) <= MAX_RUNS
        assert not (
            bench.matching.asleep and bench.matching.state not in (SlacState.PAUSED, SlacState.RESUMING)
        )
        due = bench.matching.deadline
        assert due is None or due > bench.now - 1e-9
