"""HomePlug management frames as bytes, parsed strictly.

    0        6        12       14   15       17   18     17 or 19
    | dest   | source | 0x88E1 | V  | MMTYPE | FMI FMSN | layout of the message, then padding
                        big          little    absent when V = 0
                        endian       endian

`decode` returns a `Frame` or raises FramingError. It refuses a frame shorter than its layout and a fragment
(SLAC messages are never fragmented). Bytes after the message (padding, a frame check sequence, arrays longer
than used) are kept in `Frame.trailing`, so `encode` reproduces the received bytes.
"""

import dataclasses
import struct
from collections.abc import Collection

from secc.errors import FramingError
from secc.settings.slac import Deviation
from secc.slac import get_key, messages, parameters, vendor
from secc.slac.messages import BROADCAST, Message
from secc.slac.vendor import VendorMessage

ETHERTYPE = 0x88E1
"""EtherType of HomePlug AV."""
LOCAL_MODEM = bytes.fromhex("00b052000001")
"""Address on which every modem listens on its host side."""


@dataclasses.dataclass(frozen=True, slots=True)
class OtherMessage(Message):
    """An unknown message: kept unchanged and ignored."""

    mmtype: int  # type: ignore[misc]  # an attribute of the object here
    mmv: int  # type: ignore[misc]
    data: bytes = b""

    def payload(self) -> bytes:
        return self.data


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """A management message with its addresses."""

    destination: bytes
    source: bytes
    message: Message
    trailing: bytes | None = None
    """Bytes after the message on the wire; None pads to the shortest Ethernet frame."""
    mmv: int | None = None
    """The version byte if it differs from the usual version of the message."""


def encode(frame: Frame) -> bytes:
    """Return the Ethernet frame without its check sequence."""
    message = frame.message
    mmv = message.mmv if frame.mmv is None else frame.mmv
    head = _HEAD.pack(frame.destination, frame.source, ETHERTYPE, mmv) + message.mmtype.to_bytes(2, "little")
    fragmentation = b"" if mmv == 0 else b"\0\0"
    data = head + fragmentation + message.payload()
    return data + frame.trailing if frame.trailing is not None else data.ljust(SHORTEST, b"\0")


def decode(data: bytes, tolerate: Collection[Deviation] = ()) -> Frame:
    """Parse a frame. Raises FramingError if it is malformed or too long for its type.

    `tolerate`: deviations to accept.
    """
    if len(data) < _HEAD.size + 2:
        raise FramingError(f"{len(data)} bytes are too short for a HomePlug frame")
    destination, source, ethertype, mmv = _HEAD.unpack_from(data)
    if ethertype != ETHERTYPE:
        raise FramingError(f"EtherType {ethertype:#06x}, expected {ETHERTYPE:#06x}")
    mmtype = int.from_bytes(data[15:17], "little")
    body = _body(data, mmv)
    kind = _KINDS.get(mmtype)
    if kind is None or (issubclass(kind, VendorMessage) and not kind.matches(body, mmv)):
        return Frame(destination, source, OtherMessage(mmtype, mmv, body), b"")
    if mmv not in (kind.mmv, kind.also_mmv):
        raise FramingError(f"{kind.__name__} with version {mmv}, expected {kind.mmv}")
    if kind.unicast and destination[0] & 1 and not _may_go_to_all(kind, tolerate):
        raise FramingError(f"{kind.__name__} sent to a group address")
    message, used = kind.parse(body)
    if message.deviation is not None and message.deviation not in tolerate:
        raise FramingError(f"{kind.__name__}: deviates in its {message.deviation}")
    if len(body) - used > kind.longest_tail:
        raise FramingError(f"{kind.__name__} with {len(body) - used} bytes too many")
    return Frame(destination, source, message, body[used:], None if mmv == kind.mmv else mmv)


def redacted(data: bytes) -> bytes:
    """Return the frame with its network key blanked, for traces [INV-25]; other frames unchanged."""
    at, size = _KEYS.get(data[15:17], (0, 0)) if data[12:14] == b"\x88\xe1" else (0, 0)
    return data[:at] + bytes(len(data[at : at + size])) + data[at + size :] if size else data


_KEYS = {
    b"\x08\x60": (41, 16),  # CM_SET_KEY.REQ
    b"\x0d\x60": (41, 16),  # CM_GET_KEY.CNF
    b"\x7d\x60": (93, 16),  # CM_SLAC_MATCH.CNF
    b"\x25\xa0": (36, 2048),  # VS_RD_MOD.CNF: another program may read the whole parameter block
}


def _body(data: bytes, mmv: int) -> bytes:
    if mmv == 0:
        return data[17:]
    if mmv > 2:
        raise FramingError(f"version {mmv}")
    if len(data) < 19:
        raise FramingError(f"{len(data)} bytes are too short for a HomePlug frame")
    if data[17] != 0:
        raise FramingError("a fragment")
    if data[18] != 0:
        raise FramingError("a fragment sequence number")
    return data[19:]


def _may_go_to_all(kind: type[Message], tolerate: Collection[Deviation]) -> bool:
    return kind is messages.SlacMatchReq and Deviation.GROUP in tolerate


_HEAD = struct.Struct(">6s6sHB")
SHORTEST = 60
"""Length of the shortest Ethernet frame without its check sequence."""

_ALL: tuple[type[Message], ...] = (
    messages.SetKeyReq,
    messages.SetKeyCnf,
    messages.SlacParmReq,
    messages.SlacParmCnf,
    messages.StartAttenCharInd,
    messages.MnbcSoundInd,
    messages.AttenProfileInd,
    messages.AttenCharInd,
    messages.AttenCharRsp,
    messages.ValidateReq,
    messages.ValidateCnf,
    messages.SlacMatchReq,
    messages.SlacMatchCnf,
    messages.AmpMapReq,
    messages.AmpMapCnf,
    *get_key.KINDS,
    *vendor.KINDS,
    *parameters.KINDS,
)
_KINDS = {kind.mmtype: kind for kind in _ALL}

__all__ = [
    "BROADCAST",
    "ETHERTYPE",
    "LOCAL_MODEM",
    "SHORTEST",
    "Deviation",
    "Frame",
    "Message",
    "OtherMessage",
    "decode",
    "encode",
    "redacted",
]
