"""Records of sessions, refusals with their reasons, and the audit log of all changes.

Rows of the audit log are only added. A job seals them, see `seals`.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import uuid
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, func, insert, select, update

from secc.operator.cpo.database import Database, audit, insert_new, refusal, session
from secc.operator.cpo.readings import MeteredSession, doubt
from secc.operator.cpo.seals import AuditRecord, AuditState, Checkpoint, Sealer
from secc.pki.identifiers import normal_emaid

SETTLED = datetime.timedelta(seconds=10)
"""When a row is this old, no earlier row is still being written."""
FUTURE = datetime.timedelta(hours=1)
"""The clocks of two workers never differ that much, unless one of them is not set."""
MOST_POWER = 500_000.0
"""W; more than any charging station of today delivers at one outlet."""


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
    meter_start_wh: int | None = None
    """Reading of the meter at the start."""
    meter_stop_wh: int | None = None
    doubt: str = ""
    """Why the figures are doubtful; set by the journal."""

    @property
    def figures(self) -> MeteredSession:
        """What decides whether the readings are plausible."""
        return MeteredSession(
            started_at=self.started_at,
            ended_at=self.ended_at,
            energy=self.energy_wh,
            meter_start=self.meter_start_wh,
            meter_stop=self.meter_stop_wh,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RefusalRecord:
    """A request that was refused."""

    id: str
    at: datetime.datetime
    station: str
    what: str
    """The request: `installation`, `update`, `authorization`, `certificate`, `token`, `login`."""
    identity: str
    """eMAID or PCID."""
    rule: str
    """The rule that was broken, short and stable."""
    code: str
    """Response code that the car received."""
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class SessionTotals:
    """Sessions of a period."""

    count: int
    energy_wh: int
    charging: int
    """Without an end."""


class OperatorJournal:
    """Sessions, refusals and the audit log."""

    def __init__(
        self, database: Database, sealer: Sealer | None = None, *, most_power: float = MOST_POWER
    ) -> None:
        """`most_power`: W that no outlet exceeds; sessions with more are flagged."""
        self._db = database
        self._sealer = sealer or Sealer()
        self._most_power = most_power

    # --- sessions and refusals -----------------------------------------------------------------------------

    def put_session(self, record: SessionRecord) -> None:
        """Add or complete a session; a repeated report has no effect, and an end is final.

        The eMAID is stored in its normal form. A session with doubtful figures is flagged.
        """
        values = dataclasses.asdict(record) | {"emaid": normal_emaid(record.emaid)}
        with self._db.write() as connection:
            which = and_(session.c.id == record.id, session.c.station == record.station)
            known = connection.execute(select(session.c.meter_start_wh).where(which)).first()
            if known is not None and record.meter_start_wh is None:
                values["meter_start_wh"] = known.meter_start_wh
            figures = dataclasses.replace(record, meter_start_wh=values["meter_start_wh"]).figures
            values["doubt"] = doubt(figures, self._before(connection, record), self._most_power)
            connection.execute(insert_new(connection, session).values(values))
            if record.ended_at is not None:
                names = ("ended_at", "energy_wh", "reason", "meter_start_wh", "meter_stop_wh", "doubt")
                ended = {name: values[name] for name in names}
                connection.execute(update(session).where(which).values(ended))

    def _before(self, connection: Connection, record: SessionRecord) -> MeteredSession | None:
        """Return the previous session at the same outlet."""
        same = and_(session.c.station == record.station, session.c.evse_id == record.evse_id)
        earlier = and_(session.c.started_at < record.started_at, session.c.id != record.id)
        query = select(session).where(same, earlier).order_by(session.c.started_at.desc()).limit(1)
        row = connection.execute(query).first()
        return None if row is None else SessionRecord(**row._asdict()).figures

    def doubtful(self, since: datetime.datetime) -> int:
        """Return the number of sessions since then whose figures are doubtful."""
        query = select(func.count()).where(session.c.started_at >= since, session.c.doubt != "")
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one())

    def put_refusal(self, record: RefusalRecord) -> None:
        """Add a refusal; a repeated report has no effect."""
        with self._db.write() as connection:
            values = dataclasses.asdict(record) | {"identity": normal_emaid(record.identity)}
            connection.execute(insert_new(connection, refusal).values(values))

    def refuse(
        self, what: str, station: str, identity: str, rule: str, text: str, at: datetime.datetime
    ) -> None:
        """Add a refusal by this service to a caller that is not a car."""
        self.put_refusal(
            RefusalRecord(
                id=uuid.uuid4().hex,
                at=at,
                station=station,
                what=what,
                identity=identity,
                rule=rule,
                code="",
                text=text,
            )
        )

    def sessions(
        self, limit: int = 50, *, station: str = "", emaid: str = "", doubtful: bool = False
    ) -> tuple[SessionRecord, ...]:
        """Return sessions, newest first; of one station or contract only, or only those with doubtful
        figures."""
        wanted = [session.c.station == station] if station else []
        wanted += [session.c.emaid == emaid] if emaid else []
        wanted += [session.c.doubt != ""] if doubtful else []
        rows = self._newest(session, session.c.started_at, limit, *wanted)
        return tuple(SessionRecord(**row._asdict()) for row in rows)

    def session_totals(self, since: datetime.datetime) -> SessionTotals:
        """Return the number of sessions since then, and their energy."""
        query = select(
            func.count(),
            func.coalesce(func.sum(session.c.energy_wh), 0),
            func.count() - func.count(session.c.ended_at),
        ).where(session.c.started_at >= since)
        with self._db.read() as connection:
            count, energy, charging = connection.execute(query).one()
        return SessionTotals(int(count), int(energy), int(charging))

    def refusals(self, limit: int = 50, *, identity: str = "") -> tuple[RefusalRecord, ...]:
        """Return refusals, newest first; of one eMAID or PCID only."""
        wanted = [refusal.c.identity == identity] if identity else []
        rows = self._newest(refusal, refusal.c.at, limit, *wanted)
        return tuple(RefusalRecord(**row._asdict()) for row in rows)

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

    def notes(
        self, *, before: int | None = None, subject: str = "", limit: int = 50
    ) -> tuple[AuditRecord, ...]:
        """Return the audit log, newest first; about one subject only."""
        query = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if subject:
            query = query.where(audit.c.subject == subject)
        if before is not None:
            query = query.where(audit.c.id < before)
        with self._db.read() as connection:
            return tuple(_note(row) for row in connection.execute(query))

    def seal(self, now: datetime.datetime, *, limit: int = 5000) -> int:
        """Seal the rows that are final, in order; returns their number. Only one caller at a time may do
        this.

        No row is sealed before the ones with lower numbers, even if their time is later because the clock
        has jumped back.
        """
        with self._db.write() as connection:
            last = select(audit.c.seal).where(audit.c.seal.is_not(None)).order_by(audit.c.id.desc()).limit(1)
            seal = connection.execute(last).scalar() or ""
            unsealed = select(audit).where(audit.c.seal.is_(None)).order_by(audit.c.id).limit(limit)
            rows = [_note(row) for row in connection.execute(unsealed)]
            final = list(itertools.takewhile(lambda row: _is_final(row, now), rows))
            for row in final:
                seal = self._sealer.seal(row, seal)
                connection.execute(update(audit).where(audit.c.id == row.id).values(seal=seal))
        return len(final)

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

    def _newest(self, table: Table, column: Any, limit: int, *wanted: Any) -> list[Row[Any]]:
        query = select(table).where(*wanted) if wanted else select(table)
        with self._db.read() as connection:
            return list(connection.execute(query.order_by(column.desc()).limit(limit)))


def _is_final(row: AuditRecord, now: datetime.datetime) -> bool:
    """Return whether no row with a lower number is still being written.

    A row from the distant future was written before the clock was set back.
    """
    return row.at <= now - SETTLED or row.at > now + FUTURE


def _note(row: Row[Any]) -> AuditRecord:
    return AuditRecord(row.id, row.at, row.who, row.what, row.subject, row.detail, row.seal)
