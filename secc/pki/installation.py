"""CertificateInstallation of ISO 15118-20: the request is verified, the answer is verified and spliced.

The station is an intermediary, as in ISO 15118-2 (`provisioning`), with three differences. The request has
the whole chain of the OEM provisioning certificate, so the chain is verified too; a root of an OEM that the
station does not know is left to the back end. The CPS signs one element, SignedInstallationData. And a
vehicle may ask for several contracts: each answer has one, and the number of those that remain.

The station owns only the header of an answer. It replaces SessionID and TimeStamp in place (`splice_header`);
all bits after them, and so everything that the CPS has signed, stay as they are.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from typing import Any

from secc import exi
from secc.errors import CertificateError, DecodeError
from secc.messages import iso20_common as m
from secc.messages.xmldsig import Signature
from secc.pki.certificates import Certificate
from secc.pki.chain_messages import certificates_of
from secc.pki.chains import UnanchoredChain, VerifiedChain, verify_anchored_or_not, verify_chain
from secc.pki.contract import ContractPolicy
from secc.pki.identifiers import EMAID, PCID
from secc.pki.iso20_delivery import WrappedKey, check_wrapped, curve_of
from secc.pki.kinds import Generation
from secc.pki.provisioning import Action, names_root
from secc.pki.trust import Role, TrustStore
from secc.pki.xmldsig import SignedPart, VerifiedSignature, iso20_part, verify

__all__ = [
    "InstallationRequest",
    "MAX_ANSWER",
    "VerifiedInstallation",
    "iso20_policy",
    "read_installation",
    "signed_installation",
    "signed_request",
    "splice_header",
    "verify_installation",
    "verify_installation_request",
    "with_remaining",
    "wrapped_key",
]

MAX_ANSWER = 32_768
"""Maximum size of an answer in bytes: twice that of three chains with the longest certificates."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InstallationRequest:
    """A request with verified chain and signature; made only by `verify_installation_request`."""

    payload: bytes = dataclasses.field(repr=False)
    """The complete CertificateInstallationReq as received, in EXI."""
    chain: VerifiedChain | UnanchoredChain
    """The OEM provisioning certificate and its authorities."""
    roots: tuple[tuple[str, int], ...]
    """Issuer and serial number of the roots in the vehicle, as the vehicle names them."""
    most: int
    """MaximumContractCertificateChains: how many contracts the vehicle has room for."""
    wanted: tuple[str, ...]
    """PrioritizedEMAIDs, the most important first."""
    delivered: tuple[EMAID, ...]
    """The contracts that this session has delivered already."""
    proof: VerifiedSignature
    seal: dataclasses.InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only secc.pki.installation can make an InstallationRequest")

    @property
    def leaf(self) -> Certificate:
        """The OEM provisioning certificate: its key decrypts the contract key."""
        return self.chain.leaf

    @property
    def pcid(self) -> PCID:
        """The vehicle."""
        return self.chain.pcid

    @property
    def asked_at(self) -> datetime.datetime:
        """When the request was verified. Its answer is judged for this time, by a thread and in a replay
        alike."""
        return self.chain.checked_at

    @property
    def emaid(self) -> None:
        """None, as a vehicle asks without naming one contract; see `wanted`."""
        return None

    @property
    def action(self) -> Action:
        """Always an installation: ISO 15118-20 has no update."""
        return Action.INSTALL

    @property
    def key(self) -> str:
        """Equal for requests that have the same answer: certificate, roots, number and order of contracts,
        and what has been delivered."""
        parts = self.leaf.fingerprint, sorted(self.roots), self.most, self.wanted
        text = repr((*parts, [one.normal for one in self.delivered]))
        return hashlib.sha256(text.encode()).hexdigest()

    def names(self, root: Certificate) -> bool:
        """Return whether the vehicle has named this root as trusted, see `names_root`."""
        return names_root(self.roots, root)


@dataclasses.dataclass(frozen=True, slots=True)
class VerifiedInstallation:
    """An answer that may be sent to the vehicle; made only by `verify_installation`."""

    payload: bytes = dataclasses.field(repr=False)
    message: m.CertificateInstallationRes = dataclasses.field(repr=False)
    cps: VerifiedChain
    contract: VerifiedChain | UnanchoredChain
    """The root of a mobility operator may be unknown to the station: the CPS vouches for it."""
    proof: VerifiedSignature
    seal: dataclasses.InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only secc.pki.installation can make a VerifiedInstallation")

    @property
    def emaid(self) -> EMAID:
        """The eMAID of the delivered contract."""
        return self.contract.emaid

    @property
    def remaining(self) -> int:
        """How many contracts the back end still has for the vehicle."""
        return self.message.remaining_contract_certificate_chains


