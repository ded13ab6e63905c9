"""Messages as JSON with the element names of the schema, the form that V2G tools use.

An element is an object, its attributes and children are members; a simple element is its value: hexBinary as
upper case hexadecimal, base64Binary as base64, enumerations as their literals. Repeated elements form an
array. The content of an element with mixed text or wildcards is an array of one-member objects under
``content``; text has the empty name. ``xsi:type`` names a type that extends the declared one.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from secc.errors import InputError
from secc.exi.structure import Alternative, Slot, Structure, Type
from secc.messages._base import Item

__all__ = ["Json", "JsonForm"]

Json = dict[str, Any]


class JsonForm:
    """Converts the messages of one codec to plain data and back."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure

    def from_value(self, name: str, value: Any) -> Json:
        """Return `value`, the content of element `name`, as data."""
        return {name: self._show(self.structure.actual(self.structure.root(name), value), value)}

    def from_text(self, text: str | bytes) -> tuple[str, Any]:
        """Return element name and content from JSON text. Raises `InputError`."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"not JSON: {error.msg}", line=error.lineno, column=error.colno) from None
        except (UnicodeDecodeError, RecursionError) as error:
            raise InputError(f"not JSON: {error}") from None
        if isinstance(data, dict):
            self.structure.check_envelope(next(iter(data), ""))
        return self.to_value(data)

    def to_value(self, data: Json) -> tuple[str, Any]:
        """Return element name and content from data. Raises `InputError` with the invalid member."""
        if not isinstance(data, dict) or len(data) != 1:
            raise InputError("expected an object with one member, the root element")
        name, content = next(iter(data.items()))
        return name, self._read(self.structure.root(name), content, name)

    def _show(self, element: Alternative, value: Any) -> Any:
        if not element.is_complex:
            kind, _ = self.structure.datatypes[element.target]
            if kind == "hex":
                return value.hex().upper()
            return base64.b64encode(value).decode("ascii") if kind == "base64" else value
        own = self.structure.types[element.target]
        out: Json = {"xsi:type": own.name} if element.is_typed else {}
        for slot, content in own.values(value):
            if content is None or content == ():
                empty = self.structure.empty(slot) if content is None else None
                if empty is not None:
                    out[empty.name] = {}
            elif slot.kind == "items":
                out["content"] = [self._show_item(slot, item) for item in content]
            elif slot.kind == "list":
                shown = [(self.structure.chosen(slot, entry), entry) for entry in content]
                out[shown[0][0].name] = [self._show(chosen, entry) for chosen, entry in shown]
            else:
                chosen = self.structure.chosen(slot, content)
                out[chosen.name] = self._show(chosen, content)
        return out

    def _show_item(self, slot: Slot, item: Item) -> Json:
        found = self.structure.item(slot, item.name)
        if found is None:
            return {"": item.value}
        return {item.name: self._show(self.structure.actual(found, item.value), item.value)}

    def _read(self, element: Alternative, data: Any, path: str) -> Any:
        if not element.is_complex:
            return self._read_simple(element.target, data, path)
        if not isinstance(data, dict):
            raise InputError(f"found {type(data).__name__}, expected an object", path=path)
        if "xsi:type" in data:
            element = self.structure.typed(element, data["xsi:type"])
            data = {key: content for key, content in data.items() if key != "xsi:type"}
        found_type = self.structure.types[element.target]
        values: Json = {}
        for key, content in data.items():
            slot, chosen = _place(found_type, key, path)
            where = f"{path}/{key}"
            if slot.field in values:
                raise InputError("excluded by another element of the same choice", path=where)
            if slot.kind == "items":
                values[slot.field] = tuple(self._read_item(slot, entry, where) for entry in content)
            elif slot.kind == "list":
                entries = content if isinstance(content, list) else [content]
                values[slot.field] = tuple(self._read(chosen, entry, where) for entry in entries)
            else:
                values[slot.field] = self._read(chosen, content, where)
        return found_type.make(values, path)

    def _read_item(self, slot: Slot, data: Any, path: str) -> Item:
        if isinstance(data, dict) and len(data) == 1:
            name, content = next(iter(data.items()))
            if name == "":
                return Item("", str(content))
            found = self.structure.item(slot, name)
            if found is not None:
                return Item(name, self._read(found, content, f"{path}/{name}"))
        raise InputError(f"expected an object with one of {slot.names}", path=path)

    def _read_simple(self, target: int, data: Any, path: str) -> Any:
        kind, enumeration = self.structure.datatypes[target]
        try:
            if kind == "enumeration":
                return self.structure.literal(enumeration, data)
            if kind == "hex":
                return bytes.fromhex(data)
            if kind == "base64":
                return base64.b64decode(data, validate=True)
        except (ValueError, TypeError, binascii.Error) as error:
            raise InputError(f"{data!r}: {error}", path=path) from None
        expected = {"boolean": bool, "integer": int, "string": str}[kind]
        if type(data) is not expected:
            raise InputError(f"found {data!r}, expected {kind}", path=path)
        return data


def _place(found_type: Type, key: str, path: str) -> tuple[Slot, Alternative]:
    """Return the slot and the element for member `key`."""
    for slot in found_type.slots:
        if slot.kind == "items":
            if key == "content":
                return slot, Alternative("", "", False, 0)
            continue
        for alternative in slot.alternatives:
            if alternative.name == key:
                return slot, alternative
    expected = ", ".join(slot.names for slot in found_type.slots if slot.kind != "items")
    raise InputError(f"{key} is not permitted here, expected {expected or 'no member'}", path=path)
