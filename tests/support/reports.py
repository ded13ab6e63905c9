"""Where a part of a station reports in a test of that part alone."""

from __future__ import annotations

from secc.records import LinkEvent


class HeardReports:
    """The texts of complaints, and link events with their texts, in lists."""

    def __init__(self, complaints: list[str] | None = None) -> None:
        self.complaints = [] if complaints is None else complaints
        self.events: list[tuple[LinkEvent, str]] = []

    def complaint(self, text: str) -> None:
        self.complaints.append(text)

    def link(self, event: LinkEvent, text: str = "", peer: str = "") -> None:
        self.events.append((event, text))
