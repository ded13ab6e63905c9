"""XML signatures over EXI fragments: creation and secure verification.

The signed data is an element of the message, encoded as an EXI fragment of the schema set of the message,
never the received bytes: the element does not start at a byte boundary there. A Reference has its digest and
names the element by its Id [V2G20-119]. All References are in SignedInfo, which is encoded as a fragment of
the XML Signature schema *alone* and signed. The algorithms follow from the key, see `suites`.

ISO 15118-20 leaves open whether SignedInfo is encoded with the XML Signature schema alone or with the schema
set of the message; stacks in the field do both. There both are accepted, and the first one is written.

Verification starts from the elements that the standard requires, never from those that the peer chose to
reference. Algorithms are constants to compare with, and the key comes from a verified chain, never from the
message. The result is a `VerifiedSignature`, which only this module can make, or a SignatureError.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ed448
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secc import exi
from secc.errors import DecodeError, EncodeError, SignatureError
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
from secc.pki.keys import KeyType, PrivateKey, PublicKey, key_type
from secc.pki.kinds import Generation
from secc.pki.suites import SUITES, SignatureSuite, suite_of

__all__ = [
    "Compat",
    "SignedPart",
    "MAX_REFERENCES",
    "VerifiedSignature",
    "digest",
    "iso20_part",
    "plain_emaid_fragment",
    "read_signed_info",
    "relayed",
    "sign",
    "signed_info_octets",
    "verify",
]

CANONICAL_EXI = "http://www.w3.org/TR/canonical-exi/"  # [V2G20-765] [V2G20-766]

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
    SCHEMA_SET = "schema_set"
    """SignedInfo is encoded with the schema set of the message instead of the XML Signature schema alone.
    In ISO 15118-20 it is always accepted, and recorded."""


STRICT: frozenset[Compat] = frozenset()


class _HasId(Protocol):
    @property
    def id(self) -> str | None: ...


@dataclasses.dataclass(frozen=True, slots=True)
class SignedPart:
    """A signed element of a message: its name and its content, which has the Id."""

    name: str
    """Name in the schema, for example `AuthorizationReq`."""
    value: Any  # a message object; every type that can be signed has an Id
    schema: str = "iso2"
    """The schema set of the message, a key of `secc.exi.SCHEMAS`."""

    @property
    def id(self) -> str | None:
        """The Id in the Reference."""
        content: _HasId = self.value
        return content.id

    def fragment(self) -> bytes:
        """Return the octets for the digest; raises EncodeError when the content violates the schema."""
        return exi.codec(self.schema).encode_fragment(self.name, self.value)


def iso20_part(name: str, value: object) -> SignedPart:
    """Return a signed element of ISO 15118-20; all of them are in CommonMessages [V2G20-1449]."""
    return SignedPart(name, value, "iso20-common")


@dataclasses.dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """Proof that a key has signed these elements; made only by `verify`."""

    elements: tuple[SignedPart, ...]
    point: bytes = dataclasses.field(repr=False)
    """The public key: an uncompressed point, or the 57 bytes of Ed448."""
    signed_info: bytes = dataclasses.field(repr=False)
    """The signed octets: evidence, together with the elements and the value."""
    value: bytes = dataclasses.field(repr=False)
    """The signature value: r and s, or that of Ed448."""
    tolerated: tuple[Compat, ...]
    """Tolerated deviations."""
    keys: KeyType
    """The type of the key, from which the algorithms follow."""
    seal: dataclasses.InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only secc.pki.xmldsig can make a VerifiedSignature")


def sign(
    elements: Sequence[SignedPart],
    key: PrivateKey,
    *,
    generation: Generation = Generation.ISO2,
    reproducible: bool = False,
) -> Signature:
    """Return the Signature for a message header. `reproducible`: the same input gives the same value (RFC
    6979).

    Raises ValueError for elements without an Id, with the same Id, or for too many elements, and for a key
    that does not sign in messages of the generation.
    """
    ids = [element.id for element in elements]
    if None in ids or len(set(ids)) != len(ids) or not 1 <= len(ids) <= MAX_REFERENCES:
        raise ValueError(f"Ids {ids}: expected one to four different ones")
    suite = suite_of(key, generation)
    if suite is None:
        raise ValueError(f"a key of type {key_type(key)} does not sign messages of {generation}")
    info = _signed_info(elements, suite)
    value = suite.sign(key, signed_info_octets(info), reproducible=reproducible)
    return Signature(signed_info=info, signature_value=SignatureValue(value=value))


def relayed(elements: Sequence[SignedPart], value: bytes, suite: SignatureSuite) -> Signature:
    """Return the Signature of another party out of its value alone; nothing is verified.

    Raises EncodeError for an element that violates its schema.
    """
    return Signature(signed_info=_signed_info(elements, suite), signature_value=SignatureValue(value=value))


def verify(
    signature: Signature | None,
    elements: Sequence[SignedPart],
    key: PublicKey,
    *,
    generation: Generation = Generation.ISO2,
    compat: frozenset[Compat] = STRICT,
) -> VerifiedSignature:
    """Verify that exactly these elements are signed, with this key. Raises SignatureError.

    `elements` is what the standard requires for the message; the order of References is free.
    """
    suite = suite_of(key, generation)
    if suite is None:
        raise _wrong("curve", f"the key is {_name(key)}, none of {generation} [V2G2-007] [V2G20-2674]")
    if signature is None:
        raise _wrong("missing", "the message is not signed")
    tolerated = set(_check_form(signature, suite))
    for one in sorted(tolerated - compat):
        raise _wrong(one, f"{one}: a part that the standard forbids [V2G2-771]")
    tolerated |= _check_references(signature.signed_info, elements, suite, compat)
    either = generation is not Generation.ISO2 or Compat.SCHEMA_SET in compat
    octets, deviation = _signed_octets(signature, elements, key, suite, either=either)
    value, found = signature.signature_value.value, tuple(sorted(tolerated | deviation))
    return VerifiedSignature(tuple(elements), _point(key), octets, value, found, keys=suite.keys, seal=_SEAL)


def signed_info_octets(info: SignedInfo) -> bytes:
    """Return SignedInfo as it is signed: a fragment of the XML Signature schema alone."""
    return exi.XMLDSIG.encode_fragment("SignedInfo", info)


def read_signed_info(octets: bytes) -> SignedInfo:
    """Read SignedInfo from the octets that were signed, in either grammar. Raises SignatureError."""
    why = ""
    for schema in ("xmldsig", "iso20-common"):
        try:
            element, info = exi.codec(schema).decode_fragment(octets)
        except DecodeError as error:
            why = why or f": {error}"
            continue
        if element == "SignedInfo" and isinstance(info, SignedInfo):
            return info
    raise _wrong("malformed", f"no fragment of SignedInfo{why}")


def digest(element: SignedPart, suite: SignatureSuite = SUITES[KeyType.SECP256R1]) -> bytes:
    """Return the digest of the fragment of an element, by the suite of the key: of ISO 15118-2 by default."""
    return suite.digest(element.fragment())


def plain_emaid_fragment(emaid: EMAID) -> bytes:
    """Return the other form of an eMAID fragment, see `Compat.PLAIN_EMAID`; `sign` never uses it."""
    bits = [_bits(0x80, 8), _bits(_EMAID_EVENT, 8), "0", _text(emaid.id), "0", _text(emaid.value), "0"]
    stream = "".join([*bits, _bits(_END_OF_DOCUMENT, 8)])
    stream += "0" * (-len(stream) % 8)
    return int(stream, 2).to_bytes(len(stream) // 8, "big")


# --- parts -------------------------------------------------------------------------------------------------

_SEAL = object()
_EMAID_EVENT, _END_OF_DOCUMENT = 236, 244  # event codes of fragments in the message schema set


def _signed_info(elements: Sequence[SignedPart], suite: SignatureSuite) -> SignedInfo:
    return SignedInfo(
        canonicalization_method=CanonicalizationMethod(algorithm=CANONICAL_EXI),
        signature_method=SignatureMethod(algorithm=suite.method),
        reference=tuple(_reference(element, suite) for element in elements),
    )


def _reference(element: SignedPart, suite: SignatureSuite) -> Reference:
    return Reference(
        uri=f"#{element.id}",
        transforms=Transforms(transform=(Transform(algorithm=CANONICAL_EXI),)),
        digest_method=DigestMethod(algorithm=suite.digest_method),
        digest_value=digest(element, suite),
    )


def _check_form(signature: Signature, suite: SignatureSuite) -> list[Compat]:
    """Check the algorithms and forbidden parts [V2G2-771]; returns deviations that can be tolerated."""
    info, value = signature.signed_info, signature.signature_value
    if signature.key_info is not None or signature.object:
        raise _wrong("extra_content", "KeyInfo or Object in the signature [V2G2-771] [V2G20-771]")
    method, canonical = info.signature_method, info.canonicalization_method
    if canonical.algorithm != CANONICAL_EXI or canonical.content:
        raise _wrong("canonicalization", f"canonicalization {canonical.algorithm}, expected {CANONICAL_EXI}")
    if method.algorithm != suite.method or method.content:
        raise _wrong("algorithm", f"signature method {method.algorithm}, expected {suite.method}")
    if fault := suite.fault(value.value):
        raise _wrong("value", fault)
    for reference in info.reference:
        _check_algorithms(reference, suite)
    strays = [signature.id, info.id, value.id, *(one.type for one in info.reference)]
    strays += [one.id for one in info.reference]
    return [Compat.STRAY_ATTRIBUTES] if any(stray is not None for stray in strays) else []


def _check_algorithms(reference: Reference, suite: SignatureSuite) -> None:
    transforms = () if reference.transforms is None else reference.transforms.transform
    if len(transforms) != 1 or transforms[0].algorithm != CANONICAL_EXI or transforms[0].content:
        raise _wrong("transform", f"{reference.uri}: expected one transform, {CANONICAL_EXI}")
    if reference.digest_method.algorithm != suite.digest_method or reference.digest_method.content:
        raise _wrong("digest_method", f"{reference.uri}: expected the digest method {suite.digest_method}")


def _check_references(
    info: SignedInfo, elements: Sequence[SignedPart], suite: SignatureSuite, compat: frozenset[Compat]
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
        if claimed == _digest(element, suite):
            continue
        plain = isinstance(element.value, EMAID) and claimed == _plain_digest(element.value, suite)
        if not plain or Compat.PLAIN_EMAID not in compat:
            why = "the digest is that of the other eMAID form" if plain else "the digest does not match"
            raise _wrong("plain_emaid" if plain else "digest", f"{element.name} #{element.id}: {why}")
        tolerated.add(Compat.PLAIN_EMAID)
    return tolerated


def _digest(element: SignedPart, suite: SignatureSuite) -> bytes:
    try:
        return digest(element, suite)
    except EncodeError as error:  # decoded leniently and not encodable: a signer cannot have signed it
        raise _wrong("digest", f"{element.name} #{element.id} cannot be encoded: {error}") from error


def _plain_digest(emaid: EMAID, suite: SignatureSuite) -> bytes:
    return suite.digest(plain_emaid_fragment(emaid))


def _signed_octets(
    signature: Signature,
    elements: Sequence[SignedPart],
    key: PublicKey,
    suite: SignatureSuite,
    *,
    either: bool,
) -> tuple[bytes, frozenset[Compat]]:
    """Return the octets of SignedInfo that the key has signed, and the deviation if they have the grammar of
    the message, which `either` permits."""
    info, value = signature.signed_info, signature.signature_value.value
    octets = _octets(info)
    if suite.has_made(key, value, octets):
        return octets, frozenset()
    octets = exi.codec(elements[0].schema).encode_fragment("SignedInfo", info)
    if not suite.has_made(key, value, octets):
        raise _wrong("signature", "not signed by this key, or SignedInfo was changed")
    if not either:
        text = "SignedInfo was encoded with the message schema, expected the XML Signature schema alone"
        raise _wrong("schema_set", text)
    return octets, frozenset({Compat.SCHEMA_SET})


def _octets(info: SignedInfo) -> bytes:
    try:
        return signed_info_octets(info)
    except EncodeError as error:
        raise _wrong("signed_info", f"SignedInfo cannot be encoded: {error}") from error


def _point(key: PublicKey) -> bytes:
    if isinstance(key, ed448.Ed448PublicKey):
        return key.public_bytes_raw()
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _name(key: PublicKey) -> str:
    return "Ed448" if isinstance(key, ed448.Ed448PublicKey) else f"on {key.curve.name}"


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
