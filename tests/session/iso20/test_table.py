"""The table of ISO 15118-20 against the machine: every state, every request, generated from the table."""

import dataclasses
from typing import Any

import pytest

from secc import exi
from secc.messages import iso20_ac as ac
from secc.messages import iso20_common as m
from secc.messages import iso20_dc as dc
from secc.session.inputs import Received
from secc.session.iso20 import table
from secc.session.iso20.refusals import PAIRS
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.table import ISO20_DC, RULES
from secc.session.outputs import CloseContactor, OpenContactor, Send, SetOutput
from secc.session.states import Timer
from secc.session.streams import Stream
from secc.settings import CompatConfig
from tests.support import installation
from tests.support import iso20 as r
from tests.support.iso20 import EACH, Bench20, addressed, code
from tests.support.states20 import WAYS, in_state
from tests.support.tables import assert_refused_out_of_sequence, reached

LIVE = [state for state in S if state is not S.ENDED]
STRICT = CompatConfig.strict()
PAIRS_OF_ALL = [(state, request) for state in LIVE for request in EACH]
ILLEGAL = [pair for pair in PAIRS_OF_ALL if ISO20_DC.find(*pair, STRICT) is None]
LEGAL = [pair for pair in PAIRS_OF_ALL if ISO20_DC.find(*pair, STRICT) is not None]
CODECS = {**dict.fromkeys(m.PAIRS.values(), "iso20-common"), **dict.fromkeys(ac.PAIRS.values(), "iso20-ac")}
CODECS |= dict.fromkeys(dc.PAIRS.values(), "iso20-dc")


def name(value: object) -> str:
    return value.name if isinstance(value, S) else getattr(value, "__name__", str(value))


def strict(state: S) -> Bench20:
    return in_state(state, dataclasses.replace(WAYS[state][0], compat=STRICT))


def lawful(state: S, request: type[Any]) -> Any:
    """An instance that fits the state, where not every one does."""
    if request is m.CertificateInstallationReq:
        return installation.request()
    stops = (S.WAIT_LOOP_AC, S.WAIT_LOOP_DC, S.WAIT_NEW_SCHEDULE_AC, S.WAIT_NEW_SCHEDULE_DC)
    return r.stop() if request is m.PowerDeliveryReq and state in stops else EACH[request]


def test_there_is_a_way_into_every_state() -> None:
    assert set(WAYS) == set(S)


@pytest.mark.parametrize("state", S, ids=name)
def test_the_way_leads_there(state: S) -> None:
    assert in_state(state).session.state is state


def test_one_of_each_request_is_at_hand() -> None:
    assert set(EACH) == set(PAIRS)


@pytest.mark.inv("INV-14", "INV-16", "INV-27")
@pytest.mark.req("V2G20-459", "V2G20-736")
@pytest.mark.parametrize(("state", "request_class"), ILLEGAL, ids=name)
def test_request_without_a_row_gets_its_paired_response_with_sequence_error_and_the_end(
    state: S, request_class: type[Any]
) -> None:
    bench = strict(state)
    response = bench.ask(EACH[request_class])
    assert_refused_out_of_sequence(bench, response, PAIRS[request_class])


@pytest.mark.inv("INV-34")
@pytest.mark.req("V2G20-736", "V2G20-752")
@pytest.mark.parametrize(("state", "request_class"), ILLEGAL, ids=name)
def test_every_refusal_is_schema_valid(state: S, request_class: type[Any]) -> None:
    bench = strict(state)
    bench.ask(EACH[request_class])
    for message in [output.message for output in bench.last if isinstance(output, Send)]:
        codec = exi.codec(CODECS[type(message)])
        assert codec.decode(codec.encode(message)) == message
        assert message.header.session_id == bench.session.session_id


@pytest.mark.parametrize(("state", "request_class"), LEGAL, ids=name)
def test_request_with_a_row_is_not_out_of_sequence(state: S, request_class: type[Any]) -> None:
    response = strict(state).ask(lawful(state, request_class))
    assert code(response) != "FAILED_SequenceError"


