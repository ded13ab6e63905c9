"""Basic charging within a configured time, for an EV without communication."""

from __future__ import annotations

import pytest

from secc import pilot as p
from secc.errors import ConfigError
from secc.pilot import PilotState
from secc.session.outlet import ControlPilot
from secc.settings.slac import Fallback, SlacConfig
from secc.slac import events as slac
from tests.support.matching import EV, RUN, Bench
from tests.support.pilot import PilotBench


def test_an_ac_ev_that_does_not_start_is_offered_basic_charging_within_the_configured_time() -> None:
    bench = PilotBench(plugged=False, fallback_within=10.0)
    bench.see(ControlPilot.B)
    bench.put(p.MatchingChanged(ready=True))
    assert p.Expect(digital=True, within=6.0) in bench.told
    bench.now += 6.0
    bench.put(p.InitTimeout())
    bench.wait(4.0)
    assert bench.sequence.state is PilotState.BASIC
    assert bench.shown() == ["X1", "5 %", "E/F", "X1", "53 %"]


def test_matching_that_fails_for_longer_than_the_configured_time_is_not_repeated() -> None:
    bench = PilotBench(fallback_within=10.0)
    bench.now += 6.0
    bench.put(p.LinkDown("no link"))
    bench.wait(3.0)
    assert bench.sequence.state is PilotState.BASIC
    assert bench.shown() == ["X1", "53 %"]


def test_matching_that_fails_sooner_is_repeated() -> None:
    bench = PilotBench(fallback_within=10.0)
    bench.now += 2.0
    bench.put(p.LinkDown("no link"))
    bench.wait(7.0)
    assert bench.sequence.state is PilotState.OFFERING


@pytest.mark.parametrize(
    ("dc", "settings"),
    [(True, {}), (False, {"fallback": Fallback.NONE}), (False, {"fallback_within": 0.0})],
)
def test_without_fallback_the_time_of_the_standard_holds(dc: bool, settings: dict[str, object]) -> None:
    bench = PilotBench(plugged=False, dc=dc, **{"fallback_within": 10.0, **settings})
    bench.see(ControlPilot.B)
    bench.put(p.MatchingChanged(ready=True))
    assert p.Expect(digital=True) in bench.told


def test_a_time_shorter_than_the_step_to_f_is_refused() -> None:
    with pytest.raises(ConfigError, match="fallback_within is 5, expected 0, or 6 to 600"):
        SlacConfig(fallback_within=5.0)


def test_requests_without_sounds_do_not_put_off_basic_charging() -> None:
    """Those of the car of a neighbour are received as well."""
    bench = waiting()
    bench.wait(5.0)
    bench.ask()
    bench.wait(0.9)
    assert bench.told == []
    bench.wait(0.1)
    assert len(bench.told) == 1


def test_an_ev_that_is_being_measured_puts_off_basic_charging_until_its_run_is_over() -> None:
    bench = waiting()
    bench.wait(5.5)
    bench.measure(EV, RUN)
    bench.wait(0.5)
    assert bench.all_told(slac.NoRequest) == []
    bench.wait(1.0)
    assert len(bench.all_told(slac.NoRequest)) == 1


def waiting() -> Bench:
    bench = Bench(plugged=False)
    bench.put(slac.VehicleConnected(within=6.0))
    bench.told.clear()
    return bench
