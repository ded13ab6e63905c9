"""The modem of the station: its key, its maker, and its link."""

from __future__ import annotations

import pytest

from secc.settings.slac import KeyResult, LinkStatus
from secc.slac import events as e
from secc.slac import messages as m
from secc.slac import vendor as v
from secc.slac.frames import Frame, decode, encode
from secc.slac.states import SlacState
from tests.support.matching import EV, EV_2, EVSE, MODEM, RUN, Bench

# --- the good case -----------------------------------------------------------------------------------------


def test_a_modem_is_given_a_key_and_asked_for_its_name() -> None:
    bench = Bench(armed=False, plugged=False)
    names = [
        type(decode(o.data).message).__name__
        for o in bench.matching.handle(e.ModemOpened(), 100.1)
        if isinstance(o, e.SendFrame)
    ]
    assert names == ["OperationAttributesReq", "SoftwareVersionReq", "LumissilVersionReq", "SetKeyReq"]


# --- the key -----------------------------------------------------------------------------------------------


def test_a_silent_modem_is_reported_and_tried_again_without_end() -> None:
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


def test_another_device_that_confirms_the_key_is_suspicious_and_ignored() -> None:
    bench = Bench()
    for _ in range(2):
        bench.hear(EV, EVSE, m.SetKeyCnf(1))
    (told,) = bench.all_told(e.Suspicious)
    assert isinstance(told, e.Suspicious)
    assert told.text.endswith("confirms the key, and the modem is 02:00:00:00:00:aa: set slac.modem_mac")
    assert bench.matching.modem.mac == MODEM


def test_a_repeated_confirmation_of_the_modem_is_not_suspicious() -> None:
    bench = Bench()
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    assert bench.told == []


def test_a_maker_that_is_known_later_turns_a_success_into_a_refusal() -> None:
    bench = Bench(armed=False)
    bench.hear(MODEM, EVSE, m.SetKeyCnf(0))
    assert bench.all_told(e.Armed)
    bench.take()
    bench.give_vendor()
    assert bench.matching.state is SlacState.KEYING
    assert bench.all_told(e.KeyRefused) == [e.KeyRefused(0)]
    assert type(bench.take()[-1]) is m.SetKeyReq


def test_a_confirmation_for_another_request_is_ignored() -> None:
    bench = Bench(armed=False)
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1, your_nonce=b"\xaa\xaa\xaa\xaa"))
    assert bench.matching.state is SlacState.KEYING


def test_only_the_configured_modem_is_believed() -> None:
    bench = Bench(armed=False, modem_mac="02:00:00:00:00:aa")
    bench.hear(EV_2, EVSE, m.SetKeyCnf(1))
    assert bench.all_told(e.Armed) == []
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    assert bench.matching.state is SlacState.UNMATCHED


def test_the_key_does_not_show_in_any_output() -> None:
    bench = Bench()
    answer = bench.match()
    bench.wait(1.0)
    text = repr(bench.told) + repr(bench.matching.handle(e.LeaveLink(), bench.now))
    assert answer.nmk.hex() not in text
    assert repr(answer.nmk)[2:-1] not in text


# --- the link ----------------------------------------------------------------------------------------------


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
def test_a_lumissil_modem_is_asked_by_its_messages(mmv: int) -> None:
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


def test_denials_of_another_modem_are_not_believed() -> None:
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


def test_after_leaving_no_ev_is_answered_until_the_pilot_invites_again() -> None:
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


def told_networks(*nids: bytes, settings: bool = True, source: bytes = MODEM) -> Bench:
    """A matched station whose modem reports these networks; empty: the network of the station."""
    bench = Bench(verify_network=settings)
    bench.link()
    for nid in nids:
        message = v.NetworkInfoCnf.of(nid or bench.matching.key.nid, EVSE, [EV])
        bench.hear(source, EVSE, message)
    return bench


def test_a_modem_in_another_network_is_left_and_reported() -> None:
    bench = told_networks(b"\1\2\3\4\5\6\7")
    assert len(bench.all_told(e.Suspicious)) == 1
    (gone,) = bench.all_told(e.LinkGone)
    assert isinstance(gone, e.LinkGone)
    assert gone.failed
    assert bench.matching.state is SlacState.KEYING


def test_a_modem_in_its_network_or_in_none_stays() -> None:
    bench = told_networks(b"")
    bench.hear(MODEM, EVSE, v.NetworkInfoCnf.of(bytes(7), EVSE, []))
    assert bench.matching.state is SlacState.MATCHED


@pytest.mark.parametrize(("settings", "source"), [(False, MODEM), (True, EV_2)])
def test_a_network_reported_without_a_question_is_ignored(settings: bool, source: bytes) -> None:
    bench = told_networks(b"\1\2\3\4\5\6\7", settings=settings, source=source)
    assert bench.matching.state is SlacState.MATCHED


def test_the_modem_is_asked_for_its_network_only_where_the_settings_say_so() -> None:
    for settings, asked in ((True, True), (False, False)):
        bench = told_networks(settings=settings)
        bench.wait(1.1)
        assert (v.NetworkInfoReq() in bench.take()) is asked
