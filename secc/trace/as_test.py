"""Writes a test from a trace: the file beside it, replayed, has to give the same again."""

from __future__ import annotations

import pathlib
import re
import shutil

from secc.trace.form import TraceError
from secc.trace.reader import Trace

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


def write_test(trace: Trace, source: pathlib.Path, target: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """`target` is the test, `test_<what>.py`; the trace is copied beside it. Raises TraceError when one of
    them is there already, or the name is none for a test."""
    found = re.fullmatch(r"test_([a-z0-9_]+)\.py", target.name)
    if found is None:
        raise TraceError(f"{target.name}: expected test_<what>.py, in lower case")
    copy = target.with_name(f"{found[1]}.trace")
    for path in (target, copy):
        if path.exists():
            raise TraceError(f"{path} is there already")
    ends = [None if session.end is None else str(session.end["reason"]) for session in trace.sessions]
    title = f"Recorded by secc {trace.written_by}: the core of today does what it did then."
    text = TEMPLATE.format(title=title, file=copy.name, name=found[1], ends=ends)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, copy)
    target.write_text(text.replace("'", '"'), "utf-8")
    return target, copy
