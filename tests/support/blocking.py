"""Calls that may block, seen on the thread of an event loop: by audit events and wrapped functions, no clock.

    with watching() as seen:     # inside of the loop's thread
        ...
    assert seen == []

A call counts when code of the station makes it on that thread. What a simulated EV in the same loop does is
not counted, and neither is what the kernel answers from memory (`/proc`).
"""

import contextlib
import os
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

EVENTS = (
    *("open", "os.listdir", "os.scandir", "os.rename", "os.remove", "os.link", "os.mkdir", "os.truncate"),
    *("os.system", "subprocess.Popen", "sqlite3.connect", "socket.getaddrinfo", "socket.gethostbyname"),
)
FUNCTIONS = ((os, "fsync"), (os, "fdatasync"), (os, "stat"), (os, "write"), (time, "sleep"))

_HERE = Path(__file__).resolve()
_SECC = f"{os.sep}secc{os.sep}"


class _Watch:
    """Where the audit hook looks; a hook cannot be taken out again, so there is one for all tests."""

    def __init__(self) -> None:
        self.thread = 0
        self.seen: list[str] = []
        self._busy = False

    def note(self, event: str, detail: str) -> None:
        if threading.get_ident() != self.thread or self._busy:
            return
        self._busy = True
        try:
            frames = [frame.filename for frame in traceback.extract_stack() if frame.filename != str(_HERE)]
        finally:
            self._busy = False
        ours = [name for name in frames if _SECC in name]
        if detail.startswith("/proc/") or any(f"{_SECC}sim{os.sep}" in name for name in ours):
            return
        if ours:
            self.seen.append(f"{event} {detail} by {ours[-1].rpartition(_SECC)[2]}")


_WATCH = _Watch()


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event in EVENTS:
        _WATCH.note(event, str(arguments[0]) if arguments else "")


class _Watched(sqlite3.Connection):
    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        _WATCH.note("sqlite3.execute", str(arguments[0])[:40])
        return super().execute(*arguments)


@contextlib.contextmanager
def prepared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wrap the functions that have no audit event; before anything opens a database."""
    _install()

    def wrap(module: Any, name: str) -> None:
        real = getattr(module, name)

        def wrapped(*arguments: Any, **named: Any) -> Any:
            _WATCH.note(f"{module.__name__}.{name}", str(arguments[0]) if arguments else "")
            return real(*arguments, **named)

        patch.setattr(module, name, wrapped)

    connect = sqlite3.connect
    with monkeypatch.context() as patch:
        for module, name in FUNCTIONS:
            wrap(module, name)
        patch.setattr(sqlite3, "connect", lambda *a, **n: connect(*a, factory=_Watched, **n))
        yield


@contextlib.contextmanager
def watching() -> Iterator[list[str]]:
    """Everything that may block on this thread from now on."""
    _WATCH.thread, _WATCH.seen = threading.get_ident(), []
    try:
        yield _WATCH.seen
    finally:
        _WATCH.thread = 0


def _install() -> None:
    if not _INSTALLED:
        sys.addaudithook(_hook)
        _INSTALLED.append(True)


_INSTALLED: list[bool] = []
