"""XML Schema, read into the notation and written from it.

What the notation has no words for is refused by name when it changes the encoding (patterns, unions, lists,
restrictions of complex types, redefinitions), and passed over when it does not (keys, default and fixed
values, nillable, block, final). Named groups are written out where they are used; included documents are
read too.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from secc.exi.schema.notation import (
    UNBOUNDED,
    XS,
    Attribute,
    ComplexType,
    Element,
    Group,
    Item,
    Namespace,
    NotationError,
    Particle,
    QName,
    SimpleType,
    Wildcard,
)

__all__ = ["own_prefix", "read", "read_all", "write"]

_X = f"{{{XS}}}"
_PASSED_OVER = {"annotation", "import", "key", "keyref", "unique"}
_GROUPS = ("group", "attributeGroup")
_BESIDE_CONTENT = ("attribute", "attributeGroup", "annotation", "simpleContent", "complexContent")


def read(path: Path, prefix: str) -> tuple[Namespace, dict[str, str]]:
    """The schema in `path` as a namespace with `prefix`, and the prefixes it uses itself, by namespace.

    Raises `NotationError` saying what has no notation.
    """
    reader = _Reader(path, prefix)
    prefixes = {**reader.own_prefixes(), reader.space.uri: prefix}
    return reader.read(prefixes), prefixes


def read_all(path: Path, prefix: str) -> tuple[list[Namespace], dict[str, str]]:
    """The schema in `path` and all that it imports, and the prefix of each namespace.

    The namespace of `path` comes first and gets `prefix`, the others the prefix by which an importing file
    calls them. Raises `NotationError` saying what has no notation, or which file is not there.
    """
    root = _Reader(path, prefix)
    readers, prefixes = {path.resolve(): root}, {root.space.uri: prefix}
    waiting = [root]
    while waiting:
        reader = waiting.pop(0)
        for uri, file in reader.imported():
            if file in readers:
                continue
            if uri not in prefixes:
                prefixes[uri] = _unused(reader.own_prefixes().get(uri, "ns"), set(prefixes.values()))
            readers[file] = _Reader(file, prefixes[uri])
            waiting.append(readers[file])
    spaces = [reader.read(prefixes) for reader in readers.values()]
    if len({space.uri for space in spaces}) < len(spaces):
        raise NotationError(
            f"{path.name}: it leads to two documents of one namespace, which should include them"
        )
    return spaces, prefixes


def own_prefix(path: Path) -> str:
    """The prefix by which the schema in `path` calls its own namespace; if it has none, the file's name."""
    reader = _Reader(path, "")
    return reader.own_prefixes().get(reader.space.uri, path.stem)


