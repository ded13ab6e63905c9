"""Delivery of a private contract key in ISO 15118-20: key agreement, concatenation KDF, AES-256-GCM.

The sender makes a new key pair for each delivery and agrees with the OEM provisioning key of the vehicle on a
secret: on secp521r1, or by X448 where that key is one of Ed448. The KDF (NIST SP 800-56A, SHA-512) derives 32
bytes with the algorithm identifier 01, party U and party V [V2G20-2535]. AES-256-GCM encrypts the private key
[V2G20-2497] [V2G20-2499] [V2G20-2500] [V2G20-2502]: 12 bytes of IV, the key, 16 bytes of tag. The associated
data binds it to the vehicle and to the contract certificate [V2G20-2492].

Public sources leave four points open. Each has one place here, and its alternatives have names:

* the associated data: `associated_data`;
* the size of the public key of X448, for which the schema has the 133 bytes of secp521r1: `SenderKeyForm`;
* the private key of Ed448, which has one byte more than the schema has room for: `private_octets`;
* the X448 key of an Ed448 certificate: `secc.pki.x448`.

The reader accepts every alternative: the tag decides which one the sender had in mind.
"""

from __future__ import annotations

import dataclasses
import enum
import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x448
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secc.errors import CertificateError
from secc.messages.iso20_common import EcdhCurve
from secc.pki.certificates import Certificate
from secc.pki.identifiers import PCID
from secc.pki.keys import ORDERS, KeyType, PrivateKey, key_type
from secc.pki.x448 import SIZE as X448_SIZE
from secc.pki.x448 import agreement_key, agreement_private_key

__all__ = [
    "AssociatedData",
    "SenderKeyForm",
    "UnwrappedKey",
    "WrappedKey",
    "associated_data",
    "check_wrapped",
    "curve_of",
    "derive_wrapping_key",
    "fits_delivery",
    "private_octets",
    "unwrap_key",
    "wrap_key",
]


class AssociatedData(enum.StrEnum):
    """Alternatives of what AES-GCM authenticates beside the key; the first one is written."""

    PCID_AND_KEY_ID = "pcid_and_key_id"
    """PCID, capitals and digits only, then the SubjectKeyIdentifier as the contract certificate has it."""
    PCID_AND_SHORT_KEY_ID = "pcid_and_short_key_id"
    """The same with the first 16 bytes of the identifier: one public implementation takes so many."""
    NOTHING = "nothing"
    """None at all: another public implementation."""


class SenderKeyForm(enum.StrEnum):
    """Alternatives of the sender's public key of X448 in DHPublicKey; the first one is written."""

    PLAIN = "plain"
    """56 bytes, as RFC 7748 has it."""
    PADDED = "padded"
    """133 bytes, as the schema has it: zeros, then the key."""


@dataclasses.dataclass(frozen=True, slots=True)
class WrappedKey:
    """An encrypted private contract key, as SignedInstallationData has it."""

    curve: EcdhCurve
    sender: bytes = dataclasses.field(repr=False)
    """DHPublicKey: the new public key of the sender."""
    encrypted: bytes = dataclasses.field(repr=False)
    """IV, key and tag."""


@dataclasses.dataclass(frozen=True, slots=True)
class UnwrappedKey:
    """A decrypted private contract key that belongs to its certificate."""

    key: PrivateKey = dataclasses.field(repr=False)
    associated_data: AssociatedData
    """The alternative that the sender has used."""


