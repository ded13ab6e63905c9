"""The time in which each response is due, and that no state makes an EV wait for longer."""

import dataclasses

import msgspec
import pytest

from secc.messages import din, iso2
from secc.session.dialect import Dialect
from secc.session.din.states import DinState
from secc.session.din.table import DIN
from secc.session.iso2 import table
from secc.session.iso2.states import State
from secc.session.outlet import ControlPilot, EvseFault
from secc.session.outputs import Send
from secc.session.states import Stage, Timer
from secc.settings import SeccConfig, TimingConfig
from secc.sim.evcc import message_timeout
from tests.support import din as d
from tests.support import requests as r
from tests.support import states
from tests.support.bench import AC, Bench

PATIENT = TimingConfig(
    pilot=300.0, contactor=300.0, voltage=4.0, revocation=300.0, provisioning=300.0, answer_margin=0.1
)
"""The maximum of the settings: the answers must still be in time."""

OWING = [
    (dialect, state)
    for dialect in (table.ISO2, DIN)
    for state in dialect.states
    if not state.waits_for_ev and not state.ended
]


@pytest.mark.req("V2G2-865")
@pytest.mark.parametrize(
    ("response", "seconds"),
    [("CurrentDemandRes", 0.025), ("PowerDeliveryRes", 4.5), ("SessionSetupRes", 1.5)],
)
def test_the_performance_times_of_the_standard(response: str, seconds: float) -> None:
    assert table.ISO2.due(response) == seconds


def test_din_has_no_response_that_may_take_longer_than_the_others() -> None:
    times = {DIN.due(response.__name__) for response in din.PAIRS.values()}
    assert times == {1.5, 0.025}


@pytest.mark.parametrize("module", [iso2, din])
def test_a_simulated_ev_waits_no_longer_than_a_real_one(module: object) -> None:
    older = module is din
    for request, response in (din.PAIRS if older else iso2.PAIRS).items():
        waits = message_timeout(request)
        due = (DIN if older else table.ISO2).due(response.__name__)
        assert waits == {0.025: 0.25, 1.5: 2.0, 4.5: 5.0}[due], request


def standing(dialect: Dialect, state: Stage, timing: TimingConfig) -> Bench:
    """A session that owes an answer, with waits that would take longer than the answer may."""
    if dialect is DIN:
        return d.in_state(state, dataclasses.replace(d.DIN, timing=timing))
    usual, _ = states.WAYS[State(state.value)]
    return states.in_state(State(state.value), dataclasses.replace(usual, timing=timing))


def answered_after(bench: Bench, dialect: Dialect) -> tuple[float, float]:
    """Seconds of virtual time from the request to its answer with a world that stands still; what is due."""
    owed = bench.session.owed
    assert owed is not None
    due = dialect.due(dialect.pairs[type(owed)].__name__)
    asked = bench.clock.now
    while bench.session.owed is not None:
        assert bench.session.deadline is not None
        assert bench.clock.now - asked <= due, "no answer in time"
        outputs = bench.tick(max(0.0, bench.session.deadline - bench.clock.now))
    assert any(isinstance(output, Send) for output in outputs)
    return bench.clock.now - asked, due


@pytest.mark.parametrize(("dialect", "state"), OWING, ids=lambda value: value.name)
def test_every_answer_that_waits_for_the_world_leaves_before_its_time(dialect: Dialect, state: Stage) -> None:
    took, due = answered_after(standing(dialect, state, PATIENT), dialect)
    assert took == pytest.approx(min(due - 0.1, 4.0) if state.name == "AWAITING_VOLTAGE" else due - 0.1)


@pytest.mark.parametrize(("dialect", "state"), OWING, ids=lambda value: value.name)
def test_the_defaults_answer_in_time_too(dialect: Dialect, state: Stage) -> None:
    took, due = answered_after(standing(dialect, state, TimingConfig()), dialect)
    assert took <= due - 0.1 + 1e-9


@pytest.mark.parametrize("dialect", [table.ISO2, DIN], ids=lambda dialect: dialect.name)
def test_every_state_that_owes_an_answer_has_a_timer_that_ends_the_wait(dialect: Dialect) -> None:
    for state in dialect.states:
        if state.waits_for_ev or state.ended:
            continue
        ends = [
            rule
            for rule in dialect.rules
            if rule.state is state and isinstance(rule.input, Timer) and state not in rule.leads_to
        ]
        assert ends, state


@pytest.mark.req("V2G2-847", "V2G2-862", "V2G2-865")
def test_a_late_pilot_and_a_slow_contactor_share_the_time_of_one_answer() -> None:
    bench = Bench(AC).to_power_on_ac()
    asked = bench.clock.now
    assert bench.request(r.start()) is None
    bench.tick(1.35)
    bench.outlet(control_pilot=ControlPilot.C)
    assert bench.session.state is State.CLOSING_CONTACTOR
    bench.tick(0.5)
    assert bench.session.owed is not None
    while bench.session.owed is not None:
        bench.tick(0.05)
    assert bench.clock.now - asked <= 4.4 + 0.05
    assert bench.end is not None
    assert str(bench.end.code) == "FAILED_ContactorError"


@pytest.mark.parametrize("state", [DinState.AWAITING_PILOT_DC, DinState.AWAITING_VOLTAGE], ids=str)
def test_an_emergency_stop_just_before_the_limit_is_answered_at_once(state: DinState) -> None:
    bench = d.in_state(state)
    bench.tick(1.35)
    outputs = bench.outlet(fault=EvseFault.EMERGENCY_STOP)
    assert any(isinstance(output, Send) for output in outputs)


@pytest.mark.req("V2G-DC-401")
@pytest.mark.parametrize(("arrives", "code"), [(1.3, "OK"), (None, "FAILED_PowerDeliveryNotApplied")])
def test_din_answers_a_start_within_1500_ms_at_any_voltage(arrives: float | None, code: str) -> None:
    bench = d.DinBench().at_pre_charge()
    bench.ask(d.pre_charge())
    asked = bench.clock.now
    assert bench.ask(d.power(True)) is None
    answer = None
    while answer is None:
        if arrives is not None and bench.clock.now - asked >= arrives:
            bench.evse = msgspec.structs.replace(bench.evse, present_voltage=380.0)
        answer = d.answer(bench.tick(0.05))
    assert bench.clock.now - asked < 1.5
    assert str(getattr(answer, "response_code", "")) == code


def test_a_margin_beyond_the_shortest_time_is_not_a_setting() -> None:
    with pytest.raises(Exception, match=r"timing\.answer_margin"):
        SeccConfig(timing=TimingConfig(answer_margin=1.1))
