"""`secc decode`: EXI bytes to JSON."""

from __future__ import annotations

import argparse
import json

from secc import exi
from secc.cli import misused, refused
from secc.cli.streams import NotBytes, read_bytes
from secc.errors import DecodeError, FramingError
from secc.sdp import SdpRequest, SdpResponse
from secc.v2gtp import PayloadType, frame

EXAMPLES = """examples:
  secc decode 809802000000000000000011d01832ac48d159e000
  secc decode --schema sap capture.bin
  echo 01fe9000000000021000 | secc decode -

A V2GTP header (01 FE ...) is seen and taken off; several frames in a row give several messages.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument(
        "source", nargs="?", default="-", help="hexadecimal, a file (binary or hexadecimal), or - (default)"
    )
    parser.add_argument(
        "--schema",
        choices=["auto", *CODECS],
        default="auto",
        help="schema set; auto tries sap, then iso2 (default)",
    )
    parser.add_argument("--fragment", action="store_true", help="an EXI fragment, as signatures digest it")
    parser.add_argument("--compact", action="store_true", help="one line per message")


CODECS = {"sap": exi.APP_PROTOCOL, "iso2": exi.ISO2, "xmldsig": exi.XMLDSIG}
"""Schema sets by the names of `--schema`."""


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
            if payload_type is PayloadType.EXI:
                print(_show(payload, arguments))
            else:
                print(json.dumps(_sdp(frame(payload, payload_type)), indent=None if arguments.compact else 2))
    except (DecodeError, FramingError) as error:
        return refused(str(error))
    return 0


def frames(data: bytes) -> list[tuple[PayloadType, bytes]]:
    """Payloads of the V2GTP frames in `data`; without a header, `data` is one EXI payload."""
    if not data.startswith(b"\x01\xfe"):
        return [(PayloadType.EXI, data)]
    found = []
    while data:
        if len(data) < 8 or not data.startswith(b"\x01\xfe"):
            raise FramingError(f"{len(data)} bytes behind a frame are not another one")
        size = int.from_bytes(data[4:8])
        if len(data) < 8 + size:
            raise FramingError(f"the V2GTP header announces {size} bytes, {len(data) - 8} follow")
        number = int.from_bytes(data[2:4])
        known = (PayloadType.EXI, PayloadType.SDP_REQUEST, PayloadType.SDP_RESPONSE)
        if number not in known:
            raise FramingError(f"payload type 0x{number:04X} is not of ISO 15118-2")
        found.append((PayloadType(number), data[8 : 8 + size]))
        data = data[8 + size :]
    return found


def _show(payload: bytes, arguments: argparse.Namespace) -> str:
    indent = 0 if arguments.compact else 2
    names = ["sap", "iso2"] if arguments.schema == "auto" else [arguments.schema]
    failures: list[DecodeError] = []
    for name in names:
        codec = CODECS[name]
        try:
            if arguments.fragment:
                element, value = codec.decode_fragment(payload)
                return json.dumps(codec.json_form.from_value(element, value), indent=indent or None)
            return codec.to_json(codec.decode(payload), indent=indent)
        except DecodeError as error:
            failures.append(error)
    raise max(failures, key=lambda error: error.bit_offset)  # the schema that it fitted for longest


def _sdp(datagram: bytes) -> dict[str, dict[str, str | int]]:
    """SDP is no EXI, but it comes in the same captures."""
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
