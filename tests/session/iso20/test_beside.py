"""The table of the side streams against the machine: every state of theirs, every request."""

import dataclasses
from typing import Any

import pytest

from secc.messages import iso20_common as m
from secc.session.inputs import LinkLost, Received
from secc.session.iso20.beside import BESIDE, OPENS
from secc.session.iso20.refusals import PAIRS
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.states import SideState
from secc.session.iso20.table import ISO20_AC, ISO20_DC
from secc.session.outputs import EndReason, OpenContactor, Send
from secc.session.states import Stage, Timer
from secc.session.streams import Stream
from secc.settings import CompatConfig
from tests.support import iso20 as r
from tests.support.iso20 import EACH, Bench20, addressed, code
from tests.support.metering20 import MeteredBench
from tests.support.states20 import SIDE_WAYS, WAYS, in_side_state, in_state
from tests.support.tables import reached

STRICT = CompatConfig.strict()
MAIN = (Timer.SEQUENCE, Timer.DEMAND_AGE, Timer.LEASE_RENEWAL)
"""Timers of the loop."""
PAIRS_OF_ALL = [(state, request) for state in SideState for request in EACH]
ILLEGAL = [pair for pair in PAIRS_OF_ALL if ISO20_DC.find(*pair, STRICT) is None]
LEGAL = [pair for pair in PAIRS_OF_ALL if ISO20_DC.find(*pair, STRICT) is not None]


def name(value: object) -> str:
    return value.name if isinstance(value, Stage) else getattr(value, "__name__", str(value))


def strict(state: SideState) -> Bench20:
    return in_side_state(state, dataclasses.replace(SIDE_WAYS[state][1], compat=STRICT))


def stream_of(state: SideState) -> Stream:
    return SIDE_WAYS[state][0]


def lawful(request: type[Any]) -> Any:
    return r.renegotiate(r.profile()) if request is m.PowerDeliveryReq else EACH[request]


def lawfully(bench: Bench20, state: SideState, request: type[Any]) -> Any:
    """Send such an instance; a confirmation needs its signature."""
    if isinstance(bench, MeteredBench) and request is m.MeteringConfirmationReq:
        return bench.confirm()
    return bench.beside(lawful(request), stream_of(state))


def test_there_is_a_way_into_every_state() -> None:
    assert set(SIDE_WAYS) == set(SideState)


@pytest.mark.parametrize("state", SideState, ids=name)
def test_the_way_leads_there(state: SideState) -> None:
    assert in_side_state(state).session.streams[stream_of(state)] is state


def test_every_state_is_reachable_by_rows() -> None:
    first: set[Stage] = {stage for opens in OPENS.values() for stage in opens.values()}
    first.add(SideState.METERING_REQUESTED)  # with a response of the loop
    assert reached(BESIDE, *first) == set(SideState)


@pytest.mark.inv("INV-14", "INV-16")
@pytest.mark.req("V2G20-459")
@pytest.mark.parametrize(("state", "request_class"), ILLEGAL, ids=name)
def test_request_without_a_row_gets_its_paired_response_on_its_stream_and_the_end(
    state: SideState, request_class: type[Any]
) -> None:
    bench = strict(state)
    response = bench.beside(EACH[request_class], stream_of(state))
    assert type(response) is PAIRS[request_class]
    assert code(response) == "FAILED_SequenceError"
    assert bench.end is not None
    assert bench.end.reason is EndReason.REFUSED
    assert OpenContactor() in bench.last


@pytest.mark.parametrize(("state", "request_class"), LEGAL, ids=name)
def test_request_with_a_row_is_answered_on_its_stream_and_the_main_stream_does_not_move(
    state: SideState, request_class: type[Any]
) -> None:
    bench = strict(state)
    session, due = bench.session, bench.session.timers.due.copy()
    main, demand, lease = session.state, session.energised, session.lease_until
    bench.clock.advance(0.1)
    response = lawfully(bench, state, request_class)
    assert code(response) == "OK"
    assert (session.state, session.energised, session.lease_until) == (main, demand, lease)
    assert [session.timers.due.get(timer) for timer in MAIN] == [due.get(timer) for timer in MAIN]


@pytest.mark.inv("INV-12")
@pytest.mark.req("V2G20-460", "V2G20-753")
@pytest.mark.parametrize(("state", "request_class"), LEGAL, ids=name)
def test_another_session_id_is_unknown_there_as_well(state: SideState, request_class: type[Any]) -> None:
    bench = strict(state)
    response = bench.beside(lawful(request_class), stream_of(state), bytes(7) + b"\x81")
    assert code(response) == "FAILED_UnknownSession"
    assert bench.ended


@pytest.mark.parametrize("state", [s for s in S if s is not S.ENDED and s not in OPENS], ids=name)
@pytest.mark.parametrize("stream", [Stream.SCHEDULE, Stream.METERING], ids=str)
def test_where_no_side_stream_is_open_each_request_there_is_out_of_order(state: S, stream: Stream) -> None:
    bench = in_state(state)
    request = r.ac_parameters() if WAYS[state][0] is r.AC else r.dc_parameters()
    bench.feed(Received(addressed(request, bench.session.session_id), bench.evse, stream=stream))
    codes = [code(one.message) for one in bench.last if isinstance(one, Send)]
    assert codes[-1] == "FAILED_SequenceError"
    assert bench.ended


def test_the_main_stream_closes_the_side_streams_when_it_leaves_the_loop() -> None:
    bench = in_side_state(SideState.SCHEDULE_PROFILE)
    bench.ask(r.stop())
    assert bench.session.streams == {}
    assert not any(timer.value == "side_stream" for timer in bench.session.timers.due)


def test_a_lost_link_ends_what_is_beside() -> None:
    bench = in_side_state(SideState.SCHEDULE_EXCHANGE)
    bench.feed(LinkLost())
    assert bench.session.deadline is None


def test_both_dialects_have_the_same_side_streams() -> None:
    assert ISO20_AC.beside is ISO20_DC.beside
    assert ISO20_AC.opens is ISO20_DC.opens
