"""What `secc serve` shows on a terminal while a session repeats itself."""

from __future__ import annotations

import io
import pathlib
import re

import pytest

from secc.cli.loop_view import LoopView
from secc.cli.serve import _Printer
from secc.records import Direction, LinkEvent, LinkRecord, MessageRecord, OutputRecord, Record
from secc.session.iso2.states import State
from secc.session.outputs import SetOutput
from secc.trace import read
from secc.trace.reader import messages

TRACE = pathlib.Path(__file__).parents[1] / "traces" / "simulated_both_ways.trace"


def records() -> list[MessageRecord]:
    """The messages of a session in both directions."""
    return [
        MessageRecord(
            at=one.at,
            direction=Direction.RECEIVED if one.from_ev else Direction.SENT,
            message=one.message,
            response_time=None if one.from_ev else 0.002,
        )
        for one in messages(read(TRACE).sessions[0])
        if one.message is not None
    ]


def test_a_loop_is_one_line_and_everything_else_stays() -> None:
    view = LoopView(lambda: State.WAIT_DEMAND)
    hidden = [record for record in records() if view.repeats(record)]
    names = {type(record.message).__name__ for record in hidden}
    assert {"DCChargeLoopReq", "DCChargeLoopRes"} <= names
    assert not names & {"SessionSetupReq", "PowerDeliveryReq", "SessionStopRes"}


def test_the_line_has_state_readings_set_point_energy_and_time() -> None:
    view = LoopView(lambda: State.WAIT_DEMAND)
    loop = [record for record in records() if "ChargeLoop" in type(record.message).__name__]
    view.repeats(OutputRecord(at=loop[0].at, output=SetOutput(voltage=388.0, current=120.0)))
    texts = []
    for record in loop:
        view.repeats(record)
        texts.append(view.text)
    full = (
        r"WAIT_DEMAND  +\d+\.\d V  +\d+\.\d A  +\d+\.\d\d kW  ≈ 0\.0\d\d kWh  set 388 V 120 A  SOC 35 %  "
        r"DCChargeLoopRes 2\.00 ms"
    )
    assert any(re.fullmatch(full, text) for text in texts), texts[-1]
    assert any(re.search(r"-\d+\.\d\d kW", text) for text in texts)  # back to the station


def test_what_is_no_message_ends_the_repetition_and_forgets_the_session() -> None:
    view = LoopView()
    loop = [record for record in records() if "ChargeLoop" in type(record.message).__name__]
    assert [view.repeats(record) for record in loop[:6]] == [False] * 4 + [True] * 2
    assert not view.repeats(LinkRecord(at=9.0, event=LinkEvent.CLOSED))
    assert view.text == ""
    assert not view.repeats(loop[6])


class Terminal(io.StringIO):
    """Text that is on a terminal."""

    def isatty(self) -> bool:
        return True


def printed(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, *found: Record, plain: bool = False) -> str:
    monkeypatch.setattr("sys.stdout", stream)
    printer = _Printer(as_json=False, quiet=False, plain=plain)
    printer.follow(lambda: None)
    for record in found:
        printer.record(record)
    return stream.getvalue()


def test_a_terminal_has_the_line_and_a_file_has_each_message(monkeypatch: pytest.MonkeyPatch) -> None:
    session = records()
    text = printed(monkeypatch, Terminal(), *session)
    assert "\r\x1b[K" in text
    assert text.count("\n") < len(session)
    for stream, plain in ((io.StringIO(), False), (Terminal(), True)):
        every = printed(monkeypatch, stream, *session, plain=plain)
        assert "\x1b" not in every
        assert every.count("\n") == len(session)


def test_a_problem_is_red_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = LinkRecord(at=1.0, event=LinkEvent.DEAF, text="no address")
    assert "\x1b[31;1m" in printed(monkeypatch, Terminal(), deaf)
    assert "\x1b" not in printed(monkeypatch, io.StringIO(), deaf)
