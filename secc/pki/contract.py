"""Who pays by contract, and the proof of it.

Two steps, two types. `present` judges what PaymentDetailsReq shows: a chain under an accepted root, and an
eMAID that is the certificate's. Whoever has seen a contract can show it, so a `PresentedContract` is no
reason to ask anybody for energy. `verify` judges AuthorizationReq: the key of that certificate has signed
this body, and in it stands the challenge of this session. Only then there is a `VerifiedContract`, which
nothing but this module can make; a back end takes nothing else [INV-09] [INV-24].
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from secc import exi
from secc.errors import CertificateError, DecodeError, IdentifierError, SignatureError
from secc.messages import iso2
from secc.messages.xmldsig import Signature
from secc.pki.certificates import Certificate
from secc.pki.chains import ChainPolicy, UnanchoredChain, VerifiedChain, verify_chain, verify_without_anchor
from secc.pki.identifiers import EMAID
from secc.pki.revocation import (
    ChainStatus,
    RevocationPolicy,
    RevocationStatus,
    check_revocation,
    identifier_hashes,
    questions,
)
from secc.pki.rules import Rule, broken
from secc.pki.trust import Role, TrustStore
from secc.pki.xmldsig import STRICT, Compat, Element, VerifiedSignature
from secc.pki.xmldsig import verify as verify_signature


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ContractPolicy:
    """What operators may decide differently about contracts."""

    chain: ChainPolicy = dataclasses.field(default_factory=ChainPolicy)
    """How chains are judged."""
    revocation: RevocationPolicy = dataclasses.field(default_factory=RevocationPolicy)
    """What is made of OCSP responses and CRLs, and of their absence."""
    warn_before: datetime.timedelta = datetime.timedelta(days=21)
    """The EV is told that the contract ends soon, this long before [V2G2-690]."""
    providers: frozenset[str] = frozenset()
    """Country and provider, `DEABC` for example, of the operators that are accepted; empty: all."""
    compat: frozenset[Compat] = STRICT
    """Deviations of signatures that are let pass."""


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """What was collected about revocation; genuine or not is judged here, not where it was fetched."""

    ocsp: tuple[bytes, ...] = ()
    """OCSP responses, DER."""
    crls: tuple[bytes, ...] = ()
    """Certificate revocation lists, DER."""


@dataclasses.dataclass(frozen=True, slots=True)
class OcspRequestData:
    """How OCPP names a certificate to ask about; hexadecimal, lower case."""

    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    responder_url: str
    hash_algorithm: str = "SHA256"


@dataclasses.dataclass(frozen=True, slots=True)
class _Contract:
    """A chain, and who pays by it; only this module has the seal."""

    chain: VerifiedChain | UnanchoredChain
    emaid: EMAID
    """The certificate's, never the one the EV wrote [INV-24]."""
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
    def pem(self) -> bytes:
        """Contract certificate and its Sub-CAs as PEM, leaf first, without the root."""
        return b"".join(certificate.pem for certificate in self.chain.certificates)


@dataclasses.dataclass(frozen=True, slots=True)
class PresentedContract(_Contract):
    """A contract whose chain is good; nobody has proved to own it yet. Made by `present` only."""

    chain: VerifiedChain
    revocation: ChainStatus | None
    """What is known about revocation; None: not looked at yet."""

    @property
    def not_revoked(self) -> bool:
        """Every certificate of the chain is known to be good."""
        return self.revocation is not None and self.revocation.status is RevocationStatus.GOOD

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
    """Proof that the EV owns the contract, in this session. Made by `verify` only."""

    proof: VerifiedSignature
    """The signature over AuthorizationReq with the challenge."""


@dataclasses.dataclass(frozen=True, slots=True)
class UnanchoredContract(_Contract):
    """A contract under a root that is not known here: its chain is consistent in itself, no more.

    For a back end that judges in our place. Made by `present_without_anchor` only.
    """

    chain: UnanchoredChain


@dataclasses.dataclass(frozen=True, slots=True)
class ForwardedContract(UnanchoredContract):
    """And the EV has its key; only a back end that validates chains gets it. Made by `verify_forwarded`."""

    proof: VerifiedSignature
    """The signature over AuthorizationReq with the challenge."""


@dataclasses.dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """A meter reading that the owner of the contract has signed: the evidence to keep. Made here only."""

    contract: VerifiedContract | ForwardedContract
    request: iso2.MeteringReceiptReq
    proof: VerifiedSignature
    """The octets that are signed, with the signature."""
    seal: dataclasses.InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only secc.pki.contract can make a VerifiedReceipt")


def present(
    chain: iso2.CertificateChain,
    emaid: str,
    trust: TrustStore,
    now: datetime.datetime,
    policy: ContractPolicy | None = None,
) -> PresentedContract:
    """Judge what PaymentDetailsReq shows. Raises CertificateError; `response_code` is what the EV is told."""
    policy = policy or ContractPolicy()
    verified = verify_chain(certificates_of(chain), Role.CONTRACT, trust, now, policy.chain)
    soon = _check_shown(verified, emaid, now, policy)
    return PresentedContract(verified, verified.emaid, soon, revocation=None, seal=_SEAL)


