"""Signatures of ISO 15118-20: their suites, both grammars of SignedInfo, known answers, and OpenSSL."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secc import exi
from secc.errors import SignatureError
from secc.messages import iso20_common as m
from secc.messages import xmldsig
from secc.pki.keys import ORDERS, KeyType, PublicKey, new_private_key
from secc.pki.kinds import Generation
from secc.pki.suites import SUITES, suite_of
from secc.pki.xmldsig import (
    Compat,
    SignedPart,
    VerifiedSignature,
    iso20_part,
    read_signed_info,
    sign,
    signed_info_octets,
    verify,
)
from tests.support.vectors import shared

ISO20 = Generation.ISO20
NEW = (KeyType.SECP521R1, KeyType.ED448)
KEYS = {kind: new_private_key(kind, b"signer") for kind in KeyType}
CHAIN = m.ContractCertificateChain(
    certificate=b"\x30\x01\x00", sub_certificates=m.SubCertificates(certificate=(b"\x30\x01\x01",))
)
MODE = m.PnCAReqAuthorizationMode(id="id1", gen_challenge=bytes(range(16)), contract_certificate_chain=CHAIN)
PART = iso20_part("PnC_AReqAuthorizationMode", MODE)


def signed(kind: KeyType, generation: Generation = ISO20) -> xmldsig.Signature:
    return sign((PART,), KEYS[kind], generation=generation, reproducible=True)


def judge(
    signature: xmldsig.Signature | None,
    key: PublicKey,
    part: SignedPart = PART,
    generation: Generation = ISO20,
) -> VerifiedSignature:
    return verify(signature, (part,), key, generation=generation)


def rule_of(
    signature: xmldsig.Signature | None,
    kind: KeyType,
    part: SignedPart = PART,
    generation: Generation = ISO20,
) -> str:
    with pytest.raises(SignatureError) as refused:
        judge(signature, KEYS[kind].public_key(), part, generation)
    assert refused.value.response_code == "FAILED_SignatureError"
    return refused.value.rule


def vector() -> dict[str, Any]:
    data = json.loads(shared("signature.json").read_text())
    return next(one for one in data["vectors"] if one["protocol"] == "ISO 15118-20")


def vector_key() -> ec.EllipticCurvePrivateKey:
    data = json.loads(shared("signature.json").read_text())["keys"]["p521"]
    return ec.derive_private_key(int(data["private_scalar_hex"], 16), ec.SECP521R1())


def vector_part(of: dict[str, Any]) -> SignedPart:
    fragment = bytes.fromhex(of["references"][0]["fragment_hex"])
    return iso20_part(*exi.codec("iso20-common").decode_fragment(fragment))


# --- known answers ----------------------------------------------------------------------------------------


@pytest.mark.req("V2G20-1000", "V2G20-2473", "V2G20-2475")
def test_p521_signs_what_others_sign_to_the_byte() -> None:
    known = vector()
    part = vector_part(known)
    signature = sign((part,), vector_key(), generation=ISO20, reproducible=True)
    assert part.fragment().hex() == known["references"][0]["fragment_hex"]
    assert signed_info_octets(signature.signed_info).hex() == known["signed_info"]["fragment_hex"]
    assert signature.signature_value.value.hex() == known["signature"]["raw_r_s_hex"]
    proof = judge(signature, vector_key().public_key(), part)
    assert (proof.keys, proof.tolerated) == (KeyType.SECP521R1, ())


@pytest.mark.req("V2G20-2476")
def test_ed448_digests_with_shake256_of_64_bytes() -> None:
    digest = SUITES[KeyType.ED448].digest(b"")
    # FIPS 202, SHAKE256 of the empty message, first 64 bytes
    assert digest.hex() == (
        "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f"
        "d75dc4ddd8c0f200cb05019d67b592f6fc821c49479ab48640292eacb3b7c4be"
    )


@pytest.mark.parametrize(
    ("kind", "size", "digest"),
    [(KeyType.SECP521R1, 132, 64), (KeyType.ED448, 114, 64), (KeyType.SECP256R1, 64, 32)],
)
def test_sizes_of_values_and_digests(kind: KeyType, size: int, digest: int) -> None:
    signature = signed(kind, Generation.LAB)
    assert len(signature.signature_value.value) == size
    assert len(signature.signed_info.reference[0].digest_value) == digest


@pytest.mark.parametrize("kind", NEW)
def test_openssl_verifies_what_was_signed(kind: KeyType, tmp_path: Path) -> None:
    """OpenSSL sees SignedInfo as octets, a key in PEM, and for ECDSA the value as DER."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command here")
    signature, key = signed(kind), KEYS[kind].public_key()
    value = signature.signature_value.value
    if kind is KeyType.SECP521R1:
        value = encode_dss_signature(int.from_bytes(value[:66], "big"), int.from_bytes(value[66:], "big"))
    (tmp_path / "key").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "info").write_bytes(signed_info_octets(signature.signed_info))
    (tmp_path / "value").write_bytes(value)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key", "-rawin", "-in", "info"]
    command += ["-sigfile", "value", *(["-digest", "sha512"] if kind is KeyType.SECP521R1 else [])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=10)
    assert "Verified Successfully" in done.stdout


# --- round trips ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NEW)
def test_what_was_signed_verifies_with_the_suite_of_its_key(kind: KeyType) -> None:
    proof = judge(signed(kind), KEYS[kind].public_key())
    assert (proof.keys, proof.tolerated, proof.elements) == (kind, (), (PART,))


