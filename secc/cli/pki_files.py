"""Files and arguments of `secc pki`; errors name the file or the option."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

from secc import private_files
from secc.pki.profiles import Kind


class UnusableArgument(Exception):
    """An argument that must be changed; the text has the reason."""


def read_bytes(path: Path) -> bytes:
    """Read a file; raises UnusableArgument."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableArgument(f"{path}: {error.strerror}") from error


def write_new(path: Path, content: bytes) -> None:
    """Write a file atomically; raises UnusableArgument."""
    half = path.with_name(path.name + ".new")
    try:
        half.write_bytes(content)
        os.replace(half, path)
    except OSError as error:
        raise UnusableArgument(f"{path}: {error.strerror}") from error


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may read; raises UnusableArgument."""
    try:
        private_files.write_private(path, content)
    except OSError as error:
        raise UnusableArgument(f"{path}: {error.strerror}") from error


def key_password(path: Path | None) -> bytes | None:
    """Read a password file without surrounding white space; None without a file."""
    return read_bytes(path).strip() if path is not None else None


def kind_of(text: str) -> Kind:
    """Return a kind of certificate by its name; raises UnusableArgument."""
    try:
        return Kind(text)
    except ValueError:
        raise UnusableArgument(f"{text}: not one of {', '.join(Kind)}") from None


def read_instant(text: str | None) -> datetime.datetime:
    """Parse a date or time of ISO 8601, in UTC by default; None gives the present time.

    Raises UnusableArgument.
    """
    if text is None:
        return datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise UnusableArgument(f"{text}: not a date like 2026-01-31") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=datetime.UTC)
