"""The EV's ClientHello, read before OpenSSL sees it: the versions it offers and the roots it trusts.

One listener serves TLS 1.2 and TLS 1.3 with different certificates, and OpenSSL offers no way to act on
`trusted_ca_keys` (RFC 6066), so the first flight is held back until a whole ClientHello is there, read
here, and then handed over unchanged. Reading is lenient and decides nothing about the handshake: what
cannot be read goes to OpenSSL as it is, which refuses it with the proper alert or, when only our reading
was too narrow, goes on with TLS 1.2 and the default chain.

Lists that are malformed occur in the field: a car in service leaves out the outer length. As much of a list
as can be read is used; a broken one never fails a handshake.
"""

import dataclasses
import enum
from collections.abc import Iterator

__all__ = [
    "TrustedAuthority",
    "ClientHello",
    "HelloReader",
    "IdentifierType",
    "MAX_HELLO",
    "Peek",
    "read_authorities",
    "read_client_hello",
    "read_distinguished_names",
]

MAX_HELLO = 16384
"""Bytes held back at most; a longer first flight is not looked at."""


class IdentifierType(enum.IntEnum):
    """How an entry of `trusted_ca_keys` names an authority (RFC 6066, section 6)."""

    PRE_AGREED = 0
    KEY_SHA1_HASH = 1
    X509_NAME = 2
    CERT_SHA1_HASH = 3


@dataclasses.dataclass(frozen=True, slots=True)
class TrustedAuthority:
    """One root the EV says it trusts [V2G2-651]."""

    kind: IdentifierType
    value: bytes = b""
    """SHA-1 of key or certificate, or the DER of a name; empty for pre-agreed ones."""

    def __str__(self) -> str:
        return f"{self.kind.name.lower()} {self.value.hex()}".strip()


@dataclasses.dataclass(frozen=True, slots=True)
class ClientHello:
    """What matters of it here."""

    suites: tuple[int, ...]
    """Cipher suites in the EV's order."""
    extensions: dict[int, bytes]
    """By number; of one that occurs twice the first."""

    @property
    def authorities(self) -> tuple[TrustedAuthority, ...]:
        """Roots the EV trusts, in its order; empty without the extension and when nothing can be read."""
        return read_authorities(self.extensions.get(_TRUSTED_CA_KEYS, b""))

    @property
    def offers_tls13(self) -> bool:
        """TLS 1.3 is in `supported_versions` [V2G20-2365]; the version field of the hello says nothing."""
        return _TLS_1_3 in _numbers(self.extensions.get(_SUPPORTED_VERSIONS, b""), 1)

    @property
    def offers_tls12(self) -> bool:
        """TLS 1.2 as well: by the same extension, or because there is none."""
        versions = self.extensions.get(_SUPPORTED_VERSIONS)
        return versions is None or _TLS_1_2 in _numbers(versions, 1)

    @property
    def named_roots(self) -> tuple[TrustedAuthority, ...]:
        """Roots the EV names for TLS 1.3, by their distinguished names [V2G20-1006]; empty without the
        extension `certificate_authorities` and when nothing can be read."""
        return read_distinguished_names(self.extensions.get(_CERTIFICATE_AUTHORITIES, b""))

    @property
    def names_authorities(self) -> bool:
        """The extension is there, with any content."""
        return _TRUSTED_CA_KEYS in self.extensions

    @property
    def asks_for_status(self) -> bool:
        """The EV wants an OCSP response with the chain (`status_request`)."""
        return _STATUS_REQUEST in self.extensions

    @property
    def asks_for_status_v2(self) -> bool:
        """The EV wants one for each certificate (`status_request_v2`), which OpenSSL cannot give."""
        return _STATUS_REQUEST_V2 in self.extensions


class Peek(enum.Enum):
    """What `HelloReader.feed` says while there is no ClientHello."""

    MORE = "more"
    """Not complete yet."""
    NOT_READABLE = "not readable"
    """It is none, or too long: OpenSSL may say what it thinks of it."""


