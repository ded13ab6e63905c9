"""Tables of a schema set as the plain tuples that the engine reads."""

from __future__ import annotations

from dataclasses import dataclass

from secc.exi.schema.notation import (
    UNBOUNDED,
)
from secc.exi.schema.tables import (
    ABSTRACT,
    COMPLEX,
    COUNT_NONE,
    EE,
    NO_NAME,
    SIMPLE,
    Prod,
    RawState,
    Record,
    Relaxed,
    Tables,
)

__all__ = ["Raw", "RawDatatype", "RawProduction", "RawRelaxed", "RawType", "raw"]

SHORT_NO, SHORT_BOOLEAN, SHORT_NUMBER, SHORT_LITERAL, SHORT_UNSIGNED, SHORT_SIGNED = range(6)

# Values of an integer of three octets.
_SHORT_SPAN = 1 << 21

RawDatatype = tuple[str, int, int, int, int, int]
"""Kind, width, smallest and largest value, longest string, enumeration."""
RawType = tuple[str, int, int, int, int, int, bool, bool, int]
"""Name, namespace, base type, first state, first slot, number of slots; whether abstract, whether flat,
record."""
RawRelaxed = tuple[list[tuple[int, int, int]], int, int, int, int, int, int]
"""The fields of `Relaxed` in their order."""
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
    types: list[RawType]
    slots: list[int]
    states: list[RawState]
    productions: list[RawProduction]
    documents: tuple[list[tuple[int, int, int, bool]], int]
    fragments: tuple[list[tuple[int, int, int, bool]], int]
    records: list[tuple[list[tuple[int, int, int, int]], int, int, tuple[int, int, int] | None]]
    relaxed: RawRelaxed | None
    spaces: list[tuple[str, list[str]]]


def raw(tables: Tables) -> Raw:
    """`tables` as plain tuples."""
    uris = tables.uris
    types = _types(tables)
    return Raw(
        tables.schema.name,
        uris,
        [(uris.index(n.uri), n.local) for n in tables.names],
        _datatypes(tables),
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
        [(list(r.fields), r.mask, r.width, r.tail) for r in _records(tables)],
        None if tables.relaxed is None else _relaxed(tables.relaxed),
        tables.grammars.name_tables(),
    )


def _records(tables: Tables) -> list[Record]:
    return [t.record for t in tables.types if t.record]


def _types(tables: Tables) -> list[RawType]:
    uris, records = tables.uris, _records(tables)
    index = {entry.name: number for number, entry in enumerate(tables.types)}
    types, first = list[RawType](), 0
    for entry in tables.types:
        number = 0 if entry.record is None else next(i for i, r in enumerate(records, 1) if r is entry.record)
        flags = (entry.abstract, entry.flat, number)
        uri = uris.index(entry.name.uri)
        extended = tables.schema.complex[entry.name].base
        base = NO_NAME if extended is None else index.get(extended, NO_NAME)
        types.append((entry.name.local, uri, base, entry.first_state, first, len(entry.slots), *flags))
        first += len(entry.slots)
    return types


def _datatypes(tables: Tables) -> list[RawDatatype]:
    enums = [d.enum for d in tables.datatypes if d.enum]
    return [
        (
            d.kind,
            d.bits if d.kind in ("boolean", "nbit", "enumeration") else 0,
            d.low,
            d.high,
            UNBOUNDED if d.max_length is None else d.max_length,
            enums.index(d.enum) if d.enum else 0,
        )
        for d in tables.datatypes
    ]


def _relaxed(x: Relaxed) -> RawRelaxed:
    codes = (x.tag_bits, x.tag_text, x.content_bits, x.content_end)
    return (list(x.attributes), *codes, x.value_slot, x.value_datatype)


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
