"""Random messages, encoded by this library and by an independent EXI processor: equal bytes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tools import compare_many
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


@pytest.fixture
def many() -> None:
    if compare_many.jar() is None or shutil.which("javac") is None:
        pytest.skip("EXIficient needs a JDK and .venv-interop, which `make interop` sets up")


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("schema", sorted(set(compare_many.GRAMMARS) - set(SETS)))
def test_random_messages_of_the_other_sets_have_the_bytes_of_exificient_itself(schema: str) -> None:
    assert compare_many.compare(schema, count=200, seed=2026) == (200, [])


@pytest.mark.usefixtures("many")
def test_a_message_of_other_content_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(*_: object) -> list[str]:
        first, second = compare_many_lines("sap", 2, 1)
        return [first.split("\t")[0] + "\t" + second.split("\t")[1]]

    compare_many_lines = compare_many.lines
    monkeypatch.setattr(compare_many, "lines", other)
    same, differences = compare_many.compare("sap", count=1, seed=1)
    assert same == 0
    assert differences[0].startswith("encode\t")
