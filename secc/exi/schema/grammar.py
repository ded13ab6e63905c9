"""Builds EXI grammars from schemas (EXI 1.0, sections 8.5.4 and 9.5; non-strict, nothing preserved).

A content model becomes a position automaton: one state per place where an element has just been read.
Bounded repetition would need one state per copy; the middle copies offer the same productions, so they share
one *loop* state with a counter, and the *last* copy, which no longer offers the element, has its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from secc.exi.schema.notation import (
    UNBOUNDED,
    XS,
    Attribute,
    ComplexType,
    Group,
    Item,
    NotationError,
    Particle,
    QName,
    SchemaSet,
    Wildcard,
)

END = -1


@dataclass(frozen=True)
class Count:
    """What a production does to the loop counter: set it (`start`), or add one and at `limit` go to `last`.

    `soft`: encoders do not leave; see the notation.
    """

    start: int = 0
    limit: int = 0
    last: int = END
    soft: bool = False


@dataclass(frozen=True)
class Production:
    """One way to go on.

    `kind` is AT, SE, ANY (SE of any element), EE, CH (typed content) or TEXT (mixed content).
    """

    kind: str
    next: int = END
    name: QName | None = None
    type: QName | None = None
    count: Count | None = None
    required: bool = True


@dataclass
class GrammarState:
    """Productions in event code order. `start`: a start-tag state, where attributes could still come."""

    productions: list[Production]
    start: bool = False

    @property
    def bits(self) -> int:
        """Width of the event code: one alternative more than productions, the escape to the second level."""
        return len(self.productions).bit_length()


@dataclass(frozen=True)
class _Edge:
    target: int
    count: Count | None = None


@dataclass
class _Position:
    item: Particle | Wildcard
    order: int
    follow: list[_Edge] = field(default_factory=list)
    ends: bool = False


@dataclass
class _Fragment:
    nullable: bool
    first: list[_Edge]
    last: list[int]


class _Automaton:
    def __init__(self) -> None:
        self.positions: list[_Position] = []
        self.orders = 0

    def build(self, item: Item) -> _Fragment:
        return self.group(item) if isinstance(item, Group) else self.repeat(item)

    def group(self, group: Group) -> _Fragment:
        parts = [self.build(item) for item in group.items]
        if group.kind == "choice":
            out = _Fragment(
                any(p.nullable for p in parts),
                [e for p in parts for e in p.first],
                [x for p in parts for x in p.last],
            )
        else:
            out = _Fragment(True, [], [])
            for part in parts:
                out = self.join(out, part)
        if group.high not in (1, UNBOUNDED) or group.low > 1:
            raise NotationError("a group may be repeated once or without bound only")
        if group.high == UNBOUNDED:
            self.link(out.last, out.first)
        return replace(out, nullable=out.nullable or group.low == 0)

    def join(self, left: _Fragment, right: _Fragment) -> _Fragment:
        self.link(left.last, right.first)
        return _Fragment(
            left.nullable and right.nullable,
            left.first + (right.first if left.nullable else []),
            right.last + (left.last if right.nullable else []),
        )

    def link(self, sources: list[int], edges: list[_Edge]) -> None:
        for source in sources:
            follow = self.positions[source].follow
            known = {e.target for e in follow}
            follow.extend(e for e in edges if e.target not in known)

    def repeat(self, item: Particle | Wildcard) -> _Fragment:
        order, self.orders = self.orders, self.orders + 1
        required = max(item.low, 1)
        counted = item.high - required > 1
        singles = required - 1 if counted else item.high
        chain = []
        for _ in range(singles + counted):
            self.positions.append(_Position(item, order))
            chain.append(len(self.positions) - 1)
        entry = _Edge(chain[0], Count(start=required) if counted and singles == 0 else None)
        for copy, position in enumerate(chain[:-1], 1):
            to_loop = counted and copy == singles
            edge = _Edge(chain[copy], Count(start=required) if to_loop else None)
            self.positions[position].follow.append(edge)
        last = chain[required - 1 :]
        if counted:
            loop = chain[-1]
            step = Count(limit=0)
            if item.high != UNBOUNDED:
                self.positions.append(_Position(item, order))
                last = [loop, len(self.positions) - 1]
                soft = isinstance(item, Particle) and item.soft
                step = Count(limit=item.high, last=last[1], soft=soft)
            self.positions[loop].follow.append(_Edge(loop, step))
        return _Fragment(item.low == 0, [entry], last)


class Grammars:
    """The grammars of one schema set."""

    def __init__(self, schema: SchemaSet) -> None:
        self.schema = schema
        self.types = {name: self.type_grammar(ct) for name, ct in schema.complex.items()}
        self.documents = sorted(schema.elements)
        self.fragments = self._fragments()

    def lineage(self, ct: ComplexType) -> list[ComplexType]:
        """The type and the complex types it extends, base first."""
        base = self.schema.complex.get(ct.base) if ct.base else None
        return [*(self.lineage(base) if base else []), ct]

    @cached_property
    def extensions(self) -> dict[QName, list[QName]]:
        """The types that extend each complex type, directly or not."""
        found: dict[QName, list[QName]] = {name: [] for name in self.schema.complex}
        for ct in self.schema.complex.values():
            for base in self.lineage(ct)[:-1]:
                found[base.name].append(ct.name)
        return found

    def attributes(self, ct: ComplexType) -> list[Attribute]:
        """All attributes in event code order."""
        return sorted((a for t in self.lineage(ct) for a in t.attributes), key=lambda a: a.name)

    def simple_content(self, ct: ComplexType) -> QName | None:
        """The simple type of the content, or None when the type has element content."""
        return self.lineage(ct)[0].base

    def content(self, ct: ComplexType) -> list[Group]:
        """The groups of the effective content model, base first."""
        return [t.content for t in self.lineage(ct) if t.content is not None]

    def element_type(self, particle: Particle) -> QName:
        """The type of the element a particle names."""
        return particle.type or self.schema.elements[particle.name].type

    def alternatives(self, particle: Particle) -> list[tuple[QName, QName]]:
        """(element, type) in code order: one for a local element, the substitution group for a reference."""
        if particle.type is not None:
            return [(particle.name, particle.type)]
        if particle.name not in self.schema.elements:
            raise NotationError(f"{particle.name.local}: no such global element")
        return [(e.name, e.type) for e in self.schema.substitutes(particle.name)]

    def type_grammar(self, ct: ComplexType) -> list[GrammarState]:
        """States of a complex type; state 0 is where its start tag has just been read."""
        attributes = self.attributes(ct)
        simple = self.simple_content(ct)
        tags = len(attributes) + 1
        if simple is not None:
            ch = [Production("CH", tags, type=simple)]
            return [*self.tag_states(attributes, ch), GrammarState([Production("EE")])]
        automaton = _Automaton()
        whole = _Fragment(True, [], [])
        for group in self.content(ct):
            whole = automaton.join(whole, automaton.build(group))
        for number in whole.last:
            automaton.positions[number].ends = True
        mixed = any(t.mixed for t in self.lineage(ct))
        empty_state = tags + len(automaton.positions)
        first = self.productions(automaton, whole.first, whole.nullable, tags)
        text = [Production("TEXT", empty_state)] if mixed else []
        states = self.tag_states(attributes, first + text)
        for index, position in enumerate(automaton.positions):
            own = [Production("TEXT", tags + index)] if mixed else []
            states.append(
                GrammarState(self.productions(automaton, position.follow, position.ends, tags) + own)
            )
        if mixed:
            states.append(GrammarState(first + text))
        return states

    def tag_states(self, attributes: list[Attribute], content: list[Production]) -> list[GrammarState]:
        """Start-tag states: a required attribute blocks everything behind it."""
        states = []
        for index in range(len(attributes) + 1):
            productions = []
            for offset, attribute in enumerate(attributes[index:], index + 1):
                productions.append(
                    Production("AT", offset, attribute.name, attribute.type, required=attribute.required)
                )
                if attribute.required:
                    break
            else:
                productions += content
            states.append(GrammarState(productions, start=True))
        return states

    def productions(
        self, automaton: _Automaton, edges: list[_Edge], ends: bool, shift: int
    ) -> list[Production]:
        """SE in schema order, then wildcards, then EE."""
        named, anything = [], []
        for edge in sorted(edges, key=lambda e: automaton.positions[e.target].order):
            item = automaton.positions[edge.target].item
            count = edge.count
            if count is not None and count.last != END:
                count = replace(count, last=count.last + shift)
            if isinstance(item, Wildcard):
                anything.append(Production("ANY", edge.target + shift, count=count))
                continue
            for name, type_name in self.alternatives(item):
                named.append(Production("SE", edge.target + shift, name, type_name, count))
        if len({p.name for p in named}) != len(named) or len(anything) > 1:
            raise NotationError("ambiguous content model: two ways to read the same element")
        return [*named, *anything, *([Production("EE")] if ends else [])]

    def declarations(self) -> Iterator[tuple[QName, QName]]:
        """(name, type) of every element declared anywhere in the set."""

        def walk(item: Item) -> Iterator[tuple[QName, QName]]:
            if isinstance(item, Group):
                for member in item.items:
                    yield from walk(member)
            elif isinstance(item, Particle) and item.type is not None:
                yield item.name, item.type

        for element in self.schema.elements.values():
            yield element.name, element.type
        for ct in self.schema.complex.values():
            if ct.content is not None:
                yield from walk(ct.content)

    def _fragments(self) -> list[tuple[QName, list[QName]]]:
        """Every element name once, with the types it is declared with, in event code order."""
        found: dict[QName, list[QName]] = {}
        for name, type_name in self.declarations():
            types = found.setdefault(name, [])
            if type_name not in types:
                types.append(type_name)
        return sorted(found.items())

    def name_tables(self) -> list[tuple[str, list[str]]]:
        """URI table and local names of each URI, in their initial order (EXI 1.0, appendix D)."""
        tables: dict[str, set[str]] = {"": set()}
        for space in self.schema.namespaces:
            tables[space.uri] = set()
        for name, _ in self.declarations():
            tables[name.uri].add(name.local)
        for name in self.attribute_names():
            tables[name.uri].add(name.local)
        for name in (*self.schema.complex, *self.schema.simple):
            if not name.local.startswith("@"):
                tables[name.uri].add(name.local)
        own = [(uri, sorted(tables[uri])) for uri in sorted(tables)]
        return [own[0], *_FIXED_NAMES, *own[1:]]

    def attribute_names(self) -> list[QName]:
        """Every attribute name declared anywhere in the set, in event code order."""
        return sorted({a.name for ct in self.schema.complex.values() for a in ct.attributes})


_XSD_NAMES = """
ENTITIES ENTITY ID IDREF IDREFS NCName NMTOKEN NMTOKENS NOTATION Name QName anySimpleType anyType anyURI
base64Binary boolean byte date dateTime decimal double duration float gDay gMonth gMonthDay gYear gYearMonth
hexBinary int integer language long negativeInteger nonNegativeInteger nonPositiveInteger normalizedString
positiveInteger short string time token unsignedByte unsignedInt unsignedLong unsignedShort
"""
_FIXED_NAMES: list[tuple[str, list[str]]] = [
    ("http://www.w3.org/XML/1998/namespace", ["base", "id", "lang", "space"]),
    ("http://www.w3.org/2001/XMLSchema-instance", ["nil", "type"]),
    (XS, _XSD_NAMES.split()),
]

# Bounds of the built-in integers; None is unbounded.
_INTEGERS: dict[str, tuple[int | None, int | None]] = {
    "byte": (-(1 << 7), (1 << 7) - 1),
    "short": (-(1 << 15), (1 << 15) - 1),
    "int": (-(1 << 31), (1 << 31) - 1),
    "long": (-(1 << 63), (1 << 63) - 1),
    "unsignedByte": (0, (1 << 8) - 1),
    "unsignedShort": (0, (1 << 16) - 1),
    "unsignedInt": (0, (1 << 32) - 1),
    "unsignedLong": (0, (1 << 64) - 1),
    "integer": (None, None),
}
_STRINGS = {"string", "anyURI", "ID", "IDREF"}
_BINARY = {"hexBinary": "hex", "base64Binary": "binary"}


@dataclass(frozen=True)
class Datatype:
    """How a simple type is written (EXI 1.0, section 7.1).

    `kind`: boolean, nbit, unsigned, integer, big, binary, hex (as binary; texts show it differently), string
    or enumeration.
    """

    kind: str
    low: int = 0
    high: int = 0
    max_length: int | None = None
    enum: QName | None = None

    @property
    def bits(self) -> int:
        """Width of an n-bit value, boolean or enumeration index."""
        return 1 if self.kind == "boolean" else (self.high - self.low).bit_length()

    def longest_bits(self) -> int | None:
        """Width of the longest value written minimally; None for strings, octets and xs:integer."""
        if self.kind in ("boolean", "nbit", "enumeration"):
            return self.bits
        if self.kind in ("unsigned", "integer"):
            groups = -(-max(self.high.bit_length(), (~self.low).bit_length() if self.low < 0 else 0) // 7)
            return 8 * groups + (self.kind == "integer")
        return None


def datatype(schema: SchemaSet, name: QName) -> Datatype:
    """The representation of simple type `name`, with the facets of its whole derivation chain."""
    low: int | None = None
    high: int | None = None
    longest: int | None = None
    while name.uri != XS:
        simple = schema.simple.get(name)
        if simple is None:
            raise NotationError(f"{name.local}: no such simple type")
        if simple.values:
            return Datatype("enumeration", 0, len(simple.values) - 1, enum=name)
        low = simple.low if low is None else max(low, simple.low if simple.low is not None else low)
        high = simple.high if high is None else min(high, simple.high if simple.high is not None else high)
        if simple.max_length is not None:
            longest = min(longest or simple.max_length, simple.max_length)
        name = simple.base
    if name.local in _INTEGERS:
        floor, ceiling = _INTEGERS[name.local]
        bottom = floor if low is None else low if floor is None else max(low, floor)
        top = ceiling if high is None else high if ceiling is None else min(high, ceiling)
        return _integer(bottom, top)
    if name.local == "boolean":
        return Datatype("boolean")
    if name.local in _STRINGS:
        return Datatype("string", max_length=longest)
    if name.local in _BINARY:
        return Datatype(_BINARY[name.local], max_length=longest)
    raise NotationError(f"xs:{name.local}: a built-in type this notation does not know")


def _integer(low: int | None, high: int | None) -> Datatype:
    if low is None or high is None:
        if low is not None or high is not None:
            raise NotationError("an integer bounded on one side only")
        return Datatype("big")
    if high - low < 4096:
        return Datatype("nbit", low, high)
    return Datatype("unsigned" if low >= 0 else "integer", low, high)
