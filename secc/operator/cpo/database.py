"""Database tables and access: SQLite by default, PostgreSQL for larger installations.

Identifiers are stored in their normal form and times in UTC. Private keys are never stored. eMAID and PCID
are personal data: protect the file or the server. Due work is found by index: see `contract_due` and
`certificate_end`.
"""

from __future__ import annotations

import contextlib
import contextvars
import datetime
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.types import TypeDecorator

from secc.errors import SeccError
from secc.operator.cpo.planning import ContractRenewalPolicy, bucket_of, renew_at
from secc.private_files import make_private


class StorageError(SeccError):
    """The database does not answer or cannot write; nothing has been changed."""


class Instant(TypeDecorator[datetime.datetime]):
    """A time with its zone; SQLite stores no zone, so it receives UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime.datetime | None, dialect: Any) -> datetime.datetime | None:
        """Convert to UTC; a time without a zone is a programming error."""
        if value is None:
            return None
        utc = value.astimezone(datetime.UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime.datetime | None, dialect: Any) -> datetime.datetime | None:
        """Add the zone."""
        if value is None:
            return None
        return value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value.astimezone(datetime.UTC)


tables = MetaData()
_Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only INTEGER automatically

anchor = Table(
    "anchor",
    tables,
    Column("fingerprint", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("der", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("not_after", Instant, nullable=False),
)

car = Table(
    "car",
    tables,
    Column("pcid", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("der", LargeBinary, nullable=False),
)

contract = Table(
    "contract",
    tables,
    Column("key", Text, primary_key=True),  # the first fourteen characters of the eMAID
    Column("emaid", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("pcid", Text, unique=True),
    Column("generation", Integer, nullable=False, default=0),  # number of certificates issued
    Column("bucket", SmallInteger, nullable=False),  # a job renews one bucket at a time
    Column("renew_at", Instant),  # none: nothing to renew yet
    Column("not_after", Instant),  # of the newest certificate
)
contract_due = Index(
    "contract_due",
    contract.c.bucket,
    contract.c.renew_at,
    postgresql_where=text("status = 'active' AND renew_at IS NOT NULL"),
    sqlite_where=text("status = 'active' AND renew_at IS NOT NULL"),
)
contract_end = Index(
    "contract_end",
    contract.c.not_after,
    postgresql_where=text("status = 'active'"),
    sqlite_where=text("status = 'active'"),
)

bundle = Table(
    "bundle",
    tables,
    Column("key", Text, primary_key=True),
    Column("generation", Integer, primary_key=True),  # each generation is made once
    Column("receiver", Text, nullable=False),  # fingerprint of the certificate whose key opens it
    Column("action", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("not_after", Instant, nullable=False),
)

iso20_car = Table(
    "iso20_car",
    tables,
    Column("pcid", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("der", LargeBinary, nullable=False),
)

iso20_contract = Table(  # which contracts a car receives in ISO 15118-20
    "iso20_contract",
    tables,
    Column("key", Text, primary_key=True),
    Column("pcid", Text, nullable=False),
    Column("rank", Integer, nullable=False),
)
iso20_contract_car = Index("iso20_contract_car", iso20_contract.c.pcid, iso20_contract.c.rank)

iso20_delivery = Table(  # what cars have received lately; older rows are deleted
    "iso20_delivery",
    tables,
    Column("request", Text, primary_key=True),  # SHA-256 of the request
    Column("pcid", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("at", Instant, nullable=False),
)
iso20_delivery_car = Index("iso20_delivery_car", iso20_delivery.c.pcid, iso20_delivery.c.at)

iso20_renewal = Table(  # the newest certificate of a contract in ISO 15118-20
    "iso20_renewal",
    tables,
    Column("key", Text, primary_key=True),
    Column("bucket", SmallInteger, nullable=False),
    Column("renew_at", Instant),  # none: not renewed by this service
    Column("not_after", Instant, nullable=False),
)
iso20_due = Index(
    "iso20_due",
    iso20_renewal.c.bucket,
    iso20_renewal.c.renew_at,
    postgresql_where=text("renew_at IS NOT NULL"),
    sqlite_where=text("renew_at IS NOT NULL"),
)

iso20_bundle = Table(  # made in advance, until a car asks
    "iso20_bundle",
    tables,
    Column("key", Text, primary_key=True),
    Column("receiver", Text, nullable=False),  # fingerprint of the certificate whose key opens it
    Column("payload", LargeBinary, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("until", Instant, nullable=False),  # then a certificate in it has ended
)

foreign_bundle = Table(
    "foreign_bundle",
    tables,
    Column("request", Text, primary_key=True),
    Column("payload", LargeBinary, nullable=False),
    Column("until", Instant, nullable=False),
    Column("pcid", Text),
)
foreign_car = Index("foreign_car", foreign_bundle.c.pcid)

certificate = Table(
    "certificate",
    tables,
    Column("issuer", Text, primary_key=True),  # fingerprint
    Column("serial", Text, primary_key=True),  # hexadecimal
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("owner", Text, nullable=False),  # a station, or the key of a contract
    Column("public_key", Text),  # SHA-256 of the key of a request: the same request, the same certificate
    Column("der", LargeBinary, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("not_after", Instant, nullable=False),
    Column("replaced", Boolean, nullable=False, default=False),
    Column("revoked_at", Instant),
    Column("reason", Text),
    UniqueConstraint("issuer", "public_key"),
)
certificate_end = Index(
    "certificate_end",
    certificate.c.kind,
    certificate.c.not_after,
    postgresql_where=text("NOT replaced AND revoked_at IS NULL"),
    sqlite_where=text("NOT replaced AND revoked_at IS NULL"),
)
certificate_owner = Index("certificate_owner", certificate.c.owner, certificate.c.not_after)

session = Table(
    "session",
    tables,
    Column("id", Text, primary_key=True),
    Column("station", Text, primary_key=True),  # two stations may use the same id
    Column("evse_id", Text, nullable=False),
    Column("emaid", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("energy_wh", BigInteger),
    Column("reason", Text, nullable=False),
    Column("meter_start_wh", BigInteger),
    Column("meter_stop_wh", BigInteger),
    Column("doubt", Text, nullable=False, server_default=""),  # why the figures are doubtful
)
session_start = Index("session_start", session.c.started_at)
session_outlet = Index("session_outlet", session.c.station, session.c.evse_id, session.c.started_at)
session_contract = Index("session_contract", session.c.emaid, session.c.started_at)

refusal = Table(
    "refusal",
    tables,
    Column("id", Text, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("station", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("text", Text, nullable=False),
)
refusal_at = Index("refusal_at", refusal.c.at)
refusal_identity = Index("refusal_identity", refusal.c.identity, refusal.c.at)

audit = Table(
    "audit",
    tables,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("seal", Text),  # hash over this row and the previous seal; none until the row is sealed
)
audit_subject = Index("audit_subject", audit.c.subject, audit.c.id)

meta = Table("meta", tables, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

VERSION = "4"
_NEW_COLUMNS = {
    "2": (
        ("session", "meter_start_wh BIGINT"),
        ("session", "meter_stop_wh BIGINT"),
        ("session", "doubt TEXT NOT NULL DEFAULT ''"),
        ("foreign_bundle", "pcid TEXT"),
    ),
    "3": (),
}
"""Version of existing tables to the columns that they lack."""
_NEW_INDEXES = (foreign_car, session_outlet, session_contract, refusal_identity, audit_subject)


class Database:
    """Connections, transactions and errors of the database."""

    def __init__(self, url: str, *, pool_size: int = 10, statement_seconds: float = 4.0) -> None:
        """`url` in the form of SQLAlchemy: `sqlite:///file`, `postgresql+psycopg://…`.

        Does not connect yet.
        """
        if url.startswith("postgresql://"):
            url = "postgresql+psycopg" + url.removeprefix("postgresql")
        self._current: contextvars.ContextVar[Connection | None] = contextvars.ContextVar("", default=None)
        self.url = url
        self._claim: int | None = None
        self.is_postgresql = url.startswith("postgresql")
        self.engine = _postgresql(url, pool_size, statement_seconds) if self.is_postgresql else _sqlite(url)

    def make_tables(self) -> None:
        """Create missing tables and columns; raises StorageError for tables of an unknown version."""
        with _as_storage_error():
            meta.create(self.engine, checkfirst=True)
        with self.write() as connection:
            self._bring_up_to_date(connection)
        with _as_storage_error():
            tables.create_all(self.engine)

    def _bring_up_to_date(self, connection: Connection) -> None:
        if self.is_postgresql:
            connection.execute(
                text("LOCK TABLE meta IN EXCLUSIVE MODE")
            )  # another worker may start at the same time
        version = meta.c.name == "version"
        found = connection.execute(meta.select().where(version)).first()
        if found is None:
            connection.execute(meta.insert().values(name="version", value=VERSION))
        elif found.value in _NEW_COLUMNS:
            if self.is_postgresql:
                connection.execute(text("SET LOCAL statement_timeout = 0"))  # an index of a large table
            for table, column in _NEW_COLUMNS[found.value]:
                connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {column}"))
            for index in _NEW_INDEXES:
                index.create(connection, checkfirst=True)
            _plan_iso20_renewals(connection)
            connection.execute(meta.update().where(version).values(value=VERSION))
        elif found.value != VERSION:
            raise StorageError(f"the tables have version {found.value}, expected version {VERSION}")

    def claim(self) -> None:
        """Claim a SQLite file for this process; raises StorageError with the id of the process that has it.

        No effect with PostgreSQL or in memory.
        """
        path = self.url.removeprefix("sqlite:///")
        if path == self.url or path in ("", ":memory:"):
            return
        descriptor = os.open(f"{path}-owner", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StorageError(
                f"{path} is in use by process {owner}: SQLite allows one process, PostgreSQL many"
            ) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._claim = descriptor

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Context for queries, independent of each other or within a surrounding `write`; raises
        StorageError."""
        if (current := self._current.get()) is not None:
            with _as_storage_error():
                yield current
            return
        options: dict[str, Any] = {"secc_reads": True}
        if self.is_postgresql:
            options["isolation_level"] = "AUTOCOMMIT"  # no BEGIN and ROLLBACK around each query
        with _as_storage_error(), self.engine.connect() as connection:
            yield connection.execution_options(**options)

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """Context for a transaction, durable when the outermost block ends; raises StorageError."""
        if (current := self._current.get()) is not None:
            with _as_storage_error():
                yield current
            return
        with _as_storage_error(), self.engine.begin() as connection:
            token = self._current.set(connection)
            try:
                yield connection
            finally:
                self._current.reset(token)

    def ready(self) -> bool:
        """Return True if the database answers."""
        try:
            with self.read() as connection:
                connection.execute(text("SELECT 1"))
        except StorageError:
            return False
        return True

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None


