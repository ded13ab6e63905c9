"""The table against the machine: every state, every request, generated from the table itself."""

import dataclasses

import pytest

from secc import exi
from secc.messages import iso2
from secc.messages.iso2 import BodyElement, PowerDeliveryReq
from secc.session.iso2 import table
from secc.session.iso2.states import State
from secc.session.outputs import EndReason, OpenContactor, Send
from secc.session.states import Timer
from secc.settings import CompatConfig
from tests.support import requests
from tests.support.bench import Bench, code, sent
from tests.support.states import WAYS, in_state
from tests.support.tables import assert_refused_out_of_sequence, reached

LIVE = [state for state in State if state is not State.ENDED]
STRICT = CompatConfig.strict()
ILLEGAL = [
    (state, request)
    for state in LIVE
    for request in requests.EACH
    if table.ISO2.find(state, request, STRICT) is None
]
LEGAL = [
    (state, request)
    for state in LIVE
    for request in requests.EACH
    if table.ISO2.find(state, request, STRICT) is not None
]


def strict(state: State) -> Bench:
    return in_state(state, dataclasses.replace(WAYS[state][0], compat=STRICT))


def test_there_is_a_way_into_every_state() -> None:
    assert set(WAYS) == set(State)


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_the_way_leads_there(state: State) -> None:
    assert in_state(state).session.state is state


def test_one_of_each_request_is_at_hand() -> None:
    assert set(requests.EACH) == set(iso2.PAIRS)


@pytest.mark.inv("INV-14", "INV-16", "INV-27")
@pytest.mark.req("V2G2-538", "V2G2-539", "V2G2-459", "V2G2-736")
@pytest.mark.parametrize(
    ("state", "request_class"),
    ILLEGAL,
    ids=lambda value: value.name if isinstance(value, State) else value.__name__,
)
def test_request_without_a_row_gets_its_paired_response_with_sequence_error_and_the_end(
    state: State, request_class: type[BodyElement]
) -> None:
    bench = strict(state)
    response = bench.request(requests.EACH[request_class])
    assert_refused_out_of_sequence(bench, response, iso2.PAIRS[request_class])


@pytest.mark.inv("INV-34")
@pytest.mark.parametrize(
    ("state", "request_class"),
    ILLEGAL,
    ids=lambda value: value.name if isinstance(value, State) else value.__name__,
)
def test_every_refusal_is_schema_valid(state: State, request_class: type[BodyElement]) -> None:
    bench = strict(state)
    bench.request(requests.EACH[request_class])
    messages = [output.message for output in bench.last if isinstance(output, Send)]
    assert [exi.ISO2.decode(exi.ISO2.encode(message)) for message in messages] == messages


@pytest.mark.parametrize(
    ("state", "request_class"),
    LEGAL,
    ids=lambda value: value.name if isinstance(value, State) else value.__name__,
)
def test_request_with_a_row_is_not_out_of_sequence(state: State, request_class: type[BodyElement]) -> None:
    bench = strict(state)
    assert code(bench.request(requests.EACH[request_class])) != "FAILED_SequenceError"


@pytest.mark.inv("INV-12")
@pytest.mark.req("V2G2-460")
@pytest.mark.parametrize("state", [state for state in LIVE if state is not State.WAIT_SESSION_SETUP])
@pytest.mark.parametrize("session_id", [bytes(8), b"", b"\x01", bytes(7) + b"\x81"])
def test_another_session_id_is_unknown_in_every_state(state: State, session_id: bytes) -> None:
    bench = strict(state)
    response = bench.request(requests.service_discovery(), session_id)
    assert code(response) == "FAILED_UnknownSession"
    assert bench.end is not None


def test_every_state_is_reachable_by_rows() -> None:
    assert reached(table.RULES, State.WAIT_SESSION_SETUP) == set(State)


def test_nothing_follows_the_end() -> None:
    assert [rule for rule in table.RULES if rule.state is State.ENDED] == []


