"""Files and arguments of `secc pki`: what cannot be used is said with the name of the file or option."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

from secc.pki.profiles import Kind


class UnusableArgument(Exception):
    """An argument that has to be changed; the text says which and why."""


def read_bytes(path: Path) -> bytes:
    """The whole file; raises UnusableArgument."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableArgument(f"{path}: {error.strerror}") from error


def write_new(path: Path, content: bytes) -> None:
    """At once: nobody sees half of the file; raises UnusableArgument."""
    half = path.with_name(path.name + ".new")
    try:
        half.write_bytes(content)
        os.replace(half, path)
    except OSError as error:
        raise UnusableArgument(f"{path}: {error.strerror}") from error


def write_private(path: Path, content: bytes) -> None:
    """A file that only its owner may read, and that was not there before; raises UnusableArgument."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise UnusableArgument(f"{path}: {error.strerror}") from error


def key_password(path: Path | None) -> bytes | None:
    """The content of a password file without white space around it; None without a file."""
    return read_bytes(path).strip() if path is not None else None


def kind_of(text: str) -> Kind:
    """A kind of certificate by its name; raises UnusableArgument."""
    try:
        return Kind(text)
    except ValueError:
        raise UnusableArgument(f"{text}: not one of {', '.join(Kind)}") from None


def read_instant(text: str | None) -> datetime.datetime:
    """A date or time of ISO 8601, UTC unless it says otherwise; now without one. Raises UnusableArgument."""
    if text is None:
        return datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise UnusableArgument(f"{text}: not a date like 2026-01-31") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=datetime.UTC)