def _unused(wanted: str, taken: set[str]) -> str:
    numbered = (f"{wanted}{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (wanted, *numbered) if name not in taken)


def write(space: Namespace, prefixes: dict[str, str]) -> str:
    """`space` as an XML Schema document. `prefixes`: namespace to prefix, of all namespaces it refers to."""
    return _Writer(space, prefixes).text()


class _Reader:
    def __init__(self, path: Path, prefix: str) -> None:
        self.path = path
        self.namespaces: dict[str, str] = {"xml": "http://www.w3.org/XML/1998/namespace"}
        self.root = self.parse(path)
        self.space = Namespace(
            self.root.get("targetNamespace", ""),
            prefix,
            self.root.get("elementFormDefault") == "qualified",
            self.root.get("attributeFormDefault") == "qualified",
            f"Imported from {path.name}",
        )
        self.components = list(self.collect(self.root, path, {path.resolve()}))
        self.groups = {
            (kind, child.get("name", "")): child
            for child in self.components
            if (kind := child.tag.removeprefix(_X)) in _GROUPS
        }
        self.open_groups: list[tuple[str, str]] = []

    def parse(self, path: Path) -> ET.Element:
        try:
            for event, value in ET.iterparse(path, events=("start-ns", "end")):
                if event == "start-ns" and self.namespaces.setdefault(*value) != value[1]:
                    raise NotationError(f"{path.name}: prefix {value[0]} for a second namespace, {value[1]}")
            root = ET.parse(path).getroot()
        except ET.ParseError as error:
            raise NotationError(f"{path.name}: not XML: {error}") from None
        if root.tag != f"{_X}schema":
            raise NotationError(f"{path.name}: {root.tag} is no XML Schema")
        return root

    def collect(self, root: ET.Element, path: Path, seen: set[Path]) -> Iterable[ET.Element]:
        """The components of a document and of those that it includes."""
        for child in root:
            if child.tag != f"{_X}include":
                yield child
                continue
            included = (path.parent / child.get("schemaLocation", "")).resolve()
            if included in seen:
                continue
            if not included.is_file():
                raise NotationError(f"{path.name}: include {child.get('schemaLocation')}: no such file")
            document = self.parse(included)
            for kind in ("element", "attribute"):
                default = document.get(f"{kind}FormDefault", "unqualified")
                for node in document.iter(f"{_X}{kind}"):
                    node.attrib.setdefault("form", default)
            yield from self.collect(document, included, seen | {included})

    def own_prefixes(self) -> dict[str, str]:
        """The prefix of each namespace, as the document has it."""
        return {uri: name for name, uri in self.namespaces.items() if name not in ("", "xml") and uri != XS}

    def imported(self) -> Iterable[tuple[str, Path]]:
        """Namespace and file of each import."""
        for child in self.components:
            if child.tag == f"{_X}import":
                uri, place = child.get("namespace", ""), child.get("schemaLocation")
                file = self.path.parent / (place or "")
                if place is None or not file.is_file():
                    raise NotationError(f"{self.path.name}: import {uri}: no file {place} beside it")
                yield uri, file.resolve()

    def read(self, prefixes: dict[str, str]) -> Namespace:
        """The namespace. `prefixes`: what others are called in its list of imports."""
        imports = (c.get("namespace", "") for c in self.components if c.tag == f"{_X}import")
        self.space.imports = tuple(dict.fromkeys(prefixes[uri] for uri in imports if uri in prefixes))
        for child in self.components:
            kind = child.tag.removeprefix(_X)
            name = child.get("name", "")
            if kind == "element":
                self.element(child)
            elif kind == "complexType":
                self.complex(child, self.own(name))
            elif kind == "simpleType":
                self.simple(child, self.own(name))
            elif kind not in _PASSED_OVER and kind not in _GROUPS:
                raise self.fault(f"{kind} {name}")
        return self.space

    def group_of(self, node: ET.Element, owner: QName) -> ET.Element:
        """The definition that a reference to a named group means."""
        kind = node.tag.removeprefix(_X)
        name = self.reference(node.get("ref", ""))
        found = self.groups.get((kind, name.local)) if name.uri == self.space.uri else None
        if found is None:
            raise NotationError(
                f"{self.path.name}: type {owner.local}: no {kind} {node.get('ref')} in this file"
            )
        if (kind, name.local) in self.open_groups:
            raise NotationError(f"{self.path.name}: {kind} {name.local} refers to itself")
        return found

    def fault(self, what: str) -> NotationError:
        return NotationError(f"{self.path.name}: {what}: there is no notation for this")

    def own(self, local: str) -> QName:
        return QName(local, self.space.uri)

    def reference(self, text: str) -> QName:
        prefix, colon, local = text.rpartition(":")
        if colon and prefix not in self.namespaces:
            raise NotationError(f"{self.path.name}: {text}: unknown prefix")
        return QName(local, self.namespaces[prefix] if colon else self.namespaces.get("", ""))

    def bounds(self, node: ET.Element) -> tuple[int, int]:
        high = node.get("maxOccurs", "1")
        return int(node.get("minOccurs", "1")), UNBOUNDED if high == "unbounded" else int(high)

    def doc(self, node: ET.Element, fallback: str) -> str:
        text = node.findtext(f"{_X}annotation/{_X}documentation")
        return " ".join(text.split()) if text and text.strip() else fallback

    def element(self, node: ET.Element) -> None:
        local = node.get("name", "")
        head = node.get("substitutionGroup")
        self.space.elements[self.own(local)] = Element(
            self.own(local),
            self.type_of(node, f"@{local}"),
            node.get("abstract") == "true",
            self.reference(head) if head else None,
        )

    def type_of(self, node: ET.Element, anonymous: str) -> QName:
        """The type that an element or attribute names, or its anonymous type, which receives a name."""
        if (text := node.get("type")) is not None:
            return self.reference(text)
        name = self.own(anonymous)
        if (inner := node.find(f"{_X}complexType")) is not None:
            self.complex(inner, name)
        elif (inner := node.find(f"{_X}simpleType")) is not None:
            self.simple(inner, name)
        else:
            raise self.fault(f"{node.get('name')} without a type")
        return name

    def simple(self, node: ET.Element, name: QName) -> None:
        restriction = node.find(f"{_X}restriction")
        if restriction is None or restriction.get("base") is None:
            raise self.fault(f"simple type {name.local}: union or list")
        values: list[str] = []
        facets: dict[str, int] = {}
        for facet in restriction:
            kind, value = facet.tag.removeprefix(_X), facet.get("value", "")
            if kind == "enumeration":
                values.append(value)
            elif kind in ("minInclusive", "maxInclusive", "minLength", "maxLength"):
                facets[kind] = int(value)
            elif kind == "length":
                facets["minLength"] = facets["maxLength"] = int(value)
            elif kind not in ("whiteSpace", "annotation"):
                raise self.fault(f"simple type {name.local}: {kind}")
        self.space.simple[name] = SimpleType(
            name,
            self.reference(restriction.get("base", "")),
            facets.get("minInclusive"),
            facets.get("maxInclusive"),
            facets.get("minLength"),
            facets.get("maxLength"),
            tuple(values),
            self.doc(node, f"Literals of {name.local}.") if values else "",
        )

    def complex(self, node: ET.Element, name: QName) -> None:
        where = f"type {name.local}"
        mixed = node.get("mixed") == "true"
        base, body = None, node
        for wrapper in ("simpleContent", "complexContent"):
            if (content := node.find(f"{_X}{wrapper}")) is not None:
                mixed = mixed or content.get("mixed") == "true"
                extension = content.find(f"{_X}extension")
                if extension is None:
                    raise self.fault(f"{where}: restriction of a complex type")
                base, body = self.reference(extension.get("base", "")), extension
        group = None
        attributes = self.attributes(body, name)
        for child in body:
            kind = child.tag.removeprefix(_X)
            if kind in ("sequence", "choice"):
                group = self.group(child, name)
            elif kind == "group":
                group = self.named_group(child, name)
            elif kind not in _BESIDE_CONTENT:
                raise self.fault(f"{where}: {kind}")
        self.space.complex[name] = ComplexType(
            name,
            base,
            node.get("abstract") == "true",
            mixed,
            self.doc(node, f"Content of {name.local}."),
            "",
            tuple(attributes),
            group,
        )

    def attributes(self, body: ET.Element, owner: QName) -> list[Attribute]:
        found = []
        for child in body:
            kind = child.tag.removeprefix(_X)
            if kind == "attribute" and child.get("use") != "prohibited":
                found.append(self.attribute(child, owner))
            elif kind == "attributeGroup":
                definition = self.group_of(child, owner)
                self.open_groups.append((kind, definition.get("name", "")))
                found += self.attributes(definition, owner)
                self.open_groups.pop()
        return found

    def attribute(self, node: ET.Element, owner: QName) -> Attribute:
        local = node.get("name")
        if local is None:
            raise self.fault(f"type {owner.local}: attribute reference")
        form = node.get("form", "qualified" if self.space.attributes_qualified else "unqualified")
        if (form == "qualified") != self.space.attributes_qualified:
            raise self.fault(f"type {owner.local}: attribute {local} with a form attribute")
        name = QName(local, self.space.uri if form == "qualified" else "")
        return Attribute(name, self.type_of(node, f"{owner.local}/{local}"), node.get("use") == "required")

    def group(self, node: ET.Element, owner: QName) -> Group:
        items: list[Item] = []
        for child in node:
            kind = child.tag.removeprefix(_X)
            low, high = self.bounds(child)
            if kind in ("sequence", "choice"):
                items.append(self.group(child, owner))
            elif kind == "group":
                items.append(self.named_group(child, owner))
            elif kind == "any":
                constraint = child.get("namespace", "##any")
                items.append(Wildcard(constraint, child.get("processContents", "strict"), low, high))
            elif kind == "element" and child.get("ref") is not None:
                items.append(Particle(self.reference(child.get("ref", "")), None, low, high))
            elif kind == "element":
                items.append(self.local(child, owner, low, high))
            elif kind != "annotation":
                raise self.fault(f"type {owner.local}: {kind}")
        return Group(node.tag.removeprefix(_X), tuple(items), *self.bounds(node))

    def named_group(self, node: ET.Element, owner: QName) -> Group:
        """A reference to a named group: the group itself, with the bounds of the reference."""
        definition = self.group_of(node, owner)
        self.open_groups.append(("group", definition.get("name", "")))
        made = [self.group(c, owner) for c in definition if c.tag in (f"{_X}sequence", f"{_X}choice")]
        self.open_groups.pop()
        if len(made) != 1:
            raise self.fault(f"group {definition.get('name')}: not one sequence or choice")
        low, high = self.bounds(node)
        return made[0] if (low, high) == (1, 1) else Group("sequence", (made[0],), low, high)

    def local(self, node: ET.Element, owner: QName, low: int, high: int) -> Particle:
        name = node.get("name", "")
        form = node.get("form", "qualified" if self.space.elements_qualified else "unqualified")
        if (form == "qualified") != self.space.elements_qualified:
            raise self.fault(f"type {owner.local}: element {name} with a form attribute")
        uri = self.space.uri if form == "qualified" else ""
        owner_name = owner.local if owner.local.startswith("@") else f"@{owner.local}"
        return Particle(QName(name, uri), self.type_of(node, f"{owner_name}/{name}"), low, high)


class _Writer:
    def __init__(self, space: Namespace, prefixes: dict[str, str]) -> None:
        self.space = space
        self.prefixes = {**prefixes, XS: "xs"}
        self.lines: list[str] = []

    def text(self) -> str:
        own = self.space
        needed = self.used() | {uri for uri, prefix in self.prefixes.items() if prefix in own.imports}
        uris = [u for u in self.prefixes if u in needed or u in (XS, own.uri)]
        names = "".join(f" xmlns:{self.prefixes[u]}={quoteattr(u)}" for u in uris)
        forms = "".join(
            f' {kind}FormDefault="{"qualified" if flag else "unqualified"}"'
            for kind, flag in (("element", own.elements_qualified), ("attribute", own.attributes_qualified))
        )
        self.lines = [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f"<xs:schema{names} targetNamespace={quoteattr(own.uri)}{forms}>",
        ]
        imports = (u for u in uris if u not in (XS, own.uri))
        for uri in imports:
            place = f'schemaLocation="{self.prefixes[uri]}.xsd"'
            self.put(1, f"<xs:import namespace={quoteattr(uri)} {place}/>")
        for element in own.elements.values():
            self.element(element)
        for simple in own.simple.values():
            if not simple.name.local.startswith("@"):
                self.simple(simple, 1, simple.name.local)
        for ct in own.complex.values():
            if not ct.name.local.startswith("@"):
                self.complex(ct, 1, ct.name.local)
        return "\n".join([*self.lines, "</xs:schema>", ""])

    def used(self) -> set[str]:
        """Namespaces that this one refers to."""

        def walk(item: Item | None) -> Iterable[QName]:
            if isinstance(item, Group):
                for member in item.items:
                    yield from walk(member)
            elif isinstance(item, Particle):
                yield from (item.name, *([item.type] if item.type else ()))

        own = self.space
        names = [n for e in own.elements.values() for n in (e.type, e.head) if n]
        names += [s.base for s in own.simple.values()]
        for ct in own.complex.values():
            names += [*walk(ct.content), *(a.type for a in ct.attributes), *([ct.base] if ct.base else [])]
        return {n.uri for n in names}

    def name(self, name: QName) -> str:
        return f"{self.prefixes[name.uri]}:{name.local}"

    def put(self, depth: int, text: str) -> None:
        self.lines.append("  " * depth + text)

    def element(self, element: Element) -> None:
        head = f' substitutionGroup="{self.name(element.head)}"' if element.head else ""
        abstract = ' abstract="true"' if element.abstract else ""
        self.typed("element", f'name="{element.name.local}"{abstract}{head}', element.type, 1)

    def typed(self, kind: str, attributes: str, type_name: QName, depth: int) -> None:
        """An element or attribute with a named or an anonymous type."""
        if not type_name.local.startswith("@"):
            self.put(depth, f'<xs:{kind} {attributes} type="{self.name(type_name)}"/>')
            return
        self.put(depth, f"<xs:{kind} {attributes}>")
        if type_name in self.space.complex:
            self.complex(self.space.complex[type_name], depth + 1, "")
        else:
            self.simple(self.space.simple[type_name], depth + 1, "")
        self.put(depth, f"</xs:{kind}>")

    def simple(self, simple: SimpleType, depth: int, local: str) -> None:
        self.put(depth, f'<xs:simpleType name="{local}">' if local else "<xs:simpleType>")
        self.documentation(simple.doc, depth + 1)
        self.put(depth + 1, f'<xs:restriction base="{self.name(simple.base)}">')
        facets = (
            ("minInclusive", simple.low),
            ("maxInclusive", simple.high),
            ("minLength", simple.min_length),
            ("maxLength", simple.max_length),
        )
        for kind, value in facets:
            if value is not None:
                self.put(depth + 2, f'<xs:{kind} value="{value}"/>')
        for literal in simple.values:
            self.put(depth + 2, f"<xs:enumeration value={quoteattr(literal)}/>")
        self.put(depth + 1, "</xs:restriction>")
        self.put(depth, "</xs:simpleType>")

    def documentation(self, doc: str, depth: int) -> None:
        if doc:
            text = f"<xs:documentation>{escape(doc)}</xs:documentation>"
            self.put(depth, f"<xs:annotation>{text}</xs:annotation>")

    def complex(self, ct: ComplexType, depth: int, local: str) -> None:
        flags = f' name="{local}"' if local else ""
        flags += ' abstract="true"' if ct.abstract else ""
        flags += ' mixed="true"' if ct.mixed else ""
        self.put(depth, f"<xs:complexType{flags}>")
        self.documentation(ct.doc, depth + 1)
        inner = depth + 1
        wrapper = ""
        if ct.base is not None:
            simple = ct.base.uri == XS or ct.base in self.space.simple
            wrapper = "simpleContent" if simple else "complexContent"
            self.put(inner, f"<xs:{wrapper}>")
            self.put(inner + 1, f'<xs:extension base="{self.name(ct.base)}">')
            inner += 2
        if ct.content is not None:
            self.group(ct.content, inner)
        for attribute in ct.attributes:
            use = ' use="required"' if attribute.required else ""
            self.typed("attribute", f'name="{attribute.name.local}"{use}', attribute.type, inner)
        if wrapper:
            self.put(depth + 2, "</xs:extension>")
            self.put(depth + 1, f"</xs:{wrapper}>")
        self.put(depth, "</xs:complexType>")

    def group(self, group: Group, depth: int) -> None:
        self.put(depth, f"<xs:{group.kind}{_occurs(group.low, group.high)}>")
        for item in group.items:
            occurs = _occurs(item.low, item.high)
            if isinstance(item, Group):
                self.group(item, depth + 1)
            elif isinstance(item, Wildcard):
                rule = f'namespace="{item.constraint}" processContents="{item.process}"'
                self.put(depth + 1, f"<xs:any {rule}{occurs}/>")
            elif item.type is None:
                self.put(depth + 1, f'<xs:element ref="{self.name(item.name)}"{occurs}/>')
            else:
                self.typed("element", f'name="{item.name.local}"{occurs}', item.type, depth + 1)
        self.put(depth, f"</xs:{group.kind}>")


def _occurs(low: int, high: int) -> str:
    out = f' minOccurs="{low}"' if low != 1 else ""
    if high != 1:
        out += f' maxOccurs="{"unbounded" if high == UNBOUNDED else high}"'
    return out
