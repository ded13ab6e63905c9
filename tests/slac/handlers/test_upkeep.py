"""Reset of a modem that hangs, and the key of an idle modem."""

from __future__ import annotations

import pytest

from secc.slac import events as e
from secc.slac import messages as m
from secc.slac import vendor as v
from secc.slac.frames import BROADCAST
from secc.slac.get_key import GetKeyCnf, GetKeyReq
from secc.slac.messages import Message
from secc.slac.states import SlacState
from tests.support.matching import EV, EVSE, MODEM, RUN, Bench


def fail_to_join(bench: Bench) -> None:
    """An EV gets the key, and its modem never joins."""
    bench.put(e.VehicleConnected())
    join_late(bench)
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))


def join_late(bench: Bench) -> None:
    bench.match()
    bench.hear(MODEM, EVSE, v.LinkStatusCnf(0, 0))
    bench.wait(12.1)


def named(bench: Bench) -> Bench:
    bench.give_vendor()
    bench.take()
    return bench


def sent_of(bench: Bench, kind: type[Message]) -> list[Message]:
    return [message for message in bench.take() if isinstance(message, kind)]


# --- reset --------------------------------------------------------------------------------------------------


def test_a_modem_is_reset_after_the_configured_number_of_failed_matches() -> None:
    bench = named(Bench(reset_after=2))
    fail_to_join(bench)
    assert sent_of(bench, v.RestartReq) == []
    bench.put(e.VehicleConnected())
    join_late(bench)
    assert sent_of(bench, v.RestartReq) == [v.RestartReq()]
    assert bench.all_told(e.ModemReset) == [e.ModemReset("2 failed matches in a row")]
    assert bench.matching.state is SlacState.RESTARTING


def test_without_the_setting_a_modem_is_never_reset() -> None:
    bench = named(Bench())
    for _ in range(5):
        fail_to_join(bench)
    assert sent_of(bench, v.RestartReq) == []


@pytest.mark.parametrize(("used", "resets"), [(True, 0), (False, 1)])
def test_a_link_that_fails_without_a_connection_counts_as_well(used: bool, resets: int) -> None:
    bench = named(Bench(reset_after=1))
    bench.match()
    bench.hear(MODEM, EVSE, v.LinkStatusCnf(0, 1))
    if used:
        bench.put(e.LinkUsed(used=True))
        bench.put(e.LinkUsed(used=False))
    bench.put(e.LeaveLink("D-LINK_ERROR", failed=True))
    bench.wait(0.0)
    assert len(sent_of(bench, v.RestartReq)) == resets


def test_a_connection_in_between_starts_the_count_again() -> None:
    bench = named(Bench(reset_after=2))
    fail_to_join(bench)
    bench.put(e.VehicleConnected())
    bench.match()
    bench.hear(MODEM, EVSE, v.LinkStatusCnf(0, 1))
    bench.put(e.LinkUsed(used=True))
    bench.put(e.LinkUsed(used=False))
    bench.put(e.LeaveLink())
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    fail_to_join(bench)
    assert sent_of(bench, v.RestartReq) == []


def test_sounds_that_the_modem_passes_on_and_does_not_measure_count_as_a_failure() -> None:
    bench = named(Bench(reset_after=1))
    bench.ask()
    bench.start()
    for remaining in range(9, -1, -1):
        bench.hear(EV, BROADCAST, m.MnbcSoundInd(RUN, remaining))
    bench.wait(0.7)
    assert sent_of(bench, v.RestartReq) == [v.RestartReq()]


def test_an_ev_that_starts_and_does_not_sound_is_no_failure_of_the_modem() -> None:
    bench = named(Bench(reset_after=1))
    bench.ask()
    bench.start()
    bench.wait(0.7)
    assert sent_of(bench, v.RestartReq) == []


def test_a_modem_that_does_not_confirm_its_key_is_reset() -> None:
    bench = named(Bench(reset_after=2))
    bench.put(e.VehicleGone())
    bench.put(e.LeaveLink())
    bench.wait(30.0)
    assert bench.all_told(e.ModemReset) == [e.ModemReset("it does not confirm its key")]


def test_a_modem_is_reset_at_most_once_a_minute() -> None:
    bench = named(Bench(reset_after=1))
    bench.put(e.LeaveLink())
    bench.wait(59.0)
    assert len(sent_of(bench, v.RestartReq)) == 1
    bench.wait(60.0)
    assert len(sent_of(bench, v.RestartReq)) == 1


def test_a_modem_of_an_unknown_maker_cannot_be_reset() -> None:
    bench = Bench(reset_after=1)
    fail_to_join(bench)
    assert bench.all_told(e.ModemReset) == []


