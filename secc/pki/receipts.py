"""Meter readings that the EV signed with the key of its contract.

A receipt of ISO 15118-2 and a metering confirmation of ISO 15118-20 become the same evidence; it is stored
and can be verified again later, without the session.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from secc.errors import SignatureError
from secc.messages import iso2
from secc.messages.xmldsig import Signature
from secc.pki.certificates import Certificate
from secc.pki.contract import ForwardedContract, VerifiedContract
from secc.pki.kinds import Generation
from secc.pki.suites import suite_of
from secc.pki.xmldsig import STRICT, Compat, SignedPart, VerifiedSignature, iso20_part, read_signed_info
from secc.pki.xmldsig import verify as verify_signature

if TYPE_CHECKING:
    from secc.messages.iso20_common import SignedMeteringData


__all__ = ["VerifiedReceipt", "verify_evidence", "verify_metering", "verify_receipt"]


@dataclasses.dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """A meter reading signed with the contract key: the evidence to store. Made only here."""

    contract: VerifiedContract | ForwardedContract
    request: iso2.MeteringReceiptReq | SignedMeteringData
    """What was signed, by the protocol of the session."""
    proof: VerifiedSignature
    """The signed octets, with the signature."""
    seal: dataclasses.InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only secc.pki.receipts can make a VerifiedReceipt")

    @property
    def session_id(self) -> bytes:
        """Of the session that was metered."""
        return self.request.session_id

    @property
    def meter_id(self) -> str:
        """The meter."""
        return self.request.meter_info.meter_id

    @property
    def energy(self) -> int | None:
        """Wh on the meter, delivered to vehicles."""
        request = self.request
        if isinstance(request, iso2.MeteringReceiptReq):
            return request.meter_info.meter_reading
        return request.meter_info.charged_energy_reading_wh

    @property
    def exported(self) -> int | None:
        """Wh on the meter, taken from vehicles; None where the reading has none."""
        request = self.request
        if isinstance(request, iso2.MeteringReceiptReq):
            return None
        return request.meter_info.bpt_discharged_energy_reading_wh


def verify_receipt(
    contract: VerifiedContract | ForwardedContract,
    request: iso2.MeteringReceiptReq,
    signature: Signature | None,
    *,
    compat: frozenset[Compat] = STRICT,
) -> VerifiedReceipt:
    """Verify the signature of a receipt with the contract key of the session [V2G2-903]. Raises
    SignatureError.

    The caller must compare the values with those that were sent.
    """
    element = SignedPart("MeteringReceiptReq", request)
    proof = verify_signature(signature, (element,), contract.chain.leaf.public_key, compat=compat)
    return VerifiedReceipt(contract, request, proof, seal=_SEAL)


def verify_metering(
    contract: VerifiedContract | ForwardedContract,
    data: SignedMeteringData,
    signature: Signature | None,
    *,
    generation: Generation = Generation.ISO20,
    compat: frozenset[Compat] = STRICT,
) -> VerifiedReceipt:
    """Verify the signature of a metering confirmation of ISO 15118-20 with the contract key of the session.
    Raises SignatureError.

    The caller must compare the values with those that were sent.
    """
    element, key = iso20_part("SignedMeteringData", data), contract.chain.leaf.key
    proof = verify_signature(signature, (element,), key, generation=generation, compat=compat)
    return VerifiedReceipt(contract, data, proof, seal=_SEAL)


def verify_evidence(fragment: bytes, signed_info: bytes, signature: bytes, leaf: Certificate) -> None:
    """Verify a stored receipt again, in the octets of `VerifiedReceipt.proof`. Raises SignatureError.

    SignedInfo must contain the digest of the fragment, and `leaf` must have signed SignedInfo.
    """
    suite = suite_of(leaf.key, Generation.LAB)
    if suite is None:
        raise SignatureError(f"a key of type {leaf.key_type} signs no message", rule="curve")
    info = read_signed_info(signed_info)
    if [one.digest_value for one in info.reference] != [suite.digest(fragment)]:
        raise SignatureError("the receipt differs from what was signed", rule="digest")
    if fault := suite.fault(signature):
        raise SignatureError(fault, rule="signature_value")
    if not suite.has_made(leaf.key, signature, signed_info):
        raise SignatureError("not signed with the contract key", rule="signature")


_SEAL = object()
