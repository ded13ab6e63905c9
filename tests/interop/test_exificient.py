"""Random messages, encoded by this library and by an independent EXI processor: equal bytes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tools.compare_exificient import SETS, compare
from tools.exificient import PYTHON, Exificient


@pytest.fixture(scope="module")
def exificient() -> Iterator[Exificient]:
    if not PYTHON.exists() or shutil.which("java") is None:
        pytest.skip("EXIficient needs Java and .venv-interop, which `make interop` sets up")
    with Exificient() as running:
        yield running


@pytest.mark.parametrize("schema", SETS)
def test_random_messages_have_the_bytes_of_exificient(exificient: Exificient, schema: str) -> None:
    tally = compare(exificient, schema, count=25, seed=2026)
    assert tally.differences == []
    assert tally.same > 0
