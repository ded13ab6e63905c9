"""Random messages, encoded by this library and by an independent EXI processor: equal bytes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from secc.exi import Codec
from secc.exi.schema import xsd
from secc.exi.schema.notation import SchemaSet
from tests.support.messages import Generator, schema_sets
from tools.oracles import compare_many
from tools.oracles.compare import SETS, compare
from tools.oracles.exificient import PYTHON, Exificient


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
@pytest.mark.parametrize("schema", compare_many.GRAMMARS)
def test_random_messages_have_the_bytes_of_exificient_past_its_json(schema: str) -> None:
    assert compare_many.compare(schema, count=200, seed=2026) == (200, [])


@pytest.mark.usefixtures("many")
def test_a_schema_of_a_user_has_the_grammars_that_exificient_makes_of_it() -> None:
    file = Path(__file__).with_name("vendor.xsd")
    assert compare_many.compare_xsd(file, ("Report", "Note", "Small", "Large"), 200, 2026) == (200, [])


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("schema", schema_sets().values(), ids=lambda schema: schema.name)
def test_exificient_makes_our_grammars_of_the_schemas_we_export(schema: SchemaSet, tmp_path: Path) -> None:
    prefixes = {space.uri: space.prefix for space in schema.namespaces}
    for space in schema.namespaces:
        (tmp_path / f"{space.prefix}.xsd").write_text(xsd.write(space, prefixes), encoding="utf-8")
    root = tmp_path / f"{schema.root}.xsd"
    messages = tuple(name.local for name in Generator(schema.name).roots())
    assert compare_many.compare_xsd(root, messages, 50, 2026, schema.flatten) == (50, [])


@pytest.mark.usefixtures("many")
def test_a_message_of_other_content_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(make: Generator, ours: Codec, count: int, seed: int) -> list[str]:
        first, second = compare_many_lines(make, ours, 2 * count, seed)
        return [first.split("\t")[0] + "\t" + second.split("\t")[1]]

    compare_many_lines = compare_many.lines
    monkeypatch.setattr(compare_many, "lines", other)
    same, differences = compare_many.compare("sap", count=1, seed=1)
    assert same == 0
    assert differences[0].startswith("encode\t")
