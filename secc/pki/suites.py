"""Signature suites of messages: which algorithms go with which type of key.

ISO 15118-2 has one: ECDSA on secp256r1 with SHA-256 [V2G2-006] [V2G2-007]. ISO 15118-20 has two: ECDSA on
secp521r1 with SHA-512 [V2G20-2473] [V2G20-2474] [V2G20-2475], and Ed448 with SHAKE256 [V2G20-2476]. The type
of the key selects the suite; a message that names other algorithms is refused.

The value of an ECDSA signature is r and s, each with the size of the field [V2G20-1000].
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from secc.pki.keys import ORDERS, KeyType, PrivateKey, PublicKey, key_type
from secc.pki.kinds import Generation

__all__ = ["SUITES", "SignatureSuite", "keys_of", "suite_of"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SignatureSuite:
    """The algorithms of one type of key, by the names that a message has for them."""

    keys: KeyType
    method: str
    """SignatureMethod."""
    digest_method: str
    """DigestMethod of each Reference."""
    digest: Callable[[bytes], bytes]
    """The digest of the fragment of an element."""
    size: int
    """Bytes of the signature value."""
    hashed: hashes.HashAlgorithm | None
    """Hash of ECDSA; None for Ed448, which has one inside."""

    def sign(self, key: PrivateKey, octets: bytes, *, reproducible: bool = False) -> bytes:
        """Return the signature value; `reproducible`: always the same one (RFC 6979)."""
        if isinstance(key, ed448.Ed448PrivateKey):
            return key.sign(octets)
        algorithm = ec.ECDSA(self._hash, deterministic_signing=reproducible)
        r, s = decode_dss_signature(key.sign(octets, algorithm))
        half = self.size // 2
        return r.to_bytes(half, "big") + s.to_bytes(half, "big")

    def has_made(self, key: PublicKey, value: bytes, octets: bytes) -> bool:
        """Return whether the key made this signature value."""
        try:
            if isinstance(key, ed448.Ed448PublicKey):
                key.verify(value, octets)
            else:
                key.verify(encode_dss_signature(*self._halves(value)), octets, ec.ECDSA(self._hash))
        except InvalidSignature:
            return False
        return True

    def fault(self, value: bytes) -> str:
        """Return what is wrong with the format of a signature value; empty: nothing."""
        if len(value) != self.size:
            form = "" if self.hashed is None else ": r and s, not DER"
            return f"the signature value has {len(value)} bytes, expected {self.size}{form}"
        order = ORDERS.get(self.keys)
        if order is not None and not all(0 < half < order for half in self._halves(value)):
            return "r or s is 0, or not below the order of the curve"
        return ""

    @property
    def _hash(self) -> hashes.HashAlgorithm:
        if self.hashed is None:
            raise TypeError(f"{self.keys} has no ECDSA")
        return self.hashed

    def _halves(self, value: bytes) -> tuple[int, int]:
        half = self.size // 2
        return int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")


def suite_of(key: PublicKey | PrivateKey, generation: Generation) -> SignatureSuite | None:
    """Return the suite of a key in messages of a generation; None: such a key does not sign there."""
    kind = key_type(key)
    return SUITES[kind] if kind in keys_of(generation) else None


def keys_of(generation: Generation) -> frozenset[KeyType]:
    """Return the types of keys that sign in messages of a generation."""
    return _KEYS[generation]


def _sha256(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


def _sha512(octets: bytes) -> bytes:
    return hashlib.sha512(octets).digest()


def _shake256(octets: bytes) -> bytes:
    return hashlib.shake_256(octets).digest(64)


SUITES: dict[KeyType | None, SignatureSuite] = {
    KeyType.SECP256R1: SignatureSuite(
        keys=KeyType.SECP256R1,
        method="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        digest_method="http://www.w3.org/2001/04/xmlenc#sha256",
        digest=_sha256,
        size=64,
        hashed=hashes.SHA256(),
    ),
    KeyType.SECP521R1: SignatureSuite(
        keys=KeyType.SECP521R1,
        method="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
        digest_method="http://www.w3.org/2001/04/xmlenc#sha512",
        digest=_sha512,
        size=132,
        hashed=hashes.SHA512(),
    ),
    KeyType.ED448: SignatureSuite(
        keys=KeyType.ED448,
        method="urn:iso:std:iso:15118:-20:Security:xmldsig#Ed448",
        digest_method="urn:iso:std:iso:15118:-20:Security:xmlenc#SHAKE256",
        digest=_shake256,
        size=114,
        hashed=None,
    ),
}
"""By type of key."""

_KEYS = {
    Generation.ISO2: frozenset({KeyType.SECP256R1}),
    Generation.ISO20: frozenset({KeyType.SECP521R1, KeyType.ED448}),
    Generation.LAB: frozenset(KeyType),
}
