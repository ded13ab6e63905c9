"""The SQLite file of one site, and its versions.

One writer, a write-ahead log, and every change on the disk before the call returns. Only the owner may read
the file.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from secc.errors import CertificateError
from secc.pki.identifiers import EMAID
from secc.pki.profiles import Generation
from secc.pki.rules import Rule
from secc.private_files import make_private


class SiteDatabase:
    """One file. Thread-safe; reads take microseconds, writes wait for the disk."""

    def __init__(self, path: Path | str) -> None:
        """Open or create the file; raises CertificateError for an unusable file or one of a newer version."""
        self._lock = threading.Lock()
        try:
            self._open(path)
        except (OSError, sqlite3.Error) as error:
            raise CertificateError(f"{path}: {error}", rule=Rule.MALFORMED) from error

    def close(self) -> None:
        """Close the file; it must not be used afterwards."""
        with self._lock:
            self._db.close()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self._lock:
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: on the disk after the block, or undone by an exception in it."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _open(self, path: Path | str) -> None:
        if path != ":memory:":  # only the owner may read it, and the files that SQLite creates beside it
            make_private(Path(path))
        self._db = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise CertificateError(
                f"{path} has version {version}, expected at most {_VERSION}", rule=Rule.MALFORMED
            )
        with self.write() as db:
            for statement in _SCHEMA:
                db.execute(statement)
            if version == 1:  # version without the table `tally`
                db.execute("INSERT INTO tally SELECT kind, rule, count(*) FROM event GROUP BY kind, rule")
            if version in (1, 2):  # version without the validity of contracts
                for column in ("begins", "ends"):
                    db.execute(f"ALTER TABLE contract ADD COLUMN {column} TEXT")
            if version < 4:  # versions with one generation, and new files
                for statement in _SECOND_GENERATION:
                    db.execute(statement)
            if version < 5:  # versions that made bundles of one generation in advance, and new files
                for statement in _BUNDLES_OF_BOTH:
                    db.execute(statement)
            db.execute(f"PRAGMA user_version={_VERSION}")


_VERSION = 5
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS contract "
    "(key TEXT PRIMARY KEY, emaid TEXT, status TEXT, pcid TEXT, begins TEXT, ends TEXT)",
    "CREATE TABLE IF NOT EXISTS car (pcid TEXT PRIMARY KEY, certificate BLOB)",
    "CREATE TABLE IF NOT EXISTS certificate "
    "(fingerprint TEXT PRIMARY KEY, key TEXT, not_before TEXT, not_after TEXT, replaced INTEGER)",
    "CREATE TABLE IF NOT EXISTS bundle (pcid TEXT PRIMARY KEY, payload BLOB, leaf BLOB)",
    "CREATE TABLE IF NOT EXISTS event "
    "(at TEXT, kind TEXT, identity TEXT, evse_id TEXT, rule TEXT, text TEXT)",
    "CREATE TABLE IF NOT EXISTS tally (kind TEXT, rule TEXT, times INTEGER, PRIMARY KEY (kind, rule))",
    "CREATE TABLE IF NOT EXISTS receipt (at TEXT, emaid TEXT, evse_id TEXT, session_id BLOB, energy INTEGER,"
    " fragment BLOB, signed_info BLOB, signature BLOB, certificate BLOB)",
)

_SECOND_GENERATION = (
    f"ALTER TABLE certificate ADD COLUMN generation TEXT DEFAULT '{Generation.ISO2.value}'",
    "ALTER TABLE car RENAME TO car_of_one_generation",
    "CREATE TABLE car (pcid TEXT, generation TEXT, certificate BLOB, PRIMARY KEY (pcid, generation))",
    f"INSERT INTO car SELECT pcid, '{Generation.ISO2.value}', certificate FROM car_of_one_generation",
    "DROP TABLE car_of_one_generation",
)
"""From version 3 to version 4."""

_BUNDLES_OF_BOTH = (
    "DROP TABLE bundle",
    "CREATE TABLE bundle (key TEXT, generation TEXT, pcid TEXT, receiver TEXT, payload BLOB, leaf BLOB, "
    "until TEXT, PRIMARY KEY (key, generation))",
)
"""From version 4 to version 5. The bundles are dropped: the next look for expiry makes them again."""


def contract_key(emaid: EMAID) -> str:
    """Return the first fourteen characters: spelling and check digit do not distinguish contracts."""
    return emaid.normal[:14]
