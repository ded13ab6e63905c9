"""Numbers the grammars of one schema set: the form that the engine in ``rust/v2g-exi`` walks.

Simple-typed elements are folded into the production that starts them. A complex type has *slots*, one per
attribute, child element or substitution group, in the order in which they are written; the message classes
have one field per slot. Types whose content cannot be kept in slots (mixed text, wildcards, repeated groups)
keep it in one slot of ordered items.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from secc.exi.schema.grammar import Datatype, Grammars, datatype
from secc.exi.schema.notation import (
    QName,
    SchemaSet,
)

__all__ = [
    "ABSTRACT",
    "NO_END",
    "FieldSlot",
    "Prod",
    "RawState",
    "Record",
    "Relaxed",
    "Root",
    "Tables",
    "TypeEntry",
]

EE, COMPLEX, SIMPLE, ATTRIBUTE, CONTENT, TEXT, ANY, ESCAPE = range(8)
SINGLE, LIST, ITEMS = range(3)
NO_NAME = 0xFFFF
COUNT_NONE, COUNT_SET, COUNT_STEP, COUNT_SOFT = range(4)
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
