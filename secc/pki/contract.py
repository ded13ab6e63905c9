"""Contracts and the proof of their possession.

ISO 15118-2 has two steps with two types. `present` judges PaymentDetailsReq: a chain under an accepted root,
with the right eMAID. A contract is public, so a `PresentedContract` authorizes nothing. `verify` judges
AuthorizationReq: the key of that certificate has signed the body, which contains the challenge of this
session. The result is a `VerifiedContract`, which only this module can make; a back end accepts nothing else
[INV-09] [INV-24].

ISO 15118-20 shows chain and signature in one message: `authorize` judges it by the same rules, with the
profiles and algorithms of its generation (`ContractPolicy.chain`), and makes the same proof.
"""

from __future__ import annotations

import dataclasses
import datetime
import hmac
from typing import TYPE_CHECKING, TypeVar

from cryptography.hazmat.primitives import hashes

from secc.errors import CertificateError, IdentifierError
from secc.messages import iso2
from secc.messages.xmldsig import Signature
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.chain_messages import certificates_of
from secc.pki.chains import ChainPolicy, UnanchoredChain, VerifiedChain, verify_chain, verify_without_anchor
from secc.pki.identifiers import EMAID
from secc.pki.kinds import Generation
from secc.pki.revocation import (
    ChainStatus,
    RevocationPolicy,
    RevocationStatus,
    check_revocation,
    identifier_hashes,
    questions,
)
from secc.pki.rules import Rule, broken
from secc.pki.suites import suite_of
from secc.pki.trust import Role, TrustStore
from secc.pki.xmldsig import STRICT, Compat, SignedPart, VerifiedSignature, iso20_part
from secc.pki.xmldsig import verify as verify_signature

if TYPE_CHECKING:
    from secc.messages.iso20_common import PnCAReqAuthorizationMode

__all__ = [
    "ContractPolicy",
    "Evidence",
    "ForwardedContract",
    "OcspRequestData",
    "PresentedContract",
    "UnanchoredContract",
    "VerifiedContract",
    "authorize",
    "authorize_forwarded",
    "present",
    "present_without_anchor",
    "verify",
    "verify_forwarded",
    "weigh",
]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ContractPolicy:
    """Decisions about contracts that an operator may change."""

    chain: ChainPolicy = dataclasses.field(default_factory=ChainPolicy)
    """How chains are judged."""
    revocation: RevocationPolicy = dataclasses.field(default_factory=RevocationPolicy)
    """How OCSP responses and CRLs, or their absence, are judged."""
    warn_before: datetime.timedelta = datetime.timedelta(days=21)
    """The EV is informed that the contract ends soon, this long before its end [V2G2-690]."""
    providers: frozenset[str] = frozenset()
    """Country and provider of accepted operators, for example `DEABC`; empty: all."""
    compat: frozenset[Compat] = STRICT
    """Tolerated deviations of signatures."""

    def of(self, generation: Generation, *, warn_before: datetime.timedelta | None = None) -> ContractPolicy:
        """The same decisions for contracts of a generation, with another time of the warning if given."""
        chain = dataclasses.replace(self.chain, generation=generation)
        warn = self.warn_before if warn_before is None else warn_before
        return dataclasses.replace(self, chain=chain, warn_before=warn)


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """Collected revocation data; it is judged here and not where it was fetched."""

    ocsp: tuple[bytes, ...] = ()
    """OCSP responses, DER."""
    crls: tuple[bytes, ...] = ()
    """Certificate revocation lists, DER."""


@dataclasses.dataclass(frozen=True, slots=True)
class OcspRequestData:
    """Identification of a certificate in OCPP; hexadecimal, lower case."""

    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    responder_url: str
    hash_algorithm: str = "SHA256"


