"""What differs between the protocols of a session."""

import dataclasses

import pytest

from secc.messages import din, iso2
from secc.session.dialect import each
from secc.session.din.states import DinState
from secc.session.din.table import DIN
from secc.session.iso2.states import State
from secc.session.iso2.table import ISO2
from secc.settings import CompatConfig


def test_a_row_is_found_by_state_and_input_and_only_while_its_leniency_is_on() -> None:
    lenient, strict = CompatConfig(), CompatConfig.strict()
    row = DIN.find(DinState.WAIT_DEMAND, din.SessionStop, lenient)
    assert row is not None
    assert row.leniency == "early_session_stop"
    assert DIN.find(DinState.WAIT_DEMAND, din.SessionStop, strict) is None
    assert DIN.find(DinState.WAIT_DEMAND, din.CurrentDemandReq, strict) is not None
    assert DIN.find(DinState.WAIT_DEMAND, iso2.CurrentDemandReq, lenient) is None
    assert DIN.find(State.WAIT_DEMAND, din.CurrentDemandReq, lenient) is None


def test_two_rows_for_the_same_state_and_input_are_a_mistake_in_the_table() -> None:
    with pytest.raises(RuntimeError, match="DIN SPEC 70121: two rows for the same state and input"):
        dataclasses.replace(DIN, rules=(*DIN.rules, DIN.rules[0]))


def test_both_start_and_end_in_separate_states() -> None:
    assert (ISO2.begin, ISO2.end) == (State.WAIT_SESSION_SETUP, State.ENDED)
    assert (DIN.begin, DIN.end) == (DinState.WAIT_SESSION_SETUP, DinState.ENDED)


def test_a_state_of_the_same_name_is_of_the_same_kind() -> None:
    shared = {state.name for state in DinState} & {state.name for state in State}
    assert shared == {state.name for state in DinState}
    for name in shared:
        ours, theirs = DinState[name], State[name]
        assert (ours.waits_for_ev, ours.in_charge_loop) == (theirs.waits_for_ev, theirs.in_charge_loop)
        assert ours.role is theirs.role


def test_rows_for_a_set_of_states_come_in_the_order_of_the_states() -> None:
    states = {State.ENDED, State.WAIT_STATUS, State.WAIT_SESSION_SETUP, State.WAIT_DEMAND}
    rows = each(states, iso2.SessionStopReq, lambda *_: State.ENDED, {State.ENDED}, "")
    assert [row.state for row in rows] == [state for state in State if state in states]
