"""EXI, the binary XML of ISO 15118, and the JSON form of messages.

One `Codec` per schema set: nothing in a stream says which schema it follows, the protocol phase does (EXI guide of
the standard: section 7.9). Streams are schema-informed, bit-packed, with header ``80`` and empty value tables
[V2G2-099] [V2G2-600].

    >>> from secc import exi
    >>> message = exi.ISO2.decode(bytes.fromhex("809802000000000000000011d01832ac48d159e000"))
    >>> message.body.evcc_id.hex()
    '0cab12345678'
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from types import ModuleType
from typing import Any

import msgspec

from secc import _exi
from secc.errors import DecodeError, EncodeError
from secc.jsonform import JsonForm
from secc.messages import app_protocol, iso2, xmldsig
from secc.messages._base import Item

__all__ = ["APP_PROTOCOL", "ISO2", "XMLDSIG", "Codec"]


class Codec:
    """Encodes and decodes the documents and fragments of one schema set.

    `schema` names the grammar tables, `module` holds the message classes, `roots` are the classes of the messages
    that the protocol sends as documents; other global elements are legal EXI but no messages. Thread-safe.
    """

    def __init__(
        self,
        schema: str,
        module: ModuleType,
        roots: Iterable[type[msgspec.Struct]],
        *,
        lenient_lists: bool = True,
    ) -> None:
        self.schema = schema
        self.module = module
        self._roots = frozenset(roots)
        types: tuple[type[msgspec.Struct] | None, ...] = module.TYPES
        enums: tuple[type[StrEnum], ...] = module.ENUMS
        self.engine = _exi.Codec(
            schema, types, enums, Item, DecodeError, EncodeError, lenient_lists=lenient_lists
        )
        self._json: JsonForm | None = None
        self._names = {root: self.engine.roots_of(root)[0] for root in self._roots}

    def decode(self, data: bytes) -> Any:
        """The message in `data`.

        Zero bytes behind the end are accepted, since cars in the field append them. Raises `DecodeError` with the
        kind of fault, the bit offset and the element path; never returns part of a message.
        """
        message, name, _ = self.engine.decode(data)
        if type(message) not in self._roots:
            raise DecodeError(f"root: {name} is no message of its own", kind="root", bit_offset=8, path=name)
        return message

    def encode(self, message: msgspec.Struct) -> bytes:
        """The EXI document of `message`. Raises `EncodeError` where the schema does not allow its content."""
        name = self._names.get(type(message))
        if name is None:
            raise EncodeError(f"{type(message).__name__} is not a message of schema set {self.schema}")
        return self.engine.encode(name, message)

    def decode_fragment(self, data: bytes) -> tuple[str, Any]:
        """Name and content of the element in an EXI fragment."""
        value, name, _ = self.engine.decode_fragment(data)
        return name, value

    def encode_fragment(self, element: str, value: object) -> bytes:
        """`value` as the EXI fragment of `element`: the octets that a signature digests."""
        return self.engine.encode_fragment(element, value)

    def to_json(self, message: msgspec.Struct, *, indent: int = 0) -> str:
        """`message` as JSON with the element names of the schema; see `secc.jsonform`."""
        name = self._names.get(type(message))
        if name is None:
            raise EncodeError(f"{type(message).__name__} is not a message of schema set {self.schema}")
        text = msgspec.json.encode(self.json_form.from_value(name, message))
        return (msgspec.json.format(text, indent=indent) if indent else text).decode()

    def from_json(self, text: str | bytes) -> Any:
        """The message that `text` describes. Raises `EncodeError` naming the member that does not fit."""
        try:
            data = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise EncodeError(f"not JSON: {error}") from None
        name, message = self.json_form.to_value(data)
        if type(message) not in self._roots:
            raise EncodeError(f"{name} is no message of its own", path=name)
        return message

    @property
    def json_form(self) -> JsonForm:
        """Conversion to plain data; made on first use."""
        if self._json is None:
            self._json = JsonForm(self)
        return self._json


APP_PROTOCOL = Codec(
    "sap", app_protocol, (app_protocol.SupportedAppProtocolReq, app_protocol.SupportedAppProtocolRes)
)
"""The handshake that starts every connection."""

ISO2 = Codec("iso2", iso2, (iso2.V2GMessage,))
"""The messages of ISO 15118-2:2013."""

XMLDSIG = Codec("xmldsig", xmldsig, (xmldsig.Signature, xmldsig.SignedInfo))
"""XML Signature alone: the set over which SignedInfo is signed."""