def insert_new(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that leaves existing rows unchanged; add `.values(...)`."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def _plan_iso20_renewals(connection: Connection) -> None:
    """Plan the renewal of certificates of ISO 15118-20, which earlier versions renewed only on request."""
    iso20_renewal.create(connection, checkfirst=True)
    ends = (certificate.c.owner, certificate.c.not_before, certificate.c.not_after)
    newer = certificate.c.owner.like("% iso15118-20"), certificate.c.replaced.is_(False)
    for row in connection.execute(select(*ends).where(*newer)).all():
        key = row.owner.partition(" ")[0]
        planned = renew_at(key, row.not_before, row.not_after, ContractRenewalPolicy())
        values = {"bucket": bucket_of(key), "renew_at": planned, "not_after": row.not_after}
        connection.execute(insert_new(connection, iso20_renewal).values(key=key, **values))


@contextlib.contextmanager
def _as_storage_error() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        cause = getattr(error, "orig", None) or error
        raise StorageError(f"database: {str(cause).splitlines()[0]}") from error


def _sqlite(url: str) -> Engine:
    path = url.removeprefix("sqlite:///")
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        _for_the_owner_only(Path(path))
    engine = create_engine(
        url, connect_args={"timeout": 3.0}, pool_size=10, max_overflow=30, pool_timeout=2.0
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are started in `begin` below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer that starts as a reader may need to abort half-way, so it declares its purpose at the
        # start.
        reads = connection.get_execution_options().get("secc_reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _for_the_owner_only(path: Path) -> None:
    """Restrict access, as eMAID and PCID are personal data.

    SQLite copies the permissions to its WAL files.
    """
    try:
        make_private(path)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error


def _postgresql(url: str, pool_size: int, statement_seconds: float) -> Engine:
    milliseconds = int(statement_seconds * 1000)
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=2.0,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 2, "options": f"-c statement_timeout={milliseconds}"},
    )