@pytest.mark.parametrize("kind", NEW)
def test_a_signed_info_in_the_grammar_of_the_message_is_accepted_and_recorded(kind: KeyType) -> None:
    info = signed(kind).signed_info
    octets = exi.codec("iso20-common").encode_fragment("SignedInfo", info)
    assert octets != signed_info_octets(info)
    value = xmldsig.SignatureValue(value=SUITES[kind].sign(KEYS[kind], octets))
    proof = judge(xmldsig.Signature(signed_info=info, signature_value=value), KEYS[kind].public_key())
    assert proof.tolerated == (Compat.SCHEMA_SET,)
    assert proof.signed_info == octets
    assert read_signed_info(octets) == read_signed_info(signed_info_octets(info)) == info


def test_octets_that_are_no_signed_info_are_refused() -> None:
    for octets in (b"", b"\x80", PART.fragment()):
        with pytest.raises(SignatureError, match="no fragment of SignedInfo"):
            read_signed_info(octets)


# --- being fooled -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "generation", "other"),
    [
        (KeyType.SECP256R1, Generation.ISO2, (ISO20,)),
        (KeyType.SECP521R1, ISO20, (Generation.ISO2,)),
        (KeyType.ED448, ISO20, (Generation.ISO2,)),
    ],
)
@pytest.mark.req("V2G20-2674")
def test_keys_of_one_generation_sign_nothing_of_the_other(
    kind: KeyType, generation: Generation, other: tuple[Generation, ...]
) -> None:
    assert suite_of(KEYS[kind], generation) is suite_of(KEYS[kind], Generation.LAB) is SUITES[kind]
    for one in other:
        assert rule_of(signed(kind, generation), kind, generation=one) == "curve"
        with pytest.raises(ValueError, match="does not sign messages"):
            sign((PART,), KEYS[kind], generation=one)


def test_a_curve_of_neither_generation_signs_nothing() -> None:
    foreign = ec.generate_private_key(ec.SECP384R1())
    assert suite_of(foreign, Generation.LAB) is None


@pytest.mark.parametrize("kind", NEW)
def test_no_signature_and_another_key(kind: KeyType) -> None:
    assert rule_of(None, kind) == "missing"
    other = sign((PART,), new_private_key(kind, b"another"), generation=ISO20)
    assert rule_of(other, kind) == "signature"


@pytest.mark.parametrize("kind", NEW)
def test_changed_after_signing(kind: KeyType) -> None:
    changed = iso20_part(PART.name, msgspec.structs.replace(MODE, gen_challenge=bytes(16)))
    assert rule_of(signed(kind), kind, changed) == "digest"
    renamed = iso20_part(PART.name, msgspec.structs.replace(MODE, id="id2"))
    assert rule_of(signed(kind), kind, renamed) == "references"


def test_the_suite_of_another_key_is_refused_by_its_algorithm() -> None:
    assert rule_of(signed(KeyType.ED448), KeyType.SECP521R1) == "algorithm"
    assert rule_of(signed(KeyType.SECP521R1), KeyType.ED448) == "algorithm"
    old = signed(KeyType.SECP256R1, Generation.LAB)
    assert rule_of(old, KeyType.SECP521R1) == "algorithm"


@pytest.mark.parametrize("kind", NEW)
def test_the_digest_method_of_another_suite_is_refused(kind: KeyType) -> None:
    good = signed(kind)
    other = xmldsig.DigestMethod(algorithm=SUITES[KeyType.SECP256R1].digest_method)
    reference = msgspec.structs.replace(good.signed_info.reference[0], digest_method=other)
    info = msgspec.structs.replace(good.signed_info, reference=(reference,))
    assert rule_of(msgspec.structs.replace(good, signed_info=info), kind) == "digest_method"


@pytest.mark.parametrize(
    "value",
    [
        bytes(132),
        ORDERS[KeyType.SECP521R1].to_bytes(66, "big") + bytes(65) + b"\x01",
        bytes(65) + b"\x01" + ORDERS[KeyType.SECP521R1].to_bytes(66, "big"),
        b"\x01" * 131,
        b"\x01" * 139,
    ],
    ids=["zero", "r is the order", "s is the order", "short", "DER"],
)
@pytest.mark.req("V2G20-1000")
def test_a_value_that_is_not_r_and_s_of_66_bytes_is_refused(value: bytes) -> None:
    bad = msgspec.structs.replace(
        signed(KeyType.SECP521R1), signature_value=xmldsig.SignatureValue(value=value)
    )
    assert rule_of(bad, KeyType.SECP521R1) == "value"


@pytest.mark.parametrize("size", [0, 57, 113, 115])
def test_a_value_of_ed448_has_114_bytes(size: int) -> None:
    bad = msgspec.structs.replace(
        signed(KeyType.ED448), signature_value=xmldsig.SignatureValue(value=bytes(size))
    )
    assert rule_of(bad, KeyType.ED448) == "value"


def test_ed448_has_no_ecdsa() -> None:
    with pytest.raises(TypeError, match="ed448 has no ECDSA"):
        SUITES[KeyType.ED448].sign(KEYS[KeyType.SECP521R1], b"")


@pytest.mark.parametrize("kind", NEW)
def test_a_proof_keeps_what_is_needed_to_verify_it_again(kind: KeyType) -> None:
    proof = judge(signed(kind), KEYS[kind].public_key())
    assert SUITES[kind].has_made(KEYS[kind].public_key(), proof.value, proof.signed_info)
    digests = [one.digest_value for one in read_signed_info(proof.signed_info).reference]
    assert digests == [SUITES[kind].digest(proof.elements[0].fragment())]
