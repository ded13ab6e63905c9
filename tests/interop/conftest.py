"""What `make interop` says at the end, beside passed and failed."""

from __future__ import annotations

import pytest

from tests.interop.ev import RETRIES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Retries are allowed once and never silent."""
    for retry in RETRIES:
        terminalreporter.write_line(f"RETRIED (the independent EV was too slow for itself) {retry}")
