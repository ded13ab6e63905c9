"""A ClientHello byte by byte, and the first record that a station answers with.

What a TLS library would never offer can be offered so, and the answer shows what was chosen before anything
is encrypted (RFC 8446, sections 4.1.2 and 4.1.3; RFC 5246, section 7.4.1).
"""

from __future__ import annotations

import dataclasses
import enum
import os
import struct

from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

TLS_1_2, TLS_1_3 = 0x0303, 0x0304
AES_256_GCM, AES_128_GCM = 0x1302, 0x1301
ECDSA_P256, ECDSA_P521, ED448, RSA_SHA256 = 0x0403, 0x0603, 0x0808, 0x0401
ALERT, HANDSHAKE, APPLICATION_DATA = 0x15, 0x16, 0x17
_SERVER_HELLO = 2
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_VERSIONS, _GROUPS, _SIGNATURES, _KEY_SHARE = 43, 10, 13, 51
_RECORD = 1 << 14


class TlsGroup(enum.IntEnum):
    """Groups of a key exchange."""

    P256 = 23
    P521 = 25
    X25519 = 29
    X448 = 30

    def share(self) -> bytes:
        """A new public key."""
        match self:
            case TlsGroup.X25519:
                return x25519.X25519PrivateKey.generate().public_key().public_bytes_raw()
            case TlsGroup.X448:
                return x448.X448PrivateKey.generate().public_key().public_bytes_raw()
            case _:
                key = ec.generate_private_key(ec.SECP521R1() if self is TlsGroup.P521 else ec.SECP256R1())
                return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BenchHello:
    """What is offered; by default the profile of ISO 15118-20."""

    versions: tuple[int, ...] = (TLS_1_3,)
    """Empty: no extension `supported_versions`."""
    legacy_version: int = TLS_1_2
    suites: tuple[int, ...] = (AES_256_GCM,)
    groups: tuple[TlsGroup, ...] = (TlsGroup.P521, TlsGroup.X448)
    shares: tuple[TlsGroup, ...] = (TlsGroup.P521,)
    signatures: tuple[int, ...] = (ECDSA_P521, ED448)
    more: tuple[tuple[int, bytes], ...] = ()
    """Further extensions: number and content."""

    @property
    def message(self) -> bytes:
        """The handshake message."""
        extensions = b"".join(
            struct.pack(">HH", kind, len(body)) + body for kind, body in (*self._usual(), *self.more)
        )
        body = struct.pack(">H", self.legacy_version) + os.urandom(32) + b"\x20" + os.urandom(32)
        body += _list16(self.suites) + b"\x01\x00" + struct.pack(">H", len(extensions)) + extensions
        return b"\x01" + len(body).to_bytes(3, "big") + body

    def records(self, size: int = _RECORD) -> bytes:
        """The message in TLS records of at most so many bytes."""
        message = self.message
        return b"".join(
            record(HANDSHAKE, message[begin : begin + size]) for begin in range(0, len(message), size)
        )

    def _usual(self) -> list[tuple[int, bytes]]:
        found = [
            (_GROUPS, _list16(self.groups)),
            (11, b"\x01\x00"),  # uncompressed points
            (_SIGNATURES, _list16(self.signatures)),
        ]
        if self.versions:
            body = b"".join(struct.pack(">H", one) for one in self.versions)
            shares = [(one, one.share()) for one in self.shares]
            keys = b"".join(struct.pack(">HH", one, len(key)) + key for one, key in shares)
            found += [
                (_VERSIONS, bytes([len(body)]) + body),
                (_KEY_SHARE, struct.pack(">H", len(keys)) + keys),
            ]
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class AnsweredHello:
    """What a station has chosen."""

    version: int
    suite: int
    group: int | None
    """Of its key share, or the one that it asks for; None in TLS 1.2."""
    retry: bool
    """HelloRetryRequest: it asks for another hello."""

    def __str__(self) -> str:
        kind = "HelloRetryRequest" if self.retry else "ServerHello"
        group = "" if self.group is None else f", group {self.group}"
        return f"{kind} {self.version:#06x}, suite {self.suite:#06x}{group}"


def record(kind: int, data: bytes) -> bytes:
    """One TLS record that is not encrypted."""
    return struct.pack(">BHH", kind, 0x0301, len(data)) + data


def read_answer(data: bytes) -> AnsweredHello | None:
    """The ServerHello at the beginning; None: there is none."""
    if len(data) < 44 or data[0] != HANDSHAKE or data[5] != _SERVER_HELLO:
        return None
    version, random, at = struct.unpack_from(">H", data, 9)[0], data[11:43], 44 + data[43]
    suite = struct.unpack_from(">H", data, at)[0]
    extensions = _extensions(data[at + 3 :])
    chosen, share = extensions.get(_VERSIONS), extensions.get(_KEY_SHARE)
    return AnsweredHello(
        version=version if chosen is None else int.from_bytes(chosen, "big"),
        suite=suite,
        group=None if share is None else int.from_bytes(share[:2], "big"),
        retry=random == _RETRY,
    )


def _extensions(data: bytes) -> dict[int, bytes]:
    found, at = {}, 2
    while at + 4 <= len(data) and at < 2 + int.from_bytes(data[:2], "big"):
        kind, size = struct.unpack_from(">HH", data, at)
        found[kind] = data[at + 4 : at + 4 + size]
        at += 4 + size
    return found


def _list16(numbers: tuple[int, ...]) -> bytes:
    return struct.pack(f">H{len(numbers)}H", 2 * len(numbers), *numbers)
