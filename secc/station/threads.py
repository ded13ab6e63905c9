"""Calls from other threads into a station.

A station lives in one event loop, and its queues are not made for other threads: a value put into them from
there is seen late or never. So its methods refuse another thread, and `Station.threadsafe` has them once more
for every thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import Protocol

from secc.boundary import results
from secc.errors import IntegrationError
from secc.session.grid import GridCode, GridTargets

__all__ = ["Answer", "LoopThread", "ThreadsafeStation"]


class LoopThread:
    """The thread of a station's loop, from start to stop."""

    def __init__(self, advice: str) -> None:
        """`advice`: what to call instead, in errors."""
        self._advice = advice
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def enter(self) -> None:
        """The running loop is the station's."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()

    def leave(self) -> None:
        """The station has stopped."""
        self._loop = None

    def check(self, method: str) -> None:
        """Raises IntegrationError in another thread while the station runs."""
        if self._loop is not None and threading.get_ident() != self._thread:
            found = f"it was called in the thread {threading.current_thread().name!r}"
            raise IntegrationError(
                method, found, f"the thread of the station's event loop; use {self._advice}.{method}"
            )

    def submit(self, method: str, call: Callable[[], None]) -> concurrent.futures.Future[None]:
        """Call it in the loop, soon; at once where this is the thread of the loop.

        Raises IntegrationError when no loop takes it.
        """
        loop, answer = self._loop, concurrent.futures.Future[None]()
        if threading.get_ident() == self._thread or loop is None:
            if loop is None:
                raise IntegrationError(method, "the station does not run", "a station that has been started")
            _settle(answer, call)
            return answer
        try:
            loop.call_soon_threadsafe(_settle, answer, call)
        except RuntimeError as error:  # the loop is closed
            raise IntegrationError(method, "the event loop is closed", "a station that runs") from error
        return answer


def _settle(answer: concurrent.futures.Future[None], call: Callable[[], None]) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        call()
    except BaseException as error:
        answer.set_exception(error)
        if not isinstance(error, Exception):
            raise
    else:
        answer.set_result(None)


class _Callable(Protocol):
    """What can be called at a station."""

    def link_up(self) -> None: ...

    def link_down(self, reason: str = ...) -> None: ...

    def stop_charging(self, reason: str = ...) -> None: ...

    def renegotiate(self) -> None: ...

    def renegotiate_service(self) -> None: ...

    def request_pause(self) -> None: ...
    def pause_charging(self) -> None: ...
    def resume_charging(self) -> None: ...

    def leave_standby(self) -> None: ...

    def set_power(self, power: float | None) -> None: ...

    def permit_discharge(self, max_power: float | None) -> None: ...

    def set_grid_code(self, code: GridCode) -> None: ...
    def set_grid_targets(self, targets: GridTargets) -> None: ...

    def limit_power(self, max_power: float | None) -> None: ...

    def withdraw_authorization(self) -> None: ...

    def renew_tls(self) -> None: ...

    def reset_fault(self) -> None: ...


Answer = concurrent.futures.Future[None]
"""Done when the station has done it; `result(seconds)` waits, and raises what the station has raised."""


class ThreadsafeStation:
    """The methods of `Station`, for every thread.

    Each checks its values at once, hands the call over to the loop of the station, and returns without
    waiting. Raises IntegrationError for a value that is refused, and when the station does not run.
    """

    def __init__(self, station: _Callable, thread: LoopThread) -> None:
        """Made by `Station.threadsafe`."""
        self._station = station
        self._thread = thread

    def link_up(self) -> Answer:
        """As `Station.link_up`."""
        return self._thread.submit("link_up", self._station.link_up)

    def link_down(self, reason: str = "data link lost") -> Answer:
        """As `Station.link_down`."""
        text = results.reason("link_down", reason)
        return self._thread.submit("link_down", lambda: self._station.link_down(text))

    def stop_charging(self, reason: str = "stop requested") -> Answer:
        """As `Station.stop_charging`."""
        text = results.reason("stop_charging", reason)
        return self._thread.submit("stop_charging", lambda: self._station.stop_charging(text))

    def renegotiate(self) -> Answer:
        """As `Station.renegotiate`."""
        return self._thread.submit("renegotiate", self._station.renegotiate)

    def renegotiate_service(self) -> Answer:
        """As `Station.renegotiate_service`."""
        return self._thread.submit("renegotiate_service", self._station.renegotiate_service)

    def pause_charging(self) -> Answer:
        """As `Station.pause_charging`."""
        return self._thread.submit("pause_charging", self._station.pause_charging)

    def resume_charging(self) -> Answer:
        """As `Station.resume_charging`."""
        return self._thread.submit("resume_charging", self._station.resume_charging)

    def request_pause(self) -> Answer:
        """As `Station.request_pause`."""
        return self._thread.submit("request_pause", self._station.request_pause)

    def leave_standby(self) -> Answer:
        """As `Station.leave_standby`."""
        return self._thread.submit("leave_standby", self._station.leave_standby)

    def set_power(self, power: float | None) -> Answer:
        """As `Station.set_power`."""
        target = results.signed_power("set_power", power)
        return self._thread.submit("set_power", lambda: self._station.set_power(target))

    def set_grid_code(self, code: GridCode) -> Answer:
        """As `Station.set_grid_code`."""
        asked = results.grid_code("set_grid_code", code)
        return self._thread.submit("set_grid_code", lambda: self._station.set_grid_code(asked))

    def set_grid_targets(self, targets: GridTargets) -> Answer:
        """As `Station.set_grid_targets`."""
        asked = results.grid_targets("set_grid_targets", targets)
        return self._thread.submit("set_grid_targets", lambda: self._station.set_grid_targets(asked))

    def permit_discharge(self, max_power: float | None) -> Answer:
        """As `Station.permit_discharge`."""
        limit = results.power_limit("permit_discharge", max_power)
        return self._thread.submit("permit_discharge", lambda: self._station.permit_discharge(limit))

    def limit_power(self, max_power: float | None) -> Answer:
        """As `Station.limit_power`."""
        limit = results.power_limit("limit_power", max_power)
        return self._thread.submit("limit_power", lambda: self._station.limit_power(limit))

    def withdraw_authorization(self) -> Answer:
        """As `Station.withdraw_authorization`."""
        return self._thread.submit("withdraw_authorization", self._station.withdraw_authorization)

    def renew_tls(self) -> Answer:
        """As `Station.renew_tls`; its ConfigError is raised by `result`."""
        return self._thread.submit("renew_tls", self._station.renew_tls)

    def reset_fault(self) -> Answer:
        """As `Station.reset_fault`."""
        return self._thread.submit("reset_fault", self._station.reset_fault)
