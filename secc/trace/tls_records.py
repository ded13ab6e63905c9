"""Decrypts captured TLS with the secrets of a key log: TLS 1.3, and TLS 1.2 with the suites of ISO 15118-2.

Only for viewing captures: it reads both directions and answers nothing. Each record is verified, so the
output is exactly what was sent. The key log has the format SSLKEYLOGFILE of Wireshark (`tls.key_log` of a
test station, or that of the simulator of the EV): lines of a label, the random of the client and a secret.
"""

from __future__ import annotations

import dataclasses
import hmac
import re
import struct
from collections.abc import Iterator, Mapping

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from secc.trace.form import TraceError
from secc.trace.tls13 import Tls13Opener

__all__ = ["Keys", "SUITES", "TlsReader", "read_keys"]

Keys = Mapping[bytes, Mapping[str, bytes]]
"""Client random to label to secret."""

SUITES = {0xC023: "ECDHE-ECDSA-AES128-CBC-SHA256", 0xC025: "ECDH-ECDSA-AES128-CBC-SHA256"}


def read_keys(text: str) -> dict[bytes, dict[str, bytes]]:
    """The secrets in a key log; other lines are passed over."""
    found: dict[bytes, dict[str, bytes]] = {}
    for label, random, secret in re.findall(_KEY_LINE, text, re.MULTILINE):
        found.setdefault(bytes.fromhex(random), {})[label] = bytes.fromhex(secret)
    return found


_KEY_LINE = r"^([A-Z0-9_]+) ([0-9A-Fa-f]{64}) ((?:[0-9A-Fa-f]{2}){32,64})\s*$"


class TlsReader:
    """Decrypts both directions of one connection, in the order in which the bytes were captured."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._sides = {True: _Side(), False: _Side()}
        self._hello = _Hello()

    def take(self, data: bytes, *, client: bool) -> Iterator[bytes]:
        """Application data that `data` completes; raises TraceError when it cannot be decrypted."""
        side = self._sides[client]
        side.received += data
        for kind, version, content in side.records():
            if side.opener is not None:
                yield from side.opener.opened(kind, version, content)
            elif kind == _CHANGE and not self._hello.newer:
                side.opener = self._opener(client=client)
            elif kind == _HANDSHAKE:
                side.handshake += content
                self._greet(side.handshake, client=client)

    def _greet(self, handshake: bytearray, *, client: bool) -> None:
        """After the ServerHello of TLS 1.3 both sides encrypt."""
        hello = self._hello
        hello.take(handshake, client=client)
        if hello.server_random == _RETRY:  # both say hello again (RFC 8446, section 4.1.4)
            hello.server_random = b""
            hello.newer = True
            for side in self._sides.values():
                side.handshake.clear()
        elif hello.server_random and hello.newer:
            for end, side in self._sides.items():
                side.opener = self._opener(client=end)

    def _opener(self, *, client: bool) -> _Opener | Tls13Opener:
        hello = self._hello
        if not (hello.client_random and hello.server_random):
            raise TraceError("TLS: the capture does not have the beginning of this connection")
        secrets = self._keys.get(hello.client_random)
        if secrets is None:
            raise TraceError("TLS: the key log has no secret for this connection")
        if hello.newer:
            return Tls13Opener(hello.suite, secrets, client=client)
        return hello.opener(secrets, client=client)


_CHANGE, _HANDSHAKE, _DATA = 20, 22, 23
_ENCRYPT_THEN_MAC, _SUPPORTED_VERSIONS = 0x0016, 0x002B
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random of a HelloRetryRequest (RFC 8446, section 4.1.3)."""


class _Side:
    """One direction."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.handshake = bytearray()
        self.opener: _Opener | Tls13Opener | None = None

    def records(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Whole records that have arrived: type, version, content."""
        while len(self.received) >= 5:
            (size,) = struct.unpack_from(">H", self.received, 3)
            if len(self.received) < 5 + size:
                return
            head, content = bytes(self.received[:5]), bytes(self.received[5 : 5 + size])
            del self.received[: 5 + size]
            yield head[0], head[1:3], content


