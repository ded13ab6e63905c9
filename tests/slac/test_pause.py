"""A paused link: the key is kept, and the modem of the station may sleep."""

from __future__ import annotations

import pytest

from secc.slac import events as e
from secc.slac import messages as m
from secc.slac import vendor as v
from secc.slac.states import SlacState
from tests.support.matching import EV, EVSE, MODEM, RUN, Bench


def matched_with_a_modem_that_can_be_asked() -> Bench:
    bench = Bench()
    bench.link()
    return bench


def test_a_paused_link_keeps_its_key_and_comes_back_without_matching() -> None:
    bench = matched_with_a_modem_that_can_be_asked()
    key = bench.matching.key
    bench.put(e.PauseLink())
    bench.wait(3600.0)
    bench.put(e.ResumeLink())
    bench.hear(MODEM, EVSE, v.LinkStatusCnf(0, 1))
    assert bench.matching.key == key
    assert bench.all_told(e.LinkReady) == [e.LinkReady(EV, RUN, key.nid)]


@pytest.mark.req("V2G3-M07-26")
def test_a_paused_link_that_does_not_come_back_has_failed() -> None:
    bench = matched_with_a_modem_that_can_be_asked()
    bench.put(e.PauseLink())
    bench.put(e.ResumeLink())
    bench.wait(6.1)
    assert len(bench.all_told(e.LinkGone)) == 1


def asleep() -> Bench:
    bench = Bench(sleep_on_pause=True)
    bench.link()
    bench.put(e.PauseLink())
    return bench


def test_the_modem_is_put_to_sleep_and_asked_nothing_while_it_sleeps() -> None:
    bench = asleep()
    assert bench.all_told(e.SleepModem) == [e.SleepModem()]
    bench.wait(3600.0)
    assert bench.take() == []


def test_a_modem_stays_awake_unless_the_settings_say_otherwise() -> None:
    bench = matched_with_a_modem_that_can_be_asked()
    bench.put(e.PauseLink())
    assert bench.all_told(e.SleepModem) == []


def test_a_modem_that_has_slept_gets_the_key_it_had() -> None:
    bench = asleep()
    key = bench.matching.key
    bench.put(e.ResumeLink())
    assert bench.all_told(e.WakeModem) == [e.WakeModem()]
    assert bench.take() == [m.SetKeyReq(key.nid, key.nmk)]
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    bench.hear(MODEM, EVSE, v.LinkStatusCnf(0, 1))
    assert bench.all_told(e.LinkReady) == [e.LinkReady(EV, RUN, key.nid)]
    assert bench.matching.state is SlacState.MATCHED


def test_a_modem_that_takes_its_interface_to_bed_keeps_its_network() -> None:
    bench = asleep()
    key = bench.matching.key
    bench.put(e.ModemLost())
    assert bench.matching.state is SlacState.PAUSED
    bench.put(e.ResumeLink())
    bench.take()
    bench.put(e.ModemOpened())
    assert bench.take() == [m.SetKeyReq(key.nid, key.nmk)]
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    bench.hear(MODEM, EVSE, v.LinkStatusCnf(0, 1))
    assert len(bench.all_told(e.LinkReady)) == 1
    assert bench.all_told(e.LinkGone) == []


def test_a_modem_that_does_not_wake_in_time_has_lost_the_link() -> None:
    bench = asleep()
    bench.put(e.ResumeLink())
    bench.wait(6.1)
    assert len(bench.all_told(e.LinkGone)) == 1
    assert bench.matching.state is SlacState.KEYING


@pytest.mark.parametrize("event", [e.VehicleGone(), e.LeaveLink()])
def test_a_sleeping_modem_is_woken_for_its_next_key_when_the_pause_ends_otherwise(event: e.Input) -> None:
    bench = asleep()
    key = bench.matching.key
    bench.put(event)
    assert bench.all_told(e.WakeModem) == [e.WakeModem()]
    (request,) = bench.take()
    assert isinstance(request, m.SetKeyReq)
    assert request.nmk != key.nmk


def test_an_awake_modem_that_is_lost_in_a_pause_ends_it() -> None:
    bench = matched_with_a_modem_that_can_be_asked()
    bench.put(e.PauseLink())
    bench.put(e.ModemLost())
    assert bench.matching.state is SlacState.DOWN
    assert len(bench.all_told(e.LinkGone)) == 1
