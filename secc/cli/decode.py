"""`secc decode`: decode EXI bytes to JSON or XML, or explain them bit by bit."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from secc import exi
from secc.cli import misused, refused
from secc.cli.streams import NotBytes, read_bytes
from secc.errors import DecodeError, FramingError
from secc.exi.schema.notation import NotationError, load
from secc.payloads import schemas_of
from secc.sdp import SdpRequest, SdpResponse
from secc.v2gtp import PayloadType, frame

EXAMPLES = """examples:
  secc decode 809802000000000000000011d0180801784080c000
  secc decode --schema sap capture.bin
  secc decode --explain 80400040
  echo 01fe9000000000021000 | secc decode -

A V2GTP header (01 FE ...) is detected and removed; consecutive frames give several messages. Its payload
type names the schema set of ISO 15118-20; a document without header needs --schema iso20-common, iso20-ac ...
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "source", nargs="?", default="-", help="hexadecimal, a file (binary or hexadecimal), or - (default)"
    )
    parser.add_argument(
        "--schema",
        metavar="SET",
        default="auto",
        help=f"schema set: {', '.join(exi.SCHEMAS)}; auto (default) uses the payload type of a V2GTP "
        "header; without a header it tries sap, iso2, din",
    )
    parser.add_argument("--schemas", type=Path, metavar="DIR", help="use the schema set of this directory")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--xml", action="store_true", help="write XML instead of JSON")
    form.add_argument(
        "--explain",
        action="store_true",
        help="print each part of the stream: bit, width, bits, event, element, value",
    )
    parser.add_argument(
        "--fragment", action="store_true", help="decode an EXI fragment, as used in signatures"
    )
    parser.add_argument("--compact", action="store_true", help="print one line per message")


def run(arguments: argparse.Namespace) -> int:
    """Print each message as JSON."""
    try:
        data = read_bytes(arguments.source)
    except NotBytes as error:
        return misused(str(error))
    if not data:
        return misused("no bytes to decode")
    try:
        for payload_type, payload in frames(data):
            if schemas := schemas_of(payload_type):
                print(_show(payload, schemas, arguments))
            else:
                print(json.dumps(_sdp(frame(payload, payload_type)), indent=None if arguments.compact else 2))
    except (DecodeError, FramingError) as error:
        return refused(str(error))
    except BrokenPipeError:  # the reader of the output has gone
        raise
    except (NotationError, OSError) as error:
        return misused(str(error))
    return 0


def codec_of(name: str, directory: Path | None, full_lists: exi.FullLists = "specified") -> exi.Codec:
    """Return the codec of schema set `name`: built in, or compiled from the schemas in `directory`."""
    if directory is None:
        if name not in exi.SCHEMAS:
            raise NotationError(f"{name} is not a schema set; known are {', '.join(exi.SCHEMAS)}")
        return exi.codec(name, full_lists=full_lists)
    from secc.exi.schema.runtime import compile_codec  # rarely needed

    sets = load(directory)
    if name not in sets:
        raise NotationError(f"{name} is not a schema set of {directory}; known are {', '.join(sets)}")
    return compile_codec(sets[name], full_lists=full_lists)


def frames(data: bytes) -> list[tuple[PayloadType, bytes]]:
    """Return the payloads of the V2GTP frames in `data`; without a header, `data` is one EXI payload."""
    if not data.startswith(b"\x01\xfe"):
        return [(PayloadType.EXI, data)]
    found = []
    while data:
        if len(data) < 8 or not data.startswith(b"\x01\xfe"):
            raise FramingError(f"{len(data)} bytes after a frame are not a frame")
        size = int.from_bytes(data[4:8])
        if len(data) < 8 + size:
            raise FramingError(f"the V2GTP header announces {size} bytes, {len(data) - 8} follow")
        number = int.from_bytes(data[2:4])
        if not schemas_of(number) and number not in _SDP:
            raise FramingError(f"payload type 0x{number:04X} is neither EXI nor discovery")
        found.append((PayloadType(number), data[8 : 8 + size]))
        data = data[8 + size :]
    return found


_SDP = (PayloadType.SDP_REQUEST, PayloadType.SDP_RESPONSE)


def _show(payload: bytes, schemas: tuple[str, ...], arguments: argparse.Namespace) -> str:
    indent = 0 if arguments.compact else 2
    names = schemas if arguments.schema == "auto" else (arguments.schema,)
    failures: list[tuple[DecodeError, exi.Codec]] = []
    for name in names:
        codec = codec_of(name, arguments.schemas)
        try:
            if arguments.fragment:
                element, value = codec.decode_fragment(payload)
            else:
                element, value = codec.root_name(message := codec.decode(payload)), message
        except DecodeError as error:
            failures.append((error, codec))
            continue
        if arguments.explain:
            return _explain(codec, payload, arguments.fragment)
        if arguments.xml:
            return codec.xml_form.to_xml(element, value).rstrip()
        return json.dumps(codec.json_form.from_value(element, value), indent=indent or None)
    longest, codec = max(failures, key=_fit)
    if arguments.explain:
        print(_explain(codec, payload, arguments.fragment))
    raise longest


def _fit(failure: tuple[DecodeError, exi.Codec]) -> tuple[bool, int]:
    """Rate how well an unreadable stream matches: whether it starts like a message, and how far it can be
    read."""
    error, codec = failure
    return error.path.split("/")[0] in codec.message_names, error.bit_offset


def _explain(codec: exi.Codec, payload: bytes, fragment: bool) -> str:
    pieces, _ = codec.explain(payload, fragment=fragment)
    stream = int.from_bytes(payload) if payload else 0
    total = len(payload) * 8
    lines = [f"{'bit':>6} {'width':>5}  {'bits':<16} {'event':<34} value, element"]
    for piece in pieces:
        value = stream >> (total - piece.bit - piece.width) & ((1 << piece.width) - 1) if piece.width else 0
        bits = f"{value:0{piece.width}b}" if 0 < piece.width <= 16 else "..."
        code = f" {piece.code[0]}/{piece.code[1]}" if piece.code and piece.code[1] else ""
        text = f"{piece.value}  " if piece.event == "value" else ""
        line = f"{piece.bit:>6} {piece.width:>5}  {bits:<16} {piece.event + code:<34} {text}{piece.path}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def _sdp(datagram: bytes) -> dict[str, dict[str, str | int]]:
    """Decode SDP, which is not EXI but appears in the same captures."""
    if datagram[2:4] == b"\x90\x00":
        request = SdpRequest.parse(datagram)
        return {"SDPRequest": {"Security": request.security.name, "Transport": request.transport.name}}
    response = SdpResponse.parse(datagram)
    return {
        "SDPResponse": {
            "Address": str(response.address),
            "Port": response.port,
            "Security": response.security.name,
            "Transport": response.transport.name,
        }
    }
