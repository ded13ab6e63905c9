"""Decrypts captured TLS 1.2 with the secrets of a key log, for the two suites of ISO 15118-2.

Only for viewing captures: it reads both directions and answers nothing. Each record is verified, so the
output is exactly what was sent. The key log has the format SSLKEYLOGFILE of Wireshark (`tls.key_log` of a
test station, or that of the simulator of the EV): a line CLIENT_RANDOM with the random of the client and the
master secret.
"""

from __future__ import annotations

import dataclasses
import hmac
import re
import struct
from collections.abc import Iterable, Iterator, Mapping

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from secc.trace.form import TraceError

Keys = Mapping[bytes, bytes]
"""Client random to master secret."""

SUITES = {0xC023: "ECDHE-ECDSA-AES128-CBC-SHA256", 0xC025: "ECDH-ECDSA-AES128-CBC-SHA256"}


def read_keys(text: str) -> dict[bytes, bytes]:
    """The secrets in a key log; lines of other versions of TLS are passed over."""
    found = re.findall(r"^CLIENT_RANDOM ([0-9A-Fa-f]{64}) ([0-9A-Fa-f]{96})\s*$", text, re.MULTILINE)
    return {bytes.fromhex(random): bytes.fromhex(secret) for random, secret in found}


def opened(chunks: Iterable[tuple[float, bool, bytes]], keys: Keys) -> Iterator[tuple[float, bool, bytes]]:
    """Return the decrypted content: (seconds, by the client, bytes).

    Raises TraceError when it cannot be decrypted.
    """
    sides = {True: _Side(), False: _Side()}
    hello = _Hello()
    for at, client, data in chunks:
        side = sides[client]
        side.received += data
        for kind, version, content in side.records():
            if side.opener is not None:
                plain = side.opener.open(kind, version, content)
                if kind == _DATA:
                    yield at, client, plain
            elif kind == _CHANGE:
                side.opener = hello.opener(keys, client=client)
            elif kind == _HANDSHAKE:
                side.handshake += content
                hello.take(side.handshake, client=client)


_CHANGE, _HANDSHAKE, _DATA = 20, 22, 23
_ENCRYPT_THEN_MAC = 0x0016


class _Side:
    """One direction."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.handshake = bytearray()
        self.opener: _Opener | None = None

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
        self.encrypt_then_mac = _ENCRYPT_THEN_MAC in _extensions(body[at + 3 :])

    def opener(self, keys: Keys, *, client: bool) -> _Opener:
        """For one direction, from its ChangeCipherSpec on."""
        secret = keys.get(self.client_random)
        if secret is None:
            raise TraceError("TLS: the key log has no secret for this connection")
        if self.suite not in SUITES:
            raise TraceError(f"TLS: suite {self.suite:04X} is none of ISO 15118-2")
        block = _prf(secret, b"key expansion" + self.server_random + self.client_random, 96)
        mac, cipher = (block[:32], block[64:80]) if client else (block[32:64], block[80:96])
        return _Opener(mac, cipher, encrypt_then_mac=self.encrypt_then_mac)


class _Opener:
    """Decrypts and verifies the records of one direction, in their order."""

    def __init__(self, mac: bytes, cipher: bytes, *, encrypt_then_mac: bool) -> None:
        self._mac, self._cipher = mac, cipher
        self._encrypt_then_mac = encrypt_then_mac
        self._number = 0

    def open(self, kind: int, version: bytes, content: bytes) -> bytes:
        """The content of a record."""
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


def _extensions(data: bytes) -> set[int]:
    found = set()
    at = 2
    while at + 4 <= len(data):
        kind, size = struct.unpack_from(">HH", data, at)
        found.add(kind)
        at += 4 + size
    return found


def _prf(secret: bytes, seed: bytes, size: int) -> bytes:
    """P_SHA256 of RFC 5246."""
    out, a = b"", seed
    while len(out) < size:
        a = hmac.digest(secret, a, "sha256")
        out += hmac.digest(secret, a + seed, "sha256")
    return out[:size]