class HelloReader:
    """Collects bytes until a ClientHello is complete, over any number of TLS records and TCP segments."""

    def __init__(self) -> None:
        self.raw = bytearray()
        """Everything fed so far, for OpenSSL."""
        self._message = bytearray()  # of the handshake protocol, without record headers
        self._read = 0  # bytes of `raw` that have been taken apart

    def feed(self, data: bytes) -> ClientHello | Peek:
        """Take more bytes. After any other answer than MORE it must not be called again."""
        self.raw += data
        try:
            while len(self.raw) - self._read >= _RECORD_HEADER:
                if not self._next_record():
                    break
            if not self._complete:
                return Peek.MORE if len(self.raw) < MAX_HELLO else Peek.NOT_READABLE
            return read_client_hello(bytes(self._message[_MESSAGE_HEADER : self._wanted]))
        except ValueError:
            return Peek.NOT_READABLE

    @property
    def _wanted(self) -> int:
        """Bytes of the message with its header, once the header is there."""
        return _MESSAGE_HEADER + int.from_bytes(self._message[1:_MESSAGE_HEADER], "big")

    @property
    def _complete(self) -> bool:
        return len(self._message) >= _MESSAGE_HEADER and len(self._message) >= self._wanted

    def _next_record(self) -> bool:
        """Take one record apart; False while it is not complete. ValueError when it is none of a hello."""
        start = self._read
        length = int.from_bytes(self.raw[start + 3 : start + 5], "big")
        if self.raw[start] != _HANDSHAKE or self.raw[start + 1] != 3 or not 0 < length <= _MAX_RECORD:
            raise ValueError("not a handshake record")
        end = start + _RECORD_HEADER + length
        if len(self.raw) < end:
            return False
        self._message += self.raw[start + _RECORD_HEADER : end]
        self._read = end
        if self._message[0] != _CLIENT_HELLO:
            raise ValueError("not a ClientHello")
        if len(self._message) >= _MESSAGE_HEADER and self._wanted > MAX_HELLO:
            raise ValueError("too long")
        return not self._complete


def read_client_hello(body: bytes) -> ClientHello:
    """The body of the message, without its header; ValueError when it is malformed."""
    fields = _Fields(body)
    fields.take(2 + 32)  # version, random
    fields.vector(1)  # session id
    suites = fields.vector(2)
    fields.vector(1)  # compression methods
    found: dict[int, bytes] = {}
    if not fields.at_end:
        extensions = _Fields(fields.vector(2))
        while not extensions.at_end:
            number = extensions.number(2)
            found.setdefault(number, extensions.vector(2))
    numbers = tuple(int.from_bytes(suites[at : at + 2], "big") for at in range(0, len(suites) - 1, 2))
    return ClientHello(numbers, found)


def read_authorities(body: bytes) -> tuple[TrustedAuthority, ...]:
    """The entries of `trusted_ca_keys`, as many as can be read; never raises."""
    if len(body) >= 2 and int.from_bytes(body[:2], "big") == len(body) - 2:
        return tuple(_entries(body[2:]))
    with_length = tuple(_entries(body[2:]))  # the length is there, but wrong
    without = tuple(_entries(body)) if body[:1] > b"\x00" else ()  # a first byte of 0 is half a length
    return max(with_length, without, key=lambda found: sum(1 + len(one.value) for one in found))


def read_distinguished_names(body: bytes) -> tuple[TrustedAuthority, ...]:
    """The entries of `certificate_authorities` (RFC 8446, 4.2.4), as many as can be read; never raises."""
    found: list[TrustedAuthority] = []
    names = _Fields(body[2:])
    try:
        while not names.at_end:
            found.append(TrustedAuthority(IdentifierType.X509_NAME, names.vector(2)))
    except ValueError:
        pass
    return tuple(found)


def _numbers(body: bytes, prefix: int) -> tuple[int, ...]:
    """A list of 16-bit numbers after a length of `prefix` bytes; empty when it is malformed."""
    try:
        fields = _Fields(body)
        listed = _Fields(fields.vector(prefix))
        found: list[int] = []
        while not listed.at_end:
            found.append(listed.number(2))
    except ValueError:
        return ()
    return tuple(found) if fields.at_end else ()


_HANDSHAKE = 22
_CLIENT_HELLO = 1
_RECORD_HEADER = 5
_MESSAGE_HEADER = 4
_MAX_RECORD = 16384

_TRUSTED_CA_KEYS = 3
_STATUS_REQUEST = 5
_STATUS_REQUEST_V2 = 17
_SUPPORTED_VERSIONS = 43
_CERTIFICATE_AUTHORITIES = 47

_TLS_1_2 = 0x0303
_TLS_1_3 = 0x0304

_SHA1 = 20


def _entries(data: bytes) -> Iterator[TrustedAuthority]:
    """Entries up to the first that cannot be read."""
    fields = _Fields(data)
    try:
        while not fields.at_end:
            kind = IdentifierType(fields.number(1))
            match kind:
                case IdentifierType.PRE_AGREED:
                    yield TrustedAuthority(kind)
                case IdentifierType.X509_NAME:
                    yield TrustedAuthority(kind, fields.vector(2))
                case _:
                    yield TrustedAuthority(kind, fields.take(_SHA1))
    except ValueError:
        return


class _Fields:
    """Reads numbers and vectors of the TLS presentation language; ValueError at the end of the bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise ValueError("truncated")
        self._at, start = end, self._at
        return self._data[start:end]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """Bytes with their length in front, which takes `size` bytes."""
        return self.take(self.number(size))
