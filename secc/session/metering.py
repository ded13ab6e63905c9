"""Which meter readings count: only fresh ones of one meter that never falls [V2G2-902] [INV-33]."""

from __future__ import annotations

import msgspec

from secc.session.context import Context
from secc.session.outlet import EvseSnapshot, MeterReading
from secc.session.outputs import NoticeKind


def checked(session: Context, snapshot: EvseSnapshot) -> EvseSnapshot:
    """The snapshot, without a reading that cannot be believed; each trouble is reported once.

    The last good reading stays in `session.reading`, for the end record.
    """
    reading = snapshot.meter
    if reading is None:
        return snapshot
    trouble = _trouble(reading, session.reading, snapshot.utc, session.config.energy.meter_age)
    if trouble != session.meter_trouble:
        session.meter_trouble = trouble
        if trouble:
            session.notice(NoticeKind.IGNORED, f"meter: {trouble}")
    if trouble:
        return msgspec.structs.replace(snapshot, meter=None)
    session.first_reading = session.first_reading or reading
    session.reading = reading
    return snapshot


def energy(session: Context) -> int | None:
    """Wh to the EV, between the first and the last good reading; None without one."""
    first, last = session.first_reading, session.reading
    return None if first is None or last is None else last.energy - first.energy


def exported(session: Context) -> int | None:
    """Wh from the EV, likewise; None where one of the two readings has no such register."""
    first, last = session.first_reading, session.reading
    if first is None or last is None or first.exported is None or last.exported is None:
        return None
    return last.exported - first.exported


def _trouble(reading: MeterReading, before: MeterReading | None, utc: float, age: float) -> str:
    """Why a reading does not count; empty when it does. The numbers stay out of it: it is reported once."""
    if before is not None and reading.meter_id != before.meter_id:
        return f"reading of {reading.meter_id} in a session that {before.meter_id} has measured"
    if before is not None and reading.energy < before.energy:
        return f"its reading has fallen below {before.energy} Wh"
    if before is not None and before.exported is not None and (reading.exported or 0) < before.exported:
        return f"its reading of exported energy has fallen below {before.exported} Wh"
    if reading.utc is not None and utc - reading.utc > age:
        return f"its reading is older than {age:g} s"
    return ""
