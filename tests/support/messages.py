"""Random valid messages of any schema set, derived from ``exi_schemas/`` and not from the codec.

`Generator` makes them from a `random.Random`; `messages` is the same as a Hypothesis strategy.
"""

from __future__ import annotations

import functools
import importlib
import random
import string
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
from hypothesis import strategies as st

from secc import exi
from secc.exi.schema import notation, numbering, slots
from secc.exi.schema.grammar import Datatype, datatype
from secc.exi.schema.names import field_name
from secc.exi.schema.notation import XS, ComplexType, Group, Particle, QName, SimpleType, Wildcard
from secc.messages._base import Item

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "exi_schemas"
SETS = tuple(exi.SCHEMAS)
_NEED_OTHERS = ("SignatureProperty", "SignatureProperties")
"""Elements that must hold one of another namespace."""
_PLAIN = string.ascii_letters + string.digits + "-_.:/*"
IN_XML = "äé€ßЖ漢🔌\U0010ffff"
"""Unusual characters that XML can carry."""
_ODD = "\x00\t \uffff" + IN_XML
_ENVELOPES = ("V2G_Message", "supportedAppProtocolReq", "supportedAppProtocolRes", "Signature", "SignedInfo")
_UNLIMITED = 40
_DEEP = 12
_ROOM = 2500
"""How many members the full lists of a message may have."""
_SHALLOW = 3
_MIDDLE = 6
"""How deep many wildcards, and some, are filled: a transform of a signature in a header is at 6."""
_LEVELS = 12
"""Nesting of objects; the codec accepts 16 levels of elements, of which some have no object."""

Value = Any


@functools.cache
def schema_sets() -> dict[str, notation.SchemaSet]:
    """All schema sets."""
    return notation.load(SCHEMAS)


@functools.cache
def codec(name: str, full_lists: exi.FullLists = "specified") -> exi.Codec:
    """The codec of schema set `name`; the ones the library has itself, and the others made alike."""
    ready = {"sap": exi.APP_PROTOCOL, "iso2": exi.ISO2, "xmldsig": exi.XMLDSIG}
    if name in ready and full_lists == "specified":
        return ready[name]
    generator = Generator(name)
    roots = {generator.classes[generator.schema.elements[root].type] for root in generator.roots()}
    found = [cls for cls in roots if cls is not None]
    return exi.Codec(name, generator.module, found, full_lists=full_lists)


