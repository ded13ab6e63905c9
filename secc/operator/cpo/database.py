"""The tables of the service, and the one way to the database: SQLite by default, PostgreSQL when it grows.

Every identifier is stored in its normal form and every time in UTC. Private keys are in none of the tables.
eMAID and PCID are personal data: protect the file, or the server. Work that is due is found by index: see
`contract_due` and `certificate_end`.
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
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.types import TypeDecorator

from secc.errors import SeccError


class StorageError(SeccError):
    """The database does not answer, or cannot write: nothing of what was asked has happened."""


class Instant(TypeDecorator[datetime.datetime]):
    """A time with its zone; SQLite keeps none, so it gets UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime.datetime | None, dialect: Any) -> datetime.datetime | None:
        """UTC; a time without a zone is a mistake of ours."""
        if value is None:
            return None
        utc = value.astimezone(datetime.UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime.datetime | None, dialect: Any) -> datetime.datetime | None:
        """With its zone again."""
        if value is None:
            return None
        return value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value.astimezone(datetime.UTC)


tables = MetaData()
_Key = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER counts by itself there

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
    Column("generation", Integer, nullable=False, default=0),  # how often a certificate was issued
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
    Column("generation", Integer, primary_key=True),  # each is made once, whoever tries
    Column("receiver", Text, nullable=False),  # fingerprint of the certificate whose key opens it
    Column("action", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("not_after", Instant, nullable=False),
)

foreign_bundle = Table(
    "foreign_bundle",
    tables,
    Column("request", Text, primary_key=True),
    Column("payload", LargeBinary, nullable=False),
    Column("until", Instant, nullable=False),
)

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
)
session_start = Index("session_start", session.c.started_at)

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

audit = Table(
    "audit",
    tables,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("seal", Text),  # hash over this row and the seal before it; none until it is sealed
)

meta = Table("meta", tables, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

VERSION = "2"


class Database:
    """Connections, transactions, and errors in one form."""

    def __init__(self, url: str, *, pool_size: int = 10, statement_seconds: float = 4.0) -> None:
        """`url` as SQLAlchemy has it: `sqlite:///file`, `postgresql+psycopg://…`. Connects to nothing yet."""
        if url.startswith("postgresql://"):
            url = "postgresql+psycopg" + url.removeprefix("postgresql")
        self._current: contextvars.ContextVar[Connection | None] = contextvars.ContextVar("", default=None)
        self.url = url
        self._claim: int | None = None
        self.is_postgresql = url.startswith("postgresql")
        self.engine = _postgresql(url, pool_size, statement_seconds) if self.is_postgresql else _sqlite(url)

    def make_tables(self) -> None:
        """Make what is missing; raises StorageError when the tables belong to a newer version."""
        with _as_storage_error():
            tables.create_all(self.engine)
        with self.write() as connection:
            found = connection.execute(meta.select().where(meta.c.name == "version")).first()
            if found is None:
                connection.execute(meta.insert().values(name="version", value=VERSION))
            elif found.value != VERSION:
                raise StorageError(f"the tables have version {found.value}, expected version {VERSION}")

    def claim(self) -> None:
        """One process serves a SQLite file: raises StorageError with the process id of the one that does.

        Nothing to claim with PostgreSQL, or in memory.
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
                f"{path} is served by process {owner}: SQLite has one, PostgreSQL many"
            ) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._claim = descriptor

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """For questions, each for itself, or about what `write` is writing around it; raises StorageError."""
        if (current := self._current.get()) is not None:
            with _as_storage_error():
                yield current
            return
        options: dict[str, Any] = {"secc_reads": True}
        if self.is_postgresql:
            options["isolation_level"] = "AUTOCOMMIT"  # no BEGIN and ROLLBACK around each question
        with _as_storage_error(), self.engine.connect() as connection:
            yield connection.execution_options(**options)

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """All or nothing, and on the disk when the outermost block is left; raises StorageError."""
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
        """It answers."""
        try:
            with self.read() as connection:
                connection.execute(text("SELECT 1"))
        except StorageError:
            return False
        return True

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None


def insert_new(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that leaves rows alone which are there already; add `.values(...)`."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


@contextlib.contextmanager
def _as_storage_error() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        cause = getattr(error, "orig", None) or error
        raise StorageError(f"the database says: {str(cause).splitlines()[0]}") from error


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
        connection.isolation_level = None  # transactions are begun below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer that begins as a reader may have to give up half-way: so it says at once what it is.
        reads = connection.get_execution_options().get("secc_reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _for_the_owner_only(path: Path) -> None:
    """eMAID and PCID are personal data; the files beside it (WAL) get the same permissions from SQLite."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
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
