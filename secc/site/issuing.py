"""The roles behind a provisioning answer.

A mobility operator (MO) issues contracts, and a certificate provisioning service (CPS) encrypts the key for
one car and signs the answer. Contract keys exist in clear only between `issue` and `bundle`; they are never
stored. The keys of MO and CPS determine the generation: `ProvisioningService` answers ISO 15118-2,
`InstallationService` answers ISO 15118-20.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric import ec, ed448

from secc import exi
from secc.errors import CertificateError
from secc.messages import iso2
from secc.messages import iso20_common as m
from secc.messages.iso2 import ResponseCode
from secc.pki.certificates import Certificate
from secc.pki.delivery import encrypt_key
from secc.pki.identifiers import EMAID
from secc.pki.iso20_delivery import wrap_key
from secc.pki.issuing import Holder, Order, issue, serial_from
from secc.pki.keys import KeyType, PrivateKey, key_type, new_private_key
from secc.pki.profiles import Generation, Kind, generation_of
from secc.pki.provisioning import Action, Response, signed_parts
from secc.pki.rules import Rule
from secc.pki.xmldsig import iso20_part, sign

__all__ = [
    "Bundle",
    "ContractIssuer",
    "IssuedContract",
    "InstallationService",
    "ProvisioningService",
    "chain_message",
    "new_contract_key",
]


@dataclasses.dataclass(frozen=True, slots=True)
class IssuedContract:
    """A contract certificate with its chain and, temporarily, its key."""

    chain: tuple[Certificate, ...]
    """Leaf first, without the root."""
    key: PrivateKey = dataclasses.field(repr=False)

    @property
    def leaf(self) -> Certificate:
        """The contract certificate."""
        return self.chain[0]

    @property
    def p256_key(self) -> ec.EllipticCurvePrivateKey:
        """The key of a contract of ISO 15118-2. Raises CertificateError for the other generation."""
        if key_type(self.key) is KeyType.SECP256R1 and isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key
        raise CertificateError(f"{self.leaf} has a key of type {self.leaf.key_type}", rule=Rule.CURVE)

    @property
    def emaid(self) -> EMAID:
        """The eMAID of the contract."""
        return EMAID.parse(self.leaf.subject.common_name)


class ContractIssuer:
    """Mobility operator: issues contract certificates below its Sub-CA 2, of the generation of its key."""

    def __init__(
        self,
        authority: Holder,
        above: Sequence[Certificate] = (),
        *,
        organization: str = "",
        ocsp_url: str = "http://ocsp.invalid/",
        validity: datetime.timedelta = datetime.timedelta(days=365),
        random_bytes: Callable[[int], bytes] = os.urandom,
        make_key: Callable[[], PrivateKey] | None = None,
    ) -> None:
        """`above`: the authorities between this one and the root, starting with its issuer. `make_key` makes
        the key of each contract, by default one of the type of the authority."""
        self.authority = authority
        self._above = tuple(above)
        self._organization = organization or authority.certificate.subject.common_name
        self._ocsp_url = ocsp_url
        self._validity = validity
        self._random_bytes = random_bytes
        self._make_key = make_key or (lambda: new_contract_key(authority.certificate.key_type))

    @property
    def generation(self) -> Generation:
        """The generation of the contracts."""
        return generation_of(self.authority.certificate)

    def issue(
        self,
        emaid: str,
        now: datetime.datetime,
        *,
        not_after: datetime.datetime | None = None,
        latest: datetime.datetime | None = None,
    ) -> IssuedContract:
        """Return a new contract certificate with a new key; raises CertificateError for an invalid eMAID.

        It ends at `not_after` instead of after the usual validity, and never after `latest`.
        """
        key = self._make_key()
        begin = (now - datetime.timedelta(hours=1)).replace(microsecond=0)  # clocks of cars are inaccurate
        end = not_after or begin + self._validity
        order = Order(
            kind=Kind.CONTRACT_LEAF,
            generation=self.generation,
            common_name=emaid,
            organization=self._organization,
            country="",
            serial=serial_from(self._random_bytes(16)),
            not_before=begin,
            not_after=end if latest is None else min(end, latest),
            ocsp_url=self._ocsp_url,
        )
        leaf = issue(order, key.public_key(), self.authority)
        return IssuedContract((leaf, self.authority.certificate, *self._above), key)


@dataclasses.dataclass(frozen=True, slots=True)
class Bundle:
    """A signed answer for a car: the complete message as EXI."""

    payload: bytes = dataclasses.field(repr=False)
    leaf: Certificate
    """The contract certificate in it."""
    usable_until: datetime.datetime
    """When a car no longer accepts it: the first end in the chains of the contract and of the CPS."""

    @property
    def emaid(self) -> EMAID:
        """The eMAID of the contract in the bundle."""
        return EMAID.parse(self.leaf.subject.common_name)

    @property
    def not_after(self) -> datetime.datetime:
        """The end of the contract certificate."""
        return self.leaf.not_after


class _SigningService:
    """A CPS leaf that signs, with the certificates above it."""

    def __init__(
        self,
        signer: Holder,
        above: Sequence[Certificate],
        *,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`signer`: the CPS leaf; `above`: its Sub-CAs, starting with its issuer, without the root."""
        self.signer = signer
        self._above = tuple(above)
        self._random_bytes = random_bytes

    @property
    def chain(self) -> tuple[Certificate, ...]:
        """The CPS leaf and its Sub-CAs, without the root."""
        return (self.signer.certificate, *self._above)

    def _made(self, payload: bytes, contract: IssuedContract) -> Bundle:
        ends = (one.not_after for one in (*contract.chain, *self.chain))
        return Bundle(payload, contract.leaf, min(ends))


