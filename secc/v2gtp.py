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
| 01 FE | 8001 | 1 to limit | the payload is returned |
| 01 FE | 8001 | 0 | header ignored |
| 01 FE | other | 0 to limit | header ignored, exactly the declared payload is skipped and not kept |
| 01 FE | any | above limit | closes, the payload is not read |
| other | any | 0 to limit | header ignored, exactly the declared payload is skipped and not kept |
| other | any | above limit | the boundary is lost: everything that follows is discarded |

* Each ignored header counts; the 17th of a connection closes it.
* Once the boundary is lost nothing on this connection is a message any more, whatever it looks like. The
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

from secc.errors import FramingError

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
    DASH20_COMMON = 0x8002
    """ISO 15118-20 common messages; like the following not ours, named for logs."""
    DASH20_AC = 0x8003
    DASH20_DC = 0x8004
    DASH20_ACDP = 0x8005
    DASH20_WPT = 0x8006
    SDP_REQUEST = 0x9000
    SDP_RESPONSE = 0x9001
    SDP_REQUEST_WIRELESS = 0x9002
    SDP_RESPONSE_WIRELESS = 0x9003


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
    """Cuts a TCP byte stream into EXI payloads; see the module docstring for the rules."""

    __slots__ = ("_buffer", "_discarded", "_error", "_ignored", "_lost", "_max_payload", "_skip", "_started")

    def __init__(self, *, max_payload: int = MAX_PAYLOAD) -> None:
        self._max_payload = max_payload
        self._buffer = bytearray()
        self._started = False  # the first header of the stream has been looked at
        self._skip = 0  # bytes still to come of a payload to skip
        self._lost = False  # nothing says where the next header begins
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
        """Why the connection has to be closed, once that is known."""
        return self._error

    def feed(self, data: bytes) -> tuple[bytes, ...]:
        """Take the next bytes of the stream; return the EXI payloads they complete, in order.

        Raises FramingError when the connection has to be closed, and again at each later call.
        """
        if self._error is not None:
            raise self._error
        frames: list[bytes] = []
        self._buffer += data
        try:
            while (payload := self._next()) is not None:
                frames.append(payload)
        except FramingError as error:
            self._error = error
            self._buffer = bytearray()
            if not frames:
                raise
        return tuple(frames)

    def _next(self) -> bytes | None:
        """The next complete EXI payload, or None when more bytes are needed."""
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
            if ours and length > self._max_payload:
                raise FramingError(f"V2GTP length {length} is above the limit of {self._max_payload} bytes")
            if ours and length and payload_type == PayloadType.EXI:
                end = HEADER_SIZE + length
                if len(buffer) < end:
                    return None
                payload = bytes(buffer[HEADER_SIZE:end])
                del buffer[:end]
                return payload
            self._ignore(f"version {version:#04x}/{inverse:#04x}, type {payload_type:#06x}, length {length}")
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

    def _ignore(self, what: str) -> None:
        self._ignored += 1
        if self._ignored > MAX_IGNORED:
            raise FramingError(f"more than {MAX_IGNORED} headers to ignore, the last one: {what}")


_TLS_RECORD = (0x16, 0x03)
