"""Records of sessions, refusals with their reasons, and the audit log of all changes.

Rows of the audit log are only added. A job seals them, see `seals`.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from sqlalchemy import Row, Table, and_, func, insert, select, update

from secc.operator.cpo.database import Database, audit, insert_new, refusal, session
from secc.operator.cpo.seals import AuditRecord, AuditState, Checkpoint, Sealer

SETTLED = datetime.timedelta(seconds=10)
"""When a row is this old, no earlier row is still being written."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """One charging session as reported by a station or the CSMS; later reports complete earlier ones."""

    id: str
    """Unique for its station, for example the OCPP transaction."""
    station: str
    evse_id: str
    emaid: str
    started_at: datetime.datetime
    ended_at: datetime.datetime | None = None
    energy_wh: int | None = None
    reason: str = ""
    """Reason of the end."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RefusalRecord:
    """A request that was refused."""

    id: str
    at: datetime.datetime
    station: str
    what: str
    """The request: `installation`, `update`, `authorization`."""
    identity: str
    """eMAID or PCID."""
    rule: str
    """The rule that was broken, short and stable."""
    code: str
    """Response code that the car received."""
    text: str


class OperatorJournal:
    """Sessions, refusals and the audit log."""

    def __init__(self, database: Database, sealer: Sealer | None = None) -> None:
        self._db = database
        self._sealer = sealer or Sealer()

    # --- sessions and refusals -----------------------------------------------------------------------------

    def put_session(self, record: SessionRecord) -> None:
        """Add or complete a session; a repeated report has no effect, and an end is final."""
        values = dataclasses.asdict(record)
        with self._db.write() as connection:
            connection.execute(insert_new(connection, session).values(values))
            if record.ended_at is not None:
                which = and_(session.c.id == record.id, session.c.station == record.station)
                ended = {name: values[name] for name in ("ended_at", "energy_wh", "reason")}
                connection.execute(update(session).where(which).values(ended))

    def put_refusal(self, record: RefusalRecord) -> None:
        """Add a refusal; a repeated report has no effect."""
        with self._db.write() as connection:
            connection.execute(insert_new(connection, refusal).values(dataclasses.asdict(record)))

    def sessions(self, limit: int = 50) -> tuple[SessionRecord, ...]:
        """Return sessions, newest first."""
        return tuple(
            SessionRecord(**row._asdict()) for row in self._newest(session, session.c.started_at, limit)
        )

    def refusals(self, limit: int = 50) -> tuple[RefusalRecord, ...]:
        """Return refusals, newest first."""
        return tuple(RefusalRecord(**row._asdict()) for row in self._newest(refusal, refusal.c.at, limit))

    def refusal_counts(self, since: datetime.datetime) -> tuple[tuple[str, str, int], ...]:
        """Return counts by request and rule, most frequent first."""
        count = func.count().label("count")
        query = (
            select(refusal.c.what, refusal.c.rule, count)
            .where(refusal.c.at >= since)
            .group_by(refusal.c.what, refusal.c.rule)
            .order_by(count.desc())
        )
        with self._db.read() as connection:
            return tuple((row[0], row[1], int(row[2])) for row in connection.execute(query))

    # --- audit ---------------------------------------------------------------------------------------------

    def note(self, who: str, what: str, subject: str, detail: str, at: datetime.datetime) -> None:
        """Add a row to the audit log."""
        with self._db.write() as connection:
            row = {"at": at, "who": who, "what": what, "subject": subject, "detail": detail}
            connection.execute(insert(audit).values(row))

    def notes(self, *, before: int | None = None, limit: int = 50) -> tuple[AuditRecord, ...]:
        """Return the audit log, newest first."""
        query = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.id < before)
        with self._db.read() as connection:
            return tuple(_note(row) for row in connection.execute(query))

    def seal(self, now: datetime.datetime, *, limit: int = 5000) -> int:
        """Seal the rows that are final, in order; returns their number. Only one caller at a time may do
        this."""
        settled = and_(audit.c.seal.is_(None), audit.c.at <= now - SETTLED)
        with self._db.write() as connection:
            last = select(audit.c.seal).where(audit.c.seal.is_not(None)).order_by(audit.c.id.desc()).limit(1)
            seal = connection.execute(last).scalar() or ""
            rows = connection.execute(select(audit).where(settled).order_by(audit.c.id).limit(limit)).all()
            for row in rows:
                seal = self._sealer.seal(_note(row), seal)
                connection.execute(update(audit).where(audit.c.id == row.id).values(seal=seal))
        return len(rows)

    def check(self, now: datetime.datetime, checkpoint: Checkpoint | None = None) -> AuditState:
        """Check every seal of the audit log, and an earlier `checkpoint`."""
        with self._db.read() as connection:
            rows = connection.execute(select(audit).order_by(audit.c.id))
            return self._sealer.check((_note(row) for row in rows), now, checkpoint)

    def checkpoint(self, now: datetime.datetime) -> Checkpoint:
        """Return the present state of the audit log, as far as it is sealed."""
        sealed = audit.c.seal.is_not(None)
        with self._db.read() as connection:
            count = connection.execute(select(func.count()).where(sealed)).scalar_one()
            last = connection.execute(
                select(audit.c.id, audit.c.seal).where(sealed).order_by(audit.c.id.desc()).limit(1)
            ).first()
        return Checkpoint(0, 0, "-", now) if last is None else Checkpoint(last.id, count, last.seal, now)

    def _newest(self, table: Table, column: Any, limit: int) -> list[Row[Any]]:
        with self._db.read() as connection:
            return list(connection.execute(select(table).order_by(column.desc()).limit(limit)))


def _note(row: Row[Any]) -> AuditRecord:
    return AuditRecord(row.id, row.at, row.who, row.what, row.subject, row.detail, row.seal)
