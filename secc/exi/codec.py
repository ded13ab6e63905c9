"""The codec of one schema set, over the engine in Rust; `secc.exi` describes the streams."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from secc import _exi
from secc.errors import DecodeError, EncodeError, InputError
from secc.exi.json import JsonForm
from secc.exi.structure import Structure
from secc.messages import app_protocol, iso2, xmldsig
from secc.messages._base import Item

if TYPE_CHECKING:
    from secc.exi.schema.raw_tables import Raw
    from secc.exi.xml import XmlForm

__all__ = [
    "APP_PROTOCOL",
    "ISO2",
    "SCHEMAS",
    "XMLDSIG",
    "Codec",
    "FullLists",
    "Piece",
    "UnknownSchema",
    "codec",
]

FullLists = Literal["specified", "marked", "loop"]
"""Form in which a list of exactly the maximum length ends."""


class UnknownSchema(KeyError):
    """Unknown name of a schema set; the text lists the known names."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"{name!r} is not a schema set; known are {', '.join(known)}")

    def __str__(self) -> str:  # a KeyError shows its argument in quotation marks
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a stream and its meaning."""

    bit: int
    """First bit, counted from the start of the stream."""
    width: int
    """Number of bits."""
    event: str
    """``SE(name)``, ``AT(name)``, ``CH``, ``EE``, ``value``, ``header``, ``padding``, ``escape`` ...

    After the end: ``zero octets``; in a refused stream also ``fault`` and ``unread``."""
    code: tuple[int, int] | None
    """Event code and number of alternatives (0: second level)."""
    path: str
    """Element names, from the root."""
    value: str
    """A value as text: octets in hexadecimal, enumerations as their literal."""


class Codec:
    """Encodes and decodes the documents and fragments of one schema set.

    `schema` is the name of the grammar tables or the tables, `module` holds the message classes, `roots` are
    the classes of the messages that the protocol sends as documents; other global elements are valid EXI but
    not messages. Thread-safe.

    A list that is exactly full ends in one of three forms: ``specified`` by EXI 1.0, ``marked`` (lists with
    ``~`` in ``exi_schemas`` end as the precompiled tables of common Java stacks have it), ``loop`` (every
    list ends as if one more could follow). `full_lists` selects the form to write. All forms are read:
    the one that leaves no bits unread is preferred, otherwise the first that fits, in this order; without
    `lenient_lists` only the first form is read.

    `lenient_ranges` accepts an integer of fixed width above the largest value of its type, up to the range of
    its bits, when reading; it is never written.

    `direct` fills and reads message objects in memory, for each class that passes a check of its layout. The
    other classes, and all of them without `direct`, are called and read by attribute: the results are the
    same, at a fraction of the speed.
    """

    def __init__(
        self,
        schema: str | Raw,
        module: ModuleType,
        roots: Iterable[type[msgspec.Struct]],
        *,
        lenient_lists: bool = True,
        full_lists: FullLists = "specified",
        lenient_ranges: bool = False,
        direct: bool = True,
    ) -> None:
        self.schema = schema if isinstance(schema, str) else schema.name
        self.module = module
        self._roots = frozenset(roots)
        types: tuple[type[msgspec.Struct] | None, ...] = module.TYPES
        enums: tuple[type[StrEnum], ...] = module.ENUMS
        # Pass only options that differ from the default: an engine of an older build does not know them.
        choices: dict[str, Any] = {"full_lists": full_lists} if full_lists != "specified" else {}
        if lenient_ranges:
            choices["lenient_ranges"] = True
        if not direct:
            choices["direct"] = False
        self.engine = _exi.Codec(
            schema,
            types,
            enums,
            Item,
            DecodeError,
            self._refusal,
            messages=tuple(self._roots),
            lenient_lists=lenient_lists,
            **choices,
        )
        # The methods of the engine: a Python frame around them would double the time of a short message.
        self.decode = self.engine.decode_message  # type: ignore[method-assign]
        self.encode = self.engine.encode_message  # type: ignore[method-assign]
        self._json: JsonForm | None = None
        self._xml: XmlForm | None = None

    def _refusal(self, text: str, *, path: str = "") -> EncodeError:
        """The error of the engine; for a body without its message it shows the whole message."""
        name, is_none, _ = text.partition(" is not a message of schema set ")
        if is_none and name.endswith(("Req", "Res")) and hasattr(self.module, "V2GMessage"):
            whole = f"V2GMessage(header=MessageHeader(session_id=...), body={name}(...))"
            text = f"{text}: it is the body of one, expected {whole}"
        return EncodeError(text, path=path)

    def decode(self, data: bytes) -> Any:
        """Return the message in `data`.

        Zero bytes after the end are accepted, since cars in the field append them. Raises `DecodeError` with
        the kind of fault, the bit offset and the element path; never returns part of a message.
        """
        return self.engine.decode_message(data)

    def encode(self, message: msgspec.Struct, *, element: str | None = None) -> bytes:
        """Return the EXI document of `message`. Raises `EncodeError` if the schema does not permit it.

        `element` names the root element if several have the class of `message`.
        """
        return self.engine.encode_message(message, element=element)

    def root_name(self, message: msgspec.Struct) -> str:
        """Return the name of the root element for `message`. Raises `EncodeError` if it is not unique."""
        return self.engine.root_name(message)

    @property
    def message_names(self) -> frozenset[str]:
        """Names of the root elements that are messages."""
        return frozenset(name for root in self._roots for name in self.engine.roots_of(root))

    def decode_fragment(self, data: bytes) -> tuple[str, Any]:
        """Return name and content of the element in an EXI fragment."""
        value, name, _ = self.engine.decode_fragment(data)
        return name, value

    def encode_fragment(self, element: str, value: object) -> bytes:
        """Return `value` as the EXI fragment of `element`: the octets over which a signature is computed."""
        return self.engine.encode_fragment(element, value)

    def explain(self, data: bytes, *, fragment: bool = False) -> tuple[list[Piece], DecodeError | None]:
        """Return every piece of `data` with its bits and meaning, and the fault that ends it or None.

        The pieces cover the stream from the first bit to the last. The fault is that of `decode`: the piece
        ``fault`` holds the invalid bits, if any, and ``unread`` the bits after them.
        """
        rows, fault = self.engine.explain(data, fragment)
        pieces = [
            Piece(bit, width, event, code, path, self._literal(datatype, value))
            for bit, width, event, code, path, value, datatype in rows
        ]
        if fault is None:
            return pieces, None
        kind, bit, path, detail = fault
        return pieces, DecodeError(f"{kind}: {detail}", kind=kind, bit_offset=bit, path=path)

    def _literal(self, datatype: int | None, value: str) -> str:
        kind, enumeration = self.json_form.structure.datatypes[datatype] if datatype is not None else ("", 0)
        if kind != "enumeration":
            return value
        members: list[StrEnum] = list(self.module.ENUMS[enumeration])
        return members[int(value)].value if int(value) < len(members) else value

    def to_json(self, message: msgspec.Struct, *, indent: int = 0) -> str:
        """Return `message` as JSON with the element names of the schema; see `secc.exi.json`."""
        name = self.root_name(message)
        text = msgspec.json.encode(self.json_form.from_value(name, message))
        return (msgspec.json.format(text, indent=indent) if indent else text).decode()

    def from_json(self, text: str | bytes) -> Any:
        """Return the message in a JSON text. Raises `InputError` with the invalid member."""
        return self._message(*self.json_form.from_text(text))

    def to_xml(self, message: msgspec.Struct) -> str:
        """Return `message` as an XML document of the schema; see `secc.exi.xml`."""
        return self.xml_form.to_xml(self.root_name(message), message)

    def from_xml(self, text: str | bytes) -> Any:
        """Return the message in an XML document. Raises `InputError` with the invalid element."""
        return self._message(*self.xml_form.from_xml(text, message=True))

    def _message(self, name: str, message: Any) -> Any:
        if type(message) in self._roots:
            return message
        raise InputError(f"{name} is not a message", path=name)

    @property
    def xml_form(self) -> XmlForm:
        """Conversion to XML; made on first use."""
        from secc.exi.xml import XmlForm  # the parser is a large import that few programs need

        if self._xml is None:
            self._xml = XmlForm(self.json_form.structure)
        return self._xml

    @property
    def json_form(self) -> JsonForm:
        """Conversion to plain data; made on first use."""
        if self._json is None:
            self._json = JsonForm(Structure(self.engine, self.module))
        return self._json


APP_PROTOCOL = Codec("sap", app_protocol, app_protocol.MESSAGES)
"""The handshake that starts every connection."""

ISO2 = Codec("iso2", iso2, iso2.MESSAGES)
"""The messages of ISO 15118-2:2013."""

XMLDSIG = Codec("xmldsig", xmldsig, xmldsig.MESSAGES)
"""XML Signature alone: the set over which SignedInfo is signed."""

SCHEMAS = {
    "sap": "app_protocol",
    "iso2": "iso2",
    "xmldsig": "xmldsig",
    "din": "din",
    "iso20-common": "iso20_common",
    "iso20-ac": "iso20_ac",
    "iso20-dc": "iso20_dc",
    "iso20-wpt": "iso20_wpt",
    "iso20-acdp": "iso20_acdp",
    "iso20-ac-der-iec": "iso20_ac_der_iec",
    "iso20-ac-der-sae": "iso20_ac_der_sae",
}
"""Every schema set and the module of its message classes."""


@functools.cache
def codec(schema: str, *, full_lists: FullLists = "specified", lenient_ranges: bool = False) -> Codec:
    """Return the codec of `schema`, one of `SCHEMAS`; its message classes are imported on first use.

    `full_lists` and `lenient_ranges`: see `Codec`. Raises `UnknownSchema`.
    """
    ready = {"sap": APP_PROTOCOL, "iso2": ISO2, "xmldsig": XMLDSIG}
    if schema in ready and full_lists == "specified" and not lenient_ranges:
        return ready[schema]
    if schema not in SCHEMAS:
        raise UnknownSchema(schema, SCHEMAS)
    module = importlib.import_module(f"secc.messages.{SCHEMAS[schema]}")
    return Codec(schema, module, module.MESSAGES, full_lists=full_lists, lenient_ranges=lenient_ranges)
