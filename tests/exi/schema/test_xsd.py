"""XML Schema in and out of the notation."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import xmlschema

from secc import exi
from secc.exi.schema import notation, numbering, tables, xsd
from secc.exi.schema.notation import Group, NotationError, Particle, SchemaSet
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
        ('name="Id"', 'ref="v:Id"', "attribute reference"),
        ('type="v:levelType"', 'type="w:levelType"', "w:levelType: unknown prefix"),
        ('<xs:enumeration value="Low"/>', '<xs:pattern value="[a-z]+"/>', "pattern"),
        ("<xs:choice>", '<xs:group ref="v:x"/><xs:choice>', "no group v:x in this file"),
        ("</xs:schema>", '<xs:include schemaLocation="more.xsd"/></xs:schema>', "more.xsd: no such file"),
        ("</xs:schema>", '<xs:notation name="n" public="p"/></xs:schema>', "notation n"),
        ('<xs:restriction base="xs:string">', '<xs:list itemType="xs:string">', "not XML|union or list"),
        ('<xs:element name="Raw" type="xs:hexBinary"/>', '<xs:element name="Raw"/>', "Raw without a type"),
    ],
)
def test_what_has_no_notation_is_refused_by_name(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in OWN
    with pytest.raises(NotationError, match=words):
        xsd.read(in_file(tmp_path, OWN.replace(old, new, 1)), "vend")


GROUPED = """\
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:v="urn:example:vendor"
           targetNamespace="urn:example:vendor" elementFormDefault="qualified">
  <xs:include schemaLocation="levels.xsd"/>
  <xs:element name="Report" nillable="true">
    <xs:complexType>
      <xs:sequence>
        <xs:element name="Level" type="v:levelType" default="Low"/>
        <xs:group ref="v:amount" minOccurs="0" maxOccurs="2"/>
      </xs:sequence>
      <xs:attributeGroup ref="v:identity"/>
    </xs:complexType>
  </xs:element>
  <xs:group name="amount">
    <xs:choice>
      <xs:element name="Count" type="xs:unsignedShort"/>
      <xs:element name="Raw" type="xs:hexBinary"/>
    </xs:choice>
  </xs:group>
</xs:schema>
"""
LEVELS = """\
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:example:vendor">
  <xs:include schemaLocation="vendor.xsd"/>
  <xs:attributeGroup name="identity">
    <xs:attribute name="Id" type="xs:ID" use="required"/>
    <xs:attribute name="Version" type="xs:unsignedByte" fixed="1"/>
    <xs:attribute name="Old" type="xs:string" use="prohibited"/>
  </xs:attributeGroup>
  <xs:simpleType name="levelType">
    <xs:restriction base="xs:string">
      <xs:enumeration value="Low"/>
      <xs:enumeration value="High"/>
    </xs:restriction>
  </xs:simpleType>
</xs:schema>
"""


def test_groups_are_written_out_and_included_documents_read(tmp_path: Path) -> None:
    (tmp_path / "levels.xsd").write_text(LEVELS, encoding="utf-8")
    space, prefixes = xsd.read(in_file(tmp_path, GROUPED), "vend")
    assert (
        notation.write(space, prefixes).partition("[type")[2]
        == """\
."@Report"]
doc = "Content of @Report."
attribute = ["Id xs:ID", "Version? xs:unsignedByte"]
content = [
  "Level levelType",
  [
    "sequence{0,2}",
    [
      "choice",
      "Count xs:unsignedShort",
      "Raw xs:hexBinary",
    ],
  ],
]
"""
    )
    assert [name.local for name in space.simple] == ["levelType"]


def test_a_group_in_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "levels.xsd").write_text(LEVELS, encoding="utf-8")
    text = GROUPED.replace("<xs:choice>", '<xs:choice><xs:group ref="v:amount"/>')
    with pytest.raises(NotationError, match="group amount refers to itself"):
        xsd.read(in_file(tmp_path, text), "vend")


def test_a_local_name_has_the_form_that_its_document_says(tmp_path: Path) -> None:
    content = '<xs:sequence><xs:element name="E" type="xs:string"/></xs:sequence>'
    inner = f'<xs:complexType name="T">{content}</xs:complexType>'
    (tmp_path / "levels.xsd").write_text(LEVELS.replace("</xs:schema>", f"{inner}</xs:schema>"), "utf-8")
    with pytest.raises(NotationError, match="type T: element E with a form attribute"):
        xsd.read(in_file(tmp_path, GROUPED), "vend")


def test_a_prefix_means_one_namespace(tmp_path: Path) -> None:
    other = LEVELS.replace("<xs:schema ", '<xs:schema xmlns:v="urn:example:other" ')
    (tmp_path / "levels.xsd").write_text(other, encoding="utf-8")
    with pytest.raises(NotationError, match="prefix v for a second namespace, urn:example:other"):
        xsd.read(in_file(tmp_path, GROUPED), "vend")


def without_soft(prod: tables.Prod) -> tables.Prod:
    return dataclasses.replace(prod, count=tables.COUNT_STEP) if prod.count == tables.COUNT_SOFT else prod


@pytest.mark.parametrize("name", SETS)
def test_a_schema_is_imported_with_all_that_it_imports(name: str, exported: Path) -> None:
    schema = SETS[name]
    spaces, prefixes = xsd.read_all(exported / f"{schema.root}.xsd", schema.root)
    assert {space.uri: space.prefix for space in spaces} == prefixes
    assert set(prefixes.values()) == {space.prefix for space in schema.namespaces}
    imported = SchemaSet(name, spaces, schema.root, schema.module, schema.flatten)
    again, built = numbering.build(imported), numbering.build(schema)
    assert again.states == built.states
    assert again.documents == built.documents
    assert again.fragments == built.fragments
    assert list(map(without_soft, again.prods)) == list(map(without_soft, built.prods))


def test_an_import_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = OWN.replace("<xs:element", '<xs:import namespace="urn:x" schemaLocation="x.xsd"/><xs:element', 1)
    with pytest.raises(NotationError, match=r"import urn:x: no file x\.xsd beside it"):
        xsd.read_all(in_file(tmp_path, text), "vend")


def test_two_namespaces_of_the_same_prefix_get_two(tmp_path: Path) -> None:
    text = OWN.replace("<xs:element", '<xs:import namespace="urn:x" schemaLocation="x.xsd"/><xs:element', 1)
    other = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:x"/>'
    (tmp_path / "x.xsd").write_text(other, encoding="utf-8")
    spaces, prefixes = xsd.read_all(in_file(tmp_path, text), "ns")
    assert prefixes == {"urn:example:vendor": "ns", "urn:x": "ns2"}
    assert spaces[0].imports == ("ns2",)


def test_two_documents_of_one_namespace_are_refused(tmp_path: Path) -> None:
    text = OWN.replace(
        "<xs:element", '<xs:import namespace="urn:example:vendor" schemaLocation="x.xsd"/><xs:element', 1
    )
    (tmp_path / "x.xsd").write_text(OWN, encoding="utf-8")
    with pytest.raises(NotationError, match="two documents of one namespace"):
        xsd.read_all(in_file(tmp_path, text), "vend")


def test_another_document_is_no_schema(tmp_path: Path) -> None:
    with pytest.raises(NotationError, match="a is no XML Schema"):
        xsd.read(in_file(tmp_path, "<a/>"), "vend")
