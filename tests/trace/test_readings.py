"""Voltages, currents and powers, read from messages of every protocol."""

from __future__ import annotations

import pytest

from secc.trace.readings import content, quantity, transferred_power
from tests.support import iso20 as r20
from tests.support import requests as r
from tests.support.bench import AC, DC, Bench
from tests.support.iso20 import AC as AC20
from tests.support.iso20 import Bench20


def test_a_target_of_iso_15118_2_is_read_with_its_multiplier() -> None:
    message = r.message(bytes(8), r.current_demand(r.volts(4005, -1), r.amperes(80)))
    assert quantity(message, "ev_target_voltage") == 400.5
    assert quantity(message, "ev_maximum_power_limit") is None


def test_the_content_of_a_message_is_its_body_where_it_has_one() -> None:
    body = r.session_stop()
    assert content(r.message(bytes(8), body)) is body
    assert content(r20.session_stop()) == r20.session_stop()
    assert content(None) is None


def test_power_of_dc_is_that_of_the_readings_of_the_station() -> None:
    bench = Bench(DC).to_first_demand()
    bench.outlet(present_voltage=400.0, present_current=50.0)
    assert transferred_power(bench.request(r.current_demand())) == pytest.approx(20_000.0)


def test_power_of_ac_is_that_of_the_ev_in_its_control_mode() -> None:
    request = r20.ac_loop(ev_present_active_power=r20.number(7_000))
    assert transferred_power(request) == 7_000.0


def test_a_message_without_a_power_has_none() -> None:
    assert transferred_power(Bench(AC).to_first_status().request(r.charging_status())) is None
    assert transferred_power(Bench20(AC20).to_first_loop_ac().ask(r20.ac_loop())) is None
    assert transferred_power(None) is None
