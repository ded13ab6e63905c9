"""The table of DIN SPEC 70121 against the machine: every state, every request, from the table itself."""

import pytest

from secc import exi
from secc.messages import din
from secc.messages.din import BodyElement
from secc.session.din import table
from secc.session.din.states import DinState as S
from secc.session.outputs import EndReason, OpenContactor, Send
from secc.session.states import Timer
from secc.settings import CompatConfig
from tests.support import din as d
from tests.support import requests
from tests.support.bench import code
from tests.support.din import STRICT_DIN, WAYS, DinBench, in_state
from tests.support.tables import assert_refused_out_of_sequence, reached

LIVE = [state for state in S if state is not S.ENDED]
STRICT = CompatConfig.strict()
ALL = [(state, request) for state in LIVE for request in d.EACH]
ILLEGAL = [pair for pair in ALL if table.DIN.find(*pair, STRICT) is None]
LEGAL = [pair for pair in ALL if table.DIN.find(*pair, STRICT) is not None]


def name(value: object) -> str:
    return value.name if isinstance(value, S) else getattr(value, "__name__", str(value))


def strict(state: S) -> DinBench:
    return in_state(state, STRICT_DIN)


def test_there_is_a_way_into_every_state() -> None:
    assert set(WAYS) == set(S)


@pytest.mark.parametrize("state", S, ids=name)
def test_the_way_leads_there(state: S) -> None:
    assert in_state(state).session.state is state


def test_one_of_each_request_is_at_hand() -> None:
    assert set(d.EACH) == set(din.PAIRS)


@pytest.mark.inv("INV-14", "INV-16", "INV-27", "INV-34")
@pytest.mark.req("V2G-DC-390", "V2G-DC-539", "V2G-DC-665", "V2G-DC-116")
@pytest.mark.parametrize(("state", "request_class"), ILLEGAL, ids=name)
def test_request_without_a_row_gets_its_paired_response_with_sequence_error_and_the_end(
    state: S, request_class: type[BodyElement]
) -> None:
    bench = strict(state)
    response = bench.ask(d.EACH[request_class])
    assert_refused_out_of_sequence(bench, response, din.PAIRS[request_class])
    messages = [output.message for output in bench.last if isinstance(output, Send)]
    assert [exi.codec("din").decode(exi.codec("din").encode(message)) for message in messages] == messages


@pytest.mark.parametrize(("state", "request_class"), LEGAL, ids=name)
def test_request_with_a_row_is_not_out_of_sequence(state: S, request_class: type[BodyElement]) -> None:
    assert code(strict(state).ask(d.EACH[request_class])) != "FAILED_SequenceError"


@pytest.mark.inv("INV-12")
@pytest.mark.req("V2G-DC-391")
@pytest.mark.parametrize("state", [state for state in LIVE if state is not S.WAIT_SESSION_SETUP], ids=name)
@pytest.mark.parametrize("session_id", [bytes(8), b"", bytes(7) + b"\x81"])
def test_another_session_id_is_unknown_in_every_state(state: S, session_id: bytes) -> None:
    bench = strict(state)
    assert code(bench.ask(din.ServiceDiscoveryReq(), session_id)) == "FAILED_UnknownSession"
    assert bench.end is not None


def test_every_state_is_reachable_by_rows() -> None:
    assert reached(table.RULES, S.WAIT_SESSION_SETUP) == set(S)


def test_nothing_follows_the_end() -> None:
    assert [rule for rule in table.RULES if rule.state is S.ENDED] == []


def test_a_state_that_owes_an_answer_takes_no_request_and_has_a_timer() -> None:
    owing = {state for state in LIVE if not state.waits_for_ev}
    assert owing == {S.AWAITING_PILOT_DC, S.AWAITING_VOLTAGE, S.AWAITING_PILOT_B}
    assert [rule for rule in table.RULES if rule.state in owing and rule.input in din.PAIRS] == []
    assert owing <= {rule.state for rule in table.RULES if isinstance(rule.input, Timer)}


@pytest.mark.inv("INV-17")
@pytest.mark.parametrize("state", LIVE, ids=name)
def test_every_state_has_a_deadline(state: S) -> None:
    assert in_state(state).session.deadline is not None


@pytest.mark.inv("INV-03", "INV-18")
@pytest.mark.req("V2G-DC-432")
@pytest.mark.parametrize("state", LIVE, ids=name)
def test_silence_ends_every_state_with_the_output_off(state: S) -> None:
    bench = in_state(state)
    outputs = bench.tick(65.0)  # what is owed may be answered first
    assert bench.session.state is S.ENDED
    assert OpenContactor() in outputs


EARLY = [rule.state for rule in table.RULES if rule.leniency == "early_session_stop"]


@pytest.mark.parametrize("state", EARLY, ids=name)
def test_early_session_stop_is_taken_with_the_output_off_and_not_in_strict_mode(state: S) -> None:
    bench = in_state(S(state.value))
    assert code(bench.ask(din.SessionStop())) == "OK"
    assert OpenContactor() in bench.last
    assert bench.end is not None
    assert bench.end.reason is EndReason.TERMINATED
    assert code(strict(S(state.value)).ask(din.SessionStop())) == "FAILED_SequenceError"


@pytest.mark.parametrize(
    "state", [S.WAIT_CABLE_CHECK, S.WAIT_CABLE_CHECK_RESULT, S.WAIT_PRE_CHARGE], ids=name
)
def test_giving_up_before_pre_charge_is_taken_and_not_in_strict_mode(state: S) -> None:
    bench = in_state(state)
    assert code(bench.ask(d.power(False))) == "OK"
    assert bench.stands(S.WAIT_STOP_DC)
    assert bench.session.energised is None
    assert code(in_state(state).ask(d.power(True))) == "FAILED_SequenceError"
    assert code(strict(state).ask(d.power(False))) == "FAILED_SequenceError"


@pytest.mark.parametrize("state", LIVE, ids=name)
def test_a_response_sent_by_the_ev_ends_the_session_without_an_answer(state: S) -> None:
    bench = in_state(state)
    owed = 0 if state.waits_for_ev else 1  # what was owed before is still answered
    bench.ask(din.SessionStopRes(response_code=din.ResponseCode.OK))
    assert sum(isinstance(output, Send) for output in bench.last) == owed
    assert bench.end is not None
    assert bench.end.reason is EndReason.PROTOCOL_ERROR


def test_a_request_of_the_other_protocol_is_no_request() -> None:
    bench = in_state(S.WAIT_SERVICE_DISCOVERY)
    assert bench.request(requests.service_discovery()) is None
    assert bench.end is not None
    assert bench.end.reason is EndReason.PROTOCOL_ERROR


@pytest.mark.inv("INV-15")
def test_second_request_while_the_first_is_answered_gets_both_answers_in_order() -> None:
    bench = in_state(S.AWAITING_VOLTAGE)
    bench.ask(d.current_demand())
    bodies = [output.message.body for output in bench.last if isinstance(output, Send)]
    assert [(type(body).__name__, code(body)) for body in bodies] == [
        ("PowerDeliveryRes", "FAILED"),
        ("CurrentDemandRes", "FAILED_SequenceError"),
    ]
