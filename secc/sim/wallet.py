"""Certificates and keys of a simulated EV for Plug and Charge, its signatures, and misbehaviour for tests."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Callable, Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from secc.messages import iso2
from secc.messages.xmldsig import Signature, X509IssuerSerial
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.chain_messages import certificates_of
from secc.pki.chains import verify_chain
from secc.pki.contract import ContractPolicy
from secc.pki.delivery import DeliveredKey, decrypt_key
from secc.pki.identifiers import normal_emaid
from secc.pki.issuing import Identity, new_key
from secc.pki.profiles import Kind
from secc.pki.provisioning import Response, signed_parts
from secc.pki.trust import Role, TrustStore
from secc.pki.xmldsig import Compat, SignedPart, sign, verify

__all__ = ["Misbehaviour", "Wallet"]


class Misbehaviour(enum.StrEnum):
    """One thing a car does wrong with its contract."""

    UNSIGNED = "unsigned"
    WRONG_KEY = "wrong key"
    WRONG_CHALLENGE = "wrong challenge"
    CHANGED_BODY = "changed after signing"
    OTHER_ELEMENT = "another element signed"
    DER_SIGNATURE = "DER signature"
    OTHER_EMAID = "another eMAID"
    NO_SUB_CAS = "no Sub-CAs"
    WRONG_READING = "another meter reading in the receipt"
    WRONG_ID = "another Id referenced"
    EXTRA_REFERENCE = "one reference too many"
    SWAPPED_SUB_CAS = "Sub-CAs swapped"
    OTHER_CAR = "installation signed by another car"


@dataclasses.dataclass(slots=True)
class Wallet:
    """Keys and certificates of one car; changed by what it is given in a session."""

    oem: Identity
    """Provisioning certificate and key, from the factory."""
    roots: Sequence[Certificate]
    """V2G roots the car trusts, also for what a CPS signs."""
    chain: tuple[Certificate, ...] = ()
    """The contract and its Sub-CAs; empty: none yet."""
    key: ec.EllipticCurvePrivateKey | None = None
    """Of the contract."""
    renew_before: datetime.timedelta = datetime.timedelta(days=21)
    """Ask for an update when the contract ends within this time."""
    clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)
    """The car's own clock."""
    misbehaviour: Misbehaviour | None = None
    installed: int = 0
    """How many contracts it has been given."""

    @property
    def emaid(self) -> str:
        """The eMAID of the certificate in its normal form: with hyphens it is too long for the message."""
        return normal_emaid(self.chain[0].subject.common_name)

    def wants_update(self, now: datetime.datetime) -> bool:
        """The contract ends soon."""
        return bool(self.chain) and self.chain[0].not_after - now <= self.renew_before

    # --- requests ------------------------------------------------------------------------------------------

    def installation(self) -> iso2.CertificateInstallationReq:
        """With nothing but the provisioning certificate."""
        return iso2.CertificateInstallationReq(
            id="id1",
            oem_provisioning_cert=self.oem.certificate.der,
            list_of_root_certificate_ids=self._root_list(),
        )

    def update(self) -> iso2.CertificateUpdateReq:
        """With the contract that ends soon."""
        return iso2.CertificateUpdateReq(
            id="id1",
            contract_signature_cert_chain=self._chain_message("id2"),
            emaid=self.emaid,
            list_of_root_certificate_ids=self._root_list(),
        )

    def payment_details(self) -> iso2.PaymentDetailsReq:
        """The contract."""
        other = self.misbehaviour is Misbehaviour.OTHER_EMAID
        emaid = "DEXXX999999999" if other else self.emaid
        chain = self._chain_message()
        if self.misbehaviour is Misbehaviour.NO_SUB_CAS:
            chain = msgspec.structs.replace(chain, sub_certificates=None)
        elif self.misbehaviour is Misbehaviour.SWAPPED_SUB_CAS and chain.sub_certificates is not None:
            turned = iso2.SubCertificates(certificate=chain.sub_certificates.certificate[::-1])
            chain = msgspec.structs.replace(chain, sub_certificates=turned)
        return iso2.PaymentDetailsReq(emaid=emaid, contract_signature_cert_chain=chain)

    def authorization(self, challenge: bytes) -> iso2.AuthorizationReq:
        """The challenge, to be signed."""
        if self.misbehaviour is Misbehaviour.WRONG_CHALLENGE:
            challenge = bytes(byte ^ 0xFF for byte in challenge)
        return iso2.AuthorizationReq(id="id1", gen_challenge=challenge)

    def receipt(self, session_id: bytes, schedule_id: int, meter: iso2.MeterInfo) -> iso2.MeteringReceiptReq:
        """A reading as the station has reported it."""
        if self.misbehaviour is Misbehaviour.WRONG_READING:
            meter = msgspec.structs.replace(meter, meter_reading=(meter.meter_reading or 0) + 1000)
        return iso2.MeteringReceiptReq(
            id="id1", session_id=session_id, sa_schedule_tuple_id=schedule_id, meter_info=meter
        )

    def sign(self, body: iso2.BodyElement) -> Signature | None:
        """As the standard wants it, or not."""
        key = self.oem.key if isinstance(body, iso2.CertificateInstallationReq) else self.key
        if key is None:
            return None
        element = SignedPart(type(body).__name__, body)
        match self.misbehaviour:
            case Misbehaviour.UNSIGNED:
                return None
            case Misbehaviour.WRONG_KEY:
                return sign((element,), new_key())
            case Misbehaviour.OTHER_ELEMENT:
                point = iso2.DiffieHellmanPublickey(id="id1", value=bytes(65))
                return sign((SignedPart("DHpublickey", point),), key)
            case Misbehaviour.CHANGED_BODY if isinstance(body, iso2.AuthorizationReq):
                changed = msgspec.structs.replace(body, gen_challenge=bytes(16))
                return sign((SignedPart("AuthorizationReq", changed),), key)
            case Misbehaviour.WRONG_ID if isinstance(body, iso2.AuthorizationReq):
                return sign((SignedPart("AuthorizationReq", msgspec.structs.replace(body, id="other")),), key)
            case Misbehaviour.EXTRA_REFERENCE:
                point = iso2.DiffieHellmanPublickey(id="id2", value=bytes(65))
                return sign((element, SignedPart("DHpublickey", point)), key)
            case Misbehaviour.OTHER_CAR if isinstance(body, iso2.CertificateInstallationReq):
                return sign((element,), new_key())
            case Misbehaviour.DER_SIGNATURE:
                return _as_der(sign((element,), key))
            case _:
                return sign((element,), key)

    # --- what it is given ----------------------------------------------------------------------------------

    def accept(self, body: Response, signature: Signature | None, now: datetime.datetime) -> None:
        """Verify a delivered contract, decrypt its key and keep both [V2G2-823] [V2G2-891] [V2G2-894].

        Raises CertificateError and keeps what it had.
        """
        trust = TrustStore()
        for root in self.roots:
            trust = trust.with_anchor(root, Kind.V2G_ROOT)
        chain = certificates_of(body.sa_provisioning_certificate_chain)
        cps = verify_chain(chain, Role.CPS, trust, now, ContractPolicy().chain)
        compat = frozenset({Compat.PLAIN_EMAID})
        verify(signature, signed_parts(body), cps.leaf.public_key, compat=compat)
        contract = tuple(read_certificate(der) for der in certificates_of(body.contract_signature_cert_chain))
        update = isinstance(body, iso2.CertificateUpdateRes)
        receiver = self.key if update and self.key is not None else self.oem.key
        encrypted = body.contract_signature_encrypted_private_key.value
        delivered = DeliveredKey(encrypted, body.dh_public_key.value)
        self.key = decrypt_key(delivered, receiver, contract[0].public_key)
        self.chain = contract
        self.installed += 1

    def _chain_message(self, id_: str | None = None) -> iso2.CertificateChain:
        subs = tuple(one.der for one in self.chain[1:])
        return iso2.CertificateChain(
            id=id_,
            certificate=self.chain[0].der,
            sub_certificates=iso2.SubCertificates(certificate=subs) if subs else None,
        )

    def _root_list(self) -> iso2.ListOfRootCertificateIDs:
        return iso2.ListOfRootCertificateIDs(
            root_certificate_id=tuple(
                X509IssuerSerial(x509_issuer_name=str(root.issuer), x509_serial_number=root.serial)
                for root in self.roots
            )
        )


def _as_der(signature: Signature) -> Signature:
    value = signature.signature_value.value
    r, s = int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big")
    der = msgspec.structs.replace(signature.signature_value, value=encode_dss_signature(r, s))
    return msgspec.structs.replace(signature, signature_value=der)
