"""Installation of contracts in ISO 15118-20: a vehicle, a back end's answers, and a session between them."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Mapping
from typing import Any

import msgspec

from secc import exi
from secc.messages import iso20_common as m
from secc.messages.xmldsig import X509IssuerSerial
from secc.pki.certificates import Certificate
from secc.pki.chains import KINDS
from secc.pki.contract import ContractPolicy
from secc.pki.hierarchy import make_iso20_hierarchy
from secc.pki.installation import (
    InstallationRequest,
    iso20_policy,
    signed_installation,
    signed_request,
    verify_installation,
    verify_installation_request,
)
from secc.pki.issuing import Holder, Order, issue
from secc.pki.keys import KeyType, PrivateKey, new_private_key
from secc.pki.kinds import Generation, Kind
from secc.pki.provisioning import ProvisioningAnswer
from secc.pki.trust import Role, TrustStore, trust
from secc.pki.xmldsig import sign
from secc.session.contract_events import (
    ContractDelivered,
    ContractProvisioned,
    ContractRefused,
    ContractTerms,
    Provision,
)
from secc.session.inputs import Received
from secc.settings import Payment, SeccConfig, ServiceConfig
from secc.site.issuing import ContractIssuer, InstallationService, IssuedContract
from tests.support.contracts import DAY, NOW, UTC
from tests.support.iso20 import DC, Bench20, said

BEGIN = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2124, 1, 1, tzinfo=datetime.UTC)
EMAID_TEXT = "DEABC000000001G"
OTHER_EMAID = "DEABC000000002E"
P521, ED448 = KeyType.SECP521R1, KeyType.ED448
POLICY = iso20_policy(ContractPolicy())

Pki = Mapping[Kind, Holder]


@functools.cache
def hierarchy(keys: KeyType = P521, seed: bytes = b"installation") -> Pki:
    """Valid from 2024 to 2124; another seed makes another PKI with the same names."""
    return make_iso20_hierarchy(keys, not_before=BEGIN, not_after=END, seed=seed)


@functools.cache
def trusted(keys: KeyType = P521) -> TrustStore:
    """What the station trusts."""
    roots = (Kind.V2G_ROOT, Kind.MO_ROOT, Kind.OEM_ROOT)
    return trust([(kind, hierarchy(keys)[kind].certificate) for kind in roots])


def terms(keys: KeyType = P521, **changes: object) -> ContractTerms:
    """The back end delivers contracts."""
    fields: dict[str, object] = {"trust": trusted(keys), "policy": ContractPolicy(), "installs": True}
    return ContractTerms(**(fields | changes))  # type: ignore[arg-type]


def chain(role: Role, keys: KeyType = P521) -> tuple[Certificate, ...]:
    """Leaf first."""
    return tuple(hierarchy(keys)[kind].certificate for kind in KINDS[role])


def provisioning_leaf(
    *, begin: int = -30, end: int = 3650, keys: KeyType = P521, kind: Kind = Kind.OEM_LEAF
) -> Holder:
    """A certificate of another vehicle below the usual OEM; days from NOW."""
    key = new_private_key(keys, b"another vehicle")
    order = Order(
        kind=kind,
        generation=Generation.ISO20,
        common_name="ZZZTESTCAR0000002",
        organization="Test only",
        country="",
        serial=99,
        not_before=NOW + begin * DAY,
        not_after=NOW + end * DAY,
        ocsp_url="http://ocsp.test.invalid/",
    )
    return Holder(issue(order, key.public_key(), hierarchy(keys)[Kind.OEM_SUB_CA_2]), key)


# --- what the vehicle sends --------------------------------------------------------------------------------


def unsigned(keys: KeyType = P521, car: Holder | None = None, **changes: Any) -> m.CertificateInstallationReq:
    """A request without its signature."""
    own = car or hierarchy(keys)[Kind.OEM_LEAF]
    subs = tuple(one.der for one in chain(Role.OEM, keys)[1:])
    root = hierarchy(keys)[Kind.V2G_ROOT].certificate
    named = X509IssuerSerial(x509_issuer_name=str(root.issuer), x509_serial_number=root.serial)
    fields: dict[str, Any] = {
        "header": m.MessageHeader(session_id=bytes(8), time_stamp=5),
        "oem_provisioning_certificate_chain": m.SignedCertificateChain(
            id="id1",
            certificate=own.certificate.der,
            sub_certificates=m.SubCertificates(certificate=subs),
        ),
        "list_of_root_certificate_ids": m.ListOfRootCertificateIDs(root_certificate_id=(named,)),
        "maximum_contract_certificate_chains": 1,
    }
    return m.CertificateInstallationReq(**(fields | changes))


def signed(
    request: m.CertificateInstallationReq, key: PrivateKey | None = None, keys: KeyType = P521
) -> m.CertificateInstallationReq:
    """The request with the signature of the vehicle, or with another key."""
    signer = key or hierarchy(keys)[Kind.OEM_LEAF].key
    signature = sign((signed_request(request),), signer, generation=Generation.ISO20, reproducible=True)
    header = msgspec.structs.replace(request.header, signature=signature)
    return msgspec.structs.replace(request, header=header)


def request(keys: KeyType = P521, **changes: Any) -> m.CertificateInstallationReq:
    """The usual request."""
    return signed(unsigned(keys, **changes), keys=keys)


def asked(keys: KeyType = P521, **changes: Any) -> InstallationRequest:
    """The usual request, verified."""
    made = request(keys, **changes)
    return verify_installation_request(made, encoded(made), trusted(keys), NOW, POLICY)


def encoded(message: Any) -> bytes:
    octets: bytes = exi.codec("iso20-common").encode(message)
    return octets


# --- what the back end answers -----------------------------------------------------------------------------


def mobility_operator(keys: KeyType = P521) -> ContractIssuer:
    pki = hierarchy(keys)
    return ContractIssuer(pki[Kind.MO_SUB_CA_2], (pki[Kind.MO_SUB_CA_1].certificate,))


def installation_service(keys: KeyType = P521) -> InstallationService:
    return InstallationService(hierarchy(keys)[Kind.CPS_LEAF], chain(Role.CPS, keys)[1:])


def issued(keys: KeyType = P521, emaid: str = EMAID_TEXT) -> IssuedContract:
    """The contract in the usual answer."""
    return _issued(keys, emaid)


@functools.cache
def _issued(keys: KeyType, emaid: str) -> IssuedContract:
    return mobility_operator(keys).issue(emaid, NOW)


def bundle(keys: KeyType = P521, emaid: str = EMAID_TEXT, remaining: int = 0) -> bytes:
    """A complete answer for the usual vehicle."""
    return _bundle(keys, emaid, remaining)


@functools.cache
def _bundle(keys: KeyType, emaid: str, remaining: int) -> bytes:
    receiver = hierarchy(keys)[Kind.OEM_LEAF].certificate
    made = issued(keys, emaid)
    return installation_service(keys).bundle(made, receiver, remaining=remaining).payload


def decoded(payload: bytes) -> m.CertificateInstallationRes:
    message: m.CertificateInstallationRes = exi.codec("iso20-common").decode(payload)
    return message


def altered(payload: bytes | None = None, *, signer: PrivateKey | None = None, **changes: Any) -> bytes:
    """An answer with other fields of SignedInstallationData; signed again if there is a key for it."""
    message = decoded(payload or bundle())
    data = msgspec.structs.replace(message.signed_installation_data, **changes)
    message = msgspec.structs.replace(message, signed_installation_data=data)
    if signer is not None:
        signature = sign((signed_installation(message),), signer, generation=Generation.ISO20)
        header = msgspec.structs.replace(message.header, signature=signature)
        message = msgspec.structs.replace(message, header=header)
    return encoded(message)


def with_fields(payload: bytes | None = None, **changes: Any) -> bytes:
    """An answer with other fields that the CPS does not sign."""
    return encoded(msgspec.structs.replace(decoded(payload or bundle()), **changes))


# --- the session -------------------------------------------------------------------------------------------

CONTRACTS = ServiceConfig(payment_options=(Payment.CONTRACT, Payment.EXTERNAL))


class InstallationBench(Bench20):
    """A session with a back end that delivers contracts."""

    def __init__(self, config: SeccConfig = DC, **extra: object) -> None:
        config = dataclasses.replace(config, service=CONTRACTS)
        super().__init__(config, **({"contracts": terms()} | extra))
        self.outlet(utc=int(UTC))
        self.responses: list[Any] = []

    def install(self, message: m.CertificateInstallationReq | None = None) -> Any:
        """Send a request as the vehicle signs it; the response."""
        made = message or request()
        header = msgspec.structs.replace(made.header, session_id=self.session.session_id)
        made = msgspec.structs.replace(made, header=header)
        response = said(self.feed(Received(made, self.evse, encoded(made))))
        self.responses.append(response)
        return response

    def provide(self, answer: bytes | ProvisioningAnswer) -> None:
        """The back end answers the latest question."""
        said_so = ProvisioningAnswer(answer) if isinstance(answer, bytes) else answer
        self.feed(ContractProvisioned(self.questions[-1].ticket, said_so))

    def prove(self, payload: bytes) -> None:
        """The back end answers the latest question, and a thread has verified it, as in a station."""
        question = self.questions[-1]
        assert isinstance(question.request, InstallationRequest)
        proof = verify_installation(payload, trusted(), NOW, POLICY, question.request)
        self.feed(ContractProvisioned(question.ticket, ProvisioningAnswer(payload), proof))

    def to_certificate(self) -> InstallationBench:
        self.to_authorization()
        self.install()
        return self

    def all_of(self, kind: type[Any]) -> list[Any]:
        return [output for _, _, outputs in self.trace for output in outputs if isinstance(output, kind)]

    @property
    def questions(self) -> list[Provision]:
        return self.all_of(Provision)

    @property
    def refusals(self) -> list[ContractRefused]:
        return self.all_of(ContractRefused)

    @property
    def deliveries(self) -> list[ContractDelivered]:
        return self.all_of(ContractDelivered)
