"""A call of a method of the integrator: its result is checked, an unexpected awaitable is refused."""

from __future__ import annotations

import inspect
from typing import Any, Protocol

from secc.boundary.results import RESULTS
from secc.boundary.values import accept, shown
from secc.errors import IntegrationError
from secc.session.outlet import EvseSnapshot


class Complaints(Protocol):
    """Where a failed call of the integrator's code is reported."""

    def complaint(self, text: str) -> None:
        """Report a failed call of the controller, the back end or a callback."""
        ...


def returned(method: str, result: object) -> Any:
    """The result of a method that returns at once, checked; raises IntegrationError."""
    if result is not None and type(result) is not EvseSnapshot and inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise IntegrationError(method, "it returns an awaitable", "a method that is not async")
    return accept(method, RESULTS[method], result)


async def awaited(method: str, call: object) -> Any:
    """The result of a method that is awaited, checked; raises IntegrationError."""
    if not inspect.isawaitable(call):
        raise IntegrationError(method, f"it returned {shown(call)} at once", "an async method")
    return accept(method, RESULTS[method], await call)


def what(error: BaseException) -> str:
    """Class and text of an exception, for a log."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
