"""Messages as XML documents that follow the schema, for tools that speak XML.

hexBinary is written in upper case, the canonical form of XML Schema. Characters that EXI can carry and XML
cannot (most control characters; one car sends them) are refused with `EncodeError`.
"""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from secc.errors import EncodeError, InputError
from secc.exi.structure import Alternative, Slot, Structure
from secc.messages._base import Item

__all__ = ["XmlForm"]

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_TYPE = f"{{{_XSI}}}type"
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class XmlForm:
    """Converts the messages of one codec to XML and back."""

    def __init__(self, structure: Structure) -> None:
        self._structure = structure

    def to_xml(self, name: str, value: Any) -> str:
        """Return the indented document whose root element `name` holds `value`."""
        prefixes: dict[str, str] = {}
        root = self._structure.actual(self._structure.root(name), value)
        body = "\n".join(self._element(root, value, 0, prefixes))
        declarations = "".join(f" xmlns:{prefix}={quoteattr(uri)}" for uri, prefix in prefixes.items())
        start = re.match(r"<[^\s/>]+", body)
        assert start
        return f"{body[: start.end()]}{declarations}{body[start.end() :]}\n"

    def from_xml(self, text: str | bytes, *, message: bool = False) -> tuple[str, Any]:
        """Return element name and content of a document, of any element or of a `message`.

        Raises `InputError` with the invalid element.
        """
        try:
            tree = _parsed(text)
        except ET.ParseError as error:
            line, column = _fault(text, error).position
            what = str(error).partition(": line")[0]
            raise InputError(f"not XML: {what}", line=line, column=column + 1) from None
        name, space = _split(tree.tag)
        if message:
            self._structure.check_envelope(name, space)
        return name, self._read(tree, self._structure.root(name, space), name)

    def _element(self, own: Alternative, value: Any, depth: int, prefixes: dict[str, str]) -> list[str]:
        tag = _qualified(own, prefixes)
        pad = "  " * depth
        if not own.is_complex:
            return [f"{pad}<{tag}>{_escaped(self._show(own.target, value, own.name))}</{tag}>"]
        own_type = self._structure.types[own.target]
        attributes, text, children = "", "", []
        if own.is_typed:
            prefixes.setdefault(_XSI, "xsi")
            named = _qualified(Alternative(own_type.name, own_type.space, True, 0), prefixes)
            attributes = f' xsi:type="{named}"'
        for slot, content in own_type.values(value):
            if content is None or content == ():
                empty = self._structure.empty(slot) if content is None else None
                if empty is not None:
                    children += self._element(empty, None, depth + 1, prefixes)
                continue
            if slot.kind == "items":
                text += self._items(slot, content, prefixes)
                continue
            for entry in content if slot.kind == "list" else (content,):
                chosen = self._structure.chosen(slot, entry)
                if chosen.is_attribute:
                    shown = quoteattr(self._show(chosen.target, entry, chosen.name))
                    attributes += f" {_qualified(chosen, prefixes)}={shown}"
                elif chosen.is_value:
                    text = _escaped(self._show(chosen.target, entry, own.name))
                else:
                    children += self._element(chosen, entry, depth + 1, prefixes)
        if not children:
            return [f"{pad}<{tag}{attributes}>{text}</{tag}>" if text else f"{pad}<{tag}{attributes}/>"]
        return [f"{pad}<{tag}{attributes}>", *children, f"{pad}</{tag}>"]

    def _items(self, slot: Slot, items: tuple[Item, ...], prefixes: dict[str, str]) -> str:
        """Write ordered content on one line: spaces between its pieces are significant."""
        out = ""
        for item in items:
            found = self._structure.item(slot, item.name)
            if found is not None:
                own = self._structure.actual(found, item.value)
                out += "\n".join(self._element(own, item.value, 0, prefixes))
            elif item.name:
                raise EncodeError(f"{item.name} is not permitted here")
            else:
                out += _escaped(_in_xml(str(item.value), ""))
        return out

    def _show(self, target: int, value: Any, name: str) -> str:
        kind, _ = self._structure.datatypes[target]
        if kind == "hex":
            return str(value.hex().upper())
        if kind == "base64":
            return base64.b64encode(value).decode("ascii")
        if kind == "boolean":
            return "true" if value else "false"
        return _in_xml(str(value), name)

    def _read(self, element: ET.Element, own: Alternative, path: str) -> Any:
        if not own.is_complex:
            return self._value(own.target, element.text or "", path)
        found: dict[str, Any] = {}
        remaining = list(element)
        attributes = dict(element.attrib)
        if _TYPE in attributes:
            own = self._structure.typed(own, attributes.pop(_TYPE))
        found_type = self._structure.types[own.target]
        for slot in found_type.slots:
            if slot.kind == "items":
                found[slot.field] = tuple(self._read_items(element, slot, path))
                remaining = []
                continue
            for choice in slot.alternatives:
                where = f"{path}/{choice.name}"
                if choice.is_attribute:
                    key = choice.in_full if choice.space else choice.name
                    if key in attributes:
                        found[slot.field] = self._value(choice.target, attributes.pop(key), where)
                elif choice.is_value:
                    found[slot.field] = self._value(choice.target, element.text or "", path)
                else:
                    these = [e for e in remaining if _split(e.tag) == (choice.name, choice.space)]
                    remaining = [e for e in remaining if e not in these]
                    if these and slot.kind == "list":
                        found[slot.field] = tuple(self._read(e, choice, where) for e in these)
                    elif these:
                        if len(these) > 1 or slot.field in found:
                            raise InputError("given more than once", path=where)
                        found[slot.field] = self._read(these[0], choice, where)
        if remaining or attributes:
            extra = remaining[0].tag if remaining else next(iter(attributes))
            raise InputError(f"{extra} is not permitted here", path=path)
        return found_type.make(found, path)

    def _read_items(self, element: ET.Element, slot: Slot, path: str) -> Iterator[Item]:
        def text(content: str | None) -> Iterator[Item]:
            if content and content.strip():
                yield Item("", content)

        yield from text(element.text)
        for child in element:
            name, space = _split(child.tag)
            declared = next((a for a in slot.alternatives if (a.name, a.space) == (name, space)), None)
            found = declared or self._structure.any_element(f"{{{space}}}{name}")
            if found is None:
                raise InputError(f"{child.tag} is not permitted here", path=path)
            yield Item(name if declared else child.tag, self._read(child, found, f"{path}/{name}"))
            yield from text(child.tail)

    def _value(self, target: int, text: str, path: str) -> Any:
        kind, enumeration = self._structure.datatypes[target]
        stripped = text.strip()
        try:
            if kind == "enumeration":
                return self._structure.literal(enumeration, stripped)
            if kind == "hex":
                return bytes.fromhex(stripped)
            if kind == "base64":
                return base64.b64decode("".join(text.split()), validate=True)
            if kind == "integer":
                return int(stripped)
            if kind == "boolean":
                return {"true": True, "1": True, "false": False, "0": False}[stripped]
        except (ValueError, KeyError) as error:
            raise InputError(f"{text!r} is not a valid {kind}: {error}", path=path) from None
        return text


