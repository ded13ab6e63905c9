"""Delivery of the private contract key to the car: ECDH, concatenation KDF, AES-128-CBC [V2G2-814].

The sender makes a new key pair for each delivery. Both sides agree on a point; the KDF derives 16 bytes from
its x-coordinate; AES-CBC without padding encrypts the 32 bytes of the private scalar. This has no integrity
protection; the signature of the CPS over the parts of the message provides it. The receiver key is the OEM
provisioning key at an installation [V2G2-820] and the present contract key at an update [V2G2-821].
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secc.errors import CertificateError

__all__ = [
    "DeliveredKey",
    "check_delivery",
    "decrypt_key",
    "derive_key",
    "encrypt_key",
    "read_point",
]


@dataclasses.dataclass(frozen=True, slots=True)
class DeliveredKey:
    """An encrypted private key."""

    encrypted: bytes = dataclasses.field(repr=False)
    """ContractSignatureEncryptedPrivateKey: 16 bytes of IV, 32 of key."""
    dh_public_key: bytes = dataclasses.field(repr=False)
    """DHpublickey: the new point of the sender, uncompressed, 65 bytes."""


def encrypt_key(
    contract_key: ec.EllipticCurvePrivateKey,
    receiver: ec.EllipticCurvePublicKey,
    *,
    random_bytes: Callable[[int], bytes] = os.urandom,
    ephemeral: ec.EllipticCurvePrivateKey | None = None,
) -> DeliveredKey:
    """Encrypt a contract key for one car.

    `ephemeral` is for known-answer tests only: reuse breaks the secrecy.
    """
    fresh = ephemeral or ec.generate_private_key(ec.SECP256R1())
    key = derive_key(fresh.exchange(ec.ECDH(), receiver))
    iv = random_bytes(_IV)
    scalar = contract_key.private_numbers().private_value.to_bytes(_SCALAR, "big")
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    encrypted = iv + encryptor.update(scalar) + encryptor.finalize()
    point = fresh.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return DeliveredKey(encrypted, point)


def decrypt_key(
    delivered: DeliveredKey, receiver: ec.EllipticCurvePrivateKey, contract: ec.EllipticCurvePublicKey
) -> ec.EllipticCurvePrivateKey:
    """Decrypt as the car does, and check that the key belongs to the contract certificate [V2G2-823].

    Raises CertificateError.
    """
    check_delivery(delivered)
    sender = read_point(delivered.dh_public_key)
    key = derive_key(receiver.exchange(ec.ECDH(), sender))
    iv, body = delivered.encrypted[:_IV], delivered.encrypted[_IV:]
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    scalar = int.from_bytes(decryptor.update(body) + decryptor.finalize(), "big")
    if not 0 < scalar < _ORDER:
        raise _wrong("scalar", "the decrypted key is not below the order of the curve [V2G2-823]")
    private = ec.derive_private_key(scalar, ec.SECP256R1())
    if private.public_key() != contract:
        raise _wrong("key", "the decrypted key is not that of the contract certificate [V2G2-823]")
    return private


def check_delivery(delivered: DeliveredKey) -> None:
    """Check what is visible without the receiver key: lengths, and the point on the curve."""
    if len(delivered.encrypted) != _IV + _SCALAR:
        text = f"the encrypted key has {len(delivered.encrypted)} bytes, expected 48"
        raise _wrong("length", text)
    read_point(delivered.dh_public_key)


def read_point(data: bytes) -> ec.EllipticCurvePublicKey:
    """Read an uncompressed point on secp256r1; raises CertificateError."""
    if len(data) != 65 or data[0] != 4:
        raise _wrong("point", "DHpublickey is not an uncompressed point of 65 bytes")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
    except ValueError as error:
        raise _wrong("point", "DHpublickey is not on the curve") from error


def derive_key(shared: bytes) -> bytes:
    """Derive 16 bytes from the agreed x-coordinate; algorithm 01, party U, party V (NIST SP 800-56A)."""
    return ConcatKDFHash(hashes.SHA256(), length=16, otherinfo=b"\x01UV").derive(shared)


_IV = 16
_SCALAR = 32
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of secp256r1


def _wrong(rule: str, text: str) -> CertificateError:
    return CertificateError(text, certificate="key delivery", rule=rule)
