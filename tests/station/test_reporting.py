"""One way for all that a station reports: to the reporter, with the session, and not too much of it."""

from __future__ import annotations

import pytest

from secc.records import LinkEvent, LinkRecord, NoticeRecord, Record
from secc.session.outputs import Notice, NoticeKind
from secc.station.reporting import Reports, broadcast


async def reported(*events: tuple[LinkEvent, str], session: tuple[str, str] = ("", "")) -> list[LinkRecord]:
    """What a reporter gets for (event, peer) in a session of (id, peer)."""
    records: list[Record] = []

    reports = Reports(records.append)
    reports.begin(*session)
    for event, peer in events:
        reports.link(event, "text", peer)
    return [record for record in records if isinstance(record, LinkRecord)]


async def test_link_events_of_the_peer_and_of_the_station_carry_the_session() -> None:
    events = [(LinkEvent.CLOSED, "fe80::1"), (LinkEvent.COMPLAINT, ""), (LinkEvent.REFUSED, "fe80::2")]
    found = await reported(*events, session=("AB", "fe80::1"))
    assert [record.session for record in found] == ["AB", "AB", ""]


async def test_after_the_session_nothing_carries_its_id() -> None:
    records: list[Record] = []

    reports = Reports(records.append)
    reports.begin("AB", "fe80::1")
    reports.end()
    reports.complaint("late")
    assert [getattr(record, "session", None) for record in records] == [""]


@pytest.mark.inv("INV-26")
async def test_peers_cause_at_most_twenty_records_at_once_and_alarms_are_never_dropped() -> None:
    found = await reported(*[(LinkEvent.REFUSED, "fe80::2")] * 50, *[(LinkEvent.TLS_ALARM, "")] * 3)
    assert [record.event for record in found].count(LinkEvent.REFUSED) == 20
    assert [record.event for record in found].count(LinkEvent.TLS_ALARM) == 3


def test_a_reporter_that_raises_is_logged_and_disturbs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(record: Record) -> None:
        raise OSError("disk full")

    Reports(broken).record(NoticeRecord(0.0, Notice(NoticeKind.STOP, "why")))
    assert "the reporter failed" in caplog.text
    assert "disk full" in caplog.text


def test_a_broadcast_reaches_every_reporter_even_if_one_of_them_raises() -> None:
    first: list[Record] = []
    last: list[Record] = []

    def broken(record: Record) -> None:
        raise OSError("disk full")

    record = NoticeRecord(0.0, Notice(NoticeKind.STOP, "why"))
    with pytest.raises(OSError, match="disk full"):
        broadcast(first.append, broken, last.append)(record)
    assert first == last == [record]