def _parsed(text: str | bytes) -> ET.Element:
    """Return the root of a document; the value of each ``xsi:type`` has its namespace in braces."""
    parser: ET.XMLPullParser[ET.Element] = ET.XMLPullParser(("start-ns", "start", "end-ns"))
    parser.feed(text)
    parser.close()
    spaces = [("", "")]
    root = None
    for event in parser.read_events():
        found = event[-1]
        if isinstance(found, ET.Element):
            root = found if root is None else root
            if _TYPE in found.attrib:
                prefix, _, local = found.attrib[_TYPE].strip().rpartition(":")
                uri = next((uri for known, uri in reversed(spaces) if known == prefix), "?")
                found.attrib[_TYPE] = f"{{{uri}}}{local}"
        elif isinstance(found, tuple):
            spaces.append(found)
        else:
            spaces.pop()
    assert root is not None  # the parser has reached the end of the document
    return root


def _fault(text: str | bytes, error: ET.ParseError) -> ET.ParseError:
    """Return `error` with its position in the whole text: a parser fed in pieces reads past the fault."""
    try:
        ET.fromstring(text)
    except ET.ParseError as first:
        return first
    return error


def _in_xml(text: str, name: str) -> str:
    """Return `text`. Raises `EncodeError` if XML cannot represent a character."""
    if bad := _NOT_XML.search(text):
        raise EncodeError(f"U+{ord(bad.group()):04X} cannot be written in XML", path=name)
    return text


def _escaped(text: str) -> str:
    """Return `text` as element content, with carriage returns escaped: parsers turn them into line feeds."""
    return escape(text, {"\r": "&#13;"})


def _split(tag: str) -> tuple[str, str]:
    """Return local name and namespace of a tag in the notation of ElementTree."""
    space, brace, local = tag.rpartition("}")
    return local, space[1:] if brace else ""


def _qualified(own: Alternative, prefixes: dict[str, str]) -> str:
    if not own.space:
        return own.name
    prefix = prefixes.setdefault(own.space, f"n{len(prefixes) + 1}")
    return f"{prefix}:{own.name}"
