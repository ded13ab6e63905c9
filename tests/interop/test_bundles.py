"""Installation bundles of ISO 15118-20, read by others: EXIficient decodes them, Java opens and verifies."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from secc.pki.installation import signed_installation
from secc.pki.keys import KeyType, PrivateKey
from secc.pki.kinds import Kind
from secc.pki.xmldsig import signed_info_octets
from tests.support.installation import bundle, decoded, hierarchy, issued
from tools.oracles.exificient import ROOT, Exificient

KEYS = (KeyType.SECP521R1, KeyType.ED448)
X448_HEAD = bytes.fromhex("3046020100300506032b656f043a0438")  # PKCS#8 of RFC 8410


@pytest.fixture(scope="module")
def java() -> None:
    if shutil.which("javac") is None:
        pytest.skip("opening bundles needs a JDK")


def receiver(keys: KeyType) -> bytes:
    """The private key of the vehicle for the agreement; of X448 by its definition, not by this library."""
    key = hierarchy(keys)[Kind.OEM_LEAF].key
    if isinstance(key, ed448.Ed448PrivateKey):
        return X448_HEAD + hashlib.shake_256(key.private_bytes_raw()).digest(114)[:56]
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def values(keys: KeyType) -> dict[str, bytes]:
    """What the program needs, out of a bundle."""
    message = decoded(bundle(keys))
    data, signature = message.signed_installation_data, message.header.signature
    assert signature is not None
    leaf = issued(keys).leaf
    return {
        "curve": data.ecdh_curve.value.encode(),
        "sender": data.dh_public_key,
        "receiver": receiver(keys),
        "encrypted": data.secp521_encrypted_private_key or data.x448_encrypted_private_key or b"",
        "aad": b"ZZZTESTCAR0000001" + (leaf.subject_key_id or b""),
        "contract": data.contract_certificate_chain.certificate,
        "cps": message.cps_certificate_chain.certificate,
        "signed": signed_info_octets(signature.signed_info),
        "value": signature.signature_value.value,
    }


def read(given: dict[str, bytes]) -> dict[str, Any]:
    lines = "".join(f"{name} {octets.hex()}\n" for name, octets in given.items())
    program = ROOT / "tools" / "oracles" / "BundleReader.java"
    done = subprocess.run(
        ["java", str(program)], input=lines, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        return {"error": done.stderr}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def private_octets(key: PrivateKey) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.private_numbers().private_value.to_bytes(66, "big")
    return key.private_bytes_raw()[:56]


@pytest.mark.usefixtures("java")
@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.req("V2G20-2499", "V2G20-2502", "V2G20-2535")
def test_java_opens_a_bundle_and_verifies_its_signature(keys: KeyType) -> None:
    expected = {"key": private_octets(issued(keys).key).hex(), "fits": True, "signed": True}
    assert read(values(keys)) == expected


@pytest.mark.usefixtures("java")
@pytest.mark.req("V2G20-2492")
def test_java_does_not_open_a_bundle_for_another_vehicle() -> None:
    given = values(KeyType.SECP521R1)
    given["aad"] = b"ZZZTESTCAR0000002" + given["aad"][17:]
    assert "AEADBadTagException" in read(given)["error"]


@pytest.mark.parametrize("keys", KEYS)
def test_what_a_bundle_signs_has_the_bits_of_exificient(exificient: Exificient, keys: KeyType) -> None:
    """It makes documents of this element and no fragments; the content of both has the same bits."""
    message = decoded(bundle(keys))
    there = exificient.decode("iso20-common", bundle(keys))["CertificateInstallationRes"]
    data = there["SignedInstallationData"]
    assert base64.b64decode(data["DHPublicKey"]) == message.signed_installation_data.dh_public_key
    document = exificient.encode("iso20-common", {"SignedInstallationData": data})
    fragment = signed_installation(message).fragment()
    content = bits(document)[_BEFORE_IN_DOCUMENT:-8]  # without the padding
    assert bits(fragment)[_BEFORE_IN_FRAGMENT:].startswith(content)
    signature = message.header.signature
    assert signature is not None
    (reference,) = signature.signed_info.reference
    sha512 = keys is KeyType.SECP521R1
    digest = hashlib.sha512(fragment).digest() if sha512 else hashlib.shake_256(fragment).digest(64)
    assert reference.digest_value == digest


_BEFORE_IN_DOCUMENT = 8 + 5  # the EXI header and the number of the element
_BEFORE_IN_FRAGMENT = 8 + 8


def bits(octets: bytes) -> str:
    return "".join(f"{octet:08b}" for octet in octets)
