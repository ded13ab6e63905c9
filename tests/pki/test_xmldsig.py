"""Signatures over EXI fragments: known answers of others in both directions, and every way to be fooled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from secc import exi
from secc.errors import SignatureError
from secc.messages import iso2, xmldsig
from secc.pki.issuing import new_key
from secc.pki.keys import KeyType
from secc.pki.xmldsig import (
    Compat,
    SignedPart,
    VerifiedSignature,
    digest,
    plain_emaid_fragment,
    sign,
    signed_info_octets,
    verify,
)
from tests.support.vectors import shared

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
KEY = new_key(b"signer")
PUBLIC = KEY.public_key()
CHALLENGE = bytes.fromhex("ab39eaecd9df0fb9d29fe31d3826510a")
REQUEST = SignedPart("AuthorizationReq", iso2.AuthorizationReq(id="ID1", gen_challenge=CHALLENGE))
FOUR = (
    SignedPart("ContractSignatureCertChain", iso2.CertificateChain(id="ID1", certificate=b"\x30\x01\x00")),
    SignedPart(
        "ContractSignatureEncryptedPrivateKey",
        iso2.ContractSignatureEncryptedPrivateKey(id="ID2", value=bytes(48)),
    ),
    SignedPart("DHpublickey", iso2.DiffieHellmanPublickey(id="ID3", value=b"\x04" + bytes(64))),
    SignedPart("eMAID", iso2.EMAID(id="ID4", value="DEICECOPNCCERT")),
)


def vectors() -> list[dict[str, Any]]:
    data = json.loads(shared("signature.json").read_text())
    return [vector for vector in data["vectors"] if vector["protocol"] == "ISO 15118-2"]


def vector_key() -> ec.EllipticCurvePrivateKey:
    data = json.loads(shared("signature.json").read_text())["keys"]["p256"]
    return ec.derive_private_key(int(data["private_scalar_hex"], 16), ec.SECP256R1())


def vector_elements(vector: dict[str, Any]) -> list[SignedPart]:
    return [
        SignedPart(*exi.ISO2.decode_fragment(bytes.fromhex(one["fragment_hex"])))
        for one in vector["references"]
    ]


# --- known answers ----------------------------------------------------------------------------------------


def test_signatures_of_others_verify() -> None:
    seen = []
    for vector in vectors():
        message = exi.ISO2.decode(bytes.fromhex(vector["message"]["exi_hex"]))
        proof = verify(message.header.signature, vector_elements(vector), vector_key().public_key())
        assert proof.signed_info.hex() == vector["signed_info"]["fragment_hex"]
        assert proof.value.hex() == vector["signature"]["raw_r_s_hex"]
        assert proof.tolerated == ()
        seen.append(vector["name"])
    assert len(seen) == 6


def test_signed_octets_are_those_of_other_signers() -> None:
    for vector in vectors():
        signature = sign(vector_elements(vector), vector_key(), reproducible=True)
        assert signed_info_octets(signature.signed_info).hex() == vector["signed_info"]["fragment_hex"]
        assert signature.signature_value.value.hex() == vector["signature"]["raw_r_s_hex"]


@pytest.mark.parametrize(
    ("emaid", "octets", "sha256"),
    [
        (
            iso2.EMAID(id="ID4", value="DEICECOPNCCERT"),
            "80ec0202a4a21a400411115250d150d3d41390d0d154953d3d00",
            "5bd849248a2f78a74a0ca06ce06d81ef385ec52ca5f4e1a521b9d2c673e69bad",
        ),
        (
            iso2.EMAID(id="id4", value="DEABCC123ABC56"),
            "80ec0202b4b21a40041111505090d0cc4c8cd05090cd4dbd3d00",
            "939af54f14396ec0d827f753c896ac0762ae1e00acab57e19af100243cdd5a6b",
        ),
    ],
)
def test_emaid_is_encoded_with_the_relaxed_grammar(emaid: iso2.EMAID, octets: str, sha256: str) -> None:
    element = SignedPart("eMAID", emaid)
    assert element.fragment().hex() == octets
    assert digest(element).hex() == sha256


def test_the_faulty_emaid_form_is_known() -> None:
    octets = plain_emaid_fragment(iso2.EMAID(id="id4", value="DEABCC123ABC56"))
    assert octets.hex() == "80ec02b4b21a041111505090d0cc4c8cd05090cd4d9e80"


def test_authorization_request_of_a_real_session() -> None:
    assert REQUEST.fragment().hex() == "80040152510c408559cf5766cef87dce94ff18e9c1328851e8"
    assert digest(REQUEST).hex() == "dfa9ee6f9112555f38b0dc4216a4bf58cbea9b23048e3d41e22288df0fd2315c"


# --- round trips ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("elements", [(REQUEST,), FOUR])
@pytest.mark.req("V2G2-909")
def test_what_was_signed_verifies(elements: tuple[SignedPart, ...]) -> None:
    proof = verify(sign(elements, KEY), elements, PUBLIC)
    assert proof.elements == elements
    assert len(proof.value) == 64


def test_order_of_references_is_free() -> None:
    assert verify(sign(FOUR[::-1], KEY), FOUR, PUBLIC).tolerated == ()


def test_signing_twice_gives_two_values_unless_asked_otherwise() -> None:
    assert sign((REQUEST,), KEY).signature_value != sign((REQUEST,), KEY).signature_value
    assert sign((REQUEST,), KEY, reproducible=True) == sign((REQUEST,), KEY, reproducible=True)


def test_nothing_but_verify_makes_a_proof() -> None:
    with pytest.raises(TypeError):
        VerifiedSignature((), b"", b"", b"", (), keys=KeyType.SECP256R1, seal=object())


@pytest.mark.parametrize("elements", [(), (REQUEST, REQUEST), (*FOUR, REQUEST)])
def test_signing_refuses_what_could_not_be_verified(elements: tuple[SignedPart, ...]) -> None:
    with pytest.raises(ValueError, match="Ids"):
        sign(elements, KEY)


# --- being fooled -----------------------------------------------------------------------------------------


def rule_of(
    signature: xmldsig.Signature | None,
    elements: tuple[SignedPart, ...] = (REQUEST,),
    key: ec.EllipticCurvePublicKey = PUBLIC,
    compat: frozenset[Compat] = frozenset(),
) -> str:
    with pytest.raises(SignatureError) as caught:
        verify(signature, elements, key, compat=compat)
    assert caught.value.response_code == "FAILED_SignatureError"
    return caught.value.rule


def signed(change: Callable[[xmldsig.SignedInfo], xmldsig.SignedInfo]) -> xmldsig.Signature:
    """A signature that is right in itself over a SignedInfo that is not."""
    info = change(sign((REQUEST,), KEY).signed_info)
    return resigned(info)


def resigned(info: xmldsig.SignedInfo, octets: bytes | None = None) -> xmldsig.Signature:
    der = KEY.sign(octets or signed_info_octets(info), ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(der)
    value = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return xmldsig.Signature(signed_info=info, signature_value=xmldsig.SignatureValue(value=value))


def reference(info: xmldsig.SignedInfo, **changes: object) -> xmldsig.SignedInfo:
    one = msgspec.structs.replace(info.reference[0], **changes)
    return msgspec.structs.replace(info, reference=(one, *info.reference[1:]))


def test_no_signature() -> None:
    assert rule_of(None) == "missing"


def test_another_key() -> None:
    assert rule_of(sign((REQUEST,), new_key(b"another"))) == "signature"


def test_changed_after_signing() -> None:
    changed = SignedPart("AuthorizationReq", msgspec.structs.replace(REQUEST.value, gen_challenge=bytes(16)))
    assert rule_of(sign((REQUEST,), KEY), (changed,)) == "digest"


def test_moved_from_another_message() -> None:
    other = SignedPart("AuthorizationReq", iso2.AuthorizationReq(id="ID2", gen_challenge=CHALLENGE))
    assert rule_of(sign((other,), KEY)) == "references"


def test_same_id_on_another_element() -> None:
    other = SignedPart("DHpublickey", iso2.DiffieHellmanPublickey(id="ID1", value=bytes(65)))
    assert rule_of(sign((other,), KEY)) == "digest"


def test_digests_with_swapped_ids() -> None:
    swapped = (
        SignedPart("DHpublickey", msgspec.structs.replace(FOUR[2].value, id="ID4")),
        SignedPart("eMAID", msgspec.structs.replace(FOUR[3].value, id="ID3")),
    )
    assert rule_of(sign((*FOUR[:2], *swapped), KEY), FOUR) == "digest"


def test_no_id() -> None:
    bare = SignedPart("AuthorizationReq", iso2.AuthorizationReq(gen_challenge=CHALLENGE))
    assert rule_of(sign((REQUEST,), KEY), (bare,)) == "id"


def test_two_elements_with_one_id() -> None:
    twin = SignedPart("DHpublickey", iso2.DiffieHellmanPublickey(id="ID1", value=bytes(65)))
    assert rule_of(sign((REQUEST,), KEY), (REQUEST, twin)) == "id"


@pytest.mark.parametrize("uri", [None, "", "#", "ID1", "#ID2", "#id1", "http://x/#ID1"])
def test_reference_to_nothing_or_elsewhere(uri: str | None) -> None:
    assert rule_of(signed(lambda info: reference(info, uri=uri))) == "references"


def test_the_same_reference_twice() -> None:
    twice = signed(lambda info: msgspec.structs.replace(info, reference=info.reference * 2))
    assert rule_of(twice) == "references"


def test_one_reference_too_many() -> None:
    assert rule_of(sign((REQUEST, FOUR[1]), KEY)) == "references"


def test_one_element_unsigned() -> None:
    assert rule_of(sign(FOUR[:3], KEY), FOUR) == "references"


def test_signed_info_altered() -> None:
    good = sign((REQUEST,), KEY)
    other = sign((REQUEST,), new_key(b"another"))
    mixed = msgspec.structs.replace(good, signature_value=other.signature_value)
    assert rule_of(mixed) == "signature"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda i: reference(i, digest_method=xmldsig.DigestMethod(algorithm="sha1")), "digest_method"),
        (lambda i: reference(i, transforms=None), "transform"),
        (
            lambda i: reference(
                i, transforms=xmldsig.Transforms(transform=i.reference[0].transforms.transform * 2)
            ),
            "transform",
        ),
        (
            lambda i: reference(
                i, transforms=xmldsig.Transforms(transform=(xmldsig.Transform(algorithm="x"),))
            ),
            "transform",
        ),
        (
            lambda i: msgspec.structs.replace(i, signature_method=xmldsig.SignatureMethod(algorithm="hmac")),
            "algorithm",
        ),
        (
            lambda i: msgspec.structs.replace(
                i, canonicalization_method=xmldsig.CanonicalizationMethod(algorithm="c14n")
            ),
            "canonicalization",
        ),
        (lambda i: reference(i, type="x"), "stray_attributes"),
        (lambda i: reference(i, id="x"), "stray_attributes"),
        (lambda i: msgspec.structs.replace(i, id="x"), "stray_attributes"),
    ],
)
@pytest.mark.req("V2G2-771")
def test_other_algorithms_and_parts(
    change: Callable[[xmldsig.SignedInfo], xmldsig.SignedInfo], rule: str
) -> None:
    assert rule_of(signed(change)) == rule


@pytest.mark.req("V2G2-771")
def test_key_info_with_another_key() -> None:
    brought = msgspec.structs.replace(
        sign((REQUEST,), KEY), key_info=xmldsig.KeyInfo(), object=(xmldsig.Object(),)
    )
    assert rule_of(brought) == "extra_content"


def test_stray_attributes_pass_only_with_their_switch() -> None:
    stray = signed(lambda info: msgspec.structs.replace(info, id="x"))
    proof = verify(stray, (REQUEST,), PUBLIC, compat=frozenset({Compat.STRAY_ATTRIBUTES}))
    assert proof.tolerated == (Compat.STRAY_ATTRIBUTES,)


def with_value(value: bytes) -> xmldsig.Signature:
    good = sign((REQUEST,), KEY)
    return msgspec.structs.replace(good, signature_value=xmldsig.SignatureValue(value=value))


def test_der_instead_of_two_halves() -> None:
    value = sign((REQUEST,), KEY).signature_value.value
    r, s = int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big")
    assert rule_of(with_value(encode_dss_signature(r, s))) == "value"


@pytest.mark.parametrize("size", [0, 63, 65, 128])
def test_value_of_another_length(size: int) -> None:
    assert rule_of(with_value(b"\x01" * size)) == "value"


@pytest.mark.parametrize("bad", [0, ORDER, ORDER + 1, 2**256 - 1])
@pytest.mark.parametrize("half", [0, 1])
def test_r_and_s_stay_within_the_order(bad: int, half: int) -> None:
    halves = [1, 1]
    halves[half] = bad
    assert rule_of(with_value(b"".join(one.to_bytes(32, "big") for one in halves))) == "value"


def test_high_s_is_lawful() -> None:
    good = sign((REQUEST,), KEY)
    s = int.from_bytes(good.signature_value.value[32:], "big")
    other = good.signature_value.value[:32] + (ORDER - s).to_bytes(32, "big")
    value = xmldsig.SignatureValue(value=other)
    assert verify(msgspec.structs.replace(good, signature_value=value), (REQUEST,), PUBLIC).value == other


def test_key_on_a_foreign_curve() -> None:
    foreign = ec.generate_private_key(ec.SECP384R1()).public_key()
    assert rule_of(sign((REQUEST,), KEY), key=foreign) == "curve"


def test_signed_info_in_the_message_schema_is_named_and_refused() -> None:
    info = sign((REQUEST,), KEY).signed_info
    assert rule_of(resigned(info, exi.ISO2.encode_fragment("SignedInfo", info))) == "schema_set"


def test_the_faulty_emaid_digest_passes_only_with_its_switch() -> None:
    emaid = FOUR[3].value
    info = sign(FOUR, KEY).signed_info
    faulty = msgspec.structs.replace(
        info.reference[3], digest_value=hashlib.sha256(plain_emaid_fragment(emaid)).digest()
    )
    signature = resigned(msgspec.structs.replace(info, reference=(*info.reference[:3], faulty)))
    assert rule_of(signature, FOUR) == "plain_emaid"
    proof = verify(signature, FOUR, PUBLIC, compat=frozenset({Compat.PLAIN_EMAID}))
    assert proof.tolerated == (Compat.PLAIN_EMAID,)