class ProvisioningService(_SigningService):
    """Certificate provisioning service of ISO 15118-2: encrypts and signs."""

    def bundle(self, action: Action, contract: IssuedContract, receiver: ec.EllipticCurvePublicKey) -> Bundle:
        """Return the answer for the car with this key: the OEM provisioning key, or the old contract key at
        an update. Raises CertificateError for a contract of the other generation."""
        delivered = encrypt_key(contract.p256_key, receiver, random_bytes=self._random_bytes)
        kind = iso2.CertificateInstallationRes if action is Action.INSTALL else iso2.CertificateUpdateRes
        body: Response = kind(
            response_code=ResponseCode.OK,
            sa_provisioning_certificate_chain=chain_message(self.chain),
            contract_signature_cert_chain=chain_message(contract.chain, "id1"),
            contract_signature_encrypted_private_key=iso2.ContractSignatureEncryptedPrivateKey(
                id="id2", value=delivered.encrypted
            ),
            dh_public_key=iso2.DiffieHellmanPublickey(id="id3", value=delivered.dh_public_key),
            emaid=iso2.EMAID(id="id4", value=contract.emaid.text),
        )
        signature = sign(signed_parts(body), self.signer.key)
        # The session is not known yet: the station replaces the id in place.
        header = iso2.MessageHeader(session_id=b"\0", signature=signature)
        return self._made(exi.ISO2.encode(iso2.V2GMessage(header=header, body=body)), contract)


class InstallationService(_SigningService):
    """Certificate provisioning service of ISO 15118-20: encrypts and signs."""

    def bundle(self, contract: IssuedContract, receiver: Certificate, *, remaining: int = 0) -> Bundle:
        """Return the answer for the vehicle with this provisioning certificate.

        `remaining`: how many contracts follow at further requests. Raises CertificateError if the keys of
        contract and vehicle have different types, or the contract key has no room in the message.
        """
        wrapped = wrap_key(contract.key, contract.leaf, receiver, random_bytes=self._random_bytes)
        secp521 = wrapped.curve is m.EcdhCurve.SECP521
        data = m.SignedInstallationData(
            id="id1",
            contract_certificate_chain=m.ContractCertificateChain(
                certificate=contract.leaf.der, sub_certificates=_subs(contract.chain)
            ),
            ecdh_curve=wrapped.curve,
            dh_public_key=wrapped.sender,
            secp521_encrypted_private_key=wrapped.encrypted if secp521 else None,
            x448_encrypted_private_key=None if secp521 else wrapped.encrypted,
        )
        part = iso20_part("SignedInstallationData", data)
        signature = sign((part,), self.signer.key, generation=generation_of(self.signer.certificate))
        # Session and time are not known yet: the station replaces both in place.
        response = m.CertificateInstallationRes(
            header=m.MessageHeader(session_id=bytes(8), time_stamp=0, signature=signature),
            response_code=m.ResponseCode.OK,
            evse_processing=m.Processing.FINISHED,
            cps_certificate_chain=m.CertificateChain(
                certificate=self.signer.certificate.der,
                sub_certificates=_subs(self.chain) if self._above else None,
            ),
            signed_installation_data=data,
            remaining_contract_certificate_chains=remaining,
        )
        return self._made(exi.codec("iso20-common").encode(response), contract)


def _subs(chain: Sequence[Certificate]) -> m.SubCertificates:
    return m.SubCertificates(certificate=tuple(certificate.der for certificate in chain[1:]))


def new_contract_key(kind: KeyType | None) -> PrivateKey:
    """Return a new contract key of the type of its authority. One of Ed448 has a last byte of zero, as only
    such a key has room in the message, see `iso20_delivery.private_octets`."""
    if kind is KeyType.ED448:
        return ed448.Ed448PrivateKey.from_private_bytes(os.urandom(56) + b"\0")
    return new_private_key(kind or KeyType.SECP256R1)


def chain_message(chain: Sequence[Certificate], id_: str | None = None) -> iso2.CertificateChain:
    """Return a chain as it appears in the messages: leaf, Sub-CA 2, Sub-CA 1."""
    subs = tuple(certificate.der for certificate in chain[1:])
    return iso2.CertificateChain(
        id=id_,
        certificate=chain[0].der,
        sub_certificates=iso2.SubCertificates(certificate=subs) if subs else None,
    )
