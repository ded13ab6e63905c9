"""XML Schema in and out of the notation."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import xmlschema

from secc import exi
from secc.schema import notation, xsd
from secc.schema.notation import Group, NotationError, Particle
from tests.support.messages import ROOT
from tests.support.vectors import lines

SETS = notation.load(ROOT / "exi_schemas")

OWN = """\
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:v="urn:example:vendor"
           targetNamespace="urn:example:vendor" elementFormDefault="qualified">
  <xs:element name="Report">
    <xs:complexType>
      <xs:sequence>
        <xs:element name="Level" type="v:levelType"/>
        <xs:element name="Note" type="xs:string" minOccurs="0" maxOccurs="3"/>
        <xs:choice>
          <xs:element name="Count" type="xs:unsignedShort"/>
          <xs:element name="Raw" type="xs:hexBinary"/>
        </xs:choice>
      </xs:sequence>
      <xs:attribute name="Id" type="xs:ID"/>
    </xs:complexType>
  </xs:element>
  <xs:simpleType name="levelType">
    <xs:annotation><xs:documentation>How bad it is.</xs:documentation></xs:annotation>
    <xs:restriction base="xs:string">
      <xs:enumeration value="Low"/>
      <xs:enumeration value="High"/>
    </xs:restriction>
  </xs:simpleType>
</xs:schema>
"""


def in_file(directory: Path, text: str) -> Path:
    path = directory / "vendor.xsd"
    path.write_text(text, encoding="utf-8")
    return path


def without_marks(item: Any) -> Any:
    """`item` without what XML Schema has no room for."""
    if isinstance(item, Group):
        return dataclasses.replace(item, items=tuple(without_marks(x) for x in item.items))
    return dataclasses.replace(item, soft=False) if isinstance(item, Particle) else item


@pytest.mark.parametrize("name", SETS)
def test_an_exported_schema_is_read_back_the_same(name: str, tmp_path: Path) -> None:
    schema = SETS[name]
    prefixes = {n.uri: n.prefix for n in schema.namespaces}
    for space in schema.namespaces:
        back, _ = xsd.read(in_file(tmp_path, xsd.write(space, prefixes)), space.prefix)
        assert back.elements == space.elements
        assert back.simple == space.simple
        assert list(back.complex) == list(space.complex)
        for type_name, ct in space.complex.items():
            content = without_marks(ct.content) if ct.content is not None else None
            assert back.complex[type_name] == dataclasses.replace(ct, clause="", content=content)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("xsd")
    for schema in SETS.values():
        prefixes = {n.uri: n.prefix for n in schema.namespaces}
        for space in schema.namespaces:
            (directory / f"{space.prefix}.xsd").write_text(xsd.write(space, prefixes), encoding="utf-8")
    return directory


@pytest.mark.parametrize("name", SETS)
def test_a_validator_of_others_takes_the_exported_schemas(name: str, exported: Path) -> None:
    schema = SETS[name]
    validator = xmlschema.XMLSchema(exported / f"{schema.root}.xsd")
    assert {e.name.local for e in schema.namespaces[0].elements.values()} <= {
        element.local_name for element in validator.elements.values()
    }


@pytest.mark.parametrize("name", SETS)
def test_the_exported_root_leads_to_every_element_of_its_set(name: str, exported: Path) -> None:
    schema = SETS[name]
    found = xmlschema.XMLSchema(exported / f"{schema.root}.xsd").maps.elements
    assert {f"{{{e.uri}}}{e.local}" for e in schema.elements} <= set(found)


def test_a_validator_of_others_judges_messages_as_it_does_with_the_original_schemas(exported: Path) -> None:
    roots = {"sap": "sap", "v2": "i2def", "dsig": "ds"}
    validators = {k: xmlschema.XMLSchema(exported / f"{v}.xsd") for k, v in roots.items()}
    codecs = {"sap": exi.APP_PROTOCOL, "v2": exi.ISO2, "dsig": exi.XMLDSIG}
    for record in lines("exi.jsonl"):
        if record["kind"] != "document" or "xsd_valid" not in record:
            continue
        validator, codec = validators[record["grammar"]], codecs[record["grammar"]]
        ours = codec.to_xml(codec.decode(bytes.fromhex(record["exi_hex"])))
        verdicts = (validator.is_valid(record["xml"]), validator.is_valid(ours))
        assert verdicts == (record["xsd_valid"],) * 2, record["name"]


def test_a_schema_becomes_notation(tmp_path: Path) -> None:
    space, prefixes = xsd.read(in_file(tmp_path, OWN), "vend")
    assert (
        notation.write(space, prefixes)
        == """\
# Imported from vendor.xsd.

namespace = "urn:example:vendor"
prefix = "vend"
elements = "qualified"
attributes = "unqualified"

[element]
Report = "@Report"

[simple]
levelType = ["xs:string", "Low", "High"]

[doc]
levelType = "How bad it is."

[type."@Report"]
doc = "Content of @Report."
attribute = ["Id? xs:ID"]
content = [
  "Level levelType",
  "Note{0,3} xs:string",
  [
    "choice",
    "Count xs:unsignedShort",
    "Raw xs:hexBinary",
  ],
]
"""
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("<xs:schema", "<xs:schema>", "not XML"),
        ('type="xs:ID"', 'type="xs:ID" default="x"', "default"),
        ('name="Level"', 'name="Level" nillable="true"', "nillable"),
        ('type="v:levelType"', 'type="w:levelType"', "w:levelType: unknown prefix"),
        ('<xs:enumeration value="Low"/>', '<xs:pattern value="[a-z]+"/>', "pattern"),
        ("<xs:choice>", '<xs:group ref="v:x"/><xs:choice>', "group"),
        ('<xs:restriction base="xs:string">', '<xs:list itemType="xs:string">', "not XML|union or list"),
        ('<xs:element name="Raw" type="xs:hexBinary"/>', '<xs:element name="Raw"/>', "Raw without a type"),
    ],
)
def test_what_has_no_notation_is_refused_by_name(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in OWN
    with pytest.raises(NotationError, match=words):
        xsd.read(in_file(tmp_path, OWN.replace(old, new, 1)), "vend")


def test_another_document_is_no_schema(tmp_path: Path) -> None:
    with pytest.raises(NotationError, match="a is no XML Schema"):
        xsd.read(in_file(tmp_path, "<a/>"), "vend")
