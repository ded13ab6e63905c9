"""Files that only their owner may read: keys, tokens, and what names a person."""

from __future__ import annotations

import os
from pathlib import Path


def make_private(path: Path) -> None:
    """Create an empty file for its owner alone, or restrict one that exists; raises OSError.

    For databases: SQLite gives the permissions of its file to those that it puts beside it.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER))
    path.chmod(_OWNER)


def create_private(path: Path, *, mode: int = 0o600) -> int:
    """Open a new file for writing and return its descriptor; raises FileExistsError, OSError."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)


def write_private(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a new file, to the disk and not only to its cache; raises FileExistsError, OSError."""
    with os.fdopen(create_private(path, mode=mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


_OWNER = 0o600
