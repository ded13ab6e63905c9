"""Reads the schema notation of ``exi_schemas/*.toml``.

One file per namespace; see ``exi_schemas/README.md`` for the notation. What a schema may say and EXI for V2G
never needs (patterns, defaults, unions, lists, nillable elements) has no syntax here, so it cannot slip in.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = [
    "Attribute",
    "ComplexType",
    "Element",
    "Group",
    "Item",
    "Namespace",
    "NotationError",
    "Particle",
    "QName",
    "SchemaSet",
    "SimpleType",
    "Wildcard",
    "load",
    "particles",
    "read",
    "write",
]

XS = "http://www.w3.org/2001/XMLSchema"
UNBOUNDED = 1 << 30


class NotationError(ValueError):
    """A schema file says something that is not in the notation; names file and entry."""


@dataclass(frozen=True, order=True)
class QName:
    """A name in a namespace; sorts by local name first, as EXI event codes do."""

    local: str
    uri: str


@dataclass(frozen=True)
class Element:
    """A global element; ``head`` is the element that it may replace."""

    name: QName
    type: QName
    abstract: bool = False
    head: QName | None = None


@dataclass(frozen=True)
class Particle:
    """An element inside a content model; ``ref`` marks a reference to a global element.

    ``soft``: peers end a full list of it as if one more could follow (notation: ``~``).
    """

    name: QName
    type: QName | None
    low: int = 1
    high: int = 1
    soft: bool = False

    @property
    def ref(self) -> bool:
        return self.type is None


@dataclass(frozen=True)
class Wildcard:
    """Any element; the namespace constraint and ``processContents`` do not change the encoding."""

    constraint: str
    process: str
    low: int = 1
    high: int = 1


@dataclass(frozen=True)
class Group:
    """A sequence or a choice."""

    kind: str
    items: tuple[Item, ...]
    low: int = 1
    high: int = 1


Item = Particle | Wildcard | Group


@dataclass(frozen=True)
class Attribute:
    """An attribute of a complex type."""

    name: QName
    type: QName
    required: bool


@dataclass(frozen=True)
class SimpleType:
    """A restriction of a built-in or simple type."""

    name: QName
    base: QName
    low: int | None = None
    high: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    values: tuple[str, ...] = ()
    doc: str = ""


@dataclass(frozen=True)
class ComplexType:
    """A type with attributes or element content; ``base`` is the type it extends."""

    name: QName
    base: QName | None = None
    abstract: bool = False
    mixed: bool = False
    doc: str = ""
    clause: str = ""
    attributes: tuple[Attribute, ...] = ()
    content: Group | None = None


@dataclass
class Namespace:
    """One schema file."""

    uri: str
    prefix: str
    elements_qualified: bool
    attributes_qualified: bool
    title: str
    imports: tuple[str, ...] = ()
    units: dict[str, str] = field(default_factory=dict)
    elements: dict[QName, Element] = field(default_factory=dict)
    simple: dict[QName, SimpleType] = field(default_factory=dict)
    complex: dict[QName, ComplexType] = field(default_factory=dict)


@dataclass
class SchemaSet:
    """The namespaces that form one EXI grammar."""

    name: str
    namespaces: list[Namespace]
    root: str
    module: str
    flatten: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.elements = {k: v for n in self.namespaces for k, v in n.elements.items()}
        self.simple = {k: v for n in self.namespaces for k, v in n.simple.items()}
        self.complex = {k: v for n in self.namespaces for k, v in n.complex.items()}
        self.prefixes = {n.uri: n.prefix for n in self.namespaces} | {XS: "xs", "": ""}

    def substitutes(self, head: QName) -> list[Element]:
        """The head and all elements that may replace it, in event code order (local name, then URI)."""
        found = {head}
        while True:
            more = {e.name for e in self.elements.values() if e.head in found} - found
            if not more:
                return [self.elements[name] for name in sorted(found)]
            found |= more


def particles(item: Item | None) -> Iterator[Particle]:
    """The elements that a content model names, in order."""
    if isinstance(item, Group):
        for member in item.items:
            yield from particles(member)
    elif isinstance(item, Particle):
        yield item


_CARD = re.compile(r"(\?|\*|\+|\{(\d+),(\d*)\}~?)?$")


def _cardinality(text: str, where: str) -> tuple[str, int, int]:
    match = _CARD.search(text)
    assert match
    mark, stem = match.group(1), text[: match.start()]
    if mark is None:
        return stem, 1, 1
    if mark in "?*+":
        return stem, 0 if mark in "?*" else 1, 1 if mark == "?" else UNBOUNDED
    low, high = int(match.group(2)), int(match.group(3)) if match.group(3) else UNBOUNDED
    if not low <= high:
        raise NotationError(f"{where}: {text}: lower bound above upper bound")
    return stem, low, high


_HEAD = ["namespace", "prefix", "elements", "attributes"]
_KEYS = [*_HEAD, "imports", "element", "simple", "doc", "unit", "type"]


class _Reader:
    def __init__(self, path: Path, uris: dict[str, str]) -> None:
        self.path, self.uris = path, uris
        text = path.read_text(encoding="utf-8")
        self.data = tomllib.loads(text)
        self.title = text.partition("\n")[0].lstrip("# ").rstrip(".")
        for key in _HEAD:
            if key not in self.data:
                raise NotationError(f"{path.name}: no '{key}'")
        unknown = set(self.data) - set(_KEYS)
        if unknown:
            raise NotationError(f"{path.name}: unknown keys {sorted(unknown)}")

    def name(self, text: str) -> QName:
        """A reference to a component: ``prefix:local``, or ``local`` of this namespace."""
        prefix, colon, local = text.rpartition(":")
        if colon and prefix not in self.uris:
            raise NotationError(f"{self.path.name}: {text}: unknown prefix")
        return QName(local, self.uris[prefix] if colon else self.data["namespace"])

    def read(self) -> Namespace:
        data = self.data
        out = Namespace(
            data["namespace"],
            data["prefix"],
            data["elements"] == "qualified",
            data["attributes"] == "qualified",
            self.title,
            tuple(data.get("imports", ())),
            data.get("unit", {}),
        )
        self.local_uri = out.uri if out.elements_qualified else ""
        self.attribute_uri = out.uri if out.attributes_qualified else ""
        for local, text in data.get("element", {}).items():
            words, _, head = text.partition(" -> ")
            abstract, _, type_name = words.rpartition(" ")
            if abstract not in ("", "abstract"):
                raise NotationError(f"{self.path.name}: element {local}: {text!r}")
            element = Element(
                self.name(local), self.name(type_name), abstract != "", self.name(head) if head else None
            )
            out.elements[element.name] = element
        docs = data.get("doc", {})
        for local, spec in data.get("simple", {}).items():
            simple = self.simple(local, spec, docs.get(local, ""))
            out.simple[simple.name] = simple
        if idle := sorted(set(docs) - set(data.get("simple", {}))):
            raise NotationError(f"{self.path.name}: doc of unknown types {idle}")
        for local, table in data.get("type", {}).items():
            complex_type = self.complex(local, table)
            out.complex[complex_type.name] = complex_type
        named = {p.name.local for ct in out.complex.values() for p in particles(ct.content)}
        if idle := sorted(set(out.units) - named):
            raise NotationError(f"{self.path.name}: unit of unknown elements {idle}")
        return out

    def simple(self, local: str, spec: str | list[str], doc: str) -> SimpleType:
        name = self.name(local)
        if isinstance(spec, list):
            if not doc:
                raise NotationError(f"{self.path.name}: simple {local}: no doc")
            return SimpleType(name, self.name(spec[0]), values=tuple(spec[1:]), doc=doc)
        base, *facets = spec.split(" ")
        low = high = shortest = longest = None
        while facets:
            if facets[0] == "length" and len(facets) > 1:
                start, dots, end = facets[1].partition("..")
                shortest = int(start) if start else None
                longest = (int(end) if end else None) if dots else shortest
                facets = facets[2:]
            elif ".." in facets[0]:
                start, _, end = facets[0].partition("..")
                low, high = int(start) if start else None, int(end) if end else None
                facets = facets[1:]
            else:
                raise NotationError(f"{self.path.name}: simple {local}: {spec!r}")
        return SimpleType(name, self.name(base), low, high, shortest, longest, doc=doc)

    def complex(self, local: str, table: dict[str, object]) -> ComplexType:
        where = f"{self.path.name}: type {local}"
        unknown = set(table) - {"doc", "clause", "extends", "abstract", "mixed", "attribute", "content"}
        if unknown:
            raise NotationError(f"{where}: unknown keys {sorted(unknown)}")
        if not table.get("doc"):
            raise NotationError(f"{where}: no doc")
        attributes = []
        for text in table.get("attribute", ()):  # type: ignore[attr-defined]
            mark, _, type_name = text.partition(" ")
            attributes.append(
                Attribute(
                    QName(mark.rstrip("?"), self.attribute_uri), self.name(type_name), not mark.endswith("?")
                )
            )
        content = table.get("content")
        extends = table.get("extends")
        return ComplexType(
            self.name(local),
            self.name(str(extends)) if extends else None,
            bool(table.get("abstract")),
            bool(table.get("mixed")),
            str(table.get("doc", "")),
            str(table.get("clause", "")),
            tuple(attributes),
            self.group(content, where) if content is not None else None,  # type: ignore[arg-type]
        )

    def group(self, items: list[object], where: str) -> Group:
        kind, low, high = "sequence", 1, 1
        if items and isinstance(items[0], str) and re.match(r"(sequence|choice)([?*+{]|$)", items[0]):
            kind, low, high = _cardinality(items[0], where)
            items = items[1:]
        return Group(kind, tuple(self.item(x, where) for x in items), low, high)

    def item(self, spec: object, where: str) -> Item:
        if isinstance(spec, list):
            return self.group(spec, where)
        if not isinstance(spec, str):
            raise NotationError(f"{where}: {spec!r}")
        if match := re.fullmatch(r"<(##\w+) (\w+)>(.*)", spec):
            _, low, high = _cardinality(match.group(3), where)
            return Wildcard(match.group(1), match.group(2), low, high)
        if match := re.fullmatch(r"<([\w:-]+)>(.*)", spec):
            _, low, high = _cardinality(match.group(2), where)
            return Particle(self.name(match.group(1)), None, low, high, spec.endswith("~"))
        mark, _, type_name = spec.partition(" ")
        local, low, high = _cardinality(mark, where)
        if not type_name:
            raise NotationError(f"{where}: {spec!r}: no type")
        return Particle(QName(local, self.local_uri), self.name(type_name), low, high, mark.endswith("~"))


def load(directory: Path) -> dict[str, SchemaSet]:
    """All schema sets of `directory`, in the order of ``sets.toml``."""
    paths = [p for p in sorted(directory.glob("*.toml")) if p.name != "sets.toml"]
    uris = {"xs": XS}
    for path in paths:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        uris[data["prefix"]] = data["namespace"]
    spaces = {n.prefix: n for n in (_Reader(path, uris).read() for path in paths)}
    sets = {}
    for name, table in tomllib.loads((directory / "sets.toml").read_text(encoding="utf-8")).items():
        if unknown := [prefix for prefix in table["namespaces"] if prefix not in spaces]:
            raise NotationError(f"sets.toml: {name}: no file has the prefix {unknown[0]}")
        sets[name] = SchemaSet(
            name,
            [spaces[prefix] for prefix in table["namespaces"]],
            table["root"],
            table["module"],
            tuple(table.get("flatten", ())),
        )
    return sets


def write(space: Namespace, prefixes: dict[str, str]) -> str:
    """`space` in the notation. `prefixes`: namespace to prefix, of all namespaces it refers to."""
    return _Writer(space, {**prefixes, space.uri: "", XS: "xs"}).text()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _quoted(text)


def _card(low: int, high: int, soft: bool = False) -> str:
    mark = {(1, 1): "", (0, 1): "?", (0, UNBOUNDED): "*", (1, UNBOUNDED): "+"}.get((low, high))
    if mark is None:
        mark = f"{{{low},{'' if high == UNBOUNDED else high}}}"
    return mark + ("~" if soft else "")


class _Writer:
    def __init__(self, space: Namespace, prefixes: dict[str, str]) -> None:
        self.space, self.prefixes = space, prefixes

    def name(self, name: QName) -> str:
        prefix = self.prefixes.get(name.uri)
        if prefix is None:
            raise NotationError(f"{self.space.prefix}: no prefix is given for namespace {name.uri}")
        return f"{prefix}:{name.local}" if prefix else name.local

    def text(self) -> str:
        own = self.space
        lines = [f"# {own.title}.", "", f"namespace = {_quoted(own.uri)}", f"prefix = {_quoted(own.prefix)}"]
        for kind, qualified in (
            ("elements", own.elements_qualified),
            ("attributes", own.attributes_qualified),
        ):
            lines.append(f'{kind} = "{"qualified" if qualified else "unqualified"}"')
        if own.imports:
            lines.append(f"imports = [{', '.join(_quoted(x) for x in own.imports)}]")
        if own.elements:
            lines += ["", "[element]"]
        for element in own.elements.values():
            text = ("abstract " if element.abstract else "") + self.name(element.type)
            text += f" -> {self.name(element.head)}" if element.head else ""
            lines.append(f"{_key(element.name.local)} = {_quoted(text)}")
        for header, rows in (
            ("[simple]", [f"{_key(s.name.local)} = {self.simple(s)}" for s in own.simple.values()]),
            ("[doc]", [f"{_key(s.name.local)} = {_quoted(s.doc)}" for s in own.simple.values() if s.doc]),
            ("[unit]", [f"{_key(name)} = {_quoted(unit)}" for name, unit in own.units.items()]),
        ):
            lines += ["", header, *rows] if rows else []
        for ct in own.complex.values():
            lines += ["", *self.complex(ct)]
        return "\n".join([*lines, ""])

    def simple(self, simple: SimpleType) -> str:
        base = self.name(simple.base)
        if simple.values:
            return f"[{', '.join(_quoted(x) for x in (base, *simple.values))}]"

        def bounds(low: int | None, high: int | None) -> str:
            return f"{'' if low is None else low}..{'' if high is None else high}"

        if (simple.low, simple.high) != (None, None):
            base += f" {bounds(simple.low, simple.high)}"
        if (simple.min_length, simple.max_length) != (None, None):
            base += f" length {bounds(simple.min_length, simple.max_length)}"
        return _quoted(base)

    def complex(self, ct: ComplexType) -> list[str]:
        lines = [f"[type.{_key(ct.name.local)}]"]
        lines += ["abstract = true"] if ct.abstract else []
        lines += ["mixed = true"] if ct.mixed else []
        lines += [f"extends = {_quoted(self.name(ct.base))}"] if ct.base else []
        lines.append(f"doc = {_quoted(ct.doc)}")
        lines += [f"clause = {_quoted(ct.clause)}"] if ct.clause else []
        attributes = [
            _quoted(f"{a.name.local}{'' if a.required else '?'} {self.name(a.type)}") for a in ct.attributes
        ]
        lines += [f"attribute = [{', '.join(attributes)}]"] if attributes else []
        return lines + ([f"content = {self.group(ct.content, 0)}"] if ct.content is not None else [])

    def group(self, group: Group, depth: int) -> str:
        pad = "  " * (depth + 1)
        head = group.kind + _card(group.low, group.high)
        rows = [_quoted(head)] if head != "sequence" or depth else []
        rows += [self.item(item, depth + 1) for item in group.items]
        return "[\n" + "".join(f"{pad}{row},\n" for row in rows) + "  " * depth + "]"

    def item(self, item: Item, depth: int) -> str:
        if isinstance(item, Group):
            return self.group(item, depth)
        if isinstance(item, Wildcard):
            return _quoted(f"<{item.constraint} {item.process}>{_card(item.low, item.high)}")
        card = _card(item.low, item.high, item.soft)
        if item.type is None:
            return _quoted(f"<{self.name(item.name)}>{card}")
        return _quoted(f"{item.name.local}{card} {self.name(item.type)}")


def read(path: Path, uris: dict[str, str]) -> Namespace:
    """The namespace in one file. `uris`: prefix to namespace, of all namespaces it refers to."""
    return _Reader(path, {"xs": XS, **uris}).read()
