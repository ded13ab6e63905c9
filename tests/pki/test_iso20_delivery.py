"""Key delivery of ISO 15118-20: independent computation, round trips, and what a vehicle refuses."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x448
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secc.errors import CertificateError
from secc.messages.iso20_common import EcdhCurve
from secc.pki.certificates import Certificate
from secc.pki.hierarchy import make_iso20_hierarchy
from secc.pki.identifiers import PCID
from secc.pki.iso20_delivery import (
    AssociatedData,
    SenderKeyForm,
    WrappedKey,
    associated_data,
    check_wrapped,
    derive_wrapping_key,
    fits_delivery,
    unwrap_key,
    wrap_key,
)
from secc.pki.issuing import Holder, Order, issue
from secc.pki.keys import KeyType, PrivateKey, key_type, new_private_key, write_private_key
from secc.pki.kinds import Generation, Kind
from secc.pki.x448 import agreement_key, agreement_private_key

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
PKI = {
    keys: make_iso20_hierarchy(keys, not_before=BEGIN, seed=b"delivery")
    for keys in (KeyType.SECP521R1, KeyType.ED448)
}
BOTH = pytest.mark.parametrize("keys", list(PKI))


def deliverable(keys: KeyType) -> PrivateKey:
    """A contract key that has room in the message."""
    if keys is KeyType.ED448:
        return ed448.Ed448PrivateKey.from_private_bytes(bytes(range(1, 57)) + b"\0")
    return new_private_key(keys, b"contract")


def contract(keys: KeyType) -> Holder:
    """A contract below the MO of the hierarchy, with such a key."""
    key = deliverable(keys)
    order = Order(
        kind=Kind.CONTRACT_LEAF,
        generation=Generation.ISO20,
        common_name="DEABC000000001G",
        organization="Test only",
        country="",
        serial=7,
        not_before=BEGIN,
        ocsp_url="http://ocsp.test.invalid/",
    )
    return Holder(issue(order, key.public_key(), PKI[keys][Kind.MO_SUB_CA_2]), key)


def car(keys: KeyType) -> Holder:
    return PKI[keys][Kind.OEM_LEAF]


def pcid(keys: KeyType) -> PCID:
    return PCID.parse(car(keys).certificate.subject.common_name)


def wrapped(keys: KeyType, **more: object) -> WrappedKey:
    made = contract(keys)
    return wrap_key(made.key, made.certificate, car(keys).certificate, **more)  # type: ignore[arg-type]


def rule_of(delivered: WrappedKey, keys: KeyType, leaf: Certificate | None = None) -> str:
    """The rule by which the car refuses it."""
    with pytest.raises(CertificateError) as caught:
        unwrap_key(delivered, car(keys).key, pcid(keys), leaf or contract(keys).certificate)
    return str(caught.value.rule)


# --- an independent computation ---------------------------------------------------------------------------


@pytest.mark.req("V2G20-2535")
def test_the_derivation_is_one_block_of_sha512() -> None:
    shared = bytes(range(66))
    block = hashlib.sha512(bytes.fromhex("00000001") + shared + bytes.fromhex("015556")).digest()
    assert derive_wrapping_key(shared) == block[:32]


@pytest.mark.req("V2G20-2492")
@pytest.mark.req("V2G20-2497")
@pytest.mark.req("V2G20-2499")
def test_an_independent_receiver_on_secp521r1_reads_the_key(tmp_path: Path) -> None:
    keys = KeyType.SECP521R1
    delivered, made = wrapped(keys), contract(keys)
    sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP521R1(), delivered.sender)
    (tmp_path / "car.pem").write_bytes(write_private_key(car(keys).key))
    (tmp_path / "sender.pem").write_bytes(
        sender.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    agree = ["openssl", "pkeyutl", "-derive", "-inkey", "car.pem", "-peerkey", "sender.pem"]
    shared = subprocess.run(agree, cwd=tmp_path, capture_output=True, check=True).stdout
    assert read_by_hand(delivered, shared, made.certificate) == private_value(made.key)


@pytest.mark.req("V2G20-2500")
@pytest.mark.req("V2G20-2502")
def test_an_independent_receiver_with_x448_reads_the_key(tmp_path: Path) -> None:
    keys = KeyType.ED448
    delivered, made = wrapped(keys), contract(keys)
    scalar = hashlib.shake_256(raw(car(keys).key)).digest(114)[:56]
    (tmp_path / "car.der").write_bytes(bytes.fromhex("3046020100300506032b656f043a0438") + scalar)
    (tmp_path / "sender.der").write_bytes(bytes.fromhex("3042300506032b656f033900") + delivered.sender)
    agree = ["openssl", "pkeyutl", "-derive", "-inkey", "car.der", "-peerkey", "sender.der"]
    agree += ["-keyform", "DER", "-peerform", "DER"]
    shared = subprocess.run(agree, cwd=tmp_path, capture_output=True, check=True).stdout
    assert read_by_hand(delivered, shared, made.certificate) == raw(made.key)[:56]


def raw(key: PrivateKey) -> bytes:
    assert isinstance(key, ed448.Ed448PrivateKey)
    return key.private_bytes_raw()


def private_value(key: PrivateKey) -> bytes:
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.private_numbers().private_value.to_bytes(66, "big")


def read_by_hand(delivered: WrappedKey, shared: bytes, leaf: Certificate) -> bytes:
    """KDF and AES-256-GCM from their parts, without the functions under test."""
    key = hashlib.sha512(b"\0\0\0\1" + shared + b"\1UV").digest()[:32]
    iv, body, tag = delivered.encrypted[:12], delivered.encrypted[12:-16], delivered.encrypted[-16:]
    decryptor = Cipher(algorithms.AES(key), modes.GCM(iv, tag)).decryptor()
    decryptor.authenticate_additional_data(b"ZZZTESTCAR0000001" + (leaf.subject_key_id or b""))
    return decryptor.update(body) + decryptor.finalize()


def test_the_x448_key_of_an_ed448_key_has_one_value_from_both_sides() -> None:
    for seed in (b"1", b"2", b"3"):
        key = new_private_key(KeyType.ED448, seed)
        assert isinstance(key, ed448.Ed448PrivateKey)
        public = agreement_private_key(key).public_key().public_bytes_raw()
        assert public == agreement_key(key.public_key()).public_bytes_raw()


def test_a_point_of_small_order_agrees_on_nothing() -> None:
    neutral = ed448.Ed448PublicKey.from_public_bytes(b"\1" + bytes(56))
    with pytest.raises(CertificateError):
        agreement_key(neutral)


# --- round trips ------------------------------------------------------------------------------------------


@BOTH
def test_what_was_encrypted_is_decrypted(keys: KeyType) -> None:
    delivered = wrapped(keys)
    sizes = (94, 133) if keys is KeyType.SECP521R1 else (84, 56)
    assert (len(delivered.encrypted), len(delivered.sender)) == sizes
    found = unwrap_key(delivered, car(keys).key, pcid(keys), contract(keys).certificate)
    assert key_type(found.key) is keys
    assert found.key.public_key() == contract(keys).certificate.key
    assert found.associated_data is AssociatedData.PCID_AND_KEY_ID


@BOTH
@pytest.mark.parametrize("form", list(AssociatedData))
def test_the_car_finds_out_which_associated_data_the_sender_has_used(
    keys: KeyType, form: AssociatedData
) -> None:
    delivered = wrapped(keys, data=form)
    found = unwrap_key(delivered, car(keys).key, pcid(keys), contract(keys).certificate)
    assert found.associated_data is form


def test_the_alternatives_of_the_associated_data_differ() -> None:
    leaf = contract(KeyType.SECP521R1).certificate
    made = {form: associated_data(pcid(KeyType.SECP521R1), leaf, form) for form in AssociatedData}
    assert sorted(len(one) for one in made.values()) == [0, 33, 37]


def test_a_padded_key_of_x448_is_read() -> None:
    delivered = wrapped(KeyType.ED448, sender=SenderKeyForm.PADDED)
    assert len(delivered.sender) == 133
    leaf = contract(KeyType.ED448).certificate
    unwrap_key(delivered, car(KeyType.ED448).key, pcid(KeyType.ED448), leaf)


def test_neither_iv_nor_ephemeral_key_ever_repeats() -> None:
    made = [wrapped(KeyType.SECP521R1) for _ in range(20)]
    assert len({one.encrypted[:12] for one in made}) == len({one.sender for one in made}) == 20


# --- what a car refuses -----------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("place", [0, 20, -1])
def test_an_altered_ciphertext_is_noticed(keys: KeyType, place: int) -> None:
    delivered = wrapped(keys)
    changed = bytearray(delivered.encrypted)
    changed[place] ^= 1
    assert rule_of(dataclasses.replace(delivered, encrypted=bytes(changed)), keys) == "tag"


@BOTH
def test_a_key_for_another_vehicle_is_noticed(keys: KeyType) -> None:
    delivered = wrapped(keys)
    with pytest.raises(CertificateError) as caught:
        unwrap_key(delivered, new_private_key(keys, b"thief"), pcid(keys), contract(keys).certificate)
    assert caught.value.rule == "tag"
    other = PCID.parse("ZZZTESTCAR0000002")
    with pytest.raises(CertificateError) as caught:
        unwrap_key(delivered, car(keys).key, other, contract(keys).certificate)
    assert caught.value.rule == "tag"


@BOTH
def test_a_key_of_another_certificate_is_noticed(keys: KeyType) -> None:
    made = contract(keys)
    delivered = wrap_key(made.key, made.certificate, car(keys).certificate, data=AssociatedData.NOTHING)
    assert rule_of(delivered, keys, PKI[keys][Kind.CONTRACT_LEAF].certificate) == "key"


@pytest.mark.parametrize("point", [b"", bytes(133), b"\x04" + bytes(132), b"\x02" + bytes(66)])
def test_a_point_that_is_none(point: bytes) -> None:
    delivered = dataclasses.replace(wrapped(KeyType.SECP521R1), sender=point)
    assert rule_of(delivered, KeyType.SECP521R1) == "point"


@pytest.mark.parametrize("point", [b"", bytes(56), bytes(133), b"\1" * 133])
def test_a_key_of_x448_that_is_none(point: bytes) -> None:
    delivered = dataclasses.replace(wrapped(KeyType.ED448), sender=point)
    assert rule_of(delivered, KeyType.ED448) == "point"


@BOTH
def test_another_length_is_refused(keys: KeyType) -> None:
    delivered = wrapped(keys)
    with pytest.raises(CertificateError) as caught:
        check_wrapped(dataclasses.replace(delivered, encrypted=delivered.encrypted[:-1]))
    assert caught.value.rule == "length"


def test_keys_of_two_types_do_not_agree() -> None:
    made = contract(KeyType.ED448)
    with pytest.raises(CertificateError) as caught:
        wrap_key(made.key, made.certificate, car(KeyType.SECP521R1).certificate)
    assert caught.value.rule == "key_type"
    assert rule_of(dataclasses.replace(wrapped(KeyType.ED448)), KeyType.SECP521R1) == "key_type"


def test_an_ed448_key_without_room_in_the_message_is_refused_when_it_is_made() -> None:
    key = new_private_key(KeyType.ED448, b"whole seed")
    assert not fits_delivery(key)
    assert fits_delivery(deliverable(KeyType.ED448))
    with pytest.raises(CertificateError) as caught:
        wrap_key(key, contract(KeyType.ED448).certificate, car(KeyType.ED448).certificate)
    assert caught.value.rule == "key_size"


def test_a_curve_names_the_sizes_of_its_keys() -> None:
    with pytest.raises(CertificateError):
        check_wrapped(dataclasses.replace(wrapped(KeyType.SECP521R1), curve=EcdhCurve.X448))


def test_x448_of_the_library_is_the_one_of_rfc_7748() -> None:
    alice = x448.X448PrivateKey.from_private_bytes(
        bytes.fromhex(
            "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28d"
            "d9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b"
        )
    )
    assert alice.public_key().public_bytes_raw().hex().startswith("9b08f7cc31b7e3e67d22d5ae")
