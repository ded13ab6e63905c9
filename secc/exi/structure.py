"""Structure of the messages of a codec, with names, for `secc.exi.json` and `secc.exi.xml`.

The engine numbers its tables; this module names them. A type has one slot per field of its message
class, in the order of the fields; a slot has one alternative, or one per element of a substitution group.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from secc.errors import EncodeError, InputError

if TYPE_CHECKING:
    from enum import StrEnum
    from types import ModuleType

    from secc import _exi

__all__ = ["Alternative", "Slot", "Structure", "Type", "UnknownElement"]


class UnknownElement(InputError):
    """The root element belongs to another schema set."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """An element, an attribute, or the value of simple content; `target`: number of its type or datatype."""

    name: str
    space: str
    is_complex: bool
    target: int
    is_attribute: bool = False
    is_typed: bool = False
    """Whether the type extends the declared one; a document states it with ``xsi:type``."""

    @property
    def in_full(self) -> str:
        """``{namespace}name``, as used in ordered content where the schema permits any element."""
        return f"{{{self.space}}}{self.name}"

    @property
    def is_value(self) -> bool:
        """Whether this is simple content, which has no name in a document."""
        return self.name == "value" and not self.is_complex and not self.space


@dataclass(frozen=True, slots=True)
class Slot:
    """A field: ``single``, ``list``, or the ``items`` of ordered content."""

    field: str
    kind: str
    alternatives: tuple[Alternative, ...]

    @property
    def names(self) -> str:
        """Names of the alternatives, for error texts."""
        return ", ".join(alternative.name for alternative in self.alternatives)


@dataclass(frozen=True, slots=True)
class Type:
    """A complex type. A type without a class is flat: the value of its only slot represents it.

    `base`: number of the type that it extends.
    """

    name: str
    space: str
    cls: type[msgspec.Struct] | None
    slots: tuple[Slot, ...]
    base: int | None

    def values(self, value: Any) -> list[tuple[Slot, Any]]:
        """Return the slots with their values in `value`."""
        if self.cls is None:
            return [(self.slots[0], value)]
        return [(slot, getattr(value, slot.field)) for slot in self.slots]

    def make(self, found: dict[str, Any], path: str) -> Any:
        """Return the value with these fields. Raises `EncodeError` if a required field is missing."""
        if self.cls is None:
            return found.get("")
        try:
            return self.cls(**found)
        except TypeError as error:
            raise InputError(f"{self.name}: {error}", path=path) from None


class Structure:
    """Types, datatypes and root elements of one codec."""

    def __init__(self, engine: _exi.Codec, module: ModuleType) -> None:
        """`module` holds the message classes of the engine's tables."""
        types, self.datatypes = engine.layout()
        classes: tuple[type[msgspec.Struct] | None, ...] = module.TYPES
        self.types = [
            _type(layout, spaces, cls, *family)
            for layout, spaces, cls, family in zip(
                types, engine.namespaces(), classes, engine.families(), strict=True
            )
        ]
        documents, fragments = (
            [
                Alternative(name, space, deep, at)
                for (name, deep, at), space in zip(roots, spaces, strict=True)
            ]
            for roots, spaces in zip(engine.roots(), engine.root_namespaces(), strict=True)
        )
        self._documents = documents
        self._roots = documents + fragments
        self._enums: tuple[type[StrEnum], ...] = module.ENUMS
        self._index = {cls: number for number, cls in enumerate(classes) if cls is not None}

    def root(self, name: str, space: str | None = None) -> Alternative:
        """The global or local element `name`, in any namespace or in `space`."""
        for root in self._roots:
            if root.name == name and space in (None, root.space):
                return root
        full = name if space is None else f"{{{space}}}{name}"
        raise UnknownElement(f"{full} is not an element of this schema set", path=name)

    def check_envelope(self, name: str, space: str | None = None) -> None:
        """Raise `InputError` if the body of a message is given instead of its envelope."""
        envelopes = [type_ for type_ in self.types if type_.name == "@V2G_Message"]
        if name == "V2G_Message" or not envelopes:
            return
        (body,) = [slot for slot in envelopes[0].slots if slot.field == "body"]
        inner = [slot for one in body.alternatives for slot in self.types[one.target].slots]
        names = [(one.name, one.space) for slot in inner for one in slot.alternatives]
        if name == "Body" or any(name == one and space in (None, uri) for one, uri in names):
            raise InputError(f"expected V2G_Message; {name} is its body", path=name)

    def any_element(self, in_full: str) -> Alternative | None:
        """Return the global element for ``{namespace}name``."""
        return next((root for root in self._documents if root.in_full == in_full), None)

    def chosen(self, slot: Slot, value: Any) -> Alternative:
        """Return the element for `value`; in a substitution group its class selects it."""
        index = self._index.get(type(value))
        for alternative in slot.alternatives:
            if alternative.is_complex and alternative.target == index:
                return alternative
        for alternative in slot.alternatives:
            if (not alternative.is_complex and index is None) or self._extends(index, alternative.target):
                return self.actual(alternative, value)
        if len(slot.alternatives) == 1:
            return self.actual(slot.alternatives[0], value)
        raise EncodeError(f"found {type(value).__name__}, expected one of {slot.names}")

    def actual(self, element: Alternative, value: Any) -> Alternative:
        """Return `element`, with the type of `value` if that extends the declared one."""
        cls = self.types[element.target].cls if element.is_complex else None
        if cls is None or type(value) is cls:
            return element
        index = self._index.get(type(value))
        if index is None or not self._extends(index, element.target):
            raise EncodeError(f"found {type(value).__name__}, expected {cls.__name__}", path=element.name)
        return replace(element, target=index, is_typed=True)

    def typed(self, element: Alternative, name: str) -> Alternative:
        """Return `element` with the type `name`, given with or without namespace in braces."""
        for index, found in enumerate(self.types):
            if name in (found.name, f"{{{found.space}}}{found.name}") and self._extends(
                index, element.target
            ):
                return replace(element, target=index, is_typed=True)
        raise InputError(f"{name} is not a type that extends that of {element.name}", path=element.name)

    def _extends(self, index: int | None, base: int) -> bool:
        while index is not None and index != base:
            index = self.types[index].base
        return index == base

    def item(self, slot: Slot, name: str) -> Alternative | None:
        """Return the element `name` in ordered content; None for text, which has no name."""
        declared = next((a for a in slot.alternatives if a.name == name), None)
        return declared or self.any_element(name)

    def empty(self, slot: Slot) -> Alternative | None:
        """Return the element to write for None in `slot`: one with a flat type."""
        if len(slot.alternatives) != 1:
            return None
        (only,) = slot.alternatives
        return only if only.is_complex and self.types[only.target].cls is None else None

    def literal(self, enumeration: int, text: str) -> StrEnum:
        """Return the member of an enumeration. Raises `ValueError`."""
        return self._enums[enumeration](text)


def _type(
    layout: tuple[str, bool, list[tuple[str, list[tuple[str, bool, int]]]]],
    spaces: list[list[tuple[str, bool]]],
    cls: type[msgspec.Struct] | None,
    space: str,
    base: int | None,
) -> Type:
    name, _, slots = layout
    fields = cls.__struct_fields__ if cls is not None else ("",)
    made = []
    for field, (kind, alternatives), own in zip(fields, slots, spaces, strict=True):
        pairs = zip(alternatives, own, strict=True)
        made.append(
            Slot(
                field,
                kind,
                tuple(
                    Alternative(local, uri, deep, target, at) for (local, deep, target), (uri, at) in pairs
                ),
            )
        )
    return Type(name, space, cls, tuple(made), base)
