"""Doubtful meter readings: what is flagged, and what is not."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from secc.operator.cpo.journal import SessionRecord
from secc.operator.cpo.readings import MeteredSession, doubt
from tests.operator.cpo.support import EMAID, make_service
from tests.support.contracts import NOW

HOUR = datetime.timedelta(hours=1)


def metered(
    energy: int | None = None,
    readings: tuple[int | None, int | None] = (None, None),
    hours: float = 1.0,
) -> MeteredSession:
    start, stop = readings
    return MeteredSession(
        started_at=NOW, ended_at=NOW + hours * HOUR, energy=energy, meter_start=start, meter_stop=stop
    )


BEFORE = metered(10_000, (0, 10_000))


@pytest.mark.parametrize(
    ("session", "before", "why"),
    [
        (metered(22_000), None, ""),
        (metered(150_001_000), None, "150001000 Wh, at most 151000 Wh are possible"),
        (metered(1000, hours=-1), None, "it ends 1:00:00 before its start"),
        (metered(0, (500, 400)), None, "the meter runs backwards: 500 Wh at the start"),
        (metered(9000, (500, 1000)), None, "9000 Wh, but the readings differ by 500 Wh"),
        (metered(500, (9000, 9500)), BEFORE, "the meter runs backwards: 10000 Wh after the session before"),
        (metered(500, (90_000, 90_500)), BEFORE, "the meter advances by 80000 Wh between this session"),
        (metered(500, (10_000, 10_500)), BEFORE, ""),
        (metered(500, (10_900, 11_400)), BEFORE, ""),
        (MeteredSession(started_at=NOW), BEFORE, ""),
    ],
)
def test_a_reading_that_jumps_is_doubtful(
    session: MeteredSession, before: MeteredSession | None, why: str
) -> None:
    found = doubt(session, before, 150_000)
    assert found.startswith(why) if why else found == ""


def test_a_doubtful_session_is_stored_flagged_and_counted(tmp_path: Path) -> None:
    service = make_service(tmp_path)
    for number, (start, stop) in enumerate(((0, 5000), (5000, 9000), (2000, 3000))):
        begin = NOW + number * HOUR
        report = SessionRecord(
            id=f"t{number}", station="D-1", evse_id="1", emaid=EMAID, started_at=begin, meter_start_wh=start
        )
        service.journal.put_session(report)
        end = SessionRecord(
            id=f"t{number}",
            station="D-1",
            evse_id="1",
            emaid=EMAID,
            started_at=begin,
            ended_at=begin + HOUR / 2,
            energy_wh=stop - start,
            meter_stop_wh=stop,
        )
        for _ in range(2):
            service.journal.put_session(end)
    last, *earlier = service.journal.sessions()
    assert "runs backwards: 9000 Wh" in last.doubt
    assert (last.energy_wh, last.meter_start_wh, last.meter_stop_wh) == (1000, 2000, 3000)
    assert [one.doubt for one in earlier] == ["", ""]
    assert service.journal.doubtful(NOW) == 1
    service.close()


def test_a_session_keeps_the_normal_form_of_its_emaid_and_the_text_of_a_card(tmp_path: Path) -> None:
    service = make_service(tmp_path)
    for name in ("de-abc-000000001-g", "04:A2-card"):
        service.journal.put_session(
            SessionRecord(id=name, station="D-1", evse_id="1", emaid=name, started_at=NOW)
        )
    assert {one.emaid for one in service.journal.sessions()} == {EMAID, "04:A2-card"}
    service.close()
