"""Python's logging without waiting: handlers that write to a pipe or a disk run in a thread."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
from collections.abc import Iterator
from typing import Any

from secc.station.outflow import Outflow

LIMIT = 1_048_576
"""Characters of log records that may wait."""


class _Queued(logging.handlers.QueueHandler):
    """Hands records to a thread; drops and counts when too many wait."""

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
