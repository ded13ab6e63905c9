"""Trace and journal of the sessions of a station, where the operator wants them.

Neither can stop or delay a session: a problem with writing is logged once and reported by the health.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from secc.boundary.calls import Complaints
from secc.connection import Beginning, Connection
from secc.session.battery_events import EvBattery
from secc.session.contract_events import ContractRecord
from secc.session.outlet import EvseSnapshot
from secc.session.outputs import EndSession
from secc.settings.config import SeccConfig
from secc.station.health import ReportHealth
from secc.station.journal import Journal
from secc.station.outflow import Report

if TYPE_CHECKING:
    from secc.trace.recorder import Recorder

__all__ = ["SessionRecording"]


class SessionRecording:
    """Trace and journal of one station, and whether the destinations of all its reports keep up."""

    def __init__(self, recorder: Recorder | None, journal: Journal | None, *, reports: Complaints) -> None:
        self._recorder = recorder
        self._journal = journal
        self._reports = reports
        self._watched: list[Report] = [one for one in (recorder, journal) if one is not None]
        self._problems: dict[str, str] = {}
        self._number = 0
        """Of the last session."""

    def watch(self, report: Report) -> None:
        """Include one more way out in health and metrics: the output of a command, the log."""
        self._watched.append(report)

    @property
    def reports(self) -> tuple[ReportHealth, ...]:
        """How each of them keeps up, one entry for each name."""
        found: dict[str, ReportHealth] = {}
        for one in self._watched:
            other = found.get(one.name, ReportHealth(one.name, "", 0, 0))
            found[one.name] = ReportHealth(
                one.name,
                other.problem or one.problem,
                other.waiting + one.waiting,
                other.dropped + one.dropped,
            )
        return tuple(found.values())

    def begin(
        self, beginning: Beginning, config: SeccConfig, random_bytes: Callable[[int], bytes], peer: str
    ) -> Connection:
        """The core for a session, written down from now on."""
        if self._recorder is not None:
            connection = self._recorder.begin(beginning, random_bytes, peer=peer)
        else:
            session = beginning.session(config, random_bytes)
            connection = Connection(session, max_payload=beginning.max_payload)
        self._number = beginning.generation
        if self._journal is not None:
            self._journal.begin(
                beginning.generation,
                session_id=connection.session.session_id,
                peer=peer,
                tls=beginning.tls,
                snapshot=beginning.snapshot,
            )
        self._look()
        return connection

    def observe(self, snapshot: EvseSnapshot) -> None:
        """The outlet now; for meter readings. Called often enough to notice a problem of a thread in time."""
        if self._journal is not None:
            self._journal.observe(snapshot)
        self._look()

    def contract(self, record: ContractRecord) -> None:
        """An event with a contract: a refusal, a grant, a delivery, a signed receipt."""
        if self._journal is not None:
            self._journal.contract(self._number, record)
            self._look()

    def battery(self, number: int, battery: EvBattery) -> None:
        """The EV has reported its state of charge in a session that only reads it."""
        if self._journal is not None:
            self._journal.battery(number, battery)
            self._look()

    def end(self, number: int, end: EndSession | None) -> None:
        """The session is over."""
        if self._journal is not None:
            self._journal.end(number, end)
        self._look()

    def _look(self) -> None:
        """Log each problem once; a problem that ends and returns is logged again."""
        found = {one.name: one.problem for one in self._watched if one.problem}
        for name, problem in found.items():
            if name not in self._problems:
                self._reports.complaint(f"{name}: {problem}")
        self._problems = found