def present_without_anchor(
    chain: iso2.CertificateChain, emaid: str, now: datetime.datetime, policy: ContractPolicy | None = None
) -> UnanchoredContract:
    """The same for a chain whose root is not known here; everything but the root is judged."""
    policy = policy or ContractPolicy()
    found = verify_without_anchor(certificates_of(chain), Role.CONTRACT, now, policy.chain)
    return UnanchoredContract(found, found.emaid, _check_shown(found, emaid, now, policy), seal=_SEAL)


def weigh(
    contract: PresentedContract,
    evidence: Evidence,
    now: datetime.datetime,
    policy: ContractPolicy | None = None,
) -> PresentedContract:
    """The same contract, with what is known about revocation. Raises ChainError as the policy demands."""
    policy = policy or ContractPolicy()
    status = check_revocation(
        contract.chain, now, ocsp_responses=evidence.ocsp, crls=evidence.crls, policy=policy.revocation
    )
    soon = contract.expires_soon
    return PresentedContract(contract.chain, contract.emaid, soon, revocation=status, seal=_SEAL)


def verify(
    contract: PresentedContract,
    request: iso2.AuthorizationReq,
    signature: Signature | None,
    challenge: bytes,
    *,
    now: datetime.datetime,
    policy: ContractPolicy | None = None,
) -> VerifiedContract:
    """Judge AuthorizationReq: the signature first, then the challenge [V2G2-475], then the clock once more.

    Raises CertificateError; `response_code` is what the EV is told.
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
    """The same for a contract whose root is not known here."""
    proof = _prove(contract, request, signature, challenge, now, policy or ContractPolicy())
    soon = contract.expires_soon
    return ForwardedContract(contract.chain, contract.emaid, soon, seal=_SEAL, proof=proof)


def verify_receipt(
    contract: VerifiedContract | ForwardedContract,
    request: iso2.MeteringReceiptReq,
    signature: Signature | None,
    *,
    compat: frozenset[Compat] = STRICT,
) -> VerifiedReceipt:
    """The signature under a receipt, with the session's contract key [V2G2-903]. Raises SignatureError.

    Whether the values are those that were sent is the caller's to compare.
    """
    element = Element("MeteringReceiptReq", request)
    proof = verify_signature(signature, (element,), contract.chain.leaf.public_key, compat=compat)
    return VerifiedReceipt(contract, request, proof, seal=_SEAL)


def verify_evidence(fragment: bytes, signed_info: bytes, signature: bytes, leaf: Certificate) -> None:
    """Look again at a receipt that was kept, in octets of `VerifiedReceipt.proof`. Raises SignatureError.

    The digest of the fragment has to stand in SignedInfo, and `leaf` to have signed SignedInfo.
    """
    try:
        element, info = exi.XMLDSIG.decode_fragment(signed_info)
    except DecodeError as error:
        raise SignatureError(f"SignedInfo cannot be read: {error}", rule="malformed") from error
    digest = hashlib.sha256(fragment).digest()
    if element != "SignedInfo" or [one.digest_value for one in info.reference] != [digest]:
        raise SignatureError("the receipt is not what was signed", rule="digest")
    if len(signature) != 64:
        raise SignatureError(f"a signature of {len(signature)} bytes", rule="signature_value")
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        leaf.public_key.verify(der, signed_info, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise SignatureError("not signed by the contract", rule="signature") from error


def certificates_of(chain: iso2.CertificateChain) -> tuple[bytes, ...]:
    """The certificates of a message, leaf first, as they were received."""
    subs: Sequence[bytes] = () if chain.sub_certificates is None else chain.sub_certificates.certificate
    return (chain.certificate, *subs)


_SEAL = object()


def _check_shown(
    chain: VerifiedChain | UnanchoredChain, emaid: str, now: datetime.datetime, policy: ContractPolicy
) -> bool:
    """The eMAID is the certificate's, its operator accepted; whether it ends soon."""
    own = chain.emaid
    if not _parse(emaid).matches(own):
        raise _not_allowed("emaid_mismatch", f"the EV says {emaid}, the certificate {own}")
    if policy.providers and own.normal[:5] not in policy.providers:
        raise _not_allowed("provider", f"provider {own.normal[:5]} is not accepted here")
    return chain.leaf.not_after - now <= policy.warn_before


def _prove(
    contract: _Contract,
    request: iso2.AuthorizationReq,
    signature: Signature | None,
    challenge: bytes,
    now: datetime.datetime,
    policy: ContractPolicy,
) -> VerifiedSignature:
    element = Element("AuthorizationReq", request)
    proof = verify_signature(signature, (element,), contract.chain.leaf.public_key, compat=policy.compat)
    if request.gen_challenge is None or not hmac.compare_digest(request.gen_challenge, challenge):
        raise CertificateError(
            "GenChallenge is missing or not the one of this session [V2G2-475]",
            certificate="AuthorizationReq",
            rule="challenge",
            response_code="FAILED_ChallengeInvalid",
        )
    if now - policy.chain.skew > contract.chain.expires:
        raise broken(Rule.LEAF_EXPIRED, str(contract.chain.leaf), "it has ended meanwhile")
    return proof


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
