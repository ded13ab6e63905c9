"""Data that must survive a restart: messages without an answer of the CSMS, and settings from the CSMS.

SQLite, synchronous: when `append` returns, the messages are on the disk together with the state that belongs
to them. If the disk refuses, they stay in memory and `problem` has the reason: charging never depends on the
disk. Every method blocks; threads take turns.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from secc.ocpp.model import OutgoingCall, SecurityEvent, TransactionEvent
from secc.private_files import make_private

__all__ = ["Event", "QueuedMessage", "Store"]

Event = TransactionEvent | SecurityEvent | OutgoingCall


@dataclasses.dataclass(slots=True)
class QueuedMessage:
    """A message that must reach the CSMS."""

    number: int
    """Position in the queue."""
    message_id: str
    """The same in every repetition."""
    event: Event
    attempts: int = 0
    """Number of errors from the CSMS since the start of the process."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Finished:
    """A message that is not sent any more."""

    entry: QueuedMessage
    why: str | None
    """Reason of the refusal by the CSMS; None: answered."""


class Store:
    """Queue and stored values of one station."""

    def __init__(self, path: Path | None) -> None:
        """`path` None: in memory only. A damaged file is renamed, and `problem` reports it."""
        self.problem = ""
        """Why data is not on the disk; empty if there is no problem."""
        self._unsaved: list[QueuedMessage] = []
        self._finished: dict[str, _Finished] = {}
        self._state: dict[str, object] = {}  # these three wait for the disk
        self._turn = threading.RLock()
        try:
            self.database = _open(path)
        except sqlite3.DatabaseError as error:
            if path is None or isinstance(error, sqlite3.OperationalError):
                raise
            damaged = path.with_name(f"{path.name}.damaged-{int(time.time())}")
            path.rename(damaged)
            self.problem = f"{path} was damaged and is now {damaged.name}: {error}"
            self.database = _open(path)

    def close(self) -> None:
        """Close the database after running calls; may be repeated."""
        with self._turn:
            self.database.close()

    # --- the queue -----------------------------------------------------------------------------------------

    def append(self, events: Sequence[Event], state: Mapping[str, object] | None = None) -> None:
        """Store events for sending, in this order, together with the state that they leave."""
        self._unsaved += [QueuedMessage(0, str(uuid.uuid4()), event) for event in events]
        calls = [entry for entry in self._unsaved if isinstance(entry.event, OutgoingCall)]
        for entry in calls[:-MOST_CALLS]:
            self._unsaved.remove(entry)
        self._state.update(state or {})
        self.flush()

    def flush(self) -> None:
        """Write what the disk has refused before; `problem` has the reason if it still refuses."""
        try:
            with self._turn, self.database as database:
                for entry in self._unsaved:
                    database.execute(
                        "INSERT INTO queue (message_id, kind, event) VALUES (?, ?, ?)",
                        (entry.message_id, type(entry.event).__name__, msgspec.json.encode(entry.event)),
                    )
                if any(isinstance(entry.event, OutgoingCall) for entry in self._unsaved):
                    database.execute(_SURPLUS, (MOST_CALLS,))
                for name, finished in self._finished.items():
                    database.execute("DELETE FROM queue WHERE message_id = ?", (name,))
                    if finished.why is not None:
                        database.execute(
                            "INSERT OR REPLACE INTO aside (message_id, event, why) VALUES (?, ?, ?)",
                            (name, msgspec.json.encode(finished.entry.event), finished.why),
                        )
                self._put(self._state)
        except sqlite3.Error as error:
            self.problem = f"messages to the CSMS are in memory only: {error}"
        else:
            self._unsaved, self._finished, self._state = [], {}, {}
            self.problem = ""

    @property
    def dirty(self) -> bool:
        """Some data is not on the disk: call `flush` periodically."""
        return bool(self._unsaved or self._finished or self._state)

    def pending(self, most: int = 50) -> list[QueuedMessage]:
        """Return the messages to send, in order; those that are not on the disk are the newest.

        Answered messages are not included, even if they are still on the disk.
        """
        found: list[QueuedMessage] = []
        with contextlib.suppress(sqlite3.Error), self._turn:
            rows = self.database.execute("SELECT number, message_id, kind, event FROM queue ORDER BY number")
            for number, name, kind, event in rows:
                if name not in self._finished:
                    found.append(QueuedMessage(number, name, _event(kind, event)))
                if len(found) == most:
                    return found
        return [*found, *self._unsaved][:most]

    def waits_for(self, transaction: str) -> bool:
        """Return whether messages wait, of this transaction or, for an empty text, of any kind."""
        if not transaction:
            return len(self) > 0
        found = [entry.event for entry in self.pending(1_000_000)]
        return any(isinstance(one, TransactionEvent) and one.transaction == transaction for one in found)

    def done(self, entry: QueuedMessage, state: Mapping[str, object] | None = None) -> None:
        """Remove a message that the CSMS has answered."""
        self._finish(entry, state or {}, None)

    def set_aside(self, entry: QueuedMessage, why: str) -> None:
        """Set aside a message that the CSMS refuses; it stays in the file for inspection."""
        self._finish(entry, {}, why)

    def _finish(self, entry: QueuedMessage, state: Mapping[str, object], why: str | None) -> None:
        """Remember a finished message until the disk accepts it.

        After a restart before that it is sent again, with the same id.
        """
        self._unsaved = [one for one in self._unsaved if one.message_id != entry.message_id]
        self._finished[entry.message_id] = _Finished(entry, why)
        self._state.update(state)
        self.flush()

    def aside(self) -> list[tuple[str, str]]:
        """Return the refused messages as JSON, with the reasons."""
        with self._turn:
            rows = self.database.execute("SELECT event, why FROM aside ORDER BY rowid").fetchall()
        return [(bytes(event).decode(), why) for event, why in rows]

    def __len__(self) -> int:
        with self._turn:
            count: int = self.database.execute("SELECT count(*) FROM queue").fetchone()[0]
            there = "SELECT count(*) FROM queue WHERE message_id = ?"
            gone: int = sum(self.database.execute(there, (name,)).fetchone()[0] for name in self._finished)
        return count + len(self._unsaved) - gone

    # --- stored values -------------------------------------------------------------------------------------

    def put(self, **state: object) -> None:
        """Store values that JSON can represent; None deletes a value."""
        self._state.update(state)
        self.flush()

    def get(self, name: str) -> object:
        """Return a value, or None."""
        if name in self._state:
            return msgspec.json.decode(msgspec.json.encode(self._state[name]))
        with contextlib.suppress(sqlite3.Error, ValueError), self._turn:
            row = self.database.execute("SELECT value FROM memory WHERE name = ?", (name,)).fetchone()
            return None if row is None else json.loads(row[0])
        return None

    def _put(self, state: Mapping[str, object]) -> None:
        for name, value in state.items():
            if value is None:
                self.database.execute("DELETE FROM memory WHERE name = ?", (name,))
            else:
                self.database.execute(
                    "INSERT OR REPLACE INTO memory (name, value) VALUES (?, ?)",
                    (name, msgspec.json.encode(value).decode()),
                )


def _open(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # SQLite reports the error; tokens are personal data
            make_private(path)
    database = sqlite3.connect(":memory:" if path is None else path, timeout=5.0, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.executescript(_TABLES)
    except sqlite3.Error:
        database.close()
        raise
    return database


_TABLES = """
CREATE TABLE IF NOT EXISTS queue (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT UNIQUE NOT NULL, kind TEXT NOT NULL, event BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS aside (message_id TEXT PRIMARY KEY, event BLOB NOT NULL, why TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS memory (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


_SURPLUS = """
DELETE FROM queue WHERE kind = 'OutgoingCall' AND number NOT IN (
    SELECT number FROM queue WHERE kind = 'OutgoingCall' ORDER BY number DESC LIMIT ?
)
"""
MOST_CALLS = 500
"""Reports that wait at most; the oldest are deleted. Messages of transactions are never deleted."""


def _event(kind: str, data: bytes) -> Event:
    if kind == OutgoingCall.__name__:
        return msgspec.json.decode(data, type=OutgoingCall)
    if kind == SecurityEvent.__name__:
        return msgspec.json.decode(data, type=SecurityEvent)
    return msgspec.json.decode(data, type=TransactionEvent)
