"""How everything that reports keeps up: logged once, in health and metrics, apart from serving."""

import dataclasses

import pytest

from secc.cli import health as command
from secc.records import LinkEvent
from secc.session.outlet import ControlPilot, EvseSnapshot
from secc.station.health import ReportHealth
from secc.station.metrics import Metrics
from secc.station.recording import SessionRecording
from tests.support.reports import HeardReports
from tests.support.wire import eventually, running

B = EvseSnapshot(control_pilot=ControlPilot.B)


@dataclasses.dataclass
class Fake:
    """A report."""

    name: str
    problem: str = ""
    waiting: int = 0
    dropped: int = 0


def test_a_problem_is_logged_once_and_again_when_it_has_gone_and_comes_back() -> None:
    said: list[str] = []
    books = SessionRecording(None, None, reports=HeardReports(said))
    journal = Fake("journal", "No space left on device")
    books.watch(journal)
    for _ in range(3):
        books.observe(B)
    journal.problem = "No space left on device, another text"
    books.observe(B)
    assert said == ["journal: No space left on device"]
    journal.problem = ""
    books.observe(B)
    journal.problem = "Read-only file system"
    books.observe(B)
    assert said[1:] == ["journal: Read-only file system"]


def test_what_has_the_same_name_is_one_entry() -> None:
    books = SessionRecording(None, None, reports=HeardReports())
    books.watch(Fake("trace", "", 2, 3))
    books.watch(Fake("trace", "the queue is full", 5, 7))
    books.watch(Fake("output"))
    assert books.reports == (
        ReportHealth("trace", "the queue is full", 7, 10),
        ReportHealth("output", "", 0, 0),
    )


@pytest.mark.threat("LIF-05")
async def test_a_report_that_fails_is_in_health_metrics_and_log_and_the_station_serves() -> None:
    metrics = Metrics()
    async with running() as bed:
        metrics.watch(bed.station)
        bed.station.recording.watch(Fake("journal", "No space left on device", 4, 1))
        await eventually(lambda: bool(bed.events(LinkEvent.COMPLAINT)))
        (complaint,) = bed.events(LinkEvent.COMPLAINT)
        assert complaint.text == "journal: No space left on device"
        health = bed.station.health
        assert (health.serving, health.reason) == (True, "")
        assert health.reports == (ReportHealth("journal", "No space left on device", 4, 1),)
        found = await bed.station.diagnostics.examine(bed.station.health)
        assert (found.healthy, found.serving, found.reports) == (True, True, health.reports)
        text = metrics.text().decode()
        assert 'secc_report_failing{report="journal"} 1.0' in text
        assert 'secc_report_waiting{report="journal"} 4.0' in text
        assert 'secc_report_dropped_total{report="journal"} 1.0' in text


def test_the_health_command_prints_warnings_below_the_verdict() -> None:
    reports = [
        {"name": "output", "problem": "", "waiting": 3, "dropped": 0},
        {"name": "journal", "problem": "full", "waiting": 4, "dropped": 0},
        {"name": "log", "problem": "", "waiting": 0, "dropped": 9},
    ]
    found = {
        "healthy": True,
        "serving": True,
        "troubles": [],
        "reason": "",
        "in_session": False,
        "discovery_seconds": 0.0004,
        "warnings": ["no OCSP response"],
        "reports": reports,
    }
    assert command._words(found, good=True).splitlines() == [
        "healthy, discovery answers in 0.4 ms",
        "warning: no OCSP response",
        "warning: journal: full; 4 waiting, 0 dropped",
        "warning: log: keeps up again; 0 waiting, 9 dropped",
    ]
