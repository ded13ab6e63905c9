"""Numbers the grammars of one schema set: the form that the engine in ``rust/v2g-exi`` walks.

Simple-typed elements are folded into the production that starts them. A complex type has *slots*, one per
attribute, child element or substitution group, in the order in which they are written; the message classes
have one field per slot. Types whose content cannot be kept in slots (mixed text, wildcards, repeated groups)
keep it in one slot of ordered items.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from secc.exi.schema.grammar import END, Datatype, Grammars, GrammarState, Production, datatype
from secc.exi.schema.names import field_name
from secc.exi.schema.notation import (
    UNBOUNDED,
    ComplexType,
    Group,
    Item,
    NotationError,
    Particle,
    QName,
    SchemaSet,
    Wildcard,
)

__all__ = [
    "ABSTRACT",
    "NO_END",
    "Prod",
    "Raw",
    "RawDatatype",
    "RawProduction",
    "RawState",
    "Record",
    "Relaxed",
    "Root",
    "FieldSlot",
    "Tables",
    "TypeEntry",
    "build",
    "ordered_content",
    "raw",
    "slots_of",
]

EE, COMPLEX, SIMPLE, ATTRIBUTE, CONTENT, TEXT, ANY, ESCAPE = range(8)
SINGLE, LIST, ITEMS = range(3)
NO_NAME = 0xFFFF
COUNT_NONE, COUNT_SET, COUNT_STEP, COUNT_SOFT = range(4)
SHORT_NO, SHORT_BOOLEAN, SHORT_NUMBER, SHORT_LITERAL, SHORT_UNSIGNED, SHORT_SIGNED = range(6)
ABSTRACT = 0xFF
"""Instead of the number of a record: the type may not appear in a message."""
NO_END = 0xFF
"""Instead of the code of an end: the element cannot end in this state."""

RawState = tuple[int, int, int, int, bool]
"""First production, number of productions, width of a code, code of the end, whether attributes may come."""


@dataclass(frozen=True)
class FieldSlot:
    """A field of a message class.

    `types`: element name and type per alternative; one unless a substitution group.
    """

    name: str
    wire: str
    kind: int
    required: bool
    types: tuple[tuple[QName, QName], ...] = ()
    group: bool = False


@dataclass(frozen=True)
class Prod:
    """A numbered production; `target` is an index by `kind`, `last` the state after a full list."""

    kind: int
    slot: int = 0
    slot_kind: int = SINGLE
    name: int = 0
    target: int = 0
    next: int = 0
    count: int = COUNT_NONE
    number: int = 0
    last: int = 0


@dataclass(frozen=True)
class Root:
    """A global element (document) or any declared element (fragment). `relaxed`: EXI 1.0, 8.5.3 applies.

    The kind `ESCAPE` is a name that is declared with different types and left out as a fragment.
    """

    name: int
    kind: int
    target: int
    relaxed: bool = False


@dataclass(frozen=True)
class Relaxed:
    """Event codes of the relaxed element fragment grammar, for a simple-content type with attributes."""

    attributes: tuple[tuple[int, int, int], ...]  # code, slot, datatype
    tag_bits: int
    tag_text: int
    content_bits: int
    content_end: int
    value_slot: int
    value_datatype: int


@dataclass(frozen=True)
class Record:
    """A straight line of short simple elements, only the last of variable width: read at one look of 64 bits.

    `fields`: bits behind it, width, smallest value and span of each fixed field; `mask`: the bits that
    must be zero; `width`: bits of all but the octets of the field of variable width; `tail`: bits before
    that field, 1 if it has a sign, and its largest value; the smallest is 0, or with a sign the complement.
    """

    fields: tuple[tuple[int, int, int, int], ...]
    mask: int
    width: int
    tail: tuple[int, int, int] | None


@dataclass
class TypeEntry:
    """A complex type; `flat` ones have one slot, whose value replaces the object."""

    name: QName
    first_state: int
    abstract: bool
    flat: bool
    slots: list[FieldSlot]
    record: Record | None = None


@dataclass
class Tables:
    """All tables of one schema set."""

    schema: SchemaSet
    grammars: Grammars
    names: list[QName] = field(default_factory=list)
    datatypes: list[Datatype] = field(default_factory=list)
    types: list[TypeEntry] = field(default_factory=list)
    states: list[RawState] = field(default_factory=list)
    prods: list[Prod] = field(default_factory=list)
    documents: list[Root] = field(default_factory=list)
    fragments: list[Root] = field(default_factory=list)
    relaxed: Relaxed | None = None

    def raw(self) -> Raw:
        """The tables as the engine takes them."""
        return raw(self)

    @property
    def uris(self) -> list[str]:
        """Namespaces of names and types."""
        return sorted({n.uri for n in self.names} | {t.name.uri for t in self.types})

    @property
    def document_bits(self) -> int:
        """Width of the root code: the global elements and SE(*)."""
        return len(self.documents).bit_length()

    @property
    def fragment_bits(self) -> int:
        """Width of the fragment code: the names, SE(*) and ED."""
        return (len(self.fragments) + 1).bit_length()

    def name(self, name: QName) -> int:
        """Index of `name`, added when new."""
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def datatype(self, type_name: QName) -> int:
        """Index of the datatype of simple type `type_name`, added when new."""
        found = datatype(self.schema, type_name)
        if found not in self.datatypes:
            self.datatypes.append(found)
        return self.datatypes.index(found)


RawDatatype = tuple[str, int, int, int, int, int]
"""Kind, width, smallest and largest value, longest string, enumeration."""
RawProduction = tuple[
    tuple[int, int, int, int, int, int, int, int, int], tuple[int, int, int, int], tuple[int, int, bool]
]
"""Kind, slot, slot kind, name, target, next, count, number and last; width, meaning, smallest value and span
of a short value; first state and record of a complex type, and whether only the end can follow."""


@dataclass(frozen=True)
class Raw:
    """Tables as plain tuples; the engine in ``rust/secc-exi`` reads these attributes by name."""

    name: str
    uris: list[str]
    names: list[tuple[int, str]]
    datatypes: list[RawDatatype]
    types: list[tuple[str, int, int, int, int, int, bool, bool, int]]
    slots: list[int]
    states: list[RawState]
    productions: list[RawProduction]
    documents: tuple[list[tuple[int, int, int, bool]], int]
    fragments: tuple[list[tuple[int, int, int, bool]], int]
    records: list[tuple[list[tuple[int, int, int, int]], int, int, tuple[int, int, int] | None]]
    relaxed: tuple[list[tuple[int, int, int]], int, int, int, int, int, int] | None
    spaces: list[tuple[str, list[str]]]


def raw(tables: Tables) -> Raw:
    """`tables` as plain tuples."""
    uris = tables.uris
    enums = [d.enum for d in tables.datatypes if d.enum]
    records = [t.record for t in tables.types if t.record]
    index = {entry.name: number for number, entry in enumerate(tables.types)}
    types, first = [], 0
    for entry in tables.types:
        number = 0 if entry.record is None else next(i for i, r in enumerate(records, 1) if r is entry.record)
        flags = (entry.abstract, entry.flat, number)
        uri = uris.index(entry.name.uri)
        extended = tables.schema.complex[entry.name].base
        base = NO_NAME if extended is None else index.get(extended, NO_NAME)
        types.append((entry.name.local, uri, base, entry.first_state, first, len(entry.slots), *flags))
        first += len(entry.slots)
    x = tables.relaxed
    return Raw(
        tables.schema.name,
        uris,
        [(uris.index(n.uri), n.local) for n in tables.names],
        [
            (
                d.kind,
                d.bits if d.kind in ("boolean", "nbit", "enumeration") else 0,
                d.low,
                d.high,
                UNBOUNDED if d.max_length is None else d.max_length,
                enums.index(d.enum) if d.enum else 0,
            )
            for d in tables.datatypes
        ],
        types,
        [s.kind for t in tables.types for s in t.slots],
        tables.states,
        [
            (
                (p.kind, p.slot, p.slot_kind, p.name, p.target, p.next, p.count, p.number, p.last),
                _short(tables, p),
                (
                    types[p.target][3] if p.kind == COMPLEX else 0,
                    0 if p.kind != COMPLEX else ABSTRACT if types[p.target][6] else types[p.target][8],
                    p.kind in (COMPLEX, SIMPLE) and p.count == COUNT_NONE and _only_ends(tables, p.next),
                ),
            )
            for p in tables.prods
        ],
        ([(r.name, r.kind, r.target, r.relaxed) for r in tables.documents], tables.document_bits),
        ([(r.name, r.kind, r.target, r.relaxed) for r in tables.fragments], tables.fragment_bits),
        [(list(r.fields), r.mask, r.width, r.tail) for r in records],
        None
        if x is None
        else (
            list(x.attributes),
            x.tag_bits,
            x.tag_text,
            x.content_bits,
            x.content_end,
            x.value_slot,
            x.value_datatype,
        ),
        tables.grammars.name_tables(),
    )


def _short(tables: Tables, p: Prod) -> tuple[int, int, int, int]:
    """What the engine needs to read an element at one look, if its value is short or its type a record."""
    if p.kind == COMPLEX:
        record = tables.types[p.target].record
        return 0 if record is None else record.width, SHORT_NO, 0, 0
    d = tables.datatypes[p.target] if p.kind == SIMPLE else None
    if d is None or d.kind not in ("boolean", "nbit", "enumeration"):
        # Only without bounds that three octets could break.
        if d is None or d.high < _SHORT_SPAN - 1 or d.low not in (0, min(d.low, -_SHORT_SPAN)):
            return 0, SHORT_NO, 0, 0
        integers = {"unsigned": SHORT_UNSIGNED, "integer": SHORT_SIGNED}
        return 0, integers.get(d.kind, SHORT_NO), 0, 0
    if d.kind == "boolean":
        return 1, SHORT_BOOLEAN, 0, 1
    return d.bits, SHORT_NUMBER if d.kind == "nbit" else SHORT_LITERAL, d.low, d.high - d.low


def _only_ends(tables: Tables, state: int) -> bool:
    first, count, *_ = tables.states[state]
    return count == 1 and tables.prods[first].kind == EE


def build(schema: SchemaSet) -> Tables:
    """Tables of `schema`."""
    grammars = Grammars(schema)
    tables = Tables(schema, grammars)
    order = sorted(schema.complex)
    index = {name: number for number, name in enumerate(order)}
    for name in order:
        ct = schema.complex[name]
        slots = slots_of(grammars, ct)
        entry = TypeEntry(name, len(tables.states), ct.abstract, name.local in schema.flatten, slots)
        tables.types.append(entry)
        _add_states(tables, grammars.types[name], slots, index)
        entry.record = _record(tables, grammars.types[name])
    for element in grammars.documents:
        tables.documents.append(_root(tables, element, [schema.elements[element].type], index))
    for element, types in grammars.fragments:
        tables.fragments.append(_root(tables, element, types, index))
    return tables


# Values of an integer of three octets.
_SHORT_SPAN = 1 << 21

# Bits that a reader gets from one read of the stream, without the event codes around; a record must fit.
_WINDOW = 57 - 8 - 1
_RECORD_FIELDS = 3


def _record(tables: Tables, states: list[GrammarState]) -> Record | None:
    *body, end = states
    if not 0 < len(body) <= _RECORD_FIELDS or [p.kind for p in end.productions] != ["EE"]:
        return None
    fields: list[tuple[int, int, int, int]] = []
    zeros: list[int] = []
    position = 0
    tail: tuple[int, int, int] | None = None
    for number, state in enumerate(body, 1):
        only = state.productions[0]
        straight = len(state.productions) == 1 and only.kind == "SE" and only.next == number
        if not straight or only.count or only.type is None or only.type in tables.schema.complex or tail:
            return None
        codes = 2 if number == 1 else 3  # end of the field before, start of this one, start of its value
        zeros += range(position, position + codes)
        position += codes
        d = datatype(tables.schema, only.type)
        longest = d.longest_bits()
        if longest is None:
            return None
        if d.kind in ("unsigned", "integer"):
            sign = int(d.kind == "integer")
            if position + longest + 2 > _WINDOW or d.high >= 1 << 21 or d.low != (~d.high if sign else 0):
                return None
            tail = (position, sign, d.high)
        else:
            span = 1 if d.kind == "boolean" else d.high - d.low
            position += d.bits
            fields.append((64 - position, d.bits, d.low, span))
    if tail is None:
        zeros += [position, position + 1]
    else:
        position += tail[1]
    position += 2
    if position > _WINDOW:
        return None
    return Record(tuple(fields), sum(1 << (63 - bit) for bit in zeros), position, tail)


def ordered_content(grammars: Grammars, ct: ComplexType) -> bool:
    """Whether the content must be kept as ordered items: mixed text, wildcards, or a repeated group."""

    def loose(item: Item) -> bool:
        if isinstance(item, Group):
            return item.high > 1 or any(loose(x) for x in item.items)
        return isinstance(item, Wildcard)

    lineage = grammars.lineage(ct)
    return any(t.mixed for t in lineage) or any(loose(g) for g in grammars.content(ct))


def slots_of(grammars: Grammars, ct: ComplexType) -> list[FieldSlot]:
    """The slots of a type in the order in which they are written."""
    slots = [
        FieldSlot(field_name(a.name.local), a.name.local, SINGLE, a.required, ((a.name, a.type),))
        for a in grammars.attributes(ct)
    ]
    simple = grammars.simple_content(ct)
    if simple is not None:
        return [*slots, FieldSlot("value", "value", SINGLE, True, ((QName("value", ""), simple),))]
    if ordered_content(grammars, ct):
        return [*slots, FieldSlot("content", "content", ITEMS, False)]
    for group in grammars.content(ct):
        _group_slots(grammars, group, True, slots)
    names = [s.name for s in slots]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise NotationError(f"{ct.name.local}: two fields would be called {twice}")
    return slots


def _group_slots(grammars: Grammars, group: Group, required: bool, slots: list[FieldSlot]) -> None:
    required = required and group.low > 0 and group.kind == "sequence"
    for item in group.items:
        if isinstance(item, Group):
            _group_slots(grammars, item, required, slots)
        elif isinstance(item, Particle):
            alternatives = tuple(grammars.alternatives(item))
            slots.append(
                FieldSlot(
                    field_name(item.name.local),
                    item.name.local,
                    LIST if item.high > 1 else SINGLE,
                    required and item.low > 0,
                    alternatives,
                    group=len(alternatives) > 1,
                )
            )


def _add_states(
    tables: Tables, states: list[GrammarState], slots: list[FieldSlot], index: dict[QName, int]
) -> None:
    base = len(tables.states)
    for state in states:
        end = next((code for code, p in enumerate(state.productions) if p.kind == "EE"), NO_END)
        tables.states.append((len(tables.prods), len(state.productions), state.bits, end, state.start))
        tables.prods += [_prod(tables, p, base, slots, index) for p in state.productions]
        # A production for every code that can be read, so that the reader need not look how many there are.
        tables.prods += [Prod(ESCAPE)] * ((1 << state.bits) - len(state.productions))


def _prod(tables: Tables, p: Production, base: int, slots: list[FieldSlot], index: dict[QName, int]) -> Prod:
    following = 0 if p.next == END else base + p.next
    if p.kind == "EE":
        return Prod(EE)
    if p.kind in ("TEXT", "ANY"):
        kind = TEXT if p.kind == "TEXT" else ANY
        return Prod(kind, len(slots) - 1, ITEMS, NO_NAME, next=following)
    if p.kind == "CH":
        assert p.type is not None
        return Prod(CONTENT, len(slots) - 1, SINGLE, NO_NAME, tables.datatype(p.type), following)
    assert p.name is not None
    assert p.type is not None
    slot = _slot(slots, p.name)
    name = tables.name(p.name)
    if p.kind == "AT":
        return Prod(ATTRIBUTE, slot, SINGLE, name, tables.datatype(p.type), following)
    is_complex = p.type in index
    count, number, last = COUNT_NONE, 0, 0
    if p.count is not None and p.count.start:
        count, number = COUNT_SET, p.count.start
    elif p.count is not None:
        count, number = COUNT_SOFT if p.count.soft else COUNT_STEP, p.count.limit
        last = base + p.count.last if p.count.limit else 0
    return Prod(
        COMPLEX if is_complex else SIMPLE,
        slot,
        slots[slot].kind,
        name,
        index[p.type] if is_complex else tables.datatype(p.type),
        following,
        count,
        number,
        last,
    )


def _slot(slots: list[FieldSlot], name: QName) -> int:
    for number, slot in enumerate(slots):
        if slot.kind == ITEMS or any(element == name for element, _ in slot.types):
            if slot.kind == ITEMS and any(element == name for s in slots for element, _ in s.types):
                continue
            return number
    raise NotationError(f"{name.local}: no slot")


def _root(tables: Tables, element: QName, types: list[QName], index: dict[QName, int]) -> Root:
    name = tables.name(element)
    if len(types) > 1:
        wide = [t for t in types if t in index and tables.grammars.simple_content(tables.schema.complex[t])]
        if len(wide) != 1 or tables.relaxed is not None:
            # Its grammar is that of EXI 1.0, 8.5.3, which nothing signed needs: the name keeps its code.
            return Root(name, ESCAPE, 0)
        tables.relaxed = _relaxed(tables, wide[0])
        return Root(name, COMPLEX, index[wide[0]], relaxed=True)
    if types[0] in index:
        return Root(name, COMPLEX, index[types[0]])
    return Root(name, SIMPLE, tables.datatype(types[0]))


def _relaxed(tables: Tables, type_name: QName) -> Relaxed:
    """EXI 1.0, 8.5.3: attributes, AT(*), elements, SE(*), EE, CH, escape; then without the attributes."""
    grammars = tables.grammars
    ct = tables.schema.complex[type_name]
    slots = slots_of(grammars, ct)
    attributes = grammars.attribute_names()
    elements = len(grammars.fragments)
    own = [
        (attributes.index(a.name), _slot(slots, a.name), tables.datatype(a.type))
        for a in grammars.attributes(ct)
    ]
    tag_text = len(attributes) + 1 + elements + 2
    simple = grammars.simple_content(ct)
    assert simple is not None
    return Relaxed(
        tuple(own),
        (tag_text + 1).bit_length(),
        tag_text,
        (elements + 3).bit_length(),
        elements + 1,
        len(slots) - 1,
        tables.datatype(simple),
    )
