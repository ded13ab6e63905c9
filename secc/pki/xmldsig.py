"""XML signatures over EXI fragments: creation and secure verification.

The signed data is an element of the body, encoded as an EXI fragment of the schema set of the message, never
the received bytes: the element does not start at a byte boundary there. A Reference has its SHA-256 digest
and names the element by its Id. All References are in SignedInfo, which is encoded as a fragment of the XML
Signature schema *alone* and signed with ECDSA. The signature value is r and s, 32 bytes each.

Verification starts from the elements that the standard requires, never from those that the peer chose to
reference. Algorithms are constants to compare with, and the key comes from a verified chain, never from the
message. The result is a `VerifiedSignature`, which only this module can make, or a SignatureError.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secc import exi
from secc.errors import EncodeError, SignatureError
from secc.messages.iso2 import EMAID
from secc.messages.xmldsig import (
    CanonicalizationMethod,
    DigestMethod,
    Reference,
    Signature,
    SignatureMethod,
    SignatureValue,
    SignedInfo,
    Transform,
    Transforms,
)

__all__ = [
    "Compat",
    "SignedPart",
    "MAX_REFERENCES",
    "VerifiedSignature",
    "digest",
    "plain_emaid_fragment",
    "sign",
    "signed_info_octets",
    "verify",
]

CANONICAL_EXI = "http://www.w3.org/TR/canonical-exi/"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"

MAX_REFERENCES = 4
"""Maximum number of signed elements in one message [V2G2-909]."""


class Compat(enum.StrEnum):
    """Tolerable deviations of peers in service; each can be enabled separately, none is on by default."""

    PLAIN_EMAID = "plain_emaid"
    """The digest of eMAID uses the grammar of its type. EXI requires the relaxed element fragment grammar, as
    eMAID is declared with two types; some generated encoders do not implement it."""
    STRAY_ATTRIBUTES = "stray_attributes"
    """Id in SignedInfo or SignatureValue, Type in a Reference: forbidden, harmless, and found in service
    [V2G2-771]."""


STRICT: frozenset[Compat] = frozenset()


class _HasId(Protocol):
    @property
    def id(self) -> str | None: ...


@dataclasses.dataclass(frozen=True, slots=True)
class SignedPart:
    """A signed element of a body: its name and its content, which has the Id."""

    name: str
    """Name in the schema, for example `AuthorizationReq`."""
    value: Any  # a message object; every type that can be signed has an Id

    @property
    def id(self) -> str | None:
        """The Id in the Reference."""
        content: _HasId = self.value
        return content.id

    def fragment(self) -> bytes:
        """Return the octets for the digest; raises EncodeError when the content violates the schema."""
        return exi.ISO2.encode_fragment(self.name, self.value)


@dataclasses.dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """Proof that a key has signed these elements; made only by `verify`."""

    elements: tuple[SignedPart, ...]
    point: bytes = dataclasses.field(repr=False)
    """The public key, uncompressed."""
    signed_info: bytes = dataclasses.field(repr=False)
    """The signed octets: evidence, together with the elements and the value."""
    value: bytes = dataclasses.field(repr=False)
    """r and s."""
    tolerated: tuple[Compat, ...]
    """Tolerated deviations."""
    seal: dataclasses.InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only secc.pki.xmldsig can make a VerifiedSignature")


def sign(
    elements: Sequence[SignedPart], key: ec.EllipticCurvePrivateKey, *, reproducible: bool = False
) -> Signature:
    """Return the Signature for a message header. `reproducible`: the same input gives the same value (RFC
    6979).

    Raises ValueError for elements without an Id, with the same Id, or for too many elements.
    """
    ids = [element.id for element in elements]
    if None in ids or len(set(ids)) != len(ids) or not 1 <= len(ids) <= MAX_REFERENCES:
        raise ValueError(f"Ids {ids}: expected one to four different ones")
    info = SignedInfo(
        canonicalization_method=CanonicalizationMethod(algorithm=CANONICAL_EXI),
        signature_method=SignatureMethod(algorithm=ECDSA_SHA256),
        reference=tuple(_reference(element) for element in elements),
    )
    algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=reproducible)
    r, s = decode_dss_signature(key.sign(signed_info_octets(info), algorithm))
    value = r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")
    return Signature(signed_info=info, signature_value=SignatureValue(value=value))


def verify(
    signature: Signature | None,
    elements: Sequence[SignedPart],
    key: ec.EllipticCurvePublicKey,
    *,
    compat: frozenset[Compat] = STRICT,
) -> VerifiedSignature:
    """Verify that exactly these elements are signed, with this key. Raises SignatureError.

    `elements` is what the standard requires for the message; the order of References is free.
    """
    if not isinstance(key.curve, ec.SECP256R1):
        raise _wrong("curve", f"the key is on {key.curve.name}, expected secp256r1 [V2G2-007]")
    if signature is None:
        raise _wrong("missing", "the message is not signed")
    tolerated = set(_check_form(signature))
    for one in sorted(tolerated - compat):
        raise _wrong(one, f"{one}: a part that the standard forbids [V2G2-771]")
    tolerated |= _check_references(signature.signed_info, elements, compat)
    octets = _octets(signature.signed_info)
    value = signature.signature_value.value
    if not _signed(octets, value, key):
        if _signed(_message_set_octets(signature.signed_info), value, key):
            text = "SignedInfo was encoded with the message schema, expected the XML Signature schema alone"
            raise _wrong("schema_set", text)
        raise _wrong("signature", "not signed by this key, or SignedInfo was changed")
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return VerifiedSignature(tuple(elements), point, octets, value, tuple(sorted(tolerated)), seal=_SEAL)


def signed_info_octets(info: SignedInfo) -> bytes:
    """Return SignedInfo as it is signed: a fragment of the XML Signature schema alone."""
    return exi.XMLDSIG.encode_fragment("SignedInfo", info)


def digest(element: SignedPart) -> bytes:
    """Return the SHA-256 of the fragment of an element."""
    return hashlib.sha256(element.fragment()).digest()


def plain_emaid_fragment(emaid: EMAID) -> bytes:
    """Return the other form of an eMAID fragment, see `Compat.PLAIN_EMAID`; `sign` never uses it."""
    bits = [_bits(0x80, 8), _bits(_EMAID_EVENT, 8), "0", _text(emaid.id), "0", _text(emaid.value), "0"]
    stream = "".join([*bits, _bits(_END_OF_DOCUMENT, 8)])
    stream += "0" * (-len(stream) % 8)
    return int(stream, 2).to_bytes(len(stream) // 8, "big")


# --- parts -------------------------------------------------------------------------------------------------

_SEAL = object()
_HALF = 32  # bytes of r, and of s
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of secp256r1
_EMAID_EVENT, _END_OF_DOCUMENT = 236, 244  # event codes of fragments in the message schema set


def _reference(element: SignedPart) -> Reference:
    return Reference(
        uri=f"#{element.id}",
        transforms=Transforms(transform=(Transform(algorithm=CANONICAL_EXI),)),
        digest_method=DigestMethod(algorithm=SHA256),
        digest_value=digest(element),
    )


def _check_form(signature: Signature) -> list[Compat]:
    """Check the algorithms and forbidden parts [V2G2-771]; returns deviations that can be tolerated."""
    info, value = signature.signed_info, signature.signature_value
    if signature.key_info is not None or signature.object:
        raise _wrong("extra_content", "KeyInfo or Object in the signature [V2G2-771]")
    method, canonical = info.signature_method, info.canonicalization_method
    if canonical.algorithm != CANONICAL_EXI or canonical.content:
        raise _wrong("canonicalization", f"canonicalization {canonical.algorithm}, expected {CANONICAL_EXI}")
    if method.algorithm != ECDSA_SHA256 or method.content:
        raise _wrong("algorithm", f"signature method {method.algorithm}, expected {ECDSA_SHA256}")
    if len(value.value) != 2 * _HALF:
        text = f"the signature value has {len(value.value)} bytes, expected 64: r and s, not DER"
        raise _wrong("value", text)
    if not all(0 < half < _ORDER for half in _halves(value.value)):
        raise _wrong("value", "r or s is 0, or not below the order of the curve")
    for reference in info.reference:
        _check_algorithms(reference)
    strays = [signature.id, info.id, value.id, *(one.type for one in info.reference)]
    strays += [one.id for one in info.reference]
    return [Compat.STRAY_ATTRIBUTES] if any(stray is not None for stray in strays) else []


def _check_algorithms(reference: Reference) -> None:
    transforms = () if reference.transforms is None else reference.transforms.transform
    if len(transforms) != 1 or transforms[0].algorithm != CANONICAL_EXI or transforms[0].content:
        raise _wrong("transform", f"{reference.uri}: expected one transform, {CANONICAL_EXI}")
    if reference.digest_method.algorithm != SHA256 or reference.digest_method.content:
        raise _wrong("digest_method", f"{reference.uri}: expected the digest method {SHA256}")


def _check_references(
    info: SignedInfo, elements: Sequence[SignedPart], compat: frozenset[Compat]
) -> set[Compat]:
    """Check that there is one Reference for each required element and no other, and that the digests
    match."""
    ids = [element.id for element in elements]
    if any(not one for one in ids):
        missing = ", ".join(element.name for element in elements if not element.id)
        raise _wrong("id", f"{missing} has no Id, so it cannot be signed")
    if len(set(ids)) != len(ids):
        raise _wrong("id", f"Ids {ids}: duplicate")
    found = [reference.uri for reference in info.reference]
    if sorted(str(uri) for uri in found) != sorted(f"#{one}" for one in ids):
        raise _wrong("references", f"references to {found}, expected {[f'#{one}' for one in ids]}")
    tolerated: set[Compat] = set()
    by_uri = {reference.uri: reference.digest_value for reference in info.reference}
    for element in elements:
        claimed = by_uri[f"#{element.id}"]
        if claimed == _digest(element):
            continue
        plain = isinstance(element.value, EMAID) and claimed == _plain_digest(element.value)
        if not plain or Compat.PLAIN_EMAID not in compat:
            why = "the digest is that of the other eMAID form" if plain else "the digest does not match"
            raise _wrong("plain_emaid" if plain else "digest", f"{element.name} #{element.id}: {why}")
        tolerated.add(Compat.PLAIN_EMAID)
    return tolerated


def _digest(element: SignedPart) -> bytes:
    try:
        return digest(element)
    except EncodeError as error:  # decoded leniently and not encodable: a signer cannot have signed it
        raise _wrong("digest", f"{element.name} #{element.id} cannot be encoded: {error}") from error


def _plain_digest(emaid: EMAID) -> bytes:
    return hashlib.sha256(plain_emaid_fragment(emaid)).digest()


def _octets(info: SignedInfo) -> bytes:
    try:
        return signed_info_octets(info)
    except EncodeError as error:
        raise _wrong("signed_info", f"SignedInfo cannot be encoded: {error}") from error


def _message_set_octets(info: SignedInfo) -> bytes:
    return exi.ISO2.encode_fragment("SignedInfo", info)


def _signed(octets: bytes, value: bytes, key: ec.EllipticCurvePublicKey) -> bool:
    try:
        key.verify(encode_dss_signature(*_halves(value)), octets, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _halves(value: bytes) -> tuple[int, int]:
    return int.from_bytes(value[:_HALF], "big"), int.from_bytes(value[_HALF:], "big")


def _wrong(rule: str, text: str) -> SignatureError:
    return SignatureError(text, certificate="signature", rule=rule)


def _bits(value: int, width: int) -> str:
    return f"{value:0{width}b}"


def _text(text: str) -> str:
    """Return a string in EXI: its length plus 2, then the code points, each as an unsigned integer."""
    return _unsigned(len(text) + 2) + "".join(_unsigned(ord(character)) for character in text)


def _unsigned(value: int) -> str:
    groups = ""
    while value > 0x7F:
        groups += _bits(value & 0x7F | 0x80, 8)
        value >>= 7
    return groups + _bits(value, 8)