@pytest.mark.parametrize(("state", "request_class"), LEGAL, ids=name)
@pytest.mark.parametrize("stream", [Stream.SCHEDULE, Stream.METERING])
def test_a_request_beside_the_main_stream_has_no_row(
    state: S, request_class: type[Any], stream: Stream
) -> None:
    bench = strict(state)
    request = addressed(lawful(state, request_class), bench.session.session_id)
    bench.feed(Received(request, bench.evse, stream=stream))
    (sent,) = [output for output in bench.last if isinstance(output, Send)]
    assert (code(sent.message), sent.stream) == ("FAILED_SequenceError", stream)
    assert bench.end is not None
    energising = [output for output in bench.last if isinstance(output, SetOutput | CloseContactor)]
    assert energising in ([], [SetOutput(0.0, 0.0)])


@pytest.mark.parametrize(("state", "request_class"), LEGAL, ids=name)
def test_every_answer_of_a_row_is_schema_valid(state: S, request_class: type[Any]) -> None:
    bench = strict(state)
    bench.ask(lawful(state, request_class))
    for message in [output.message for output in bench.last if isinstance(output, Send)]:
        codec = exi.codec(CODECS[type(message)])
        assert codec.decode(codec.encode(message)) == message


@pytest.mark.inv("INV-12")
@pytest.mark.req("V2G20-460", "V2G20-753")
@pytest.mark.parametrize("state", [state for state in LIVE if state is not S.WAIT_SESSION_SETUP], ids=name)
@pytest.mark.parametrize("request_class", EACH, ids=name)
def test_another_session_id_is_unknown_in_every_state(state: S, request_class: type[Any]) -> None:
    if request_class is m.SessionSetupReq:
        return
    bench = strict(state)
    response = bench.ask(EACH[request_class], bytes(7) + b"\x81")
    assert type(response) is PAIRS[request_class]
    assert code(response) == "FAILED_UnknownSession"
    assert bench.end is not None


def test_every_state_is_reachable_by_rows() -> None:
    assert reached(RULES, S.WAIT_SESSION_SETUP) == set(S)


def test_nothing_follows_the_end() -> None:
    assert [rule for rule in RULES if rule.state is S.ENDED] == []


def test_a_state_that_owes_an_answer_takes_no_request_and_has_a_timer() -> None:
    owing = {state for state in LIVE if not state.waits_for_ev}
    assert [rule for rule in RULES if rule.state in owing and rule.input in PAIRS] == []
    assert owing <= {rule.state for rule in RULES if isinstance(rule.input, Timer)}


@pytest.mark.inv("INV-17")
@pytest.mark.parametrize("state", LIVE, ids=name)
def test_every_state_has_a_deadline(state: S) -> None:
    assert in_state(state).session.deadline is not None


@pytest.mark.inv("INV-03", "INV-18")
@pytest.mark.req("V2G20-441", "V2G20-443", "V2G20-445")
@pytest.mark.parametrize("state", LIVE, ids=name)
def test_silence_ends_every_state_with_the_output_off(state: S) -> None:
    bench = in_state(state)
    outputs = bench.tick(65.0)  # what is owed may be answered first
    assert bench.session.state is S.ENDED
    assert OpenContactor() in outputs


@pytest.mark.req("V2G20-1632", "V2G20-2645")
@pytest.mark.parametrize("state", [s for s in LIVE if s.waits_for_ev], ids=name)
def test_the_session_may_be_stopped_in_every_state_but_the_first(state: S) -> None:
    bench = in_state(state)
    response = bench.ask(r.session_stop())
    expected = "FAILED_SequenceError" if state is S.WAIT_SESSION_SETUP else "OK"
    assert code(response) == expected
    assert bench.ended
    assert OpenContactor() in bench.last


def test_the_lenient_rows_are_switches_that_exist() -> None:
    switches = {field.name for field in dataclasses.fields(CompatConfig)}
    assert {rule.leniency for rule in RULES} - {""} <= switches


def test_both_dialects_have_the_same_rules() -> None:
    assert table.ISO20_AC.rules is table.ISO20_DC.rules