def test_a_state_that_owes_an_answer_takes_no_request() -> None:
    owing = [rule for rule in table.RULES if not rule.state.waits_for_ev and rule.input in iso2.PAIRS]
    assert owing == []


def test_a_state_that_owes_an_answer_has_a_timer() -> None:
    owing = {state for state in LIVE if not state.waits_for_ev}
    with_timer = {rule.state for rule in table.RULES if isinstance(rule.input, Timer)}
    assert owing <= with_timer


@pytest.mark.inv("INV-17")
@pytest.mark.parametrize("state", LIVE, ids=lambda state: state.name)
def test_every_state_has_a_deadline(state: State) -> None:
    assert in_state(state).session.deadline is not None


@pytest.mark.inv("INV-03", "INV-18")
@pytest.mark.req("V2G2-443", "V2G2-537")
@pytest.mark.parametrize("state", LIVE, ids=lambda state: state.name)
def test_silence_ends_every_state_with_the_output_off(state: State) -> None:
    bench = in_state(state)
    outputs = bench.tick(65.0)  # what is owed may be answered first
    assert bench.session.state is State.ENDED
    assert OpenContactor() in outputs


EARLY = [rule.state for rule in table.RULES if rule.leniency == "early_session_stop"]


@pytest.mark.parametrize("state", EARLY, ids=lambda state: state.name)
def test_early_session_stop_is_taken_by_default_with_the_output_off(state: State) -> None:
    bench = in_state(state)
    assert code(bench.request(requests.session_stop())) == "OK"
    assert OpenContactor() in bench.last
    assert bench.end is not None
    assert bench.end.reason is EndReason.TERMINATED


@pytest.mark.parametrize("state", EARLY, ids=lambda state: state.name)
def test_early_session_stop_is_out_of_sequence_in_strict_mode(state: State) -> None:
    assert code(strict(state).request(requests.session_stop())) == "FAILED_SequenceError"


def test_power_delivery_is_legal_in_five_states() -> None:
    rules = [rule for rule in table.RULES if rule.input is PowerDeliveryReq]
    assert {rule.state for rule in rules if not rule.leniency} == {
        State.WAIT_POWER_ON_AC,
        State.WAIT_STATUS,
        State.WAIT_POWER_ON_DC,
        State.WAIT_DEMAND,
        State.WAIT_AFTER_RECEIPT,
    }
    lenient = {rule.state: rule.leniency for rule in rules if rule.leniency}
    assert lenient == {
        State.WAIT_CABLE_CHECK: "early_power_off",
        State.WAIT_CABLE_CHECK_RESULT: "early_power_off",
        State.WAIT_PRE_CHARGE: "early_power_off",
        State.WAIT_FIRST_STATUS: "stop_after_start",
        State.WAIT_FIRST_DEMAND: "stop_after_start",
    }


@pytest.mark.parametrize("state", LIVE, ids=lambda state: state.name)
def test_a_response_sent_by_the_ev_ends_the_session_without_an_answer(state: State) -> None:
    bench = in_state(state)
    owed = 0 if state.waits_for_ev else 1  # what was owed before is still answered
    bench.request(iso2.SessionStopRes(response_code=iso2.ResponseCode.OK))
    assert sum(isinstance(output, Send) for output in bench.last) == owed
    assert bench.end is not None
    assert bench.end.reason is EndReason.PROTOCOL_ERROR


def test_an_empty_body_ends_the_session_without_an_answer() -> None:
    bench = in_state(State.WAIT_SERVICE_DISCOVERY)
    assert bench.request(None) is None
    assert bench.end is not None


@pytest.mark.inv("INV-15")
def test_second_request_while_the_first_is_answered_gets_both_answers_in_order() -> None:
    bench = in_state(State.CLOSING_CONTACTOR)
    bench.request(requests.charging_status())
    bodies = [output.message.body for output in bench.last if isinstance(output, Send)]
    assert [(type(body).__name__, code(body)) for body in bodies] == [
        ("PowerDeliveryRes", "FAILED"),
        ("ChargingStatusRes", "FAILED_SequenceError"),
    ]
    assert sent(bench.last) is bodies[1]
