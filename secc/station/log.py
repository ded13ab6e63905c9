"""Python's `logging` without waiting: handlers that write to a pipe or a disk run in a thread.

`LogReporter` is the reporter of a station that is given none. `detached_logging` does the same for all
other log records of a process.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
from collections.abc import Iterator
from typing import Any

from secc.records import LinkEvent, LinkRecord, MessageRecord, NoticeRecord, OutputRecord, Record
from secc.records.text import as_text
from secc.session.outputs import EndSession
from secc.station.outflow import Outflow

__all__ = ["LIMIT", "LogReporter", "detached_logging", "level_of"]

LIMIT = 1_048_576
"""Characters of log records that may wait."""


class LogReporter:
    """Reports through the logger `secc`; each log record has the SessionID as `session`, `-` without one.

    Messages, orders and the power line are DEBUG; link events, notices and ends of sessions INFO; what needs
    attention WARNING; a blocked outlet ERROR. Handlers run in a thread: one that blocks does not delay the
    station, and log records that do not fit in the queue are dropped and counted.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        """`logger`: another one than `secc`."""
        self._logger = logger or logging.getLogger("secc")
        self._out: Outflow[logging.LogRecord] | None = None

    def __call__(self, record: Record) -> None:
        """Log it, if the logger is enabled for its level."""
        level = level_of(record)
        if not self._logger.isEnabledFor(level):
            return
        made = self._logger.makeRecord(self._logger.name, level, __file__, 0, _Text(record), (), None)
        made.session = getattr(record, "session", "") or "-"
        if self._out is None:
            self._out = Outflow("log", self._logger.handle, limit=LIMIT, size=lambda _record: 200, gap=_gap)
        self._out.put(made)

    def close(self, timeout: float = 0.5) -> None:
        """Wait at most `timeout` seconds for queued records; a later record starts a new queue."""
        out, self._out = self._out, None
        if out is not None:
            out.close(timeout)


def level_of(record: Record) -> int:
    """The level of `logging` at which a record is logged."""
    match record:
        case MessageRecord():
            return logging.DEBUG
        case LinkRecord(event=LinkEvent.BLOCKED):
            return logging.ERROR
        case LinkRecord(event=event) if event in _ATTENTION:
            return logging.WARNING
        case LinkRecord() | NoticeRecord() | OutputRecord(output=EndSession()):
            return logging.INFO
        case _:
            return logging.DEBUG


_ATTENTION = (
    LinkEvent.DEAF,
    LinkEvent.FAILED,
    LinkEvent.TLS_FAILED,
    LinkEvent.TLS_ALARM,
    LinkEvent.EXPIRY,
    LinkEvent.SUSPICIOUS,
    LinkEvent.SLOW,
    LinkEvent.COMPLAINT,
)


class _Text:
    """The text of a record, made in the thread that writes it."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def __str__(self) -> str:
        text = as_text(self._record)
        return type(self._record).__name__ if text is None else text.strip()


class _Queued(logging.handlers.QueueHandler):
    """Passes records to a thread; drops and counts when too many wait."""

    def __init__(self, out: Outflow[logging.LogRecord]) -> None:
        super().__init__(_NO_QUEUE)
        self._out = out

    def enqueue(self, record: logging.LogRecord) -> None:
        self._out.put(record)


@contextlib.contextmanager
def detached_logging(*default: logging.Handler) -> Iterator[Outflow[logging.LogRecord]]:
    """While inside, the handlers of the root logger run in a thread; `default` where it has none.

    Call it when logging is configured and before the loop runs. Yields the queue, for
    `SessionRecording.watch`. The end waits half a second at most.
    """
    root = logging.getLogger()
    replaced = list(root.handlers)
    handlers = replaced or list(default)

    def handle(record: logging.LogRecord) -> None:
        for handler in handlers:
            if record.levelno >= handler.level:
                handler.handle(record)

    out = Outflow("log", handle, limit=LIMIT, size=lambda record: 200 + len(str(record.msg)), gap=_gap)
    queued = _Queued(out)
    root.handlers[:] = [queued]
    try:
        yield out
    finally:
        root.handlers[:] = replaced
        out.close(_PATIENCE)


def _gap(count: int) -> logging.LogRecord:
    text = f"{count} log records are missing here: their destination did not keep up"
    return logging.LogRecord("secc", logging.WARNING, __file__, 0, text, None, None)


_NO_QUEUE: Any = None
_PATIENCE = 0.5  # s
