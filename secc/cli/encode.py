"""`secc encode`: encode JSON or XML to EXI bytes."""

from __future__ import annotations

import argparse
import json
import sys
import typing
from pathlib import Path

from secc import exi
from secc.cli import misused, refused
from secc.cli.decode import codec_of
from secc.cli.streams import NotBytes, read_text
from secc.errors import EncodeError, InputError
from secc.exi.schema.notation import NotationError
from secc.exi.structure import UnknownElement
from secc.payloads import payload_type_of
from secc.v2gtp import frame

EXAMPLES = """examples:
  secc decode 809802000000000000000011d0180801784080c000 | secc encode
  secc encode --v2gtp message.json
  secc encode '{"V2G_Message": {"Header": {"SessionID": "00"},
    "Body": {"SessionStopReq": {"ChargingSession": "Terminate"}}}}'

XML in the format of `secc decode --xml` is accepted too. Element names are those of the standard; hexBinary
is written as hexadecimal, base64Binary as base64, enumerations as their literals.
"""

_ISO20 = tuple(name for name in exi.SCHEMAS if name.startswith("iso20-"))


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("source", nargs="?", default="-", help="JSON or XML, a file, or - (default)")
    parser.add_argument(
        "--schema",
        metavar="SET",
        default="auto",
        help=f"schema set: {', '.join(exi.SCHEMAS)}; auto (default) uses the root element",
    )
    parser.add_argument("--schemas", type=Path, metavar="DIR", help="use the schema set of this directory")
    parser.add_argument(
        "--full-lists",
        choices=typing.get_args(exi.FullLists),
        default="specified",
        help="encoding of lists at their maximum length: as in EXI 1.0 (default), or as other encoders do",
    )
    parser.add_argument("--v2gtp", action="store_true", help="prepend the V2GTP header of the set")
    parser.add_argument("--binary", action="store_true", help="write bytes, not hexadecimal")


def run(arguments: argparse.Namespace) -> int:
    """Print the bytes."""
    try:
        text = read_text(arguments.source)
    except NotBytes as error:
        return misused(str(error))
    try:
        schema, payload = _encode(text, arguments)
    except InputError as error:
        return refused(str(error.within(_file(arguments.source))))
    except EncodeError as error:
        return refused(str(error))
    except (NotationError, OSError) as error:
        return misused(str(error))
    data = frame(payload, payload_type_of(schema)) if arguments.v2gtp else payload
    if arguments.binary:
        sys.stdout.buffer.write(data)
    else:
        print(data.hex())
    return 0


def _encode(text: str, arguments: argparse.Namespace) -> tuple[str, bytes]:
    """Return the schema set and the document."""
    form: exi.FullLists = arguments.full_lists
    if arguments.schema != "auto":
        codec = codec_of(arguments.schema, arguments.schemas, form)
        return arguments.schema, _encode_as(codec, text)
    if not text.lstrip().startswith("<"):
        schema = _schema(text)
        return schema, _encode_as(exi.codec(schema, full_lists=form), text)
    for name in AUTOMATIC:  # namespaces distinguish XML documents
        try:
            return name, _encode_as(exi.codec(name, full_lists=form), text)
        except UnknownElement:
            continue
    raise EncodeError(f"the root element belongs to none of the schema sets {', '.join(AUTOMATIC)}")


AUTOMATIC = ("sap", "iso2", "din", *_ISO20, "xmldsig")
"""Schema sets that `auto` tries for XML, in order."""


def _encode_as(codec: exi.Codec, text: str) -> bytes:
    return codec.encode(codec.from_xml(text) if text.lstrip().startswith("<") else codec.from_json(text))


def _file(source: str) -> str:
    """Return the file name in `source`; empty for a text or standard input."""
    return "" if source == "-" or source.lstrip().startswith(("{", "<")) else source


def _schema(text: str) -> str:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg}", line=error.lineno, column=error.colno) from None
    root = next(iter(document), "") if isinstance(document, dict) else ""
    if root.startswith("supportedAppProtocol"):
        return "sap"
    if root in ("Signature", "SignedInfo"):
        return "xmldsig"
    # Messages of ISO 15118-20 include their header; those of AC are in two sets, the plain one first.
    if not root or "Header" not in (document[root] or ()) or root == "V2G_Message":
        return "iso2"
    return next((name for name in _ISO20 if root in exi.codec(name).message_names), "iso2")
