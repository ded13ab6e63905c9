"""A vehicle that is plugged in, waits too long, or is unplugged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secc.slac import events as e
from secc.slac import messages as m
from secc.slac import vendor as v
from secc.slac.states import SlacState
from tests.support.matching import EVSE, MODEM, Bench, acknowledged

# --- requests that must not be answered --------------------------------------------------------------------


def test_no_ev_is_answered_while_nothing_is_plugged_in() -> None:
    bench = Bench(plugged=False)
    bench.ask()
    assert bench.take() == []


@pytest.mark.req("V2G3-M06-07")
def test_no_ev_is_answered_after_the_time_to_begin_is_over() -> None:
    bench = Bench(slac_init=40.0)
    bench.wait(40.0)
    assert bench.all_told(e.NoRequest) == [e.NoRequest()]
    bench.ask()
    assert bench.take() == []
    bench.put(e.VehicleConnected())
    bench.ask()
    assert len(bench.take()) == 1


# --- unplugging --------------------------------------------------------------------------------------------


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


def in_state(state: SlacState) -> Bench:
    """A matching in that state, with an EV where there is one."""
    match state:
        case SlacState.DOWN:
            bench = Bench()
            bench.put(e.ModemLost())
        case SlacState.KEYING:
            bench = Bench(armed=False)
        case SlacState.RESTARTING:
            bench = Bench(reset_after=1)
            bench.give_vendor()
            bench.match()
            bench.hear(MODEM, EVSE, v.LinkStatusCnf(0, 0))
            bench.wait(12.1)
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
def test_after_any_event_of_the_modem_the_station_can_match_again(state: SlacState, event: e.Input) -> None:
    bench = in_state(state)
    bench.put(event)
    bench.put(e.VehicleGone())
    bench.put(e.ModemOpened())
    bench.hear(MODEM, EVSE, m.SetKeyCnf(1))
    bench.put(e.VehicleConnected())
    bench.take()
    bench.match()
    assert bench.matching.state is SlacState.JOINING
