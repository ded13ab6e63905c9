"""Identity of the EV from the TLS handshake.

In ISO 15118-20 an EV presents a vehicle certificate in TLS 1.3 (OEM or V2G root) [V2G20-2331]. ISO 15118-2
has no client certificate: the contract appears only in PaymentDetailsReq. A station with `request` or
`require` in TLS 1.2 accepts a contract chain (V2G or MO root) or a provisioning chain (OEM or V2G root). All
are judged by the same rules as in messages; the handshake proves the possession of the key. A
`VehicleIdentity` is the proof of this; only this module makes one.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Sequence
from typing import ClassVar

from secc.errors import ChainError
from secc.pki.certificates import Certificate
from secc.pki.chains import ChainPolicy, VerifiedChain, verify_chain
from secc.pki.identifiers import EMAID
from secc.pki.kinds import Generation
from secc.pki.revocation import RevocationStatus
from secc.pki.trust import Role, TrustStore

__all__ = ["VehicleIdentity", "VehicleStatus", "identify", "identify_vehicle", "recorded_identity"]


@dataclasses.dataclass(frozen=True, slots=True)
class VehicleStatus:
    """What is known of the revocation of a vehicle's chain."""

    status: RevocationStatus
    until: datetime.datetime | None = None
    """How long it may be used again; None: for this session only."""
    detail: str = ""
    """Which certificate, or why nothing is known."""


@dataclasses.dataclass(frozen=True, slots=True)
class VehicleIdentity:
    """The verified client certificate of a TLS connection; made by `identify`."""

    role: Role
    """VEHICLE in ISO 15118-20; CONTRACT or OEM if the operator requests a certificate in TLS 1.2."""
    subject: str
    common_name: str
    """The EVCCID of a vehicle certificate."""
    fingerprint: str
    """SHA-256 of the leaf, in hexadecimal."""
    leaf_digest: bytes = dataclasses.field(repr=False)
    """SHA-512 of the DER of the leaf: binds a paused session to the vehicle, see `binding`."""
    seal: dataclasses.InitVar[object]
    emaid: EMAID | None = None
    """The eMAID, if it is a contract."""
    chain: VerifiedChain | None = dataclasses.field(default=None, repr=False, compare=False)
    """The chain, to ask for its revocation; None in a replay."""

    UNTRACED: ClassVar[frozenset[str]] = frozenset({"chain"})

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only secc.pki.vehicle can make a VehicleIdentity")

    @property
    def is_vehicle(self) -> bool:
        """The certificate is a vehicle certificate, as ISO 15118-20 requires."""
        return self.role is Role.VEHICLE

    def binding(self, session_id: bytes) -> bytes:
        """Value that binds a paused session to this vehicle: SHA-512 of session id and leaf digest
        [V2G20-2550]."""
        return hashlib.sha512(session_id + self.leaf_digest).digest()

    def require_same_contract(self, leaf: bytes) -> None:
        """Check that a contract from TLS is the one in PaymentDetailsReq; `leaf` is the DER of the latter.

        Raises ChainError. A provisioning certificate in TLS is not related to the payment and is not
        compared.
        """
        if self.role is Role.CONTRACT and hashlib.sha256(leaf).hexdigest() != self.fingerprint:
            raise ChainError(
                f"differs from the contract in the TLS handshake, {self.subject}",
                certificate="contract certificate",
                rule="tls_binding",
                response_code="FAILED_CertificateNotAllowedAtThisEVSE",
            )

    def __str__(self) -> str:
        who = f"eMAID {self.emaid}" if self.emaid is not None else self.subject
        return f"{who} ({self.role.value}, SHA-256 {self.fingerprint[:16]}…)"


def identify(
    chain: Sequence[bytes | Certificate],
    trust: TrustStore,
    now: datetime.datetime,
    policy: ChainPolicy | None = None,
) -> VehicleIdentity:
    """Judge the chain of a client, leaf first: a contract or a provisioning certificate.

    Raises ChainError.
    """
    try:
        verified = verify_chain(chain, Role.CONTRACT, trust, now, policy)
        emaid = verified.emaid
    except ChainError as as_contract:
        try:
            verified = verify_chain(chain, Role.OEM, trust, now, policy)
        except ChainError:
            raise as_contract from None
        emaid = None
    return _identity(verified, emaid)


def identify_vehicle(
    chain: Sequence[bytes | Certificate],
    trust: TrustStore,
    now: datetime.datetime,
    *,
    laboratory: bool = False,
) -> VehicleIdentity:
    """Judge a client's chain by ISO 15118-20, leaf first: a vehicle certificate under an OEM or V2G root
    [V2G20-2331]. A contract, a provisioning certificate [V2G20-2342] or a station's leaf is none.

    `laboratory` takes keys of ISO 15118-2 as well, and a provisioning certificate, which then stays one: its
    `is_vehicle` is false. Raises ChainError.
    """
    generation = Generation.LAB if laboratory else Generation.ISO20
    policy = ChainPolicy(generation=generation)
    try:
        verified = verify_chain(chain, Role.VEHICLE, trust, now, policy)
    except ChainError as as_vehicle:
        if not laboratory:
            raise
        try:
            verified = verify_chain(chain, Role.OEM, trust, now, policy)
        except ChainError:
            raise as_vehicle from None
    return _identity(verified)


def recorded_identity(
    *,
    role: Role,
    subject: str,
    common_name: str,
    fingerprint: str,
    leaf_digest: bytes,
    emaid: EMAID | None = None,
) -> VehicleIdentity:
    """Return an identity as a trace contains it, for a replay; nothing is proved, and no connection uses
    it."""
    return VehicleIdentity(role, subject, common_name, fingerprint, leaf_digest, _SEAL, emaid)


_SEAL = object()


def _identity(verified: VerifiedChain, emaid: EMAID | None = None) -> VehicleIdentity:
    leaf = verified.leaf
    return VehicleIdentity(
        verified.role,
        str(leaf.subject),
        leaf.subject.common_name,
        leaf.fingerprint,
        hashlib.sha512(leaf.der).digest(),
        _SEAL,
        emaid,
        verified,
    )
