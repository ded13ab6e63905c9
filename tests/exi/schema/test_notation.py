"""The notation, written."""

from pathlib import Path

import pytest

from secc.exi.schema import notation
from secc.exi.schema.notation import NotationError
from tests.support.messages import ROOT

SETS = notation.load(ROOT / "exi_schemas")
SPACES = {n.prefix: n for schema in SETS.values() for n in schema.namespaces}


@pytest.mark.parametrize("prefix", SPACES)
def test_what_is_written_is_read_back_the_same(prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    path.write_text(
        notation.write(SPACES[prefix], {n.uri: n.prefix for n in SPACES.values()}), encoding="utf-8"
    )
    assert notation.read(path, {n.prefix: n.uri for n in SPACES.values()}) == SPACES[prefix]


def test_a_namespace_without_a_prefix_cannot_be_written() -> None:
    with pytest.raises(NotationError, match="no prefix is given for namespace"):
        notation.write(SPACES["i2body"], {})
