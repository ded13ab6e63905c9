"""One timer per event loop for the periodic checks of every station in it: delay of the loop, outputs that
must be off.

A hundred stations in one process share it, so their checks wake the loop once, not a hundred times.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable

INTERVAL = 0.1
"""Seconds between two beats."""

Beat = Callable[[float, float], None]
"""Takes the loop time and by how many seconds the loop is late; returns at once."""


class Pulse:
    """The timer of one loop; it runs while there is a beat to call."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._beats: list[Beat] = []
        self._timer: asyncio.TimerHandle | None = None

    def join(self, beat: Beat) -> None:
        """Call it at each beat, until `leave`; what it raises is reported by the loop."""
        self._beats.append(beat)
        if self._timer is None:
            self._timer = self._loop.call_at(self._loop.time() + INTERVAL, self._fire)

    def leave(self, beat: Beat) -> None:
        """Do not call it any more."""
        self._beats.remove(beat)
        if not self._beats and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        if self._timer is None:
            return
        now = self._loop.time()
        late = max(0.0, now - self._timer.when())
        self._timer = self._loop.call_at(now + INTERVAL, self._fire)
        for beat in tuple(self._beats):
            try:
                beat(now, late)
            except Exception as error:
                self._loop.call_exception_handler({"message": "a beat failed", "exception": error})


_PULSES: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Pulse] = weakref.WeakKeyDictionary()


def pulse() -> Pulse:
    """The one of the running loop."""
    loop = asyncio.get_running_loop()
    found = _PULSES.get(loop)
    if found is None:
        found = _PULSES[loop] = Pulse(loop)
    return found


async def each_beat(beat: Beat) -> None:
    """Call `beat` at each beat of the running loop, until cancelled."""
    joined = pulse()
    joined.join(beat)
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        joined.leave(beat)
