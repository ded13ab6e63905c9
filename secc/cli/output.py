"""Output of commands. While an event loop runs, printing never waits for the reader.

Standard output may be a pipe whose reader has stopped. In a loop, text passes through a bounded queue to a
thread: text that does not fit is dropped and counted, and the output reports the number when there is room
again. Outside of a loop a command waits for its reader like any other program, and the order of all text is
kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TextIO, TypeVar

from secc.station.log import detached_logging
from secc.station.outflow import Outflow

T = TypeVar("T")

LIMIT = 1_048_576
"""Characters that may wait for the reader."""


class Output:
    """One stream; see `of`."""

    def __init__(self, stream: TextIO, name: str = "output") -> None:
        self.name = name
        self.gap: Callable[[int], str] = _gap
        """Returns the line that reports the number of dropped lines."""
        self._stream = stream
        self._hushed = False  # the reader has closed
        self._lost = 0  # of queues that have ended
        self._out: Outflow[str] | None = None

    def line(self, text: str) -> None:
        """Print a line."""
        self.write(text + "\n")

    def write(self, text: str) -> None:
        """Print text; in a loop at once, otherwise after the previous text."""
        if not _in_a_loop():
            self.finish(None)
            with contextlib.suppress(BrokenPipeError, ValueError):
                self._stream.flush()
            self.now(text)
            return
        if self._out is None:
            self._out = Outflow(
                self.name, self.now, limit=LIMIT, size=len, gap=lambda count: self.gap(count) + "\n"
            )
        self._out.put(text)

    def finish(self, timeout: float | None) -> None:
        """Wait until everything is written, at most `timeout` seconds; the remaining text is lost."""
        out, self._out = self._out, None
        if out is not None:
            self._lost += out.dropped
            out.close(timeout)

    @property
    def problem(self) -> str:
        """Reason for waiting lines; empty without a problem."""
        return "" if self._out is None else self._out.problem

    @property
    def waiting(self) -> int:
        """Number of texts that are not written yet."""
        return 0 if self._out is None else self._out.waiting

    @property
    def dropped(self) -> int:
        """Number of lost texts."""
        return self._lost + (0 if self._out is None else self._out.dropped)

    def now(self, text: str) -> None:
        """Print and wait, in a thread or outside of a loop.

        Files are written without the buffer of their stream: in a blocked write, the lock of that buffer
        would block the end of the process.
        """
        if self._hushed:
            return
        try:
            number = self._stream.fileno()
        except (OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
            return
        data = text.encode(self._stream.encoding or "utf-8", errors="backslashreplace")
        try:
            while data:
                data = data[os.write(number, data) :]
        except BrokenPipeError:  # a station continues without a reader
            self._hushed = True
            hush(self._stream)


def of(stream: TextIO, name: str = "output") -> Output:
    """The one output of a stream."""
    found = _OUTPUTS.get(stream)
    if found is None:
        found = _OUTPUTS[stream] = Output(stream, name)
    return found


def say(text: str) -> None:
    """Print a line on standard output."""
    of(sys.stdout).line(text)


def finish(timeout: float | None) -> None:
    """Wait until everything is written, at most `timeout` seconds for each stream."""
    for output in list(_OUTPUTS.values()):
        output.finish(timeout)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `asyncio.run` for a command that prints: logging does not wait for its reader either."""
    with detached_logging(ToStandardError()):
        return asyncio.run(main)


class ToStandardError(logging.Handler):
    """Print warnings and errors as plain lines, as Python does without logging configuration."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        of(sys.stderr).now(self.format(record) + "\n")


def hush(stream: TextIO) -> None:
    """Discard all further output: the reader has closed."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _gap(count: int) -> str:
    return f"   {count} lines are missing here: the reader of this output is too slow"


_OUTPUTS: weakref.WeakKeyDictionary[TextIO, Output] = weakref.WeakKeyDictionary()
