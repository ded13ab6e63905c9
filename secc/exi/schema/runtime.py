"""A working codec from a schema set, without generated files."""

from __future__ import annotations

from enum import StrEnum
from types import ModuleType
from typing import Any

import msgspec

from secc.exi.codec import Codec, FullLists
from secc.exi.schema.names import class_name, member_name
from secc.exi.schema.notation import NotationError, QName, SchemaSet
from secc.exi.schema.numbering import build
from secc.exi.schema.raw_tables import raw
from secc.exi.schema.tables import SINGLE, FieldSlot, TypeEntry

__all__ = ["compile_codec"]


def compile_codec(schema: SchemaSet, *, full_lists: FullLists = "specified") -> Codec:
    """The codec of `schema`, with message classes named as the generator would name them.

    `full_lists` is that of `Codec`. The classes are in ``codec.module``. Raises `NotationError` where the
    schema cannot be compiled.
    """
    tables = build(schema)
    module = ModuleType(f"secc.messages.{schema.module}")
    module.__doc__ = f"Message classes of schema set {schema.name}, made at run time."
    classes = [None if entry.flat else _message_class(entry, module.__name__) for entry in tables.types]
    enums = [_enumeration(schema, d.enum, module.__name__) for d in tables.datatypes if d.enum]
    for made in (*classes, *enums):
        if made is not None and hasattr(module, made.__name__):
            raise NotationError(f"{schema.name}: two classes would be called {made.__name__}")
        if made is not None:
            setattr(module, made.__name__, made)
    by_type = {entry.name: made for entry, made in zip(tables.types, classes, strict=True)}
    root = next((n for n in schema.namespaces if n.prefix == schema.root), None)
    if root is None:
        raise NotationError(f"{schema.name}: root {schema.root} is not among its namespaces")
    messages = [by_type.get(element.type) for element in root.elements.values()]
    abstract = {by_type[name] for name, ct in schema.complex.items() if ct.abstract}
    roots = tuple(dict.fromkeys(m for m in messages if m is not None and m not in abstract))
    vars(module).update(TYPES=tuple(classes), ENUMS=tuple(enums), MESSAGES=roots)
    return Codec(raw(tables), module, roots, full_lists=full_lists)


def _message_class(entry: TypeEntry, module: str) -> type[msgspec.Struct]:
    return msgspec.defstruct(
        class_name(entry.name.local),
        [_field(slot) for slot in entry.slots],
        module=module,
        rename={slot.name: slot.wire for slot in entry.slots},
        frozen=True,
        kw_only=True,
        gc=False,
    )


def _field(slot: FieldSlot) -> tuple[str, Any] | tuple[str, Any, Any]:
    # Any: the codec checks the content of a field against the grammar.
    if slot.required:
        return slot.name, Any
    return slot.name, Any, None if slot.kind == SINGLE else ()


def _enumeration(schema: SchemaSet, name: QName, module: str) -> type[StrEnum]:
    members = [(member_name(value), value) for value in schema.simple[name].values]
    # The functional call is typed as making a member, not a class.
    return StrEnum(class_name(name.local), members, module=module)  # type: ignore[return-value]
