"""Writes a test from a trace, whose replay must be identical, or from a capture, whose car must reach its
end."""

from __future__ import annotations

import json
import pathlib
import re
import shutil

from secc.trace.capture import CapturedConversation
from secc.trace.form import TraceError
from secc.trace.reader import Trace
from secc.v2gtp import PayloadType

__all__ = ["write_capture_test", "write_test"]

TEMPLATE = '''"""{title}"""

from pathlib import Path

from secc.trace import read, replay

TRACE = Path(__file__).with_name("{file}")


def test_{name}_comes_out_the_same() -> None:
    assert replay(read(TRACE)) is None


def test_{name}_ends_as_recorded() -> None:
    ends = [session.end for session in read(TRACE).sessions]
    assert [end["reason"] if end else None for end in ends] == {ends!r}
'''


CAPTURE_TEMPLATE = '''"""{title}"""

import os
from pathlib import Path

from secc.sim.playback import Garage, play
from secc.sim.player import chosen_end, config_for, load

RECORDING = Path(__file__).with_name("{file}")


def test_{name}_comes_to_the_end_that_the_car_chose() -> None:
    for recording in load(RECORDING):
        outcome = play(recording, config_for(recording), Garage(os.urandom))
        assert outcome.complete, outcome
        assert outcome.end is chosen_end(recording)
        assert not outcome.energised_after_end
'''


def write_capture_test(
    talk: CapturedConversation, source: str, target: pathlib.Path
) -> tuple[pathlib.Path, pathlib.Path]:
    """`target` is the test; the messages are written beside it, for `secc.sim.player`. Raises TraceError."""
    name, copy = _beside(target, "jsonl")
    if any(one.frame.payload_type != PayloadType.EXI for one in talk.payloads):
        raise TraceError(f"{source}: ISO 15118-20 cannot be played from a capture; record with secc serve")
    frames = [[one.at, 0 if one.from_ev else 1, one.data.hex()] for one in talk.payloads]
    line = {"session": source, "car": "captured", "peer": talk.station, "frames": frames}
    text = CAPTURE_TEMPLATE.format(
        title=f"A car captured on the network: {source}.", file=copy.name, name=name
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(json.dumps(line) + "\n", "utf-8")
    target.write_text(text, "utf-8")
    return target, copy


def write_test(trace: Trace, source: pathlib.Path, target: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """`target` is the test, `test_<what>.py`; the trace is copied beside it. Raises TraceError when one of
    them is there already, or the name is none for a test."""
    name, copy = _beside(target, "trace")
    ends = [None if session.end is None else str(session.end["reason"]) for session in trace.sessions]
    title = f"Recorded by secc {trace.written_by}: the core of today does what it did then."
    text = TEMPLATE.format(title=title, file=copy.name, name=name, ends=ends)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, copy)
    target.write_text(text.replace("'", '"'), "utf-8")
    return target, copy


def _beside(target: pathlib.Path, suffix: str) -> tuple[str, pathlib.Path]:
    """Name of the test and the file for its data; TraceError when one is there already."""
    found = re.fullmatch(r"test_([a-z0-9_]+)\.py", target.name)
    if found is None:
        raise TraceError(f"{target.name}: expected test_<what>.py, in lower case")
    copy = target.with_name(f"{found[1]}.{suffix}")
    for path in (target, copy):
        if path.exists():
            raise TraceError(f"{path} is there already")
    return found[1], copy