@dataclasses.dataclass(slots=True)
class _Hello:
    """What the two hellos have agreed."""

    client_random: bytes = b""
    server_random: bytes = b""
    suite: int = 0
    encrypt_then_mac: bool = False
    newer: bool = False
    """TLS 1.3."""

    def take(self, handshake: bytearray, *, client: bool) -> None:
        """The first message of a side is its hello."""
        size = int.from_bytes(handshake[1:4], "big")
        if len(handshake) < 4 + size or handshake[0] != (1 if client else 2):
            return
        body = bytes(handshake[4 : 4 + size])
        if client:
            self.client_random = body[2:34]
            return
        at = 35 + body[34]
        self.server_random, self.suite = body[2:34], int.from_bytes(body[at : at + 2], "big")
        extensions = _extensions(body[at + 3 :])
        self.encrypt_then_mac = _ENCRYPT_THEN_MAC in extensions
        self.newer = extensions.get(_SUPPORTED_VERSIONS) == b"\x03\x04"

    def opener(self, secrets: Mapping[str, bytes], *, client: bool) -> _Opener:
        """For one direction of TLS 1.2, from its ChangeCipherSpec on."""
        secret = secrets.get("CLIENT_RANDOM")
        if secret is None:
            raise TraceError("TLS: the key log has no secret for this connection")
        if self.suite not in SUITES:
            raise TraceError(f"TLS: suite {self.suite:04X} is none of ISO 15118-2")
        block = _prf(secret, b"key expansion" + self.server_random + self.client_random, 96)
        mac, cipher = (block[:32], block[64:80]) if client else (block[32:64], block[80:96])
        return _Opener(mac, cipher, encrypt_then_mac=self.encrypt_then_mac)


class _Opener:
    """Decrypts and verifies the records of one direction of TLS 1.2, in their order."""

    def __init__(self, mac: bytes, cipher: bytes, *, encrypt_then_mac: bool) -> None:
        self._mac, self._cipher = mac, cipher
        self._encrypt_then_mac = encrypt_then_mac
        self._number = 0

    def opened(self, kind: int, version: bytes, content: bytes) -> Iterator[bytes]:
        """Application data of one record, if it has any."""
        plain = self._content(kind, version, content)
        if kind == _DATA:
            yield plain

    def _content(self, kind: int, version: bytes, content: bytes) -> bytes:
        number, self._number = self._number, self._number + 1
        head = struct.pack(">QB", number, kind) + version
        if self._encrypt_then_mac:
            content, mac = content[:-32], content[-32:]
            self._verify(head + struct.pack(">H", len(content)) + content, mac)
            return self._decrypted(content)
        plain = self._decrypted(content)
        plain, mac = plain[:-32], plain[-32:]
        self._verify(head + struct.pack(">H", len(plain)) + plain, mac)
        return plain

    def _decrypted(self, content: bytes) -> bytes:
        if len(content) < 32 or len(content) % 16:
            raise TraceError("TLS: a record of an impossible length")
        decryptor = Cipher(algorithms.AES128(self._cipher), modes.CBC(content[:16])).decryptor()
        plain = decryptor.update(content[16:]) + decryptor.finalize()
        return plain[: len(plain) - plain[-1] - 1]

    def _verify(self, data: bytes, mac: bytes) -> None:
        if not hmac.compare_digest(hmac.digest(self._mac, data, "sha256"), mac):
            raise TraceError("TLS: a record does not verify: segments are missing, or it is another key")


def _extensions(data: bytes) -> dict[int, bytes]:
    found = {}
    at = 2
    while at + 4 <= len(data):
        kind, size = struct.unpack_from(">HH", data, at)
        found[kind] = data[at + 4 : at + 4 + size]
        at += 4 + size
    return found


def _prf(secret: bytes, seed: bytes, size: int) -> bytes:
    """P_SHA256 of RFC 5246."""
    out, a = b"", seed
    while len(out) < size:
        a = hmac.digest(secret, a, "sha256")
        out += hmac.digest(secret, a + seed, "sha256")
    return out[:size]