def wrap_key(
    contract_key: PrivateKey,
    leaf: Certificate,
    receiver: Certificate,
    *,
    random_bytes: Callable[[int], bytes] = os.urandom,
    ephemeral: ec.EllipticCurvePrivateKey | x448.X448PrivateKey | None = None,
    data: AssociatedData = AssociatedData.PCID_AND_KEY_ID,
    sender: SenderKeyForm = SenderKeyForm.PLAIN,
) -> WrappedKey:
    """Encrypt the key of the contract `leaf` for the vehicle with the provisioning certificate `receiver`.

    `ephemeral` is for known-answer tests only: reuse breaks the secrecy. Raises CertificateError if the
    contract key and the provisioning key have different types, or `private_octets` has no form for the key.
    """
    curve = curve_of(receiver)
    if key_type(contract_key) is not receiver.key_type:
        text = f"a contract key of type {key_type(contract_key)} for a vehicle with {receiver.key_type}"
        raise _wrong("key_type", text)
    fresh = ephemeral or _new_sender_key(curve)
    wrapping = AESGCM(derive_wrapping_key(_agree(fresh, receiver.key)))
    iv, plain = random_bytes(_IV), private_octets(contract_key)
    pcid = PCID.parse(receiver.subject.common_name)
    encrypted = iv + wrapping.encrypt(iv, plain, associated_data(pcid, leaf, data))
    return WrappedKey(curve, _sender_octets(fresh, sender), encrypted)


def unwrap_key(wrapped: WrappedKey, receiver: PrivateKey, pcid: PCID, leaf: Certificate) -> UnwrappedKey:
    """Decrypt as the vehicle does, and check that the key belongs to the contract certificate.

    Raises CertificateError.
    """
    check_wrapped(wrapped)
    if key_type(receiver) is not _KEYS[wrapped.curve]:
        raise _wrong("key_type", f"the vehicle has no key for {wrapped.curve}")
    wrapping = AESGCM(derive_wrapping_key(_open(wrapped, receiver)))
    iv, body = wrapped.encrypted[:_IV], wrapped.encrypted[_IV:]
    for form in AssociatedData:
        try:
            plain = wrapping.decrypt(iv, body, associated_data(pcid, leaf, form))
        except InvalidTag:
            continue
        key = _private_key(wrapped.curve, plain)
        if key.public_key() != leaf.key:
            raise _wrong("key", "the decrypted key is not that of the contract certificate")
        return UnwrappedKey(key, form)
    raise _wrong("tag", "the key was encrypted for another vehicle or contract, or was changed")


def check_wrapped(wrapped: WrappedKey) -> None:
    """Check what is visible without the receiver key: lengths, and the point on the curve.

    Raises CertificateError.
    """
    expected = _IV + _SIZES[wrapped.curve] + _TAG
    if len(wrapped.encrypted) != expected:
        raise _wrong("length", f"the encrypted key has {len(wrapped.encrypted)} bytes, expected {expected}")
    _sender_key(wrapped)


def curve_of(receiver: Certificate) -> EcdhCurve:
    """Return the curve on which a provisioning key agrees; raises CertificateError for other keys."""
    for curve, kind in _KEYS.items():
        if receiver.key_type is kind:
            return curve
    raise _wrong("key_type", f"no key agreement with a key of type {receiver.key_type}")


def derive_wrapping_key(shared: bytes) -> bytes:
    """Derive the 32 bytes of the AES key from the agreed secret [V2G20-2535]."""
    return ConcatKDFHash(hashes.SHA512(), length=32, otherinfo=b"\x01UV").derive(shared)


def associated_data(pcid: PCID, leaf: Certificate, form: AssociatedData) -> bytes:
    """Return what AES-GCM authenticates beside the key [V2G20-2492]; the lengths are not settled."""
    identifier = leaf.subject_key_id or b""
    match form:
        case AssociatedData.PCID_AND_KEY_ID:
            return pcid.normal.encode() + identifier
        case AssociatedData.PCID_AND_SHORT_KEY_ID:
            return pcid.normal.encode() + identifier[:16]
        case AssociatedData.NOTHING:
            return b""


def private_octets(key: PrivateKey) -> bytes:
    """Return a private key as it is encrypted: 66 bytes of secp521r1, 56 of Ed448.

    The seed of Ed448 has 57 bytes. Only a seed that ends in zero can be delivered, without that zero;
    `fits_delivery` is the test for an issuer of keys. Raises CertificateError.
    """
    if isinstance(key, ed448.Ed448PrivateKey):
        seed = key.private_bytes_raw()
        if not fits_delivery(key):
            raise _wrong("key_size", "an Ed448 key whose last byte is not zero has no room in the message")
        return seed[:X448_SIZE]
    return key.private_numbers().private_value.to_bytes(66, "big")


