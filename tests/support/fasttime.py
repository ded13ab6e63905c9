"""An event loop that does not wait: when nothing is ready, its clock jumps to the next timer.

Sockets are real: what one end has written on loopback is there before the clock is looked at. Between its
jumps the clock is real too, unless it is `frozen`: then only jumps move it, and a pause of the machine does
not show. For scenarios of one process and one thread; their seconds of protocol cost milliseconds.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from time import process_time
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Selector(selectors.BaseSelector):
    """Never sleeps for a timer; returns how long it should have slept."""

    def __init__(self, in_flight: float) -> None:
        self._in_flight = in_flight
        self._real = selectors.DefaultSelector()
        self.skipped = 0.0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return self._real.select(_DEADLOCK)
        ready = self._real.select(0)
        if not ready and timeout > 0:
            ready = self._real.select(self._in_flight)  # bytes on their way through the kernel
            if not ready:
                self.skipped += timeout
        return ready

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, selector: _Selector, *, frozen: bool, busy: bool) -> None:
        self._jumps, self._frozen, self._busy = selector, frozen, busy
        super().__init__(selector)

    def time(self) -> float:
        if self._busy:
            return self._jumps.skipped + process_time()
        return self._jumps.skipped + (0.0 if self._frozen else super().time())


_IN_FLIGHT = 0.0002  # s
_DEADLOCK = 10.0  # s without a timer and without a byte


def virtual_loop(*, sockets: bool, frozen: bool = False, busy: bool = False) -> asyncio.AbstractEventLoop:
    """Such a loop; without sockets nothing is on its way, and it is faster still. `frozen`: only jumps move
    the clock. `busy`: jumps and the time in which this process computes, for long runs on a busy machine."""
    return _Loop(_Selector(_IN_FLIGHT if sockets else 0.0), frozen=frozen, busy=busy)


def play_fast(scenario: Coroutine[Any, Any, Result], *, sockets: bool = True, frozen: bool = False) -> Result:
    """Run a scenario on a separate loop: for tests that run several, or one for each example."""
    with asyncio.Runner(loop_factory=lambda: virtual_loop(sockets=sockets, frozen=frozen)) as runner:
        return runner.run(scenario)
