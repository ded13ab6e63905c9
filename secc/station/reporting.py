"""What a station reports: each record passes through one `Reports` to the `Reporter` of the station.

The parts of a station report link events and complaints; links report messages, outputs and notices. A
reporter that raises is logged and does not disturb the station. Peers cannot cause more than 20 link records
in a second [INV-26].
"""

from __future__ import annotations

import asyncio
import collections
import logging
from collections.abc import Callable
from typing import Protocol

from secc.boundary.calls import Complaints
from secc.ports import Reporter
from secc.records import LinkEvent, LinkRecord, Record

__all__ = ["Chatter", "LinkReports", "ReportLink", "Reports", "broadcast"]

ReportLink = Callable[[LinkEvent, str], None]
"""Reports an event of the station with its text."""

_log = logging.getLogger(__name__)


class LinkReports(Complaints, Protocol):
    """Where a part of a station reports events and complaints."""

    def link(self, event: LinkEvent, text: str = "", peer: str = "") -> None:
        """Report an event of a connection or of the station."""
        ...


class Reports:
    """The way to the reporter, shared by the parts of one station."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._chatter = Chatter()
        self._session = ""
        self._peer = ""

    def begin(self, session: str, peer: str) -> None:
        """A session starts: link events of its peer carry its SessionID from now on."""
        self._session, self._peer = session, peer

    def end(self) -> None:
        """The session is over."""
        self._session = self._peer = ""

    def record(self, record: Record) -> None:
        """Pass a record on; an exception of the reporter is logged."""
        quiet = isinstance(record, LinkRecord) and record.event not in _NEVER_DROPPED
        if quiet and not self._chatter.allow(record.at):
            return
        try:
            self._reporter(record)
        except Exception:
            _log.exception("the reporter failed")

    def link(self, event: LinkEvent, text: str = "", peer: str = "") -> None:
        """Report an event of a connection or of the station."""
        session = self._session if peer in ("", self._peer) else ""
        self.record(LinkRecord(asyncio.get_running_loop().time(), event, text, peer, session))

    def not_receiving(self, text: str) -> None:
        """Report that discovery or the listener cannot receive."""
        self.link(LinkEvent.DEAF, text)

    def complaint(self, text: str) -> None:
        """Report a failed call of the controller, the back end or a callback."""
        self.link(LinkEvent.COMPLAINT, text)


class Chatter:
    """At most 20 link records in a second [INV-26]."""

    def __init__(self) -> None:
        self._times: collections.deque[float] = collections.deque(maxlen=20)

    def allow(self, now: float) -> bool:
        """Whether one more may be reported."""
        if len(self._times) == self._times.maxlen and now - self._times[0] < 1.0:
            return False
        self._times.append(now)
        return True


def broadcast(*reporters: Reporter) -> Reporter:
    """A reporter that passes each record to several; one that raises does not keep it from the others."""

    def report(record: Record) -> None:
        errors = []
        for reporter in reporters:
            try:
                reporter(record)
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    return report


_NEVER_DROPPED = (LinkEvent.BLOCKED, LinkEvent.TLS_RENEWED, LinkEvent.TLS_ALARM, LinkEvent.EXPIRY)
