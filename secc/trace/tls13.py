"""Decrypts captured records of TLS 1.3 with the secrets of a key log, for the suites of ISO 15118-20.

One object for each direction of a connection, from the ServerHello on. Each record is verified. The secrets
have the labels of the key log (SSLKEYLOGFILE): one for the handshake and one for what comes after it.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from secc.trace.form import TraceError

__all__ = ["SUITES", "Tls13Opener"]

SUITES = {
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
}
_HANDSHAKE, _DATA = 22, 23
_FINISHED, _KEY_UPDATE = 20, 24


@dataclasses.dataclass(slots=True)
class _Key:
    cipher: AESGCM | ChaCha20Poly1305
    vector: int
    number: int = 0


class Tls13Opener:
    """Decrypts one direction of one connection, record after record (RFC 8446, section 5)."""

    def __init__(self, suite: int, secrets: Mapping[str, bytes], *, client: bool) -> None:
        """Raises TraceError when the suite is unknown or a secret is missing."""
        if suite not in SUITES:
            raise TraceError(f"TLS: suite {suite:04X} is none of TLS 1.3")
        side = "CLIENT" if client else "SERVER"
        try:
            handshake = secrets[f"{side}_HANDSHAKE_TRAFFIC_SECRET"]
            self._next = secrets[f"{side}_TRAFFIC_SECRET_0"]
        except KeyError as error:
            raise TraceError(f"TLS: the key log has no {error.args[0]} for this connection") from None
        self._suite = suite
        self._hash = hashes.SHA384() if suite == 0x1302 else hashes.SHA256()
        self._key = self._key_of(handshake)
        self._handshake = bytearray()

    def opened(self, kind: int, version: bytes, content: bytes) -> Iterator[bytes]:
        """Application data of one record, if it has any; raises TraceError if the record does not verify."""
        if kind != _DATA:  # a change of cipher spec, which means nothing here, or an alert in clear
            return
        key = self._key
        nonce = (key.vector ^ key.number).to_bytes(12, "big")
        key.number += 1
        head = bytes([kind]) + version + struct.pack(">H", len(content))
        try:
            inner = key.cipher.decrypt(nonce, content, head).rstrip(b"\0")
        except InvalidTag:
            raise TraceError(
                "TLS: a record does not verify: segments are missing, or it is another key"
            ) from None
        if inner[-1:] == bytes([_DATA]):
            yield inner[:-1]
        elif inner[-1:] == bytes([_HANDSHAKE]):
            self._take(inner[:-1])

    def _take(self, data: bytes) -> None:
        """Handshake messages; two of them change the key (RFC 8446, sections 4.4.4 and 7.2)."""
        self._handshake += data
        while len(self._handshake) >= 4:
            size = 4 + int.from_bytes(self._handshake[1:4], "big")
            if len(self._handshake) < size:
                return
            kind = self._handshake[0]
            del self._handshake[:size]
            if kind in (_FINISHED, _KEY_UPDATE):
                self._key = self._key_of(self._next)
                self._next = self._expanded(self._next, b"traffic upd", self._hash.digest_size)

    def _key_of(self, secret: bytes) -> _Key:
        key = self._expanded(secret, b"key", 16 if self._suite == 0x1301 else 32)
        cipher = ChaCha20Poly1305(key) if self._suite == 0x1303 else AESGCM(key)
        return _Key(cipher, int.from_bytes(self._expanded(secret, b"iv", 12), "big"))

    def _expanded(self, secret: bytes, label: bytes, size: int) -> bytes:
        """HKDF-Expand-Label with an empty context (RFC 8446, section 7.1)."""
        full = b"tls13 " + label
        info = struct.pack(">HB", size, len(full)) + full + b"\0"
        return HKDFExpand(self._hash, size, info).derive(secret)