def test_a_lumissil_modem_is_reset_by_its_message() -> None:
    bench = Bench(reset_after=1)
    bench.hear(MODEM, EVSE, v.LumissilVersionCnf(firmware=(1, 2, 3, 4, 5)))
    bench.match()
    bench.hear(MODEM, EVSE, v.LumissilLinkCnf(0, 0))
    bench.wait(12.1)
    assert sent_of(bench, v.LumissilResetReq) == [v.LumissilResetReq()]


def test_a_restarting_modem_gets_its_key_after_the_restart_has_begun() -> None:
    bench = named(Bench(reset_after=1))
    fail_to_join(bench)
    bench.take()
    bench.wait(1.8)
    assert (bench.matching.state, bench.take()) == (SlacState.RESTARTING, [])
    bench.wait(0.2)
    assert type(bench.take()[-1]) is m.SetKeyReq
    bench.wait(5.0)
    assert bench.all_told(e.ModemSilent) == []  # a restart takes seconds
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    assert bench.matching.state.value == "unmatched"


def test_an_ev_that_is_plugged_in_during_a_reset_is_answered_after_it() -> None:
    bench = named(Bench(reset_after=1))
    fail_to_join(bench)
    bench.put(e.VehicleConnected())
    bench.wait(3.0)
    bench.take()
    bench.ask()
    assert bench.take() == []
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    bench.ask()
    assert [type(message) for message in bench.take()] == [m.SlacParmCnf]


# --- the key of an idle modem -------------------------------------------------------------------------------


def idle() -> Bench:
    return Bench(plugged=False, key_check=30.0)


def report_key(bench: Bench, result: int, nmk: bytes | None = None) -> None:
    key = bench.matching.key
    bench.hear(MODEM, EVSE, GetKeyCnf(result, key.nid, key.nmk if nmk is None else nmk))


def test_an_idle_modem_is_asked_for_its_key_again_and_again() -> None:
    bench = idle()
    for _ in range(3):
        bench.wait(30.0)
        assert bench.take() == [GetKeyReq(bench.matching.key.nid)]
        report_key(bench, 0)
    assert bench.told == []


@pytest.mark.parametrize(("result", "nmk"), [(1, bytes(16)), (0, b"of another host!")])
def test_a_modem_that_has_lost_its_key_gets_it_again_before_the_next_ev(result: int, nmk: bytes) -> None:
    bench = idle()
    bench.wait(30.0)
    bench.take()
    report_key(bench, result, nmk)
    assert bench.all_told(e.KeyLost) == [e.KeyLost()]
    (again,) = bench.take()
    assert isinstance(again, m.SetKeyReq)
    assert again.nmk == bench.matching.key.nmk
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    bench.put(e.VehicleConnected())
    bench.match()


def test_a_modem_that_answered_before_and_is_silent_now_gets_its_key_again() -> None:
    bench = idle()
    bench.wait(30.0)
    report_key(bench, 0)
    bench.wait(31.0)
    assert bench.all_told(e.KeyLost) == [e.KeyLost()]
    bench.wait(5.0)
    assert bench.all_told(e.ModemSilent) == [e.ModemSilent()]


def test_a_modem_that_does_not_support_the_question_is_asked_once() -> None:
    bench = idle()
    bench.wait(200.0)
    assert bench.take() == [GetKeyReq(bench.matching.key.nid)]
    assert bench.told == []


def test_a_modem_is_asked_for_its_key_when_an_ev_is_plugged_in() -> None:
    bench = idle()
    bench.wait(30.0)
    report_key(bench, 0)
    bench.take()
    bench.put(e.VehicleConnected())
    assert bench.take() == [GetKeyReq(bench.matching.key.nid)]
    report_key(bench, 1, bytes(16))
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    bench.match()


def test_an_answer_that_was_not_asked_for_is_ignored() -> None:
    bench = idle()
    report_key(bench, 1)
    assert bench.told == []
    bench.wait(30.0)
    key = bench.matching.key
    bench.hear(EV, EVSE, GetKeyCnf(1, key.nid, bytes(16)))
    bench.hear(MODEM, EVSE, GetKeyCnf(1, key.nid, bytes(16), your_nonce=b"ours"))
    assert bench.told == []


def test_a_late_answer_during_the_sounds_of_an_ev_does_not_end_its_run() -> None:
    bench = idle()
    bench.wait(30.0)
    report_key(bench, 0)
    bench.put(e.VehicleConnected())
    bench.wait(0.8)
    bench.measure()
    assert any(isinstance(message, m.AttenCharInd) for message in bench.take())
    assert bench.all_told(e.KeyLost) == []
