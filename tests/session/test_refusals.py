"""Refusals: causes of the shared part, codes of the rooms, and warnings that keep the session."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import msgspec
import pytest

from secc.messages import din, iso2
from secc.session.context import Context
from secc.session.din.refusals import DinRefused
from secc.session.din.table import DIN
from secc.session.iso2.refusals import Iso2Refused
from secc.session.iso2.states import State
from secc.session.iso2.table import ISO2
from secc.session.outputs import NoticeKind, RenewLease, Send
from secc.session.refusals import Cause, Refused, Warned
from secc.session.states import Stage, Timer
from tests.support import requests as r
from tests.support.bench import AC, Bench


@pytest.mark.parametrize("dialect", [ISO2, DIN], ids=lambda dialect: dialect.name)
def test_every_cause_has_a_code_of_the_protocol(dialect: Any) -> None:
    codes = {ISO2: iso2.ResponseCode, DIN: din.ResponseCode}[dialect]
    assert set(dialect.codes) == set(Cause)
    assert {type(code) for code in dialect.codes.values()} == {codes}


def test_a_room_refuses_with_codes_of_its_protocol_only() -> None:
    assert typing.get_type_hints(Iso2Refused.__init__)["code"] is iso2.ResponseCode
    assert typing.get_type_hints(DinRefused.__init__)["code"] is din.ResponseCode


def test_the_code_that_a_room_has_chosen_wins_over_that_of_the_cause() -> None:
    assert ISO2.code(Refused(Cause.CONTACTOR, "")) is iso2.ResponseCode.FAILED_CONTACTOR_ERROR
    assert DIN.code(Refused(Cause.CONTACTOR, "")) is din.ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED
    chosen = Iso2Refused(iso2.ResponseCode.FAILED_CHALLENGE_INVALID, "")
    assert ISO2.code(chosen) is iso2.ResponseCode.FAILED_CHALLENGE_INVALID


def warned(state: Stage | None = None) -> tuple[Bench, tuple[Any, ...]]:
    """A session whose ChargingStatusReq is answered with a warning."""

    def warns(session: Context, _: object) -> Stage:
        session.emit(RenewLease(9.0))
        raise Warned(iso2.ResponseCode.FAILED_CHALLENGE_INVALID, "not this time", state)

    row = ISO2.index[State.WAIT_STATUS, iso2.ChargingStatusReq]
    row = msgspec.structs.replace(row, handler=warns, leads_to={State.WAIT_STATUS, State.WAIT_RECEIPT_AC})
    rules = (*(one for one in ISO2.rules if (one.state, one.input) != (row.state, row.input)), row)
    bench = Bench(AC).to_status()
    bench.session.dialect = dataclasses.replace(ISO2, rules=rules)
    bench.request(r.charging_status())
    return bench, bench.last


@pytest.mark.inv("INV-27")
def test_a_warning_answers_with_its_code_and_the_session_goes_on() -> None:
    bench, outputs = warned()
    (send,) = [output for output in outputs if isinstance(output, Send)]
    assert send.message.body.response_code is iso2.ResponseCode.FAILED_CHALLENGE_INVALID
    assert RenewLease(9.0) not in outputs
    assert NoticeKind.REFUSED in [getattr(output, "kind", None) for output in outputs]
    assert bench.session.state is State.WAIT_STATUS
    assert bench.session.energised is not None
    assert Timer.SEQUENCE in bench.session.timers.due


def test_a_warning_may_lead_to_another_state_of_its_row() -> None:
    bench, _ = warned(State.WAIT_RECEIPT_AC)
    assert bench.session.state is State.WAIT_RECEIPT_AC


def test_a_warning_that_leaves_the_table_is_a_defect() -> None:
    with pytest.raises(RuntimeError, match="the table says"):
        warned(State.WAIT_STOP_AC)


def test_a_warning_without_a_request_is_a_defect() -> None:
    bench = Bench(AC).to_status()
    row = ISO2.index[State.WAIT_STATUS, iso2.ChargingStatusReq]

    def warns(_: Context, __: object) -> Stage:
        raise Warned(iso2.ResponseCode.FAILED, "nothing was asked")

    with pytest.raises(RuntimeError, match="nothing is owed"):
        bench.session._apply(msgspec.structs.replace(row, handler=warns), None)
