"""V2GTP: the eight-byte header around every message, on TCP and on UDP.

    offset  size  field             value
    0       1     protocol version  0x01
    1       1     inverse version   0xFE
    2       2     payload type      see PayloadType
    4       4     payload length    bytes after the header; all fields big endian [V2G2-085]

A message that is not for this station is ignored: no answer, no disconnect [V2G2-086] [V2G2-800]. On a stream
that rule needs an interpretation, and it depends on the bytes alone, never on how TCP cut them into segments.
One rule holds for every header: its declared length decides where the next header begins, and nothing inside
a declared payload is ever looked at as a header.

| version and inverse | type | length | what happens |
|---|---|---|---|
| 01 FE | accepted | 1 to limit | the payload is returned with its type |
| 01 FE | accepted | 0 | header ignored |
| 01 FE | other | 0 to limit | header ignored, exactly the declared payload is skipped and not kept |
| 01 FE | any | above limit | closes, the payload is not read |
| other | any | 0 to limit | header ignored, exactly the declared payload is skipped and not kept |
| other | any | above limit | the boundary is lost: everything that follows is discarded |

* The accepted types and their limits are fixed for the connection: 8001, and the types of ISO 15118-20 where
  the station speaks it. A type that is not accepted has the limit of 8001.
* Each ignored header counts; the 17th of a connection closes it. A frame of an accepted type that the phase
  of the connection has no use for counts the same way (`FrameAssembler.ignore`).
* Once the boundary is lost nothing on this connection is a message any more, even if it looks like one. The
  connection stays open until a timer of the session ends it, or until one maximum frame has been discarded:
  a header with length 0 and a payload after it leads here, and closing at once would be wrong by Part 4.
* A stream that begins like a TLS record closes the connection: the peer took the wrong port.
* The declared length is a claim, never an allocation: the buffer grows with what has arrived.
* The payload of an EXI frame is exactly as long as declared. What a document leaves over, or lacks, is for
  the decoder's caller to judge.

Frames completed before the defect in the same chunk are not lost: `feed` returns them, `error` is set, and
the next `feed` raises it.
"""

import enum
import struct
from collections.abc import Collection
from typing import NamedTuple

from secc.errors import FramingError

__all__ = [
    "FrameAssembler",
    "ISO20_TYPES",
    "MAX_IGNORED",
    "MAX_PAYLOAD",
    "PayloadType",
    "V2gtpFrame",
    "frame",
    "split_datagram",
]

MAX_PAYLOAD = 8192
"""Default limit in bytes: twice the largest lawful request (five certificates of 800 bytes) [V2G2-010]."""

MAX_IGNORED = 16
"""Headers one connection may have ignored before it is closed (policy)."""

HEADER_SIZE = 8

_HEADER = struct.Struct(">BBHI")
_VERSION = 0x01
_INVERSE = 0xFE


class PayloadType(enum.IntEnum):
    """Payload types with a meaning; 0xA000 to 0xFFFF belong to manufacturers, the rest is reserved."""

    EXI = 0x8001
    """SupportedAppProtocol, DIN SPEC 70121 and ISO 15118-2 messages."""
    ISO20_COMMON = 0x8002
    """CommonMessages of ISO 15118-20; the next ones are its energy sets."""
    ISO20_AC = 0x8003
    ISO20_DC = 0x8004
    """DC, and megawatt charging."""
    ISO20_ACDP = 0x8005
    ISO20_WPT = 0x8006
    ISO20_AC_DER_IEC = 0x8010
    """Amendment 1; the number is known from one implementation only."""
    ISO20_AC_DER_SAE = 0x8011
    ISO20_SCHEDULE = 0x8101
    """Side stream of ISO 15118-20: schedule renegotiation beside the charge loop [V2G20-1045]."""
    ISO20_METERING = 0x8102
    """Side stream: metering confirmation [V2G20-1084]."""
    ISO20_ACDP_STATUS = 0x8103
    ISO20_PARKING = 0x8104
    SDP_REQUEST = 0x9000
    SDP_RESPONSE = 0x9001
    SDP_REQUEST_WIRELESS = 0x9002
    SDP_RESPONSE_WIRELESS = 0x9003


ISO20_TYPES = (
    PayloadType.ISO20_COMMON,
    PayloadType.ISO20_AC,
    PayloadType.ISO20_DC,
    PayloadType.ISO20_AC_DER_IEC,
    PayloadType.ISO20_SCHEDULE,
    PayloadType.ISO20_METERING,
)
"""Payload types that a station with ISO 15118-20 accepts beside 0x8001."""


class V2gtpFrame(NamedTuple):
    """One whole frame of a TCP stream."""

    payload_type: int
    payload: bytes


def frame(payload: bytes, payload_type: int = PayloadType.EXI) -> bytes:
    """Put the V2GTP header in front of a payload."""
    return _HEADER.pack(_VERSION, _INVERSE, payload_type, len(payload)) + payload


