"""Messages as JSON with the element names of the schema, as V2G tools write it.

An element is an object, its attributes and children are members; a simple element is its value: hexBinary as
upper case hexadecimal, base64Binary as base64, enumerations as their literals. What may repeat is an array.
The content of an element with mixed text or wildcards is an array of one-member objects under ``content``;
text has the empty name.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

import msgspec

from secc.errors import EncodeError
from secc.messages._base import Item

if TYPE_CHECKING:
    from secc.exi import Codec

Json = dict[str, Any]
_Alternative = tuple[str, bool, int]


class JsonForm:
    """Converts the messages of one codec to plain data and back."""

    def __init__(self, codec: Codec) -> None:
        engine = codec.engine
        self._types, self.datatypes = engine.layout()
        self._documents, self._fragments = engine.roots()
        self._root_spaces = engine.root_namespaces()
        self._classes: tuple[type[msgspec.Struct] | None, ...] = codec.module.TYPES
        self._enums = codec.module.ENUMS
        self._index = {cls: number for number, cls in enumerate(self._classes) if cls is not None}

    def from_value(self, name: str, value: Any) -> Json:
        """`value`, the content of element `name`, as data."""
        _, is_complex, target = self._root(name)
        return {name: self._show(is_complex, target, value)}

    def to_value(self, data: Json) -> tuple[str, Any]:
        """Element name and content from data. Raises `EncodeError` naming the member that does not fit."""
        if not isinstance(data, dict) or len(data) != 1:
            raise EncodeError("an object with one member expected, the root element")
        name, content = next(iter(data.items()))
        _, is_complex, target = self._root(name)
        return name, self._read(is_complex, target, content, name)

    def _root(self, name: str) -> _Alternative:
        for root in (*self._documents, *self._fragments):
            if root[0] == name:
                return root
        raise EncodeError(f"{name} is no element of this schema set", path=name)

    def _show(self, is_complex: bool, target: int, value: Any) -> Any:
        if not is_complex:
            kind, _ = self.datatypes[target]
            if kind == "hex":
                return value.hex().upper()
            return base64.b64encode(value).decode("ascii") if kind == "base64" else value
        _, flat, slots = self._types[target]
        out: Json = {}
        values = [value] if flat else [getattr(value, name) for name in value.__struct_fields__]
        for (kind, alternatives), content in zip(slots, values, strict=True):
            if content is None or content == ():
                if content is None and len(alternatives) == 1 and self._is_flat(alternatives[0]):
                    out[alternatives[0][0]] = {}
                continue
            if kind == "items":
                out["content"] = [self._show_item(alternatives, item) for item in content]
            elif kind == "list":
                name, *_ = self._alternative(alternatives, content[0])
                out[name] = [self._show_one(alternatives, entry) for entry in content]
            else:
                name, *_ = self._alternative(alternatives, content)
                out[name] = self._show_one(alternatives, content)
        return out

    def _is_flat(self, alternative: _Alternative) -> bool:
        return alternative[1] and self._types[alternative[2]][1]

    def _show_one(self, alternatives: list[_Alternative], value: Any) -> Any:
        _, is_complex, target = self._alternative(alternatives, value)
        return self._show(is_complex, target, value)

    def _show_item(self, alternatives: list[_Alternative], item: Item) -> Json:
        for name, is_complex, target in (*alternatives, *self._wild(item.name)):
            if name == item.name:
                return {name: self._show(is_complex, target, item.value)}
        return {"": item.value}

    def _wild(self, name: str) -> list[_Alternative]:
        """The global element that ``{namespace}name`` means, where the schema allows any."""
        spaces, _ = self._root_spaces
        return [
            (name, is_complex, target)
            for (local, is_complex, target), space in zip(self._documents, spaces, strict=True)
            if name == f"{{{space}}}{local}"
        ]

    def _alternative(self, alternatives: list[_Alternative], value: Any) -> _Alternative:
        if len(alternatives) == 1:
            return alternatives[0]
        index = self._index.get(type(value))
        for alternative in alternatives:
            if alternative[1] and alternative[2] == index:
                return alternative
        raise EncodeError(f"{type(value).__name__} found, one of {_names(alternatives)} expected")

    def _read(self, is_complex: bool, target: int, data: Any, path: str) -> Any:
        if not is_complex:
            return self._read_simple(target, data, path)
        type_name, flat, slots = self._types[target]
        if not isinstance(data, dict):
            raise EncodeError(f"{type(data).__name__} found, an object expected", path=path)
        cls = self._classes[target]
        fields = cls.__struct_fields__ if cls is not None else ("",)
        values: Json = {}
        for key, content in data.items():
            number, alternative = self._find(slots, key, path)
            kind, alternatives = slots[number]
            where = f"{path}/{key}"
            if fields[number] in values:
                raise EncodeError("given beside another element of the same choice", path=where)
            if kind == "items":
                values[fields[number]] = tuple(self._read_item(alternatives, x, where) for x in content)
            elif kind == "list":
                entries = content if isinstance(content, list) else [content]
                values[fields[number]] = tuple(self._read(*alternative[1:], x, where) for x in entries)
            else:
                values[fields[number]] = self._read(*alternative[1:], content, where)
        if flat:
            return values.get("")
        assert cls is not None
        try:
            return cls(**values)
        except TypeError as error:
            raise EncodeError(f"{type_name}: {error}", path=path) from None

    def _find(
        self, slots: list[tuple[str, list[_Alternative]]], key: str, path: str
    ) -> tuple[int, _Alternative]:
        for number, (kind, alternatives) in enumerate(slots):
            if kind == "items" and key == "content":
                return number, ("", False, 0)
            for alternative in alternatives:
                if kind != "items" and alternative[0] == key:
                    return number, alternative
        expected = _names([a for kind, alternatives in slots if kind != "items" for a in alternatives])
        raise EncodeError(f"{key} does not belong here, expected {expected or 'nothing'}", path=path)

    def _read_item(self, alternatives: list[_Alternative], data: Any, path: str) -> Item:
        if isinstance(data, dict) and len(data) == 1:
            name, content = next(iter(data.items()))
            if name == "":
                return Item("", str(content))
            for known, is_complex, target in (*alternatives, *self._wild(name)):
                if known == name:
                    return Item(name, self._read(is_complex, target, content, f"{path}/{name}"))
        raise EncodeError(f"an object with one of {_names(alternatives)} expected", path=path)

    def _read_simple(self, target: int, data: Any, path: str) -> Any:
        kind, enumeration = self.datatypes[target]
        try:
            if kind == "enumeration":
                return self._enums[enumeration](data)
            if kind == "hex":
                return bytes.fromhex(data)
            if kind == "base64":
                return base64.b64decode(data, validate=True)
        except (ValueError, TypeError, binascii.Error) as error:
            raise EncodeError(f"{data!r}: {error}", path=path) from None
        expected = {"boolean": bool, "integer": int, "string": str}[kind]
        if type(data) is not expected:
            raise EncodeError(f"{data!r} found, {kind} expected", path=path)
        return data


def _names(alternatives: list[_Alternative]) -> str:
    return ", ".join(name for name, *_ in alternatives)