@dataclasses.dataclass(frozen=True, slots=True)
class _Contract:
    """A chain and its eMAID; only this module has the seal."""

    chain: VerifiedChain | UnanchoredChain
    emaid: EMAID
    """The eMAID of the certificate, never the one that the EV sends [INV-24]."""
    expires_soon: bool
    seal: dataclasses.InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError(f"only secc.pki.contract can make a {type(self).__name__}")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the contract certificate, hexadecimal."""
        return self.chain.leaf.fingerprint

    @property
    def not_revoked(self) -> bool:
        """Every certificate of the chain is known to be good; never where the root is not known here."""
        return False

    @property
    def root(self) -> str:
        """The root of the chain, for people."""
        return "validated centrally"

    @property
    def pem(self) -> bytes:
        """Contract certificate and its Sub-CAs as PEM, leaf first, without the root."""
        return b"".join(certificate.pem for certificate in self.chain.certificates)


@dataclasses.dataclass(frozen=True, slots=True)
class PresentedContract(_Contract):
    """A contract whose chain is valid; its possession is not proved yet. Made only by `present`."""

    chain: VerifiedChain
    revocation: ChainStatus | None
    """Revocation status; None: not checked yet."""

    @property
    def not_revoked(self) -> bool:
        """Every certificate of the chain is known to be good."""
        return self.revocation is not None and self.revocation.status is RevocationStatus.GOOD

    @property
    def root(self) -> str:
        """Common name of the configured root that the chain ends in."""
        return self.chain.anchor.certificate.subject.common_name

    @property
    def ocsp_request_data(self) -> tuple[OcspRequestData, ...]:
        """One entry for each certificate that names an OCSP responder, leaf first."""
        return tuple(
            _request_data(question.issuer, question.certificate.serial, question.ocsp_urls[0])
            for question in questions(self.chain)
            if question.ocsp_urls
        )


@dataclasses.dataclass(frozen=True, slots=True)
class VerifiedContract(PresentedContract):
    """Proof that the EV has the key of the contract, in this session. Made only by `verify` and
    `authorize`."""

    proof: VerifiedSignature
    """The signature of AuthorizationReq with the challenge."""


@dataclasses.dataclass(frozen=True, slots=True)
class UnanchoredContract(_Contract):
    """A contract under an unknown root: its chain is consistent, no more.

    For a back end that validates chains instead of the station. Made only by `present_without_anchor`.
    """

    chain: UnanchoredChain


@dataclasses.dataclass(frozen=True, slots=True)
class ForwardedContract(UnanchoredContract):
    """A forwarded contract whose key the EV has; only a back end that validates chains receives it.

    Made by `verify_forwarded` and `authorize_forwarded`.
    """

    proof: VerifiedSignature
    """The signature of AuthorizationReq with the challenge."""


def present(
    chain: iso2.CertificateChain,
    emaid: str,
    trust: TrustStore,
    now: datetime.datetime,
    policy: ContractPolicy | None = None,
) -> PresentedContract:
    """Judge PaymentDetailsReq. Raises CertificateError with the `response_code` for the EV."""
    policy = policy or ContractPolicy()
    verified = verify_chain(certificates_of(chain), Role.CONTRACT, trust, now, policy.chain)
    soon = _check_shown(verified, emaid, now, policy)
    return PresentedContract(verified, verified.emaid, soon, revocation=None, seal=_SEAL)


def present_without_anchor(
    chain: iso2.CertificateChain, emaid: str, now: datetime.datetime, policy: ContractPolicy | None = None
) -> UnanchoredContract:
    """Judge PaymentDetailsReq for a chain with an unknown root; everything but the root is checked."""
    policy = policy or ContractPolicy()
    found = verify_without_anchor(certificates_of(chain), Role.CONTRACT, now, policy.chain)
    return UnanchoredContract(found, found.emaid, _check_shown(found, emaid, now, policy), seal=_SEAL)


_Shown = TypeVar("_Shown", bound=PresentedContract)


def weigh(
    contract: _Shown,
    evidence: Evidence,
    now: datetime.datetime,
    policy: ContractPolicy | None = None,
) -> _Shown:
    """Return the contract with its revocation status. Raises ChainError as the policy demands."""
    policy = policy or ContractPolicy()
    status = check_revocation(
        contract.chain, now, ocsp_responses=evidence.ocsp, crls=evidence.crls, policy=policy.revocation
    )
    return dataclasses.replace(contract, revocation=status, seal=_SEAL)


def verify(
    contract: PresentedContract,
    request: iso2.AuthorizationReq,
    signature: Signature | None,
    challenge: bytes,
    *,
    now: datetime.datetime,
    policy: ContractPolicy | None = None,
) -> VerifiedContract:
    """Judge AuthorizationReq: first the signature, then the challenge [V2G2-475], then the validity again.

    Raises CertificateError with the `response_code` for the EV.
    """
    proof = _prove(contract, request, signature, challenge, now, policy or ContractPolicy())
    return VerifiedContract(
        contract.chain,
        contract.emaid,
        contract.expires_soon,
        revocation=contract.revocation,
        seal=_SEAL,
        proof=proof,
    )


def verify_forwarded(
    contract: UnanchoredContract,
    request: iso2.AuthorizationReq,
    signature: Signature | None,
    challenge: bytes,
    *,
    now: datetime.datetime,
    policy: ContractPolicy | None = None,
) -> ForwardedContract:
    """Judge AuthorizationReq for a contract with an unknown root."""
    proof = _prove(contract, request, signature, challenge, now, policy or ContractPolicy())
    soon = contract.expires_soon
    return ForwardedContract(contract.chain, contract.emaid, soon, seal=_SEAL, proof=proof)


def authorize(
    mode: PnCAReqAuthorizationMode,
    signature: Signature | None,
    challenge: bytes,
    trust: TrustStore,
    now: datetime.datetime,
    policy: ContractPolicy,
) -> VerifiedContract:
    """Judge AuthorizationReq of ISO 15118-20: signature [V2G20-2564], challenge [V2G20-2565], then chain,
    profiles and validity. Its revocation is not checked yet.

    Raises CertificateError; `rule` is the violated rule.
    """
    proof = _prove_mode(mode, signature, challenge, policy)
    certificates = certificates_of(mode.contract_certificate_chain)
    chain = verify_chain(certificates, Role.CONTRACT, trust, now, policy.chain)
    soon = _check_shown(chain, None, now, policy)
    return VerifiedContract(chain, chain.emaid, soon, revocation=None, seal=_SEAL, proof=proof)


def authorize_forwarded(
    mode: PnCAReqAuthorizationMode,
    signature: Signature | None,
    challenge: bytes,
    now: datetime.datetime,
    policy: ContractPolicy,
) -> ForwardedContract:
    """Judge AuthorizationReq of ISO 15118-20 for a chain with an unknown root; everything but the root is
    checked."""
    proof = _prove_mode(mode, signature, challenge, policy)
    certificates = certificates_of(mode.contract_certificate_chain)
    chain = verify_without_anchor(certificates, Role.CONTRACT, now, policy.chain)
    soon = _check_shown(chain, None, now, policy)
    return ForwardedContract(chain, chain.emaid, soon, seal=_SEAL, proof=proof)


_SEAL = object()


def _check_shown(
    chain: VerifiedChain | UnanchoredChain,
    emaid: str | None,
    now: datetime.datetime,
    policy: ContractPolicy,
) -> bool:
    """Check eMAID, if the EV sends one, and provider; returns whether the contract ends soon."""
    own = chain.emaid
    if emaid is not None and not _parse(emaid).matches(own):
        raise _not_allowed("emaid_mismatch", f"the EV sends {emaid}, the certificate has {own}")
    if policy.providers and own.normal[:5] not in policy.providers:
        raise _not_allowed("provider", f"provider {own.normal[:5]} is not accepted")
    return chain.leaf.not_after - now <= policy.warn_before


def _prove(
    contract: _Contract,
    request: iso2.AuthorizationReq,
    signature: Signature | None,
    challenge: bytes,
    now: datetime.datetime,
    policy: ContractPolicy,
) -> VerifiedSignature:
    element = SignedPart("AuthorizationReq", request)
    proof = _prove_possession(contract.chain.leaf, element, signature, policy)
    _check_challenge(request.gen_challenge, challenge)
    if now - policy.chain.skew > contract.chain.expires:
        raise broken(Rule.LEAF_EXPIRED, str(contract.chain.leaf), "expired during the session")
    return proof


def _prove_mode(
    mode: PnCAReqAuthorizationMode, signature: Signature | None, challenge: bytes, policy: ContractPolicy
) -> VerifiedSignature:
    leaf, generation = read_certificate(mode.contract_certificate_chain.certificate), policy.chain.generation
    if suite_of(leaf.key, generation) is None:
        text = f"the key is of type {leaf.key_type}, none of {generation} [V2G20-2674]"
        raise broken(Rule.CURVE, "contract leaf", text)
    element = iso20_part("PnC_AReqAuthorizationMode", mode)
    proof = _prove_possession(leaf, element, signature, policy)
    _check_challenge(mode.gen_challenge, challenge)
    return proof


def _prove_possession(
    leaf: Certificate, element: SignedPart, signature: Signature | None, policy: ContractPolicy
) -> VerifiedSignature:
    generation, compat = policy.chain.generation, policy.compat
    return verify_signature(signature, (element,), leaf.key, generation=generation, compat=compat)


def _check_challenge(sent: bytes | None, challenge: bytes) -> None:
    if sent is None or not hmac.compare_digest(sent, challenge):
        raise CertificateError(
            "GenChallenge is missing or not the one of this session [V2G2-475] [V2G20-2565]",
            certificate="AuthorizationReq",
            rule="challenge",
            response_code="FAILED_ChallengeInvalid",
        )


def _parse(emaid: str) -> EMAID:
    try:
        return EMAID.parse(emaid)
    except IdentifierError as error:
        raise _not_allowed("emaid_mismatch", str(error)) from error


def _not_allowed(rule: str, text: str) -> IdentifierError:
    return IdentifierError(
        text,
        certificate="contract leaf",
        rule=rule,
        response_code="FAILED_CertificateNotAllowedAtThisEVSE",
    )


def _request_data(issuer: Certificate, serial: int, url: str) -> OcspRequestData:
    name, key = identifier_hashes(issuer, hashes.SHA256())
    return OcspRequestData(name.hex(), key.hex(), f"{serial:x}", url)
