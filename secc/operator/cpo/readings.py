"""Doubtful meter readings: a pure function of a session and the session before it at the same outlet.

A doubtful reading is stored and flagged, never refused or corrected: the meter, the station or a report may
be wrong, and only a person can decide which.
"""

from __future__ import annotations

import dataclasses
import datetime

SLACK = 1000
"""Wh between two sessions, or above the greatest possible energy, that are not reported: other consumers
behind the meter, and rounding."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MeteredSession:
    """The figures of a session; energy and readings in Wh."""

    started_at: datetime.datetime
    ended_at: datetime.datetime | None = None
    energy: int | None = None
    meter_start: int | None = None
    meter_stop: int | None = None


def doubt(session: MeteredSession, before: MeteredSession | None, most_power: float) -> str:
    """Return why the figures are doubtful; empty if they are not.

    `before` is the previous session at the same outlet, and `most_power` the power in W that no outlet
    exceeds.
    """
    end, energy = session.ended_at, session.energy
    if end is not None and end < session.started_at:
        return f"it ends {session.started_at - end} before its start"
    if energy is not None and end is not None:
        most = most_power * (end - session.started_at).total_seconds() / 3600 + SLACK
        if energy > most:
            return f"{energy} Wh, at most {most:.0f} Wh are possible in {end - session.started_at}"
    return _of_readings(session) or _since(session, before)


def _of_readings(session: MeteredSession) -> str:
    start, stop, energy = session.meter_start, session.meter_stop, session.energy
    if start is None or stop is None:
        return ""
    if stop < start:
        return f"the meter runs backwards: {start} Wh at the start, {stop} Wh at the end"
    if energy is not None and abs(stop - start - energy) > SLACK:
        return f"{energy} Wh, but the readings differ by {stop - start} Wh"
    return ""


def _since(session: MeteredSession, before: MeteredSession | None) -> str:
    start, last = session.meter_start, None if before is None else before.meter_stop
    if start is None or last is None:
        return ""
    if start < last:
        return f"the meter runs backwards: {last} Wh after the session before, {start} Wh at the start"
    if start - last > SLACK:
        return f"the meter advances by {start - last} Wh between this session and the one before"
    return ""
