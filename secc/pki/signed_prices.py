"""Price schedules of ISO 15118-20 that a mobility operator has signed [V2G20-2637].

The station has no key for them and changes nothing. The operator delivers each schedule as the EXI fragment
over which its digest is computed, and one Signature for the message header with a Reference per schedule.
What is decoded from such a fragment is sent as a part of ScheduleExchangeRes; the fragment that the EV makes
of it is the same, octet by octet, so the signature still verifies. That is checked here, before anything is
sent: a fragment in another form, or a digest that does not match, could never be verified by the EV.

The signature value is not verified: the certificate of its key is not in the message.
"""

from __future__ import annotations

import functools
import hashlib

from secc import exi
from secc.errors import CodecError, SignatureError
from secc.messages.iso20_common import AbsolutePriceSchedule, PriceLevelSchedule
from secc.messages.xmldsig import Reference, Signature

__all__ = ["price_schedule", "price_signature"]

_SHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"  # [V2G20-2474]
_SHAKE256 = "urn:iso:std:iso:15118:-20:Security:xmlenc#SHAKE256"  # [V2G20-2476]
_SHAKE256_OCTETS = 64


@functools.lru_cache(maxsize=32)
def price_schedule(fragment: bytes) -> AbsolutePriceSchedule | PriceLevelSchedule:
    """The price schedule in an EXI fragment of CommonMessages; raises SignatureError.

    It has an Id, and is encoded in the form in which every encoder writes it.
    """
    found = _decoded(fragment)
    if not isinstance(found, AbsolutePriceSchedule | PriceLevelSchedule):
        raise _wrong("price schedule", f"{type(found).__name__} is signed, expected a price schedule")
    if not found.id:
        raise _wrong("price schedule", "the signed price schedule has no Id")
    if _codec().encode_fragment(type(found).__name__, found) != fragment:
        raise _wrong("price schedule", f"{found.id} is not encoded as an EV would encode it")
    return found


@functools.lru_cache(maxsize=32)
def price_signature(fragment: bytes, schedules: tuple[bytes, ...]) -> Signature:
    """The Signature in an EXI fragment; raises SignatureError unless its References are exactly these
    schedules, by Id and digest."""
    found = _decoded(fragment)
    if not isinstance(found, Signature):
        raise _wrong("signature", f"{type(found).__name__} in place of a Signature")
    references = {reference.uri or "": reference for reference in found.signed_info.reference}
    expected = {f"#{price_schedule(one).id}": one for one in schedules}
    if references.keys() != expected.keys() or len(expected) != len(schedules):
        raise _wrong("signature", f"signed are {sorted(references)}, expected {sorted(expected)}")
    for uri, one in expected.items():
        if _digest(references[uri], one) != references[uri].digest_value:
            raise _wrong("digest", f"the digest of {uri} is not that of the price schedule")
    return found


def _digest(reference: Reference, fragment: bytes) -> bytes:
    match reference.digest_method.algorithm:
        case algorithm if algorithm == _SHA512:
            return hashlib.sha512(fragment).digest()
        case algorithm if algorithm == _SHAKE256:
            return hashlib.shake_256(fragment).digest(_SHAKE256_OCTETS)
        case other:
            raise _wrong("digest", f"digest algorithm {other}, expected SHA-512 or SHAKE256")


def _decoded(fragment: bytes) -> object:
    try:
        return _codec().decode_fragment(fragment)[1]
    except CodecError as error:
        raise _wrong("EXI fragment", f"not an EXI fragment of CommonMessages: {error}") from error


def _codec() -> exi.Codec:
    return exi.codec("iso20-common")


def _wrong(rule: str, text: str) -> SignatureError:
    return SignatureError(text, certificate="price schedule", rule=rule)
