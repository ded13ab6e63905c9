"""Hypothesis: a short run with every test run, a long one with `make fuzz`.

In CI each run draws the same examples, so that a failure there is one of the change under test.
`deadline=None`: a busy machine is no finding. A test that sets `max_examples` itself keeps its number.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("short", deadline=None, derandomize="CI" in os.environ)
settings.register_profile(
    "fuzz", max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("walk", max_examples=20_000, deadline=None)
settings.load_profile("short")
