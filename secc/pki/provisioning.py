"""Provisioning of a contract: the request is verified, the answer is verified and forwarded unchanged.

The station is an intermediary. It can verify the signature of the request, but not the chain of the OEM: only
the leaf is sent. It verifies the complete answer, which another party has signed, possibly days before: the
CPS signs four parts of the body, and their bits must not change. Therefore the answer is never re-encoded;
the SessionID in its header is replaced in place, which moves the rest by whole bytes (`splice`).
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import hashlib
from collections.abc import Sequence
from typing import Any

from secc import exi
from secc.errors import CertificateError, ChainError, DecodeError, IdentifierError
from secc.messages import iso2
from secc.messages.xmldsig import Signature
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.chain_messages import certificates_of
from secc.pki.chains import UnanchoredChain, VerifiedChain, verify_anchored_or_not, verify_chain
from secc.pki.contract import ContractPolicy
from secc.pki.delivery import DeliveredKey, check_delivery
from secc.pki.identifiers import EMAID, PCID
from secc.pki.profiles import Kind, Leniency, describe, require
from secc.pki.rules import Request, Rule, broken, response_code
from secc.pki.trust import Role, TrustStore
from secc.pki.xmldsig import Compat, SignedPart, VerifiedSignature, verify

__all__ = [
    "Action",
    "ProvisioningAnswer",
    "ProvisioningRequest",
    "REFUSAL_CODES",
    "Refusal",
    "Response",
    "VerifiedBundle",
    "names_root",
    "read_response",
    "signed_parts",
    "splice",
    "verify_bundle",
    "verify_request",
    "verify_response",
]

Response = iso2.CertificateInstallationRes | iso2.CertificateUpdateRes


class Action(enum.StrEnum):
    """Action that the car requests."""

    INSTALL = "Install"
    UPDATE = "Update"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProvisioningRequest:
    """A request with a verified signature; made only by `verify_request`."""

    action: Action
    payload: bytes = dataclasses.field(repr=False)
    """The complete V2G_Message as received, in EXI."""
    leaf: Certificate
    """The OEM provisioning certificate, or the contract to renew."""
    pcid: PCID | None
    """The car; None at an update."""
    emaid: EMAID | None
    """The contract; None at an installation."""
    chain: VerifiedChain | None
    """The chain of the contract at an update; an OEM chain is not sent."""
    roots: tuple[tuple[str, int], ...]
    """Issuer and serial number of the roots in the car, as the car names them."""
    proof: VerifiedSignature
    seal: dataclasses.InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only secc.pki.provisioning can make a ProvisioningRequest")

    @property
    def key(self) -> str:
        """Equal for requests that have the same answer: certificate, roots, action."""
        text = repr((self.action.value, self.leaf.fingerprint, sorted(self.roots)))
        return hashlib.sha256(text.encode()).hexdigest()

    def names(self, root: Certificate) -> bool:
        """Return whether the car has named this root as trusted, see `names_root`."""
        return names_root(self.roots, root)


def names_root(roots: Sequence[tuple[str, int]], root: Certificate) -> bool:
    """Return whether a list of issuers and serial numbers has this root.

    Compares serial number and common name: the text format of a complete name is not specified, and cars
    differ in order, spaces and letters.
    """
    wanted = f"cn={root.subject.common_name}".casefold()
    parts = [(serial, name.casefold().split(",")) for name, serial in roots]
    return any(serial == root.serial and wanted in map(str.strip, name) for serial, name in parts)


class Refusal(enum.StrEnum):
    """Reason for a missing bundle; the value is written to records."""

    UNKNOWN = "unknown car or contract"
    CANCELED = "contract canceled"
    REVOKED = "certificate revoked"
    UNREACHABLE = "back end not reachable"
    LATE = "no answer in time"
    FAULTY = "the answer of the back end is not valid"
    NOT_OFFERED = "not offered"
    TOO_OFTEN = "requested too often"


REFUSAL_CODES = {
    Refusal.CANCELED: "FAILED_ContractCanceled",
    Refusal.REVOKED: "FAILED_CertificateRevoked",
}
"""Response codes for the car; other refusals use FAILED_NoCertificateAvailable."""


@dataclasses.dataclass(frozen=True, slots=True)
class ProvisioningAnswer:
    """Answer of a back end: a complete V2G_Message as EXI, or the reason why there is none."""

    payload: bytes = dataclasses.field(default=b"", repr=False)
    refusal: Refusal | None = None
    retry_counter: int | None = None
    """With a refused update: 0 means not before the next charging session [V2G2-696] [V2G2-928]."""


@dataclasses.dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """An answer that may be sent to the car; made only by `verify_response`."""

    payload: bytes = dataclasses.field(repr=False)
    message: iso2.V2GMessage = dataclasses.field(repr=False)
    cps: VerifiedChain
    contract: VerifiedChain | UnanchoredChain
    """The root of a mobility operator may be unknown to the station: the CPS vouches for it."""
    proof: VerifiedSignature
    seal: dataclasses.InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only secc.pki.provisioning can make a VerifiedBundle")

    @property
    def emaid(self) -> EMAID:
        """The eMAID of the delivered contract."""
        return self.contract.emaid


# --- the request ------------------------------------------------------------------------------------------


def verify_request(
    request: iso2.CertificateInstallationReq | iso2.CertificateUpdateReq,
    signature: Signature | None,
    payload: bytes,
    trust: TrustStore,
    now: datetime.datetime,
    policy: ContractPolicy | None = None,
) -> ProvisioningRequest:
    """Verify a request. Raises CertificateError with the `response_code` for the car."""
    policy = policy or ContractPolicy()
    if isinstance(request, iso2.CertificateInstallationReq):
        leaf, chain = _oem_leaf(request, now, policy), None
    else:
        chain = _current_contract(request, trust, now, policy)
        leaf = chain.leaf
    element = SignedPart(type(request).__name__, request)
    proof = verify(signature, (element,), leaf.public_key, compat=policy.compat)
    identifiers = request.list_of_root_certificate_ids.root_certificate_id
    return ProvisioningRequest(
        action=Action.INSTALL if chain is None else Action.UPDATE,
        payload=payload,
        leaf=leaf,
        pcid=_pcid(leaf, policy) if chain is None else None,
        emaid=None if chain is None else chain.emaid,
        chain=chain,
        roots=tuple((one.x509_issuer_name, one.x509_serial_number) for one in identifiers),
        proof=proof,
        seal=_SEAL,
    )


def _pcid(leaf: Certificate, policy: ContractPolicy) -> PCID:
    """The car that a checked provisioning certificate names."""
    another = Leniency.OTHER_PCID in policy.chain.leniencies
    return (PCID.lenient if another else PCID.parse)(leaf.subject.common_name)


def _oem_leaf(
    request: iso2.CertificateInstallationReq, now: datetime.datetime, policy: ContractPolicy
) -> Certificate:
    """Check the certificate alone: readable, valid now, a provisioning certificate."""
    try:
        leaf = read_certificate(request.oem_provisioning_cert)
        who = describe(leaf, Kind.OEM_LEAF)
        if now < policy.chain.earliest:
            raise broken(Rule.CLOCK, "", f"the clock is not set: {now:%Y-%m-%d}")
        if now - policy.chain.skew > leaf.not_after:
            raise broken(Rule.LEAF_EXPIRED, who, f"expired on {leaf.not_after:%Y-%m-%d}")
        if now + policy.chain.skew < leaf.not_before:
            raise broken(Rule.LEAF_NOT_YET_VALID, who, f"not valid before {leaf.not_before:%Y-%m-%d}")
        require(leaf, Kind.OEM_LEAF, policy.chain.leniencies)
    except ChainError as error:
        error.response_code = response_code(error.rule, Request.CERTIFICATE_INSTALLATION).value
        raise
    return leaf


def _current_contract(
    request: iso2.CertificateUpdateReq, trust: TrustStore, now: datetime.datetime, policy: ContractPolicy
) -> VerifiedChain:
    """Check the contract to renew: its chain is complete, and it has not expired."""
    shown = certificates_of(request.contract_signature_cert_chain)
    try:
        chain = verify_chain(shown, Role.CONTRACT, trust, now, policy.chain)
    except ChainError as error:
        error.response_code = response_code(error.rule, Request.CERTIFICATE_UPDATE).value
        raise
    try:
        same = EMAID.parse(request.emaid).matches(chain.emaid)
    except IdentifierError:
        same = False
    if not same:
        raise IdentifierError(
            f"the EV sends {request.emaid}, the certificate has {chain.emaid}",
            certificate="contract leaf",
            rule="emaid_mismatch",
            response_code="FAILED_NoCertificateAvailable",
        )
    return chain


# --- the answer -------------------------------------------------------------------------------------------


def signed_parts(response: Response) -> tuple[SignedPart, ...]:
    """The four parts that the CPS signs, and no others."""
    return (
        SignedPart("ContractSignatureCertChain", response.contract_signature_cert_chain),
        SignedPart("ContractSignatureEncryptedPrivateKey", response.contract_signature_encrypted_private_key),
        SignedPart("DHpublickey", response.dh_public_key),
        SignedPart("eMAID", response.emaid),
    )


def verify_response(
    payload: bytes,
    request: ProvisioningRequest,
    trust: TrustStore,
    now: datetime.datetime,
    policy: ContractPolicy | None = None,
) -> VerifiedBundle:
    """Verify the answer of a back end before it is sent.

    Raises CertificateError, which is not an error of the car.
    """
    policy = policy or ContractPolicy()
    message, body = read_response(payload, request.action)
    contract = _delivered_contract(body, trust, now, policy)
    if request.emaid is not None and not request.emaid.matches(contract.emaid):
        raise _faulty("another_contract", f"bundle for {contract.emaid}, expected {request.emaid}")
    return _verify_bundle(payload, message, body, contract, trust, now, policy)


def verify_bundle(
    payload: bytes,
    action: Action,
    trust: TrustStore,
    now: datetime.datetime,
    policy: ContractPolicy | None = None,
) -> VerifiedBundle:
    """Verify an answer without its request, as a car or its maker does [V2G2-891] [V2G2-894]."""
    policy = policy or ContractPolicy()
    message, body = read_response(payload, action)
    contract = _delivered_contract(body, trust, now, policy)
    return _verify_bundle(payload, message, body, contract, trust, now, policy)


def read_response(payload: bytes, action: Action) -> tuple[iso2.V2GMessage, Response]:
    """Decode an answer of the right kind that is no refusal; its content is not verified.

    Raises CertificateError.
    """
    wanted = iso2.CertificateInstallationRes if action is Action.INSTALL else iso2.CertificateUpdateRes
    if len(payload) > _MAX_BUNDLE:
        raise _faulty("too_large", f"answer of {len(payload)} bytes, at most {_MAX_BUNDLE}")
    splice(payload, bytes(8))
    try:
        message: Any = exi.ISO2.decode(payload)
    except DecodeError as error:
        raise _faulty("not_a_message", f"the answer cannot be decoded: {error}") from error
    if not isinstance(message, iso2.V2GMessage) or not isinstance(message.body, wanted):
        found = type(getattr(message, "body", message)).__name__
        raise _faulty("another_message", f"the answer is {found}, expected {wanted.__name__}")
    if message.body.response_code.value.startswith("FAILED"):
        code = message.body.response_code.value
        raise CertificateError(f"the back end answers {code}", rule="refused", response_code=code)
    return message, message.body


def splice(payload: bytes, session_id: bytes) -> bytes:
    """Replace the SessionID in a message; all bits after it are unchanged.

    In every ISO 15118-2 message the length of the SessionID starts at bit 18 and its bytes at bit 26. Raises
    CertificateError for any other data.
    """
    if payload[:2] != _LEAD or len(payload) < 4 or int.from_bytes(payload[2:3], "big") >> 6:
        raise _faulty("not_a_message", "the answer does not start like a V2G_Message")
    bits, total = int.from_bytes(payload, "big"), 8 * len(payload)
    size = (bits >> (total - 26)) & 0xFF
    behind = total - 26 - 8 * size
    if not 1 <= size <= 8 or behind < 0 or not 1 <= len(session_id) <= 8:
        raise _faulty("not_a_message", f"SessionID of {size} bytes")
    tail = bits & ((1 << behind) - 1)
    head = bits >> (total - 18)
    new = ((head << 8 | len(session_id)) << 8 * len(session_id)) | int.from_bytes(session_id, "big")
    return ((new << behind) | tail).to_bytes(len(payload) - size + len(session_id), "big")


def _delivered_contract(
    body: Response, trust: TrustStore, now: datetime.datetime, policy: ContractPolicy
) -> VerifiedChain | UnanchoredChain:
    shown = certificates_of(body.contract_signature_cert_chain)
    contract = verify_anchored_or_not(shown, Role.CONTRACT, trust, now, policy.chain)
    if not EMAID.parse(body.emaid.value).matches(contract.emaid):
        raise _faulty("emaid_mismatch", f"eMAID {body.emaid.value} for a contract of {contract.emaid}")
    return contract


def _verify_bundle(
    payload: bytes,
    message: iso2.V2GMessage,
    body: Response,
    contract: VerifiedChain | UnanchoredChain,
    trust: TrustStore,
    now: datetime.datetime,
    policy: ContractPolicy,
) -> VerifiedBundle:
    chain = certificates_of(body.sa_provisioning_certificate_chain)
    cps = verify_chain(chain, Role.CPS, trust, now, policy.chain)
    encrypted = body.contract_signature_encrypted_private_key.value
    check_delivery(DeliveredKey(encrypted, body.dh_public_key.value))
    # The signature covers the value of the eMAID in both cases, and some cars have the same error.
    compat = policy.compat | {Compat.PLAIN_EMAID}
    proof = verify(message.header.signature, signed_parts(body), cps.leaf.public_key, compat=compat)
    return VerifiedBundle(payload, message, cps, contract, proof, seal=_SEAL)


_SEAL = object()
_LEAD = b"\x80\x98"
_MAX_BUNDLE = 65536


def _faulty(rule: str, text: str) -> CertificateError:
    return CertificateError(text, certificate="provisioning answer", rule=rule)
