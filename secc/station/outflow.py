"""Reports on their way out of the process: a bounded queue and a thread for each destination, so that none
delays the loop.

Standard output may be a pipe whose reader has stopped, a disk may be full or take seconds for a sync.
`Outflow.put` returns at once in all these cases. An item that does not fit in the queue is dropped and
counted. After a failure the item is tried again or dropped, as its owner chooses; `problem`, `waiting` and
`dropped` report the state. Items leave in the order in which they were put.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

__all__ = ["LineFile", "Outflow", "Report", "stuck"]

T = TypeVar("T")


class Report(Protocol):
    """One way out, for health and metrics."""

    @property
    def name(self) -> str:
        """`output`, `log`, `journal`, `trace`: one of few."""
        ...

    @property
    def problem(self) -> str:
        """Why it is too slow or cannot be written; empty without a problem."""
        ...

    @property
    def waiting(self) -> int:
        """Items in memory that are not out yet."""
        ...

    @property
    def dropped(self) -> int:
        """Items that are lost, since the start."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    content: T
    size: int
    keep: bool


class Outflow(Generic[T]):
    """One destination with its thread; `put` never waits for it."""

    def __init__(
        self,
        name: str,
        write: Callable[[T], None],
        *,
        limit: int,
        size: Callable[[T], int],
        retry: float | None = None,
        gap: Callable[[int], T] | None = None,
        finish: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`write` is called in the thread and may block or raise; `finish` is called there at the end.

        `limit`: what may wait, in the unit of `size`, for example bytes. After a failure the same item is
        tried again each `retry` seconds; None drops it. `gap` makes an item that reports how many were
        dropped before it.
        """
        self.name = name
        self._write, self._finish = write, finish
        self._limit, self._size = limit, size
        self._retry, self._gap, self._clock = retry, gap, clock
        self._turn = threading.Condition()
        self._items: collections.deque[_Item[T]] = collections.deque()
        self._held = 0
        self._dropped = self._missed = 0
        self._full = self._closing = False
        self._failure = ""
        self._began: float | None = None  # when the write in progress was started
        self._thread = threading.Thread(target=self._run, name=f"secc-{name}", daemon=True)
        self._thread.start()

    # --- for the loop --------------------------------------------------------------------------------------

    def put(self, content: T, *, keep: bool = False) -> bool:
        """Queue an item; False when it was dropped. With `keep` it takes the place of items without."""
        item = _Item(content, self._size(content), keep)
        with self._turn:
            if self._closing or not self._has_room(item):
                self._lose(1)
                return False
            if self._missed and self._gap is not None:
                self._add(_Item(self._gap(self._missed), 0, keep=True))
            self._missed = 0
            self._add(item)
            self._turn.notify_all()
            return True

    @property
    def problem(self) -> str:
        """Why it is too slow or cannot be written; empty without a problem."""
        began = self._began
        if self._failure:
            return self._failure
        if began is not None and (stuck := self._clock() - began) >= _SLOW:
            return f"a write has not returned for {stuck:.0f} s"
        return "the queue is full" if self._full else ""

    @property
    def waiting(self) -> int:
        """Items in memory that are not out yet."""
        return len(self._items)

    @property
    def dropped(self) -> int:
        """Items that are lost, since the start."""
        return self._dropped

    # --- for the start and the end; these wait -------------------------------------------------------------

    def flush(self, timeout: float) -> bool:
        """Wait until all is out, at most `timeout` seconds; whether it is."""
        with self._turn:
            return self._turn.wait_for(lambda: not self._items, timeout)

    def close(self, timeout: float | None) -> bool:
        """Write what waits, at most `timeout` seconds, then end; False when a write does not return."""
        with self._turn:
            self._closing = True
            self._turn.notify_all()
        self._thread.join(timeout)
        if not self._thread.is_alive():
            return True
        with self._turn:
            self._lose(len(self._items))
            _STUCK.add(self.name)
            return False

    # --- with the turn -------------------------------------------------------------------------------------

    def _add(self, item: _Item[T]) -> None:
        self._items.append(item)
        self._held += item.size

    def _lose(self, count: int) -> None:
        self._dropped += count
        self._missed += count

    def _has_room(self, item: _Item[T]) -> bool:
        """After an overflow only once half of the queue is free: few gaps instead of many."""
        if item.keep:
            self._evict(self._held + item.size - self._limit)
        elif self._full:
            return False
        fits = self._held + item.size <= self._limit
        self._full = not fits and self._held > self._limit // 2
        return fits

    def _evict(self, excess: int) -> None:
        """Drop items that need not be kept, oldest first, but not the one being written."""
        if excess <= 0:
            return
        first, *others = self._items
        stay = collections.deque([first])
        for item in others:
            if excess > 0 and not item.keep:
                excess -= item.size
                self._held -= item.size
                self._lose(1)
            else:
                stay.append(item)
        self._items = stay

    # --- the thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                try:
                    self._write(item.content)
                except Exception as error:
                    self._failed(item, f"{type(error).__name__}: {error}")
                else:
                    self._failure = ""
                    self._done(item)
        finally:
            self._finish()

    def _next(self) -> _Item[T] | None:
        with self._turn:
            self._turn.wait_for(lambda: self._items or self._closing)
            if not self._items:
                return None
            self._began = self._clock()
            return self._items[0]

    def _done(self, item: _Item[T]) -> None:
        with self._turn:
            self._began = None
            self._items.popleft()
            self._held -= item.size
            if self._held <= self._limit // 2:
                self._full = False
            self._turn.notify_all()

    def _failed(self, item: _Item[T], why: str) -> None:
        """Wait for the next try, or drop; when the end has come nothing is tried a second time."""
        self._failure = why
        if self._retry is None:
            with self._turn:
                self._lose(1)
            self._done(item)
            return
        with self._turn:
            self._began = None
            if self._closing:
                self._lose(len(self._items))
                self._items.clear()
                self._held = 0
                self._turn.notify_all()
                return
            self._turn.wait_for(lambda: self._closing, self._retry)


class LineFile:
    """Appends to a file. A line that a full disk has cut short is completed by the next try, not repeated."""

    def __init__(self, file: int) -> None:
        self.file = file
        self._rest = b""

    @property
    def torn(self) -> bool:
        """A part of a line is in the file and the rest is not."""
        return bool(self._rest)

    def write(self, line: bytes) -> None:
        """All of it, or OSError; call it again with the same line then."""
        rest = self._rest or line
        while rest:
            try:
                written = os.write(self.file, rest)
            except OSError:
                self._rest = b"" if rest is line else rest
                raise
            rest = rest[written:]
        self._rest = b""


def stuck() -> bool:
    """A thread of this module is still inside a write that did not return when its time was over.

    The interpreter may wait for such a thread, or for a lock that it holds, at the end of the process.
    """
    return bool(_STUCK)


_SLOW = 1.0  # s
_STUCK: set[str] = set()
