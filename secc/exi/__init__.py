"""EXI, the binary XML of ISO 15118, and the JSON and XML forms of messages.

There is one `Codec` per schema set. A stream does not name its schema; the protocol phase determines it.
Streams are schema-informed, bit-packed, with header ``80`` and empty value tables [V2G2-099] [V2G2-600].

    >>> from secc import exi
    >>> message = exi.ISO2.decode(bytes.fromhex("809802000000000000000011d0180801784080c000"))
    >>> message.body.evcc_id.hex()
    '02005e102030'

`codec` is the codec itself, `json` and `xml` are the text forms, `schema` the notation, the grammars and
codecs made at run time.
"""

from secc.exi.codec import (
    APP_PROTOCOL,
    ISO2,
    SCHEMAS,
    XMLDSIG,
    Codec,
    FullLists,
    Piece,
    UnknownSchema,
    codec,
)

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
