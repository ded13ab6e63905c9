"""Codecs made at run time."""

from __future__ import annotations

from pathlib import Path

import pytest

from secc import exi
from secc.errors import EncodeError
from secc.exi.schema import notation
from secc.exi.schema.notation import NotationError
from secc.exi.schema.runtime import compile_codec
from tests.support.messages import ROOT
from tests.support.vectors import own

SETS = notation.load(ROOT / "exi_schemas")

VENDOR = """\
# A vendor's own message.

namespace = "urn:example:vendor"
prefix = "vend"
elements = "qualified"
attributes = "unqualified"

[element]
Report = "ReportType"

[simple]
levelType = ["xs:string", "Low", "High"]

[doc]
levelType = "How bad it is."

[type.ReportType]
doc = "Something happened."
content = [
  "Level levelType",
  "Note{0,3} xs:string",
  "Count? xs:unsignedShort",
]
"""
VENDOR_SETS = '[vendor]\nroot = "vend"\nmodule = "vendor"\nnamespaces = ["vend"]\n'


def vendor(directory: Path, text: str = VENDOR, sets: str = VENDOR_SETS) -> exi.Codec:
    (directory / "vendor.toml").write_text(text, encoding="utf-8")
    (directory / "sets.toml").write_text(sets, encoding="utf-8")
    return compile_codec(notation.load(directory)["vendor"])


@pytest.mark.parametrize("name", SETS)
def test_a_compiled_codec_reads_and_writes_what_the_built_in_one_does(name: str) -> None:
    # The vectors have full lists in the form of the tables that they were made with.
    compiled, built_in = compile_codec(SETS[name], full_lists="marked"), exi.codec(name)
    assert compiled.engine.layout() == built_in.engine.layout()
    assert compiled.engine.roots() == built_in.engine.roots()
    for schema, vector in own():
        if schema != name:
            continue
        octets = bytes.fromhex(vector["hex"])
        fragment = vector["kind"] == "fragment"
        value, element, _ = (compiled.engine.decode_fragment if fragment else compiled.engine.decode)(octets)
        write = compiled.engine.encode_fragment if fragment else compiled.engine.encode
        assert write(element, value) == octets, vector["name"]


def test_a_vendors_message_is_encoded_as_the_grammar_says(tmp_path: Path) -> None:
    codec = vendor(tmp_path)
    report = codec.module.Report(level=codec.module.Level.HIGH, note=("a",), count=None)
    # 0 root; SE(Level) 0, CH 0, High 1, EE 0; SE(Note) 00 of 4, CH 0, length 1 + 2, "a", EE 0; EE 10 of 4
    assert codec.encode(report).hex() == "8010036140"
    assert codec.decode(bytes.fromhex("8010036140")) == report
    assert codec.to_json(report) == '{"Report":{"Level":"High","Note":["a"]}}'


def test_its_facets_hold(tmp_path: Path) -> None:
    codec = vendor(tmp_path)
    with pytest.raises(EncodeError, match="65536, expected an integer from 0 to 65535"):
        codec.encode(codec.module.Report(level=codec.module.Level.LOW, count=65536))


@pytest.mark.parametrize(
    ("text", "sets", "words"),
    [
        (
            VENDOR.replace("levelType = [", "reportType = [").replace("levelType", "reportType"),
            VENDOR_SETS,
            "Report",
        ),
        (VENDOR, VENDOR_SETS.replace('root = "vend"', 'root = "v"'), "root v is not among"),
        (VENDOR.replace("xs:unsignedShort", "xs:float"), VENDOR_SETS, "xs:float"),
        (
            VENDOR.replace("content = [", 'attribute = ["level xs:string"]\ncontent = ['),
            VENDOR_SETS,
            "ReportType: two fields would be called level",
        ),
        (VENDOR.replace("Level levelType", "Level colourType"), VENDOR_SETS, "colourType"),
    ],
)
def test_a_schema_that_cannot_be_compiled_says_why(tmp_path: Path, text: str, sets: str, words: str) -> None:
    with pytest.raises(NotationError, match=words):
        vendor(tmp_path, text, sets)
