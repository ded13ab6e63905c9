"""The file under a journal: whole lines, a lock, recovery after any cut, and a new file when it has grown."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fcntl
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from secc.errors import ConfigError
from secc.station.outflow import LineFile


@dataclasses.dataclass(frozen=True, slots=True)
class JournalLine:
    """A record on its way to the file."""

    data: bytes
    sync: bool
    """The disk must confirm it before the next line is written."""
    new_file: datetime.datetime | None = None
    """A file that has grown large may be put aside before this line, under this time."""


class JournalFile:
    """Opened, locked and without half a line at its end; `write` is for one thread."""

    def __init__(self, path: pathlib.Path, *, size: int, keep: int) -> None:
        """Raises ConfigError when the folder cannot be used, or another process has the journal."""
        self.path = path
        self.problem = ""
        """Why a large file could not be put aside; empty without a problem."""
        self._size, self._keep = size, keep
        self._confirm_only = False  # the line is in the file, the disk has not confirmed it
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = _opened(path)
        except OSError as error:
            raise ConfigError(f"journal: {error}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            raise ConfigError(f"{path} is in use by another process") from error
        self._lines = LineFile(file)
        self._newline = b"" if _ends_with_newline(path) else b"\n"
        with contextlib.suppress(OSError):  # completes what a cut has left; else with the next line
            self._lines.write(self._newline)
            self._newline = b""
        _undo_half_a_move(path)

    def write(self, line: JournalLine) -> None:
        """Raises OSError; call it again with the same line then. Never writes a line twice."""
        if not self._confirm_only:
            if line.new_file is not None and not self._lines.torn:
                self._rotate(line.new_file)
            self._lines.write(self._newline + line.data)
            self._newline = b""
            self._confirm_only = True
        if line.sync:
            os.fsync(self._lines.file)
        self._confirm_only = False

    def close(self) -> None:
        """Let go of the file and its lock."""
        with contextlib.suppress(OSError):
            os.close(self._lines.file)

    def _rotate(self, now: datetime.datetime) -> None:
        """What fails here leaves the old file in use."""
        try:
            if os.fstat(self._lines.file).st_size >= self._size:
                self._put_aside(now)
            self.problem = ""
        except OSError as error:
            self.problem = f"{self.path}: {error}"

    def _put_aside(self, now: datetime.datetime) -> None:
        aside = self.path.with_name(f"journal-{now:%Y%m%dT%H%M%S.%f}.jsonl")
        fresh = _opened(fresh_path := self.path.with_suffix(".new"))
        try:
            fcntl.flock(fresh, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.link(self.path, aside)
            os.replace(fresh_path, self.path)  # at every moment there is a journal, and it is locked
        except OSError:
            os.close(fresh)
            raise
        os.close(self._lines.file)
        self._lines, self._newline = LineFile(fresh), b""
        old = sorted(self.path.parent.glob("journal-*.jsonl"))
        for path in old[: -self._keep] if self._keep else []:
            path.unlink()


def records(path: pathlib.Path) -> Iterator[dict[str, Any]]:
    """All whole records of a journal, in their order.

    The end of a line is not part of its record: a cut just before it leaves a whole record, and no shorter
    beginning of a JSON object is one.
    """
    with path.open("rb") as file:
        for line in file:
            try:
                record = json.loads(line)
            except ValueError:
                continue  # torn
            if isinstance(record, dict):
                yield record


def unfinished(path: pathlib.Path) -> dict[str, list[dict[str, Any]]]:
    """Records of the sessions without an end, by session."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in records(path):
        key = str(record.get("session"))
        match record.get("record"):
            case "begin":
                found[key] = [record]
            case "meter" if key in found:
                found[key].append(record)
            case "end":
                found.pop(key, None)
    return found


def _undo_half_a_move(path: pathlib.Path) -> None:
    """An interruption between two steps of rotating a file leaves it under both names; the journal stays."""
    with contextlib.suppress(OSError):
        for aside in path.parent.glob("journal-*.jsonl"):
            if aside.samefile(path):
                aside.unlink()


def _opened(path: pathlib.Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _ends_with_newline(path: pathlib.Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return True
        file.seek(size - 1)
        return file.read(1) == b"\n"