def iso20_policy(policy: ContractPolicy, *, laboratory: bool = False) -> ContractPolicy:
    """Return the policy with the certificates of ISO 15118-20; `laboratory`: with keys of both
    generations."""
    generation = Generation.LAB if laboratory else Generation.ISO20
    return policy.of(generation)


# --- the request ------------------------------------------------------------------------------------------


def signed_request(request: m.CertificateInstallationReq) -> SignedPart:
    """The element of a request that the vehicle signs with its provisioning key. Public sources differ about
    [V2G20-1548]: some have the whole request in its place."""
    return iso20_part("OEMProvisioningCertificateChain", request.oem_provisioning_certificate_chain)


def verify_installation_request(
    request: m.CertificateInstallationReq,
    payload: bytes,
    trust: TrustStore,
    now: datetime.datetime,
    policy: ContractPolicy,
    delivered: tuple[EMAID, ...] = (),
) -> InstallationRequest:
    """Verify chain and signature of a request. `policy` is one of ISO 15118-20, see `iso20_policy`.

    Raises SignatureError [V2G20-461], or ChainError for the certificate [V2G20-2203] [V2G20-2204].
    """
    shown = certificates_of(request.oem_provisioning_certificate_chain)
    chain = verify_anchored_or_not(shown, Role.OEM, trust, now, policy.chain)
    generation = policy.chain.generation
    signature: Signature | None = request.header.signature
    proof = verify(
        signature, (signed_request(request),), chain.leaf.key, generation=generation, compat=policy.compat
    )
    identifiers = request.list_of_root_certificate_ids.root_certificate_id
    return InstallationRequest(
        payload=payload,
        chain=chain,
        roots=tuple((one.x509_issuer_name, one.x509_serial_number) for one in identifiers),
        most=request.maximum_contract_certificate_chains,
        wanted=() if request.prioritized_emai_ds is None else request.prioritized_emai_ds.emaid,
        delivered=delivered,
        proof=proof,
        seal=_SEAL,
    )


# --- the answer -------------------------------------------------------------------------------------------


def signed_installation(response: m.CertificateInstallationRes) -> SignedPart:
    """The element of an answer that the CPS signs."""
    return iso20_part("SignedInstallationData", response.signed_installation_data)


def wrapped_key(data: m.SignedInstallationData) -> WrappedKey:
    """Return the encrypted contract key. Raises CertificateError for a key for a TPM, or of another curve
    than the message names."""
    by_curve = {
        m.EcdhCurve.SECP521: data.secp521_encrypted_private_key,
        m.EcdhCurve.X448: data.x448_encrypted_private_key,
    }
    encrypted = by_curve[data.ecdh_curve]
    if encrypted is None:
        raise _faulty("key_form", f"there is no encrypted key for the curve {data.ecdh_curve}")
    return WrappedKey(data.ecdh_curve, data.dh_public_key, encrypted)


def verify_installation(
    payload: bytes,
    trust: TrustStore,
    now: datetime.datetime,
    policy: ContractPolicy,
    request: InstallationRequest | None = None,
) -> VerifiedInstallation:
    """Verify the answer of a back end before it is sent; without a request as the vehicle does.

    `policy` is one of ISO 15118-20, see `iso20_policy`. Only the vehicle can see whether the contract key is
    encrypted for it. Raises CertificateError, which is not an error of the vehicle.
    """
    message = read_installation(payload)
    data = message.signed_installation_data
    cps = verify_chain(certificates_of(message.cps_certificate_chain), Role.CPS, trust, now, policy.chain)
    proof = verify(
        message.header.signature,
        (signed_installation(message),),
        cps.leaf.key,
        generation=policy.chain.generation,
        compat=policy.compat,
    )
    shown = certificates_of(data.contract_certificate_chain)
    contract = verify_anchored_or_not(shown, Role.CONTRACT, trust, now, policy.chain)
    _check_key(data, contract.leaf, request, policy.chain.generation)
    if request is not None and any(contract.emaid.matches(one) for one in request.delivered):
        raise _faulty("delivered_already", f"the contract {contract.emaid} was delivered in this session")
    return VerifiedInstallation(payload, message, cps, contract, proof, seal=_SEAL)


def read_installation(payload: bytes) -> m.CertificateInstallationRes:
    """Decode an answer that is complete and no refusal; its content is not verified.

    Raises CertificateError.
    """
    if len(payload) > MAX_ANSWER:
        raise _faulty("too_large", f"answer of {len(payload)} bytes, at most {MAX_ANSWER}")
    splice_header(payload, bytes(8), 0)
    try:
        message: Any = exi.codec("iso20-common").decode(payload)
    except DecodeError as error:
        raise _faulty("not_a_message", f"the answer cannot be decoded: {error}") from error
    if not isinstance(message, m.CertificateInstallationRes):
        raise _faulty("another_message", f"the answer is {type(message).__name__}")
    code = message.response_code.value
    if not code.startswith("OK"):
        raise CertificateError(f"the back end answers {code}", rule="refused", response_code=code)
    if message.evse_processing is not m.Processing.FINISHED:
        raise _faulty("not_finished", f"the answer has EVSEProcessing {message.evse_processing}")
    return message


