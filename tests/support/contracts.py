"""A car with a contract and all that belongs to it, from one reproducible hierarchy. The time is a number."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from secc import exi
from secc.messages import iso2
from secc.messages.xmldsig import Signature, X509IssuerSerial
from secc.pki.certificates import Certificate
from secc.pki.chains import KINDS
from secc.pki.hierarchy import Hierarchy, make_hierarchy
from secc.pki.issuing import Identity, Order, Revocation, issue, make_crl, new_key
from secc.pki.profiles import Kind
from secc.pki.trust import Role, TrustStore, trust
from secc.pki.xmldsig import SignedPart, sign
from secc.site.issuing import ContractIssuer, ProvisioningService, chain_message

UTC = 1_790_000_000.0
"""The wall clock of these tests: 21 September 2026."""
NOW = datetime.datetime.fromtimestamp(UTC, datetime.UTC)
DAY = datetime.timedelta(days=1)


@functools.cache
def hierarchy(seed: bytes = b"pnc tests") -> Hierarchy:
    """Valid from 2024 to 2124; another seed makes another PKI with the same names."""
    return make_hierarchy(
        not_before=datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
        not_after=datetime.datetime(2124, 1, 1, tzinfo=datetime.UTC),
        seed=seed,
    )


@functools.cache
def trusted() -> TrustStore:
    """What the station trusts."""
    roots = (Kind.V2G_ROOT, Kind.MO_ROOT, Kind.OEM_ROOT)
    return trust([(kind, hierarchy()[kind].certificate) for kind in roots])


def identity(kind: Kind) -> Identity:
    return hierarchy()[kind]


def chain(role: Role, pki: Hierarchy | None = None) -> tuple[Certificate, ...]:
    """Leaf first."""
    return tuple((pki or hierarchy())[kind].certificate for kind in KINDS[role])


def contract_leaf(
    *,
    emaid: str = "DEABC000000001G",
    not_before: datetime.datetime = NOW - DAY,
    not_after: datetime.datetime = NOW + 365 * DAY,
    serial: int = 4711,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Identity:
    """A separate contract below the usual MO Sub-CA 2."""
    key = key or new_key(b"contract of its own")
    order = Order(
        kind=Kind.CONTRACT_LEAF,
        common_name=emaid,
        organization="Test only",
        country="",
        serial=serial,
        not_before=not_before,
        not_after=not_after,
        ocsp_url="http://ocsp.test.invalid:8080/",
    )
    made = issue(order, key.public_key(), identity(Kind.MO_SUB_CA_2), reproducible=True)
    return Identity(made, key)


@dataclasses.dataclass(frozen=True)
class CarWallet:
    """Certificates and keys of a car."""

    contract: Identity
    subs: tuple[Certificate, ...]
    oem: Identity
    emaid: str

    def payment_details(self, **changes: object) -> iso2.PaymentDetailsReq:
        fields = {"emaid": self.emaid, "contract_signature_cert_chain": self.chain_message(), **changes}
        return iso2.PaymentDetailsReq(**fields)  # type: ignore[arg-type]

    def chain_message(self, id_: str | None = None) -> iso2.CertificateChain:
        return chain_message((self.contract.certificate, *self.subs), id_)

    def authorization(self, challenge: bytes, id_: str = "id1") -> iso2.AuthorizationReq:
        return iso2.AuthorizationReq(id=id_, gen_challenge=challenge)

    def installation(self) -> iso2.CertificateInstallationReq:
        return iso2.CertificateInstallationReq(
            id="id1",
            oem_provisioning_cert=self.oem.certificate.der,
            list_of_root_certificate_ids=roots(),
        )

    def update(self) -> iso2.CertificateUpdateReq:
        return iso2.CertificateUpdateReq(
            id="id1",
            contract_signature_cert_chain=self.chain_message("id2"),
            emaid=self.emaid,
            list_of_root_certificate_ids=roots(),
        )

    def sign(self, body: iso2.BodyElement, key: ec.EllipticCurvePrivateKey | None = None) -> Signature:
        """The usual signature: over the whole body, by the contract, or by the OEM at an installation."""
        if key is None:
            oem = isinstance(body, iso2.CertificateInstallationReq)
            key = self.oem.key if oem else self.contract.key
        return sign((SignedPart(type(body).__name__, body),), key, reproducible=True)


def wallet(contract: Identity | None = None, oem: Identity | None = None) -> CarWallet:
    """The usual car, or one with another contract."""
    contract = contract or identity(Kind.CONTRACT_LEAF)
    return CarWallet(
        contract,
        chain(Role.CONTRACT)[1:],
        oem or identity(Kind.OEM_LEAF),
        contract.certificate.subject.common_name,
    )


def roots() -> iso2.ListOfRootCertificateIDs:
    root = identity(Kind.V2G_ROOT).certificate
    one = X509IssuerSerial(x509_issuer_name=str(root.issuer), x509_serial_number=root.serial)
    return iso2.ListOfRootCertificateIDs(root_certificate_id=(one,))


def mobility_operator() -> ContractIssuer:
    return ContractIssuer(identity(Kind.MO_SUB_CA_2), (identity(Kind.MO_SUB_CA_1).certificate,))


def provisioning_service() -> ProvisioningService:
    return ProvisioningService(identity(Kind.CPS_LEAF), chain(Role.CPS)[1:])


def crls(revoked: Sequence[Certificate] = ()) -> tuple[bytes, ...]:
    """Complete lists of the three issuers of a contract chain, with these certificates on them."""
    made = []
    for kind in (Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1, Kind.MO_ROOT):
        authority = identity(kind)
        entries = [
            Revocation(one.serial, NOW - DAY)
            for one in revoked
            if one.issuer.same_as(authority.certificate.subject)
        ]
        made.append(make_crl(authority, entries, number=1, this_update=NOW - DAY, next_update=NOW + 5 * DAY))
    return tuple(made)


def encoded(body: iso2.BodyElement, signature: Signature | None, session_id: bytes = bytes(8)) -> bytes:
    """A request on the wire."""
    header = iso2.MessageHeader(session_id=session_id, signature=signature)
    return exi.ISO2.encode(iso2.V2GMessage(header=header, body=body))
