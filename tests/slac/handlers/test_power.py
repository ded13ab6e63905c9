"""The amplitude map: of the EV, of the station, and the reaction of the modem."""

from __future__ import annotations

import pytest

from secc.slac import events as e
from secc.slac import messages as m
from tests.support.matching import EV, EV_2, EVSE, MODEM, Bench

MAP = m.AmpMapReq(917, b"\x21" * 459)


def test_an_amplitude_map_of_the_ev_is_confirmed_twice_at_most() -> None:
    bench = Bench()
    bench.match()
    bench.wait(0.3)
    for _ in range(4):
        bench.hear(EV, EVSE, m.AmpMapReq(917, bytes(459)))
    assert bench.take() == [m.AmpMapCnf(0), m.AmpMapCnf(0)]


def test_an_amplitude_map_of_another_ev_is_ignored() -> None:
    bench = Bench()
    bench.match()
    bench.wait(0.3)
    bench.hear(EV_2, EVSE, m.AmpMapReq(917, bytes(459)))
    assert bench.take() == []


@pytest.mark.req("V2G3-A09-114")
def test_the_stations_amplitude_map_is_sent_three_times_and_then_the_match_has_failed() -> None:
    bench = Bench(amplitude_map=True)
    bench.match()
    bench.wait(0.2)
    bench.hear(EV, EVSE, m.AmpMapCnf(1))
    bench.wait(0.7)
    sent = bench.take()
    assert sent[:3] == [m.AmpMapReq(917, bytes(459))] * 3
    assert isinstance(sent[3], m.SetKeyReq)


def test_the_link_is_ready_when_the_ev_confirms_the_stations_amplitude_map() -> None:
    bench = Bench(amplitude_map=True)
    bench.match()
    bench.wait(0.2)
    assert bench.all_told(e.LinkReady) == []
    bench.hear(EV, EVSE, m.AmpMapCnf(0))
    assert len(bench.all_told(e.LinkReady)) == 1


def test_an_amplitude_map_is_refused_where_the_settings_say_so() -> None:
    bench = Bench(accept_amplitude_map=False)
    bench.link()
    bench.hear(EV, EVSE, MAP)
    assert bench.take() == [m.AmpMapCnf(1)]
    assert bench.all_told(e.AmplitudeMapReceived) == [e.AmplitudeMapReceived(917, MAP.data, accepted=False)]


def limited() -> Bench:
    """A link whose EV has asked for less power, and whose modem has it to decide."""
    bench = Bench(apply_amplitude_map=True)
    bench.link()
    bench.hear(EV, EVSE, MAP)
    return bench


@pytest.mark.parametrize("result", [0, 1])
def test_the_ev_hears_what_the_stations_modem_says_to_its_map(result: int) -> None:
    bench = limited()
    assert bench.take() == [MAP]
    bench.hear(MODEM, EVSE, m.AmpMapCnf(result))
    assert bench.take() == [m.AmpMapCnf(result)]
    assert bench.all_told(e.AmplitudeMapReceived) == [e.AmplitudeMapReceived(917, MAP.data, result == 0)]


def test_a_map_that_the_stations_modem_does_not_confirm_in_time_is_refused() -> None:
    bench = limited()
    bench.take()
    bench.wait(0.14)
    assert bench.take() == []
    bench.wait(0.02)
    assert bench.take() == [m.AmpMapCnf(1)]
    bench.hear(MODEM, EVSE, m.AmpMapCnf(0))
    assert bench.take() == []


def test_no_other_modem_confirms_in_the_place_of_the_stations_modem() -> None:
    bench = limited()
    bench.take()
    bench.hear(EV, EVSE, m.AmpMapCnf(0))
    bench.hear(EV_2, EVSE, m.AmpMapCnf(0))
    assert bench.take() == []


def test_a_limit_ends_with_the_link_it_was_for() -> None:
    bench = limited()
    bench.hear(MODEM, EVSE, m.AmpMapCnf(0))
    bench.take()
    bench.put(e.VehicleGone())
    freed, keyed = bench.take()
    assert freed == m.AmpMapReq(917, bytes(459))
    assert isinstance(keyed, m.SetKeyReq)


def test_a_limit_that_was_refused_is_not_taken_back() -> None:
    bench = limited()
    bench.hear(MODEM, EVSE, m.AmpMapCnf(1))
    bench.take()
    bench.put(e.VehicleGone())
    assert [type(message) for message in bench.take()] == [m.SetKeyReq]
