"""Signed price schedules: only what an EV can verify is relayed."""

from __future__ import annotations

import msgspec
import pytest

from secc.errors import SignatureError
from secc.pki.signed_prices import price_schedule, price_signature
from tests.support.prices import COMMON, fragment, message, signature


def test_a_signed_schedule_is_read_and_would_be_encoded_the_same_again() -> None:
    octets = fragment(message())
    assert price_schedule(octets) == message()
    assert fragment(price_schedule(octets)) == octets


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "not an EXI fragment"),
        (b"\x80\xff\xff", "not an EXI fragment"),
        (signature(message()), "Signature is signed"),
        (fragment(msgspec.structs.replace(message(), id=None)), "has no Id"),
        (fragment(message()) + b"\0", "not encoded as an EV would"),
    ],
)
def test_what_an_ev_could_not_verify_is_refused(octets: bytes, words: str) -> None:
    with pytest.raises(SignatureError, match=words):
        price_schedule(octets)


def test_a_signature_covers_exactly_the_schedules() -> None:
    one, two = message("id1"), message("id2")
    both = (fragment(one), fragment(two))
    found = price_signature(signature(one, two), both)
    assert [reference.uri for reference in found.signed_info.reference] == ["#id1", "#id2"]
    with pytest.raises(SignatureError, match=r"signed are \['#id1'\]"):
        price_signature(signature(one), both)
    with pytest.raises(SignatureError, match="signed are"):
        price_signature(signature(one, two), both[:1])
    with pytest.raises(SignatureError, match="digest of #id1"):
        price_signature(signature(one), (fragment(message("id1", 5)),))
    with pytest.raises(SignatureError, match="in place of a Signature"):
        price_signature(both[0], both)


def test_a_digest_of_another_algorithm_is_refused() -> None:
    made = COMMON.decode_fragment(signature(message()))[1]
    (reference,) = made.signed_info.reference
    weaker = msgspec.structs.replace(
        reference, digest_method=msgspec.structs.replace(reference.digest_method, algorithm="urn:md5")
    )
    info = msgspec.structs.replace(made.signed_info, reference=(weaker,))
    octets = COMMON.encode_fragment("Signature", msgspec.structs.replace(made, signed_info=info))
    with pytest.raises(SignatureError, match="urn:md5"):
        price_signature(octets, (fragment(message()),))
