"""Seals of the audit log: how a row is sealed, and how a change is detected.

The seal of a row covers the row and the previous seal, so a change breaks all later seals. An attacker who
can write to the database can compute all seals again, unless they need a key that is stored elsewhere
(`audit_key`). Removing the end of the log, or restoring an older state, breaks no seal: only a checkpoint
that is stored elsewhere shows it.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path

from secc.errors import ConfigError, FramingError

LATE = datetime.timedelta(hours=1)
"""A row of this age is sealed, unless the sealing job does not run."""
_KEYED = "hmac:"
_FORM = "secc-audit-1"
_SHORTEST_KEY = 32


@dataclasses.dataclass(frozen=True, slots=True)
class AuditRecord:
    """One change and its author."""

    id: int
    at: datetime.datetime
    who: str
    what: str
    subject: str
    detail: str
    seal: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of the log at one moment, to be stored where administrators of the service cannot write."""

    last: int
    """Number of the last sealed row; 0 for an empty log."""
    count: int
    """Number of sealed rows."""
    seal: str
    """The seal of the last one; `-` for an empty log."""
    at: datetime.datetime

    def __str__(self) -> str:
        return f"{_FORM} {self.last} {self.count} {self.seal} {self.at:%Y-%m-%dT%H:%M:%SZ}"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Parse the format of `str`; raises FramingError."""
        parts = text.split()
        try:
            form, last, count, seal, at = parts
            moment = datetime.datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
            made = cls(int(last), int(count), seal, moment)
        except ValueError:
            raise _no_checkpoint(text) from None
        if form != _FORM or made.last < 0 or made.count < 0:
            raise _no_checkpoint(text)
        return made


@dataclasses.dataclass(frozen=True, slots=True)
class AuditState:
    """Result of a check of the whole log."""

    checkpoint: Checkpoint
    unsealed: int
    problem: str = ""
    """The first problem; empty if there is none."""
    row: int | None = None
    """The row with the problem."""


class Sealer:
    """Creates and checks seals with one key."""

    def __init__(self, key: bytes = b"") -> None:
        """Without a key the seals are plain hashes, which every writer can compute."""
        self._key = key

    @classmethod
    def from_file(cls, path: Path | None) -> Sealer:
        """Return a sealer with the key in a file, hexadecimal; without a key for None. Raises ConfigError."""
        return cls() if path is None else cls(read_secret(path, "audit_key"))

    @property
    def keyed(self) -> bool:
        """Whether seals are made with a key."""
        return bool(self._key)

    def seal(self, record: AuditRecord, before: str) -> str:
        """Return the seal of a row that follows the row with the seal `before`."""
        if not self._key:
            return hashlib.sha256(_content(record, before)).hexdigest()
        return _KEYED + hmac.new(self._key, _content(record, before), hashlib.sha256).hexdigest()

    def check(
        self, records: Iterable[AuditRecord], now: datetime.datetime, checkpoint: Checkpoint | None = None
    ) -> AuditState:
        """Check a log, all rows in the order of their numbers; `checkpoint` is an earlier state of it."""
        walk = _Walk(self, now, checkpoint)
        for record in records:
            walk.step(record)
        return walk.end()

    def fits(self, record: AuditRecord, before: str, *, key_seen: bool) -> bool:
        """Return whether the row has the right seal.

        Plain seals are valid until the first seal with a key.
        """
        seal = record.seal or ""
        if not seal.startswith(_KEYED):
            return not key_seen and hmac.compare_digest(seal, Sealer().seal(record, before))
        return self.keyed and hmac.compare_digest(seal, self.seal(record, before))


class _Walk:
    """One pass over the log."""

    def __init__(self, sealer: Sealer, now: datetime.datetime, checkpoint: Checkpoint | None) -> None:
        self._sealer = sealer
        self._now = now
        self._checkpoint = checkpoint
        self._before, self._last, self._count = "", 0, 0
        self._unsealed: list[AuditRecord] = []
        self._keyed = self._met = False
        self._wrong: tuple[int | None, str] | None = None

    def step(self, record: AuditRecord) -> None:
        if record.seal is None:
            self._unsealed.append(record)
            return
        if self._unsealed:
            self._say(self._unsealed[0].id, "has lost its seal")
        if record.seal.startswith(_KEYED) and not self._sealer.keyed:
            self._say(record.id, "is sealed with a key: name it as audit_key")
        elif not self._sealer.fits(record, self._before, key_seen=self._keyed):
            self._say(record.id, "does not match its seal")
        self._keyed = self._keyed or record.seal.startswith(_KEYED)
        self._before, self._last, self._count = record.seal, record.id, self._count + 1
        point = self._checkpoint
        if point is not None and record.id == point.last:
            self._met = self._count == point.count and hmac.compare_digest(record.seal, point.seal)

    def end(self) -> AuditState:
        point = self._checkpoint
        if point is not None and point.last and not self._met:
            when = f"{point.at:%Y-%m-%d %H:%M:%S}Z"
            self._say(point.last, f"differs from its state at {when}, or earlier rows are missing")
        if self._unsealed and self._now - self._unsealed[0].at > LATE:
            self._say(self._unsealed[0].id, f"has no seal since {self._unsealed[0].at:%Y-%m-%d %H:%M}Z")
        if self._sealer.keyed and self._count and not self._keyed:
            self._say(self._last, "and all before it are sealed without the key of audit_key")
        row, problem = self._wrong or (None, "")
        checkpoint = Checkpoint(self._last, self._count, self._before or "-", self._now)
        return AuditState(checkpoint, len(self._unsealed), problem, row)

    def _say(self, row: int, what: str) -> None:
        if self._wrong is None:
            self._wrong = (row, f"row {row} of the audit log {what}")


def read_secret(path: Path, setting: str) -> bytes:
    """Return the key in a file, hexadecimal. Raises ConfigError with the name of the setting."""
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except OSError as error:
        raise ConfigError(f"{setting}: {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{setting}: {path}: not hexadecimal") from error
    if len(key) < _SHORTEST_KEY:
        raise ConfigError(f"{setting}: {path}: {len(key)} bytes, expected at least {_SHORTEST_KEY}")
    return key


def _content(record: AuditRecord, before: str) -> bytes:
    row = (str(record.id), record.at.isoformat(), record.who, record.what, record.subject, record.detail)
    return "\0".join((before, *row)).encode()


def _no_checkpoint(text: str) -> FramingError:
    return FramingError(f"{text[:60]!r} is not a checkpoint, expected {_FORM} and four values")
