"""Messages as XML documents that follow the schema, for tools that speak XML.

hexBinary is written in upper case, as XML Schema's canonical form has it. What EXI can carry and XML cannot
(most control characters, which a real car does send) is refused with `EncodeError`.
"""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from secc.errors import EncodeError
from secc.messages._base import Item

if TYPE_CHECKING:
    from secc.exi import Codec

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_Alternative = tuple[str, bool, int]
_Named = tuple[_Alternative, str, bool]  # alternative, namespace, whether an attribute


class XmlForm:
    """Converts the messages of one codec to XML and back."""

    def __init__(self, codec: Codec) -> None:
        engine = codec.engine
        self._types, self._datatypes = engine.layout()
        self._spaces = engine.namespaces()
        documents, fragments = engine.roots()
        document_spaces, fragment_spaces = engine.root_namespaces()
        self._documents = len(documents)
        self._roots = list(zip(documents + fragments, document_spaces + fragment_spaces, strict=True))
        self._classes = codec.module.TYPES
        self._enums = codec.module.ENUMS
        self._index = {cls: number for number, cls in enumerate(self._classes) if cls is not None}

    def to_xml(self, name: str, value: Any) -> str:
        """The document whose root element `name` holds `value`, indented."""
        found = next((root for root in self._roots if root[0][0] == name), None)
        if found is None:
            raise EncodeError(f"{name} is no element of this schema set", path=name)
        (root, is_complex, target), space = found
        prefixes: dict[str, str] = {}
        body = "\n".join(self._element(root, space, is_complex, target, value, 0, prefixes))
        declarations = "".join(f" xmlns:{prefix}={quoteattr(uri)}" for uri, prefix in prefixes.items())
        start = re.match(r"<[^\s/>]+", body)
        assert start
        return f"{body[: start.end()]}{declarations}{body[start.end() :]}\n"

    def from_xml(self, text: str | bytes) -> tuple[str, Any]:
        """Element name and content of a document. Raises `EncodeError` naming what does not fit."""
        try:
            tree = ET.fromstring(text)
        except ET.ParseError as error:
            raise EncodeError(f"not XML: {error}") from None
        name, space = _split(tree.tag)
        for (root, is_complex, target), uri in self._roots:
            if (root, uri) == (name, space):
                return name, self._read(tree, is_complex, target, name)
        raise EncodeError(f"{tree.tag} is no element of this schema set", path=name)

    def _named(self, target: int) -> Iterator[tuple[str, list[_Named]]]:
        """Kind and alternatives of each slot of a type."""
        _, _, slots = self._types[target]
        for (kind, alternatives), spaces in zip(slots, self._spaces[target], strict=True):
            yield kind, [(a, uri, attr) for a, (uri, attr) in zip(alternatives, spaces, strict=True)]

    def _element(
        self,
        name: str,
        space: str,
        is_complex: bool,
        target: int,
        value: Any,
        depth: int,
        prefixes: dict[str, str],
    ) -> list[str]:
        tag = _qualified(name, space, prefixes)
        pad = "  " * depth
        if not is_complex:
            return [f"{pad}<{tag}>{escape(self._show(target, value, name))}</{tag}>"]
        attributes, text, children = "", "", []
        flat = self._types[target][1]
        values = [value] if flat else [getattr(value, field) for field in value.__struct_fields__]
        for (kind, alternatives), content in zip(self._named(target), values, strict=True):
            if content is None or content == ():
                if content is None and len(alternatives) == 1 and self._is_flat(alternatives[0][0]):
                    (child, deep, index), uri, _ = alternatives[0]
                    children += self._element(child, uri, deep, index, None, depth + 1, prefixes)
                continue
            if kind == "items":
                text += self._items(alternatives, content, prefixes)
                continue
            for entry in content if kind == "list" else (content,):
                (child, deep, index), uri, attribute = self._choose(alternatives, entry)
                if attribute:
                    shown = quoteattr(self._show(index, entry, child))
                    attributes += f" {_qualified(child, uri, prefixes)}={shown}"
                elif child == "value" and not deep and not uri:
                    text = escape(self._show(index, entry, name))
                else:
                    children += self._element(child, uri, deep, index, entry, depth + 1, prefixes)
        if not children:
            return [f"{pad}<{tag}{attributes}>{text}</{tag}>" if text else f"{pad}<{tag}{attributes}/>"]
        return [f"{pad}<{tag}{attributes}>", *children, f"{pad}</{tag}>"]

    def _is_flat(self, alternative: _Alternative) -> bool:
        return alternative[1] and self._types[alternative[2]][1]

    def _items(self, alternatives: list[_Named], items: tuple[Item, ...], prefixes: dict[str, str]) -> str:
        """Ordered content on one line: between its pieces every space counts."""
        out = ""
        for item in items:
            found = next((a for a in alternatives if a[0][0] == item.name), None)
            if found is None and not item.name.startswith("{"):
                out += escape(str(item.value))
            else:
                (child, deep, index), uri, _ = found or self._wild(item.name)
                out += "\n".join(self._element(child, uri, deep, index, item.value, 0, prefixes))
        return out

    def _wild(self, tag: str) -> _Named:
        """The global element that ``{namespace}name`` means, where the schema allows any."""
        for (local, is_complex, target), space in self._roots[: self._documents]:
            if _split(tag) == (local, space):
                return (local, is_complex, target), space, False
        raise EncodeError(f"{tag} does not belong here")

    def _choose(self, alternatives: list[_Named], value: Any) -> _Named:
        if len(alternatives) == 1:
            return alternatives[0]
        index = self._index.get(type(value))
        for named in alternatives:
            if named[0][1] and named[0][2] == index:
                return named
        raise EncodeError(f"{type(value).__name__} does not belong here")

    def _show(self, target: int, value: Any, name: str) -> str:
        kind, _ = self._datatypes[target]
        if kind == "hex":
            return str(value.hex().upper())
        if kind == "base64":
            return base64.b64encode(value).decode("ascii")
        if kind == "boolean":
            return "true" if value else "false"
        text = str(value)
        if bad := _NOT_XML.search(text):
            raise EncodeError(f"U+{ord(bad.group()):04X} cannot be written in XML", path=name)
        return text

    def _read(self, element: ET.Element, is_complex: bool, target: int, path: str) -> Any:
        if not is_complex:
            return self._value(target, element.text or "", path)
        type_name, flat, _ = self._types[target]
        cls = self._classes[target]
        fields = cls.__struct_fields__ if cls is not None else ("",)
        found: dict[str, Any] = {}
        remaining = list(element)
        attributes = dict(element.attrib)
        for field, (kind, alternatives) in zip(fields, self._named(target), strict=True):
            if kind == "items":
                found[field] = tuple(self._read_items(element, alternatives, path))
                remaining = []
                continue
            for (child, deep, index), uri, attribute in alternatives:
                where = f"{path}/{child}"
                if attribute:
                    key = f"{{{uri}}}{child}" if uri else child
                    if key in attributes:
                        found[field] = self._value(index, attributes.pop(key), where)
                elif child == "value" and not deep and not uri:
                    found[field] = self._value(index, element.text or "", path)
                else:
                    own = [e for e in remaining if _split(e.tag) == (child, uri)]
                    remaining = [e for e in remaining if e not in own]
                    if own and kind == "list":
                        found[field] = tuple(self._read(e, deep, index, where) for e in own)
                    elif own:
                        if len(own) > 1 or field in found:
                            raise EncodeError("given more than once", path=where)
                        found[field] = self._read(own[0], deep, index, where)
        if remaining or attributes:
            extra = remaining[0].tag if remaining else next(iter(attributes))
            raise EncodeError(f"{extra} does not belong here", path=path)
        if flat:
            return found.get("")
        assert cls is not None
        try:
            return cls(**found)
        except TypeError as error:
            raise EncodeError(f"{type_name}: {error}", path=path) from None

    def _read_items(self, element: ET.Element, alternatives: list[_Named], path: str) -> Iterator[Item]:
        def text(content: str | None) -> Iterator[Item]:
            if content and content.strip():
                yield Item("", content)

        yield from text(element.text)
        for child in element:
            name, space = _split(child.tag)
            for (known, deep, index), uri, _ in alternatives:
                if (known, uri) == (name, space):
                    yield Item(name, self._read(child, deep, index, f"{path}/{name}"))
                    break
            else:
                (_, deep, index), _, _ = self._wild(child.tag)
                yield Item(child.tag, self._read(child, deep, index, f"{path}/{name}"))
            yield from text(child.tail)

    def _value(self, target: int, text: str, path: str) -> Any:
        kind, enumeration = self._datatypes[target]
        stripped = text.strip()
        try:
            if kind == "enumeration":
                return self._enums[enumeration](stripped)
            if kind == "hex":
                return bytes.fromhex(stripped)
            if kind == "base64":
                return base64.b64decode("".join(text.split()), validate=True)
            if kind == "integer":
                return int(stripped)
            if kind == "boolean":
                return {"true": True, "1": True, "false": False, "0": False}[stripped]
        except (ValueError, KeyError) as error:
            raise EncodeError(f"{text!r} is no {kind}: {error}", path=path) from None
        return text


def _split(tag: str) -> tuple[str, str]:
    """Local name and namespace of a tag as ElementTree writes it."""
    space, brace, local = tag.rpartition("}")
    return local, space[1:] if brace else ""


def _qualified(name: str, space: str, prefixes: dict[str, str]) -> str:
    if not space:
        return name
    prefix = prefixes.setdefault(space, f"n{len(prefixes) + 1}")
    return f"{prefix}:{name}"
