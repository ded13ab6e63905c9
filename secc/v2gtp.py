"""V2GTP: the eight-byte header around every message, on TCP and on UDP.

    offset  size  field             value
    0       1     protocol version  0x01
    1       1     inverse version   0xFE
    2       2     payload type      see PayloadType
    4       4     payload length    bytes after the header; all fields big endian [V2G2-085]

A message that is not for us is ignored: no answer, no disconnect [V2G2-086] [V2G2-800]. On a stream that rule
needs an interpretation. Ours depends on the bytes alone and never on how TCP cut them into segments:

* Version or inverse wrong: the boundary of the frame is unknown and no field of such a header is trusted.
  Bytes are thrown away until an intact header start (version, inverse, type 0x8001) comes by. More than
  one maximum frame thrown away in one go closes the connection.
* A stream that begins like a TLS record closes the connection: the peer took the wrong port.
* Intact header of another type (SDP on TCP, another protocol generation, reserved): the declared payload is
  skipped without being kept.
* Length 0: ignored; what follows is read as a new header.
* Length above the limit, whatever the type: closes the connection, the payload is not read.
* Each of the above that does not close counts as one ignored header; the 17th of a connection closes it.
* The declared length is a claim, never an allocation: the buffer grows with what has arrived.
* The payload of an EXI frame is exactly as long as declared. What a document leaves over, or lacks, is for
  the decoder's caller to judge; nothing here looks for a next frame inside a payload.

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

    __slots__ = ("_buffer", "_error", "_ignored", "_lost", "_max_payload", "_skip", "_started", "_thrown")

    def __init__(self, *, max_payload: int = MAX_PAYLOAD) -> None:
        self._max_payload = max_payload
        self._buffer = bytearray()
        self._started = False  # the first header of the stream has been looked at
        self._lost = False  # looking for the next intact header start
        self._thrown = 0  # bytes thrown away since the boundary was lost
        self._skip = 0  # bytes still to come of a payload nobody wants
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
            if self._skip:
                dropped = min(self._skip, len(buffer))
                del buffer[:dropped]
                self._skip -= dropped
            if self._lost:
                self._find_header()
            if len(buffer) < HEADER_SIZE:
                return None
            version, inverse, payload_type, length = _HEADER.unpack_from(buffer)
            if (version, inverse) != (_VERSION, _INVERSE):
                self._lose_boundary(version, inverse)
                continue
            self._started = True
            if length > self._max_payload:
                raise FramingError(f"V2GTP length {length} is above the limit of {self._max_payload} bytes")
            if length == 0 or payload_type != PayloadType.EXI:
                self._ignore(f"type {payload_type:#06x}, length {length}")
                del buffer[:HEADER_SIZE]
                self._skip = length
                continue
            end = HEADER_SIZE + length
            if len(buffer) < end:
                return None
            payload = bytes(buffer[HEADER_SIZE:end])
            del buffer[:end]
            return payload

    def _lose_boundary(self, version: int, inverse: int) -> None:
        if not self._started and (version, inverse) == _TLS_RECORD:
            raise FramingError("a TLS record on a connection without TLS")
        self._started = True
        self._ignore(f"version {version:#04x}/{inverse:#04x}")
        self._lost = True
        self._thrown = 1
        del self._buffer[:1]

    def _find_header(self) -> None:
        """Throw bytes away up to an intact header start; keep what may be the beginning of one."""
        buffer = self._buffer
        at = buffer.find(_HEADER_START)
        if at < 0:
            at = len(buffer) - _partial_start(buffer)
        else:
            self._lost = False
        del buffer[:at]
        self._thrown += at
        if self._thrown > self._max_payload + HEADER_SIZE:
            raise FramingError(f"{self._thrown} bytes without a V2GTP header")

    def _ignore(self, what: str) -> None:
        self._ignored += 1
        if self._ignored > MAX_IGNORED:
            raise FramingError(f"more than {MAX_IGNORED} headers to ignore, the last one: {what}")


_HEADER_START = bytes((_VERSION, _INVERSE)) + PayloadType.EXI.to_bytes(2, "big")
_TLS_RECORD = (0x16, 0x03)


def _partial_start(buffer: bytearray) -> int:
    """How many bytes at the end of the buffer may be the beginning of a header."""
    for size in range(min(len(_HEADER_START) - 1, len(buffer)), 0, -1):
        if buffer.endswith(_HEADER_START[:size]):
            return size
    return 0
