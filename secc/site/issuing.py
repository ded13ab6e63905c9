"""The roles behind a provisioning answer.

A mobility operator (MO) issues contracts, and a certificate provisioning service (CPS) encrypts the key for
one car and signs the four parts of the answer. Contract keys exist in clear only between `issue` and
`bundle`; they are never stored.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from secc import exi
from secc.messages import iso2
from secc.messages.iso2 import ResponseCode
from secc.pki.certificates import Certificate
from secc.pki.delivery import encrypt_key
from secc.pki.identifiers import EMAID
from secc.pki.issuing import Identity, Order, issue, new_key, serial_from
from secc.pki.profiles import Kind
from secc.pki.provisioning import Action, Response, signed_parts
from secc.pki.xmldsig import sign

__all__ = ["Bundle", "ContractIssuer", "IssuedContract", "ProvisioningService", "chain_message"]


@dataclasses.dataclass(frozen=True, slots=True)
class IssuedContract:
    """A contract certificate with its chain and, temporarily, its key."""

    chain: tuple[Certificate, ...]
    """Leaf first, without the root."""
    key: ec.EllipticCurvePrivateKey = dataclasses.field(repr=False)

    @property
    def leaf(self) -> Certificate:
        """The contract certificate."""
        return self.chain[0]

    @property
    def emaid(self) -> EMAID:
        """The eMAID of the contract."""
        return EMAID.parse(self.leaf.subject.common_name)


class ContractIssuer:
    """Mobility operator: issues contract certificates below its Sub-CA 2."""

    def __init__(
        self,
        authority: Identity,
        above: Sequence[Certificate] = (),
        *,
        organization: str = "",
        ocsp_url: str = "http://ocsp.invalid/",
        validity: datetime.timedelta = datetime.timedelta(days=365),
        random_bytes: Callable[[int], bytes] = os.urandom,
        make_key: Callable[[], ec.EllipticCurvePrivateKey] = new_key,
    ) -> None:
        """`above`: the authorities between this one and the root, starting with its issuer."""
        self.authority = authority
        self._above = tuple(above)
        self._organization = organization or authority.certificate.subject.common_name
        self._ocsp_url = ocsp_url
        self._validity = validity
        self._random_bytes = random_bytes
        self._make_key = make_key

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
    """A signed answer for a car: the complete V2G_Message as EXI."""

    payload: bytes = dataclasses.field(repr=False)
    emaid: EMAID
    not_after: datetime.datetime
    """The eMAID of the contract in the bundle."""


class ProvisioningService:
    """Certificate provisioning service: encrypts and signs."""

    def __init__(
        self,
        signer: Identity,
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

    def bundle(self, action: Action, contract: IssuedContract, receiver: ec.EllipticCurvePublicKey) -> Bundle:
        """Return the answer for the car with this key: the OEM provisioning key, or the old contract key at
        an update."""
        delivered = encrypt_key(contract.key, receiver, random_bytes=self._random_bytes)
        kind = iso2.CertificateInstallationRes if action is Action.INSTALL else iso2.CertificateUpdateRes
        body: Response = kind(
            response_code=ResponseCode.OK,
            sa_provisioning_certificate_chain=chain_message((self.signer.certificate, *self._above)),
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
        payload = exi.ISO2.encode(iso2.V2GMessage(header=header, body=body))
        return Bundle(payload, contract.emaid, contract.leaf.not_after)


def chain_message(chain: Sequence[Certificate], id_: str | None = None) -> iso2.CertificateChain:
    """Return a chain as it appears in the messages: leaf, Sub-CA 2, Sub-CA 1."""
    subs = tuple(certificate.der for certificate in chain[1:])
    return iso2.CertificateChain(
        id=id_,
        certificate=chain[0].der,
        sub_certificates=iso2.SubCertificates(certificate=subs) if subs else None,
    )