def split_datagram(datagram: bytes) -> tuple[int, bytes]:
    """Payload type and payload of a UDP datagram that holds exactly one frame.

    Raises FramingError when the header is not V2GTP or the declared length differs from the real one
    [V2G2-152].
    """
    if len(datagram) < HEADER_SIZE:
        raise FramingError(f"datagram of {len(datagram)} bytes is shorter than a V2GTP header")
    version, inverse, payload_type, length = _HEADER.unpack_from(datagram)
    if (version, inverse) != (_VERSION, _INVERSE):
        raise FramingError(f"V2GTP version {version:#04x}/{inverse:#04x}, expected 0x01/0xfe")
    if length != len(datagram) - HEADER_SIZE:
        raise FramingError(f"V2GTP length {length}, found {len(datagram) - HEADER_SIZE} bytes [V2G2-152]")
    return payload_type, datagram[HEADER_SIZE:]


class FrameAssembler:
    """Cuts a TCP byte stream into frames that hold EXI; see the module docstring for the rules."""

    __slots__ = (
        "_accepted",
        "_buffer",
        "_discarded",
        "_error",
        "_ignored",
        "_lost",
        "_max_payload",
        "_skip",
        "_started",
    )

    def __init__(
        self,
        *,
        max_payload: int = MAX_PAYLOAD,
        more: Collection[int] = (),
        max_more: int | None = None,
    ) -> None:
        """`max_payload`: bytes of a payload of type 0x8001. `more`: payload types accepted beside it, with
        at most `max_more` bytes; None: the same limit."""
        self._max_payload = max_payload
        self._accepted = {int(one): max_payload if max_more is None else max_more for one in more}
        self._accepted[int(PayloadType.EXI)] = max_payload
        self._buffer = bytearray()
        self._started = False  # the first header of the stream has been looked at
        self._skip = 0  # bytes still to come of a payload to skip
        self._lost = False  # the start of the next header is unknown
        self._discarded = 0  # bytes since then
        self._ignored = 0
        self._error: FramingError | None = None

    @property
    def pending(self) -> int:
        """Bytes held of a frame that is not complete yet."""
        return len(self._buffer)

    @property
    def ignored(self) -> int:
        """Headers ignored since the connection began."""
        return self._ignored

    @property
    def error(self) -> FramingError | None:
        """Why the connection must be closed, once that is known."""
        return self._error

    def feed(self, data: bytes) -> tuple[V2gtpFrame, ...]:
        """Take the next bytes of the stream; return the frames they complete, in order.

        Raises FramingError when the connection must be closed, and again at each later call.
        """
        if self._error is not None:
            raise self._error
        frames: list[V2gtpFrame] = []
        self._buffer += data
        try:
            while (complete := self._next()) is not None:
                frames.append(complete)
        except FramingError as error:
            self._error = error
            self._buffer = bytearray()
            if not frames:
                raise
        return tuple(frames)

    def ignore(self, what: str) -> None:
        """Count one header that is ignored [V2G2-800]; raises FramingError beyond `MAX_IGNORED`."""
        self._ignored += 1
        if self._ignored > MAX_IGNORED:
            raise FramingError(f"more than {MAX_IGNORED} headers to ignore, the last one: {what}")

    def _next(self) -> V2gtpFrame | None:
        """The next complete frame, or None when more bytes are needed."""
        buffer = self._buffer
        while True:
            if self._lost:
                self._discard()
                return None
            if self._skip:
                dropped = min(self._skip, len(buffer))
                del buffer[:dropped]
                self._skip -= dropped
            if len(buffer) < HEADER_SIZE:
                return None
            version, inverse, payload_type, length = _HEADER.unpack_from(buffer)
            self._check_start((version, inverse))
            ours = (version, inverse) == (_VERSION, _INVERSE)
            limit = self._accepted.get(payload_type, 0) if ours else 0
            if ours and length > (limit or self._max_payload):
                allowed = f"the limit of {limit or self._max_payload} bytes"
                raise FramingError(f"V2GTP type {payload_type:#06x}, length {length} is above {allowed}")
            if limit and length:
                end = HEADER_SIZE + length
                if len(buffer) < end:
                    return None
                payload = bytes(buffer[HEADER_SIZE:end])
                del buffer[:end]
                return V2gtpFrame(payload_type, payload)
            self.ignore(f"version {version:#04x}/{inverse:#04x}, type {payload_type:#06x}, length {length}")
            del buffer[:HEADER_SIZE]
            self._lost = length > self._max_payload
            self._skip = 0 if self._lost else length

    def _check_start(self, start: tuple[int, int]) -> None:
        if not self._started and start == _TLS_RECORD:
            raise FramingError("a TLS record on a connection without TLS")
        self._started = True

    def _discard(self) -> None:
        self._discarded += len(self._buffer)
        self._buffer.clear()
        if self._discarded > self._max_payload + HEADER_SIZE:
            raise FramingError(f"{self._discarded} bytes after a header of unknown version and length")


_TLS_RECORD = (0x16, 0x03)
