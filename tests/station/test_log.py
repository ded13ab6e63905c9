"""Logging that does not wait for its handlers."""

import logging
import threading

from secc.station.log import detached_logging

_log = logging.getLogger("secc.test_log")


class Kept(logging.Handler):
    def __init__(self, level: int = logging.INFO) -> None:
        super().__init__(level)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class Stalled(Kept):
    def __init__(self) -> None:
        super().__init__()
        self.entered, self.open = threading.Event(), threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.entered.set()
        assert self.open.wait(10)
        super().emit(record)


def test_records_reach_the_handlers_of_the_root_in_their_order_and_come_back_afterwards() -> None:
    root, kept, spare = logging.getLogger(), Kept(), Kept()
    before = list(root.handlers)
    root.handlers[:] = [kept]
    try:
        with detached_logging(spare):
            for number in range(100):
                _log.warning("number %d", number)
        assert root.handlers == [kept]
    finally:
        root.handlers[:] = before
    assert kept.lines == [f"number {number}" for number in range(100)]
    assert spare.lines == []


def test_without_configuration_the_default_prints_warnings_and_what_was_raised() -> None:
    root, kept = logging.getLogger(), Kept(logging.WARNING)
    before = list(root.handlers)
    root.handlers[:] = []
    try:
        with detached_logging(kept):
            _log.info("not this")
            try:
                raise ValueError("defect")
            except ValueError:
                _log.exception("failed")
    finally:
        root.handlers[:] = before
    assert len(kept.lines) == 1
    assert kept.lines[0].startswith("failed\nTraceback")
    assert kept.lines[0].endswith("ValueError: defect")


def test_a_handler_that_stalls_holds_up_nobody_and_what_is_dropped_is_counted() -> None:
    root, stalled = logging.getLogger(), Stalled()
    before = list(root.handlers)
    root.handlers[:] = [stalled]
    try:
        with detached_logging() as out:
            _log.warning("first")
            assert stalled.entered.wait(5)
            for _ in range(50):
                _log.warning("x" * 50_000)
            assert out.dropped > 20
            stalled.open.set()
            assert out.flush(5)
            _log.warning("last")
    finally:
        root.handlers[:] = before
    assert stalled.lines[-2].endswith("log records are missing here: their destination did not keep up")
    assert stalled.lines[-1] == "last"
