"""The operator holds the charge: no energy in any protocol, and the session goes on."""

from __future__ import annotations

import pytest

from secc.messages import iso2
from secc.session.inputs import ChargingHeld
from secc.session.outputs import SetOutput
from tests.support import din as d
from tests.support import requests as r
from tests.support.bench import DC, Bench, code
from tests.support.din import DinBench


def test_in_ac_the_current_falls_to_zero_and_the_ev_is_asked_to_renegotiate() -> None:
    bench = Bench().to_status()
    bench.feed(ChargingHeld(held=True))
    answer = bench.request(r.charging_status())
    assert isinstance(answer, iso2.ChargingStatusRes)
    assert answer.evse_max_current is not None
    assert answer.evse_max_current.value == 0
    assert answer.ac_evse_status.evse_notification is iso2.EVSENotification.RE_NEGOTIATION
    assert not bench.ended


def test_in_ac_the_end_of_the_hold_asks_for_a_new_schedule_at_once() -> None:
    bench = Bench().to_status()
    bench.feed(ChargingHeld(held=True))
    bench.request(r.renegotiate())
    bench.request(r.ac_parameters())
    bench.request(r.start())
    bench.contactor()
    held = bench.request(r.charging_status())
    bench.feed(ChargingHeld(held=False))
    after = bench.request(r.charging_status())
    assert isinstance(held, iso2.ChargingStatusRes)
    assert isinstance(after, iso2.ChargingStatusRes)
    notifications = [one.ac_evse_status.evse_notification.value for one in (held, after)]
    assert notifications == ["None", "ReNegotiation"]
    bench.request(r.renegotiate())
    bench.request(r.ac_parameters())
    bench.request(r.start())
    bench.contactor()
    last = bench.request(r.charging_status())
    assert isinstance(last, iso2.ChargingStatusRes)
    assert last.evse_max_current is not None
    assert last.evse_max_current.value > 0


def test_in_dc_the_set_point_has_no_current_and_comes_back_without_a_renegotiation() -> None:
    bench = Bench(DC).to_demand()
    bench.feed(ChargingHeld(held=True))
    held = bench.request(r.current_demand())
    assert code(held) == "OK"
    assert [one.current for one in bench.last if isinstance(one, SetOutput)] == [0.0]
    bench.feed(ChargingHeld(held=False))
    after = bench.request(r.current_demand())
    assert isinstance(after, iso2.CurrentDemandRes)
    assert after.dc_evse_status.evse_notification is iso2.EVSENotification.NONE
    assert [one.current > 0 for one in bench.last if isinstance(one, SetOutput)] == [True]


def test_in_din_a_session_that_begins_while_held_gets_its_current_later() -> None:
    bench = DinBench()
    bench.feed(ChargingHeld(held=True))
    bench.at_demand()
    bench.ask(d.current_demand())
    assert bench.session.commanded is not None
    assert bench.session.commanded.current == 0.0
    bench.feed(ChargingHeld(held=False))
    bench.ask(d.current_demand())
    assert [one.current > 0 for one in bench.last if isinstance(one, SetOutput)] == [True]


@pytest.mark.parametrize("dc", [False, True])
def test_a_hold_ends_no_session_and_switches_nothing_on(dc: bool) -> None:
    bench = (Bench(DC) if dc else Bench()).to_parameters()
    before = len(bench.outputs)
    bench.feed(ChargingHeld(held=True))
    bench.feed(ChargingHeld(held=False))
    assert bench.outputs[before:] == []
    assert not bench.ended