class Generator:
    """Makes valid content for the types of one schema set, by name or with the module of its classes.

    `without`, `always`: optional elements that are never, or always, made. `only`: the root elements to
    choose from. `odd`: unusual characters that strings may have. `mixed_text`:
    text between the elements of mixed content. `wildcards`: global elements where any may stand.
    `extended`: elements of a type that extends the declared one, with ``xsi:type``. `full`: how
    probable it is that a list with a limit is full, as far as the message stays within what a codec reads.
    """

    def __init__(
        self,
        schema: str | notation.SchemaSet,
        module: ModuleType | None = None,
        *,
        without: frozenset[str] = frozenset(),
        always: frozenset[str] = frozenset(),
        only: tuple[str, ...] = (),
        odd: str = _ODD,
        mixed_text: bool = True,
        wildcards: bool = True,
        extended: bool = True,
        full: float = 0.0,
    ) -> None:
        self.schema = schema_sets()[schema] if isinstance(schema, str) else schema
        self.tables = numbering.build(self.schema)
        self.grammars = self.tables.grammars
        self.module = module or importlib.import_module(f"secc.messages.{self.schema.module}")
        names = [entry.name for entry in self.tables.types]
        self.classes: dict[QName, type[msgspec.Struct] | None] = dict(
            zip(names, self.module.TYPES, strict=True)
        )
        enums = [d.enum for d in self.tables.datatypes if d.enum]
        self.enums = dict(zip(enums, self.module.ENUMS, strict=True))
        self.flat = {entry.name for entry in self.tables.types if entry.flat}
        self.without, self.always, self.only = without, always, only
        self.odd, self.mixed_text = odd, mixed_text
        self.full, self.room, self.small = full, _ROOM, False
        self.types = {
            declared: [
                name
                for name in (declared, *(extensions if extended else ()))
                if not self.schema.complex[name].abstract
            ]
            for declared, extensions in self.grammars.extensions.items()
        }
        self.fillers = [
            e.name
            for e in self.schema.elements.values()
            if wildcards
            and not e.abstract
            and not (len(self.schema.namespaces) == 1 and e.name.local in _NEED_OTHERS)
            and self.actual(e.type)
        ]

    def roots(self) -> list[QName]:
        """The global elements that are messages."""
        wanted = self.only or _ENVELOPES
        found = [e.name for e in self.schema.elements.values() if e.name.local in wanted]
        if self.only or not self.schema.name.startswith("iso20"):
            return found
        return [e.name for e in self.schema.elements.values() if e.name.local.endswith(("Req", "Res"))]

    def message(self, rng: random.Random) -> tuple[str, Value]:
        """Root element name and content of a random message."""
        root = rng.choice(self.roots())
        while True:
            self.room, self.small = _ROOM, False
            made = self.content(self.schema.elements[root].type, rng)
            if _levels(made) < _LEVELS:
                return root.local, made

    def content(self, type_name: QName, rng: random.Random, depth: int = 0) -> Value:
        """Random content of a type, simple or complex."""
        ct = self.schema.complex.get(type_name)
        if ct is None:
            return self.simple(type_name, rng)
        values: dict[str, Value] = {}
        if type_name in self.flat:
            (group,) = self.grammars.content(ct)
            self.group(group, values, rng, depth)
            return next(iter(values.values()), None)
        for attribute in self.grammars.attributes(ct):
            if attribute.required or rng.random() < 0.5:
                values[field_name(attribute.name.local)] = self.simple(attribute.type, rng)
        simple = self.grammars.simple_content(ct)
        if simple is not None:
            values["value"] = self.simple(simple, rng)
            if type_name.local == "SignatureValueType":  # a signature without octets signs nothing
                values["value"] = values["value"] or b"\x01"
        elif slots.ordered_content(self.grammars, ct):
            values["content"] = tuple(self.items(ct, rng, depth))
        else:
            for group in self.grammars.content(ct):
                self.group(group, values, rng, depth)
        cls = self.classes[type_name]
        assert cls is not None
        return cls(**values)

    def group(self, group: Group, values: dict[str, Value], rng: random.Random, depth: int) -> None:
        if group.low == 0 and (depth > _DEEP or rng.random() < 0.5):
            return
        members = [rng.choice(group.items)] if group.kind == "choice" else group.items
        for member in members:
            if isinstance(member, Group):
                self.group(member, values, rng, depth)
            elif isinstance(member, Particle):
                made = [value for _, value in self.occurrences(member, rng, depth)]
                name = field_name(member.name.local)
                if member.high > 1:
                    values[name] = tuple(made)
                elif made:
                    values[name] = made[0]

    def items(self, ct: ComplexType, rng: random.Random, depth: int) -> list[Item]:
        """Ordered content."""
        out: list[Item] = []
        mixed = self.mixed_text and any(t.mixed for t in self.grammars.lineage(ct))

        def walk(member: notation.Item) -> None:
            if isinstance(member, Group):
                known = [m for m in member.items if not isinstance(m, Wildcard) or self.fitting(m, ct)]
                again = 1 if member.high == 1 else rng.randint(member.low, 3) if depth < 4 else member.low
                for _ in range(again if known and (member.low or rng.random() < 0.7) else 0):
                    for inner in (rng.choice(known),) if member.kind == "choice" else known:
                        walk(inner)
            elif isinstance(member, Particle):
                for name, value in self.occurrences(member, rng, depth):
                    text()
                    out.append(Item(name.local, value))
            else:
                most = 2 if depth <= _SHALLOW else int(depth <= _MIDDLE and rng.random() < 0.3)
                for _ in range(rng.randint(member.low, max(member.low, min(member.high, most)))):
                    name = rng.choice(self.fitting(member, ct))
                    text()
                    type_name = rng.choice(self.actual(self.schema.elements[name].type))
                    value = self.content(type_name, rng, depth + 1 + _SHALLOW)
                    out.append(Item(f"{{{name.uri}}}{name.local}", value))

        def text() -> None:
            if mixed and rng.random() < 0.2:
                out.append(Item("", self.text(rng, 1, 12)))

        for group in self.grammars.content(ct):
            walk(group)
        text()
        return out

    def fitting(self, wildcard: Wildcard, ct: ComplexType) -> list[QName]:
        """The global elements that may replace a wildcard in `ct`."""
        others = wildcard.constraint == "##other"
        return [name for name in self.fillers if not others or name.uri != ct.name.uri]

    def actual(self, declared: QName) -> list[QName]:
        """The types that an element may have."""
        return self.types.get(declared, [declared])

    def occurrences(self, particle: Particle, rng: random.Random, depth: int) -> list[tuple[QName, Value]]:
        alternatives = self.grammars.alternatives(particle)
        elements = {type_name for _, type_name in alternatives}  # these need not state their type
        choices = [
            (name, type_name)
            for name, declared in alternatives
            for type_name in self.actual(declared)
            if type_name == declared or type_name not in elements
        ]
        if not choices or (particle.low == 0 and particle.name.local in self.without):
            assert particle.low == 0, particle.name.local
            return []
        picked = [rng.choice(choices) for _ in range(self.count(particle, rng, depth))]
        before, self.small = self.small, self.small or len(picked) > _UNLIMITED
        made = [(name, self.content(type_name, rng, depth + 1)) for name, type_name in picked]
        self.small = before
        return made

    def count(self, particle: Particle, rng: random.Random, depth: int) -> int:
        if depth > _DEEP or (self.small and particle.high > 1):
            return particle.low
        if 1 < particle.high <= self.room and rng.random() < self.full:
            self.room -= particle.high
            return particle.high
        if particle.high == 1:
            wanted = particle.low or particle.name.local in self.always
            return 1 if wanted or rng.random() < 0.6 else 0
        usual = rng.randint(particle.low, min(particle.high, particle.low + 2))
        if particle.high > _UNLIMITED:
            return usual
        return rng.choice([usual, usual, usual, particle.high - 1, particle.high]) or particle.low

    def simple(self, type_name: QName, rng: random.Random) -> Value:
        found = datatype(self.schema, type_name)
        if found.enum is not None:
            return rng.choice(list(self.enums[found.enum]))
        if found.kind == "boolean":
            return rng.random() < 0.5
        if type_name.local == "maxNumPhasesType":
            return rng.randint(1, 3)  # 4 is read for a recorded car; other codecs call it invalid
        if found.kind in ("nbit", "unsigned", "integer", "big"):
            return _integer(found, rng)
        shortest = _facet(self.schema, type_name)
        longest = max(shortest, min(found.max_length or rng.choice([8, 80]), 8 if self.small else 200))
        size = rng.choice([shortest, longest, rng.randint(shortest, longest)])
        if found.kind == "string":
            if _primitive(self.schema, type_name) in ("ID", "IDREF"):
                return "id" + str(rng.randint(0, 999))
            return self.text(rng, size, size)
        return rng.randbytes(size) if size else b""

    def text(self, rng: random.Random, low: int, high: int) -> str:
        size = rng.randint(low, high)
        alphabet = _PLAIN + self.odd if self.odd and rng.random() < 0.2 else _PLAIN
        return "".join(rng.choice(alphabet) for _ in range(size))


