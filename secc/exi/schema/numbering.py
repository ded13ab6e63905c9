"""Numbers the grammars of one schema set: makes the tables that the engine walks."""

from __future__ import annotations

from secc.exi.schema.grammar import END, Grammars, GrammarState, Production, datatype
from secc.exi.schema.notation import (
    NotationError,
    QName,
    SchemaSet,
)
from secc.exi.schema.slots import slots_of
from secc.exi.schema.tables import (
    ANY,
    ATTRIBUTE,
    COMPLEX,
    CONTENT,
    COUNT_NONE,
    COUNT_SET,
    COUNT_SOFT,
    COUNT_STEP,
    EE,
    ESCAPE,
    ITEMS,
    NO_END,
    NO_NAME,
    SIMPLE,
    SINGLE,
    TEXT,
    FieldSlot,
    Prod,
    Record,
    Relaxed,
    Root,
    Tables,
    TypeEntry,
)

__all__ = ["build"]


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
