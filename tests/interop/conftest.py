"""EXIficient as a fixture, and what `make interop` says at the end, beside passed and failed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.interop.ev import RETRIES
from tools.oracles.exificient import PYTHON, Exificient


@pytest.fixture(scope="module")
def exificient() -> Iterator[Exificient]:
    if not PYTHON.exists() or shutil.which("java") is None:
        pytest.skip("EXIficient needs Java and .venv-interop, which `make interop` sets up")
    with Exificient() as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Retries are allowed once and never silent."""
    for retry in RETRIES:
        terminalreporter.write_line(f"RETRIED (the independent EV was too slow for itself) {retry}")
