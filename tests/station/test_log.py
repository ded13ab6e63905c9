"""Logging that does not wait for its handlers."""

import logging
import threading

import pytest

from secc.errors import ConfigError
from secc.messages.iso2 import EnergyTransferMode
from secc.records import LinkEvent, LinkRecord, NoticeRecord, OutputRecord
from secc.session.outputs import Notice, NoticeKind, SetOutput
from secc.settings import SeccConfig
from secc.sim import Plan, ScriptedEvcc, SimulatedAcEvse, SimulatedBackend
from secc.station.log import LogReporter, detached_logging
from secc.station.station import Station

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


def test_a_handler_that_stalls_delays_nothing_else_and_what_is_dropped_is_counted() -> None:
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


# --- the log of a station ----------------------------------------------------------------------------------


class Threaded(logging.Handler):
    """Keeps log records, and the thread in which each came."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[logging.LogRecord] = []
        self.threads: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record)
        self.threads.add(threading.current_thread().name)


def logger_with(handler: logging.Handler, level: int) -> logging.Logger:
    logger = logging.Logger("secc", level)
    logger.addHandler(handler)
    return logger


NOTICE = NoticeRecord(1.0, Notice(NoticeKind.STOP, "stop requested"), "AB12")
BLOCKED = LinkRecord(2.0, LinkEvent.BLOCKED, "ground fault")
ORDER = OutputRecord(3.0, SetOutput(400.0, 5.0), "AB12")


def test_records_are_logged_in_a_thread_with_level_text_and_session() -> None:
    handler = Threaded()
    reporter = LogReporter(logger_with(handler, logging.DEBUG))
    for record in (NOTICE, BLOCKED, ORDER):
        reporter(record)
    reporter.close(5.0)
    assert [(one.levelname, one.getMessage(), one.__dict__["session"]) for one in handler.found] == [
        ("INFO", "stop: stop requested", "AB12"),
        ("ERROR", "outlet blocked: ground fault", "-"),
        ("DEBUG", "SetOutput voltage 400 current 5", "AB12"),
    ]
    assert handler.threads == {"secc-log"}


def test_records_below_the_level_of_the_logger_cost_no_thread() -> None:
    handler = Threaded()
    reporter = LogReporter(logger_with(handler, logging.WARNING))
    reporter(NOTICE)
    reporter(ORDER)
    assert reporter._out is None
    reporter(BLOCKED)
    reporter.close(5.0)
    assert [one.levelno for one in handler.found] == [logging.ERROR]


def test_a_handler_that_blocks_does_not_delay_the_reporter() -> None:
    free = threading.Event()

    class Stuck(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            free.wait(10.0)

    reporter = LogReporter(logger_with(Stuck(), logging.DEBUG))
    for _ in range(100):
        reporter(NOTICE)  # returns although nothing is written
    assert reporter._out is not None
    assert reporter._out.waiting >= 99
    free.set()
    reporter.close(5.0)


async def test_a_station_without_a_reporter_logs_its_session(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        evse = SimulatedAcEvse()
        station = Station(SeccConfig(interface="lo"), evse, SimulatedBackend(), sdp_port=0)
        async with station:
            assert station.sdp_port is not None
            plan = Plan(mode=EnergyTransferMode.AC_SINGLE_PHASE_CORE, loops=1)
            car = ScriptedEvcc(plan, cable=evse.cable, interface="lo", sdp_port=station.sdp_port)
            await car.charge()

    with caplog.at_level(logging.INFO, logger="secc"):
        await scenario()
    by_text = {one.getMessage().partition(" fe80")[0].partition(":")[0]: one for one in caplog.records}
    end = next(one for one in caplog.records if "is over" in one.getMessage())
    assert end.name == "secc"
    assert end.__dict__["session"] == end.getMessage().split()[1]
    assert by_text["listening"].__dict__["session"] == "-"


async def test_a_station_on_an_interface_that_does_not_exist_raises() -> None:
    async def scenario() -> None:
        async with Station(
            SeccConfig(interface="nowhere0"), SimulatedAcEvse(), SimulatedBackend(), sdp_port=0
        ):
            raise AssertionError("it started")

    with pytest.raises(ConfigError, match=r"^interface: there is no nowhere0; found .*lo"):
        await scenario()
