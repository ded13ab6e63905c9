"""Key delivery: known answers, round trips, and what a car refuses."""

from __future__ import annotations

import dataclasses

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, Hash

from secc.errors import CertificateError
from secc.pki.delivery import DeliveredKey, decrypt_key, derive_key, encrypt_key
from secc.pki.issuing import new_key

CAR, CONTRACT = new_key(b"car"), new_key(b"contract")


@pytest.mark.req("V2G2-814")
def test_known_answer_of_the_key_derivation() -> None:
    assert derive_key(bytes(range(32))).hex() == "477b6018ced06f1febd5e7f86763b45d"


def test_the_derivation_is_one_block_of_sha256() -> None:
    hasher = Hash(SHA256())
    hasher.update(bytes.fromhex("00000001") + bytes(32) + bytes.fromhex("015556"))
    assert derive_key(bytes(32)) == hasher.finalize()[:16]


@pytest.mark.req("V2G2-823")
def test_what_was_encrypted_is_decrypted() -> None:
    delivered = encrypt_key(CONTRACT, CAR.public_key())
    assert (len(delivered.encrypted), len(delivered.dh_public_key)) == (48, 65)
    assert decrypt_key(delivered, CAR, CONTRACT.public_key()).private_numbers() == CONTRACT.private_numbers()


def test_neither_iv_nor_ephemeral_key_ever_repeats() -> None:
    made = [encrypt_key(CONTRACT, CAR.public_key()) for _ in range(50)]
    assert len({one.encrypted[:16] for one in made}) == len({one.dh_public_key for one in made}) == 50


def test_another_car_gets_nothing() -> None:
    with pytest.raises(CertificateError):
        decrypt_key(encrypt_key(CONTRACT, CAR.public_key()), new_key(b"thief"), CONTRACT.public_key())


def test_a_key_of_another_certificate_is_noticed() -> None:
    with pytest.raises(CertificateError) as caught:
        decrypt_key(encrypt_key(CONTRACT, CAR.public_key()), CAR, CAR.public_key())
    assert caught.value.rule == "key"


@pytest.mark.parametrize(
    "point",
    [b"", bytes(65), b"\x04" + bytes(64), b"\x04" + bytes(63), b"\x04" + bytes(65), b"\x02" + bytes(32)],
)
def test_a_point_that_is_none(point: bytes) -> None:
    good = encrypt_key(CONTRACT, CAR.public_key())
    with pytest.raises(CertificateError) as caught:
        decrypt_key(dataclasses.replace(good, dh_public_key=point), CAR, CONTRACT.public_key())
    assert caught.value.rule == "point"


@pytest.mark.parametrize("size", [0, 32, 47, 49, 64])
def test_a_blob_of_another_length(size: int) -> None:
    good = encrypt_key(CONTRACT, CAR.public_key())
    with pytest.raises(CertificateError) as caught:
        decrypt_key(DeliveredKey(bytes(size), good.dh_public_key), CAR, CONTRACT.public_key())
    assert caught.value.rule == "length"


def test_a_fixed_ephemeral_key_gives_a_known_answer() -> None:
    made = [
        encrypt_key(CONTRACT, CAR.public_key(), random_bytes=bytes, ephemeral=new_key(b"e")) for _ in range(2)
    ]
    assert made[0] == made[1]
    assert isinstance(CAR, ec.EllipticCurvePrivateKey)