def _levels(value: Value) -> int:
    """How deep objects are nested in `value`."""
    if isinstance(value, msgspec.Struct):
        inner = (getattr(value, name) for name in value.__struct_fields__)
        return 1 + max((_levels(x) for x in inner), default=0)
    return max((_levels(x) for x in value), default=0) if isinstance(value, tuple) else 0


def _integer(found: Datatype, rng: random.Random) -> int:
    low, high = (found.low, found.high) if found.kind != "big" else (1 - (1 << 160), (1 << 160) - 1)
    near = [0, 1, -1, 127, 128, 16383, 16384, low, high, high - 1]
    values = [v for v in near if low <= v <= high]
    return rng.choice([rng.choice(values), rng.randint(low, high)])


def _primitive(schema: notation.SchemaSet, name: QName) -> str:
    while name.uri != XS:
        name = schema.simple[name].base
    return name.local


def _facet(schema: notation.SchemaSet, name: QName) -> int:
    shortest = 0
    while name.uri != XS:
        simple: SimpleType = schema.simple[name]
        shortest = max(shortest, simple.min_length or 0)
        name = simple.base
    return shortest


@functools.cache
def generator(name: str) -> Generator:
    """The generator of schema set `name` with everything the codec takes."""
    return Generator(name)


@functools.cache
def full_generator(name: str) -> Generator:
    """The same with lists that are mostly full."""
    return Generator(name, full=0.8)


def messages(name: str) -> st.SearchStrategy[tuple[str, Value]]:
    """Root element and content of random valid messages of schema set `name`."""
    return st.randoms(use_true_random=False).map(generator(name).message)
