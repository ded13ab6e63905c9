"""Keys of both generations: types, creation, reading, writing, and signature algorithms.

ISO 15118-2 has secp256r1 with ECDSA and SHA-256 [V2G2-006] [V2G2-007]. ISO 15118-20 has secp521r1 with ECDSA
and SHA-512, and Ed448 [V2G20-2674]. The type of a key determines its signature algorithm; a certificate names
the algorithm twice, and both must agree.
"""

from __future__ import annotations

import enum
import hashlib
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from secc.errors import CertificateError
from secc.pki.rules import Rule

__all__ = [
    "CURVE_NAMES",
    "ECDSA_HASHES",
    "ORDERS",
    "KeyType",
    "PrivateKey",
    "PublicKey",
    "has_made",
    "key_type",
    "new_private_key",
    "read_private_key",
    "signing_hash",
    "signing_options",
    "write_private_key",
]

PrivateKey = ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey
PublicKey = ec.EllipticCurvePublicKey | ed448.Ed448PublicKey

ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"
ECDSA_WITH_SHA512 = "1.2.840.10045.4.3.4"
ED448 = "1.3.101.113"
EC_PUBLIC_KEY = "1.2.840.10045.2.1"


class KeyType(enum.StrEnum):
    """The types of keys in use, with their names in OpenSSL and `secc pki`."""

    SECP256R1 = "secp256r1"
    SECP521R1 = "secp521r1"
    ED448 = "ed448"

    @property
    def signature_algorithm(self) -> str:
        """Object identifier of the algorithm with which such a key signs certificates."""
        return _SIGNATURES[self]


def key_type(key: PublicKey | PrivateKey) -> KeyType | None:
    """Return the type of a key; None for a curve of neither generation."""
    if isinstance(key, (ed448.Ed448PublicKey, ed448.Ed448PrivateKey)):
        return KeyType.ED448
    return next((one for one, curve in _CURVES.items() if isinstance(key.curve, curve)), None)


def new_private_key(wanted: KeyType, seed: bytes | None = None) -> PrivateKey:
    """Return a new key; with a seed always the same one, for tests only."""
    if wanted is KeyType.ED448:
        if seed is None:
            return ed448.Ed448PrivateKey.generate()
        return ed448.Ed448PrivateKey.from_private_bytes(hashlib.shake_256(_SEEDED + seed).digest(57))
    curve = _CURVES[wanted]()
    if seed is None:
        return ec.generate_private_key(curve)
    if wanted is KeyType.SECP256R1:
        digest = hashlib.sha512(_SEEDED + seed).digest()
    else:
        digest = hashlib.shake_256(_SEEDED + seed).digest(80)
    return ec.derive_private_key(int.from_bytes(digest, "big") % (ORDERS[wanted] - 1) + 1, curve)


def write_private_key(key: PrivateKey, password: bytes | None = None) -> bytes:
    """Return the private key as PEM, PKCS#8, encrypted if there is a password."""
    encryption: KeySerializationEncryption = NoEncryption()
    if password:
        encryption = BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def read_private_key(pem: bytes, password: bytes | None = None) -> PrivateKey:
    """Read a private key of any type in use from PEM; raises CertificateError for anything else."""
    try:
        key = load_pem_private_key(pem, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        text = "not a PEM private key, or the password is missing, wrong or superfluous"
        raise CertificateError(text, rule=Rule.MALFORMED) from error
    if not isinstance(key, (ec.EllipticCurvePrivateKey, ed448.Ed448PrivateKey)) or key_type(key) is None:
        names = ", ".join(KeyType)
        raise CertificateError(f"unsupported private key, expected one of {names}", rule=Rule.CURVE)
    return key


def signing_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA512 | None:
    """Return the hash for a signature with this key in `cryptography`: SHA-256, SHA-512, or None for
    Ed448."""
    if isinstance(key, ed448.Ed448PrivateKey):
        return None
    return hashes.SHA512() if key_type(key) is KeyType.SECP521R1 else hashes.SHA256()


def signing_options(key: PrivateKey, *, reproducible: bool) -> dict[str, Any]:
    """Return the argument for deterministic ECDSA (RFC 6979), only if requested.

    Ed448 is always deterministic.
    """
    wanted = reproducible and isinstance(key, ec.EllipticCurvePrivateKey)
    return {"ecdsa_deterministic": True} if wanted else {}


def has_made(key: PublicKey, algorithm: str, signature: bytes, data: bytes) -> bool:
    """Return whether this key made the signature, with an algorithm (object identifier) that it may use.

    A curve may be combined with another SHA-2 hash, as responders do. A *certificate* is more restricted, see
    `KeyType.signature_algorithm`.
    """
    try:
        if isinstance(key, ed448.Ed448PublicKey):
            if algorithm != ED448:
                return False
            key.verify(signature, data)
        elif algorithm in ECDSA_HASHES:
            key.verify(signature, data, ec.ECDSA(ECDSA_HASHES[algorithm]))
        else:
            return False
    except InvalidSignature:
        return False
    return True


ECDSA_HASHES: dict[str, hashes.HashAlgorithm] = {
    ECDSA_WITH_SHA256: hashes.SHA256(),
    "1.2.840.10045.4.3.3": hashes.SHA384(),
    ECDSA_WITH_SHA512: hashes.SHA512(),
}
"""Signature algorithms of evidence (OCSP responses, revocation lists), by object identifier."""

CURVE_NAMES: dict[str, KeyType] = {
    "1.2.840.10045.3.1.7": KeyType.SECP256R1,
    "1.3.132.0.35": KeyType.SECP521R1,
}
"""The named curves, by object identifier."""

_SIGNATURES = {
    KeyType.SECP256R1: ECDSA_WITH_SHA256,
    KeyType.SECP521R1: ECDSA_WITH_SHA512,
    KeyType.ED448: ED448,
}
_CURVES: dict[KeyType, type[ec.SECP256R1 | ec.SECP521R1]] = {
    KeyType.SECP256R1: ec.SECP256R1,
    KeyType.SECP521R1: ec.SECP521R1,
}
ORDERS = {
    KeyType.SECP256R1: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    KeyType.SECP521R1: int(
        "1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa"
        "51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
        16,
    ),
}
"""Orders of the curves: r and s of a signature are below."""

_SEEDED = b"secc test key "