def fits_delivery(key: PrivateKey) -> bool:
    """Return whether a contract key can be delivered, see `private_octets`."""
    return not isinstance(key, ed448.Ed448PrivateKey) or key.private_bytes_raw()[X448_SIZE:] == b"\0"


# --- parts -------------------------------------------------------------------------------------------------

_IV = 12
_TAG = 16
_POINT = 133
_SIZES = {EcdhCurve.SECP521: 66, EcdhCurve.X448: X448_SIZE}
_KEYS = {EcdhCurve.SECP521: KeyType.SECP521R1, EcdhCurve.X448: KeyType.ED448}

_SenderKey = ec.EllipticCurvePrivateKey | x448.X448PrivateKey


def _new_sender_key(curve: EcdhCurve) -> _SenderKey:
    return x448.X448PrivateKey.generate() if curve is EcdhCurve.X448 else ec.generate_private_key(_CURVE)


_CURVE = ec.SECP521R1()


def _agree(fresh: _SenderKey, receiver: object) -> bytes:
    """Return the agreed secret of the sender: the x-coordinate, or the output of X448."""
    match fresh, receiver:
        case x448.X448PrivateKey(), ed448.Ed448PublicKey():
            return fresh.exchange(agreement_key(receiver))
        case ec.EllipticCurvePrivateKey(), ec.EllipticCurvePublicKey():
            return fresh.exchange(ec.ECDH(), receiver)
        case _:
            raise _wrong("key_type", "the keys of sender and vehicle do not agree")


def _open(wrapped: WrappedKey, receiver: PrivateKey) -> bytes:
    """Return the agreed secret of the vehicle."""
    match receiver, _sender_key(wrapped):
        case ed448.Ed448PrivateKey(), x448.X448PublicKey() as sender:
            return agreement_private_key(receiver).exchange(sender)
        case ec.EllipticCurvePrivateKey(), ec.EllipticCurvePublicKey() as sender:
            return receiver.exchange(ec.ECDH(), sender)
        case _:
            raise _wrong("key_type", f"the vehicle has no key for {wrapped.curve}")


def _sender_octets(fresh: _SenderKey, form: SenderKeyForm) -> bytes:
    if isinstance(fresh, x448.X448PrivateKey):
        plain = fresh.public_key().public_bytes_raw()
        return plain.rjust(_POINT, b"\0") if form is SenderKeyForm.PADDED else plain
    return fresh.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _sender_key(wrapped: WrappedKey) -> ec.EllipticCurvePublicKey | x448.X448PublicKey:
    data = wrapped.sender
    if wrapped.curve is EcdhCurve.X448:
        if len(data) == _POINT and not any(data[:-X448_SIZE]):
            data = data[-X448_SIZE:]
        if len(data) != X448_SIZE or not any(data):
            raise _wrong("point", f"DHPublicKey of X448 with {len(data)} bytes, expected {X448_SIZE}")
        return x448.X448PublicKey.from_public_bytes(data)
    if len(data) != _POINT or data[0] != 4:
        raise _wrong("point", f"DHPublicKey is not an uncompressed point of {_POINT} bytes")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, data)
    except ValueError as error:
        raise _wrong("point", "DHPublicKey is not on secp521r1") from error


def _private_key(curve: EcdhCurve, plain: bytes) -> PrivateKey:
    if curve is EcdhCurve.X448:
        return ed448.Ed448PrivateKey.from_private_bytes(plain + b"\0")
    scalar = int.from_bytes(plain, "big")
    if not 0 < scalar < ORDERS[KeyType.SECP521R1]:
        raise _wrong("scalar", "the decrypted key is not below the order of the curve")
    return ec.derive_private_key(scalar, _CURVE)


def _wrong(rule: str, text: str) -> CertificateError:
    return CertificateError(text, certificate="key delivery", rule=rule)
