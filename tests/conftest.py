"""Event loops of the tests, and Hypothesis: a short run with every test run, a long one with `make fuzz`.

A coroutine test has its own event loop, from the plug-in of anyio; an unhandled exception of a callback or a
task fails it. `@pytest.mark.loop("virtual")` gives it a loop whose time jumps from timer to timer,
`"loopback"` the same with real sockets.

In CI each run draws the same examples, so that a failure there is caused by the change under test.
`deadline=None`: a busy machine is not an error. A test that sets `max_examples` itself keeps its number.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

from tests.support.fasttime import virtual_loop

settings.register_profile("short", deadline=None, derandomize="CI" in os.environ)
settings.register_profile(
    "fuzz", max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("walk", max_examples=20_000, deadline=None)
settings.load_profile("short")


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    """The loop of a coroutine test."""
    marker = request.node.get_closest_marker("loop")
    return "asyncio", {} if marker is None else {"loop_factory": _LOOPS[marker.args[0]]}


_LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "virtual": functools.partial(virtual_loop, sockets=False),
    "loopback": functools.partial(virtual_loop, sockets=True),
}
