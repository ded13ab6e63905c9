"""Who the EV has proved to be in the TLS handshake, where the operator asks for a client certificate.

ISO 15118-2 itself does not have it: there the contract appears in PaymentDetailsReq and nowhere else. A
station that is configured to `request` or `require` a client certificate takes a contract chain (V2G or MO
root) or a provisioning chain (OEM or V2G root), judged by the same rules as everywhere. Possession of the key
is proved by the handshake.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Sequence

from secc.errors import ChainError
from secc.pki.certificates import Certificate
from secc.pki.chains import ChainPolicy, verify_chain
from secc.pki.identifiers import EMAID
from secc.pki.trust import Role, TrustStore


@dataclasses.dataclass(frozen=True, slots=True)
class VehicleIdentity:
    """The client certificate of a TLS connection whose chain has been verified; made by `identify`."""

    role: Role
    """CONTRACT or OEM."""
    subject: str
    fingerprint: str
    """SHA-256 of the leaf, in hexadecimal."""
    emaid: EMAID | None = None
    """Who pays, when it is a contract."""

    def require_same_contract(self, leaf: bytes) -> None:
        """A contract shown in TLS has to be the one in PaymentDetailsReq; `leaf` is the DER of the latter.

        Raises ChainError. A provisioning certificate in TLS says nothing about who pays and binds nothing.
        """
        if self.role is Role.CONTRACT and hashlib.sha256(leaf).hexdigest() != self.fingerprint:
            raise ChainError(
                f"not the contract that was shown in the TLS handshake, which was {self.subject}",
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
    """Judge a client's chain, leaf first: a contract, or else a provisioning certificate.

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
    leaf = verified.leaf
    return VehicleIdentity(verified.role, str(leaf.subject), leaf.fingerprint, emaid)