def with_remaining(payload: bytes, remaining: int) -> bytes:
    """Return an answer with another RemainingContractCertificateChains, which the CPS does not sign.

    So an answer may be made before the request that determines this number [V2G20-1973]. Raises
    CertificateError.
    """
    message = read_installation(payload)
    if message.remaining_contract_certificate_chains == remaining:
        return payload
    changed = m.CertificateInstallationRes(
        header=message.header,
        response_code=message.response_code,
        evse_processing=message.evse_processing,
        cps_certificate_chain=message.cps_certificate_chain,
        signed_installation_data=message.signed_installation_data,
        remaining_contract_certificate_chains=remaining,
    )
    return exi.codec("iso20-common").encode(changed)


def splice_header(payload: bytes, session_id: bytes, time_stamp: int) -> bytes:
    """Replace SessionID and TimeStamp in a CertificateInstallationRes; all bits after them are unchanged.

    In CommonMessages the length of the SessionID starts at bit 17 and its bytes at bit 25; three bits follow,
    then the TimeStamp, seven bits in each octet. Both change by whole octets. Raises CertificateError for any
    other data.
    """
    bits, total = int.from_bytes(payload, "big"), 8 * len(payload)
    if total <= _ID_LENGTH + 8 or bits >> (total - _ID_LENGTH) != _LEAD:
        raise _faulty("not_a_message", "the answer does not start like a CertificateInstallationRes")
    start = _ID_LENGTH + 8 + 8 * _octet(payload, _ID_LENGTH) + _BETWEEN
    end = start
    while end + 8 <= total and _octet(payload, end) & 0x80:
        end += 8
    end += 8
    if end >= total or end - start > 8 * _MAX_STAMP:
        raise _faulty("not_a_message", "the answer has no complete header")
    between = bits >> (total - start) & (1 << _BETWEEN) - 1
    head = (_LEAD << 8 | len(session_id)) << 8 * len(session_id) | int.from_bytes(session_id, "big")
    stamp, width = _unsigned(time_stamp)
    head = (head << _BETWEEN | between) << width | stamp
    behind = total - end
    size = (_ID_LENGTH + 8 + 8 * len(session_id) + _BETWEEN + width + behind) // 8
    return (head << behind | bits & (1 << behind) - 1).to_bytes(size, "big")


_SEAL = object()
_ID_LENGTH = 17  # bit at which the length of the SessionID starts
_LEAD = int.from_bytes(bytes.fromhex("802000"), "big") >> 7  # EXI header, message, Header, SessionID, value
_BETWEEN = 3  # bits from the SessionID to the TimeStamp: end, start, value
_MAX_STAMP = 10  # octets of a TimeStamp of 64 bits


def _octet(payload: bytes, bit: int) -> int:
    """Return the eight bits from this bit on; what is behind the end counts as zero."""
    place, shift = divmod(bit, 8)
    return int.from_bytes(payload[place : place + 2].ljust(2, b"\0"), "big") >> (8 - shift) & 0xFF


def _unsigned(value: int) -> tuple[int, int]:
    """Return an unsigned integer of EXI, and its number of bits."""
    octets = [value & 0x7F]
    while value := value >> 7:
        octets[-1] |= 0x80
        octets.append(value & 0x7F)
    return int.from_bytes(bytes(octets), "big"), 8 * len(octets)


def _check_key(
    data: m.SignedInstallationData,
    leaf: Certificate,
    request: InstallationRequest | None,
    generation: Generation,
) -> None:
    """Check the encrypted key as far as it can be seen from outside; a key for a TPM only by its length."""
    if data.tpm_encrypted_private_key is not None:
        if len(data.tpm_encrypted_private_key) != _TPM:
            raise _faulty("key_form", f"key for a TPM with {len(data.tpm_encrypted_private_key)} bytes")
        return
    wrapped = wrapped_key(data)
    check_wrapped(wrapped)
    if generation is Generation.LAB:
        return
    if curve_of(leaf) is not wrapped.curve:
        raise _faulty("curve", f"a contract key of type {leaf.key_type}, agreed on {wrapped.curve}")
    if request is not None and curve_of(request.leaf) is not wrapped.curve:
        raise _faulty("curve", f"agreed on {wrapped.curve}, the vehicle has a key {request.leaf.key_type}")


_TPM = 206


def _faulty(rule: str, text: str) -> CertificateError:
    return CertificateError(text, certificate="installation answer", rule=rule)
