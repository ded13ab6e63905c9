"""Signed meter readings: what is verified, and what only the module makes."""

from __future__ import annotations

import msgspec
import pytest

from secc.errors import CertificateError
from secc.messages import iso2
from secc.pki.contract import VerifiedContract, present, verify
from secc.pki.receipts import VerifiedReceipt, verify_receipt
from tests.support.contracts import NOW, trusted, wallet

CHALLENGE = bytes(range(16))


def proved() -> VerifiedContract:
    car = wallet()
    shown = present(car.chain_message(), car.emaid, trusted(), NOW)
    request = car.authorization(CHALLENGE)
    return verify(shown, request, car.sign(request), CHALLENGE, now=NOW)


RECEIPT = iso2.MeteringReceiptReq(
    id="id1", session_id=bytes(8), sa_schedule_tuple_id=1, meter_info=iso2.MeterInfo(meter_id="m")
)


def test_a_receipt_is_evidence() -> None:
    receipt = verify_receipt(proved(), RECEIPT, wallet().sign(RECEIPT))
    assert receipt.request == RECEIPT
    assert len(receipt.proof.value) == 64


def test_a_receipt_changed_after_signing() -> None:
    changed = msgspec.structs.replace(RECEIPT, sa_schedule_tuple_id=2)
    with pytest.raises(CertificateError):
        verify_receipt(proved(), changed, wallet().sign(RECEIPT))


def test_only_the_module_makes_receipts() -> None:
    with pytest.raises(TypeError, match=r"only secc\.pki\.receipts"):
        VerifiedReceipt(proved(), RECEIPT, proved().proof, seal=None)


def test_a_verification_returns_no_bool() -> None:
    assert verify_receipt.__annotations__["return"] == "VerifiedReceipt"
