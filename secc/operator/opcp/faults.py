"""Faults that the simulated ecosystem can produce on demand, one at a time."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from secc import exi
from secc.messages import iso2
from secc.messages.xmldsig import SignatureValue
from secc.pki.xmldsig import plain_emaid_fragment, signed_info_octets

__all__ = ["EcosystemFault", "EcosystemFaults", "with_plain_emaid"]


class EcosystemFault(enum.StrEnum):
    """One fault; the value is its name on the command line and in the control path."""

    NONE = "none"
    SLOW = "slow"
    """Answers after `delay` seconds."""
    UNAUTHORIZED = "unauthorized"
    """401, as if every token had expired."""
    NOT_FOUND = "not-found"
    """404 with JSON."""
    NOT_FOUND_EXI = "not-found-exi"
    """404 with a valid EXI refusal in the body."""
    TOO_MANY = "too-many"
    """429."""
    BROKEN = "broken"
    """500."""
    GARBAGE = "garbage"
    """200 with a body that is not JSON."""
    TRUNCATED = "truncated"
    """A bundle whose base64 is truncated."""
    OTHER_CAR = "other-car"
    """A bundle for another car, with valid signatures."""
    EXPIRED_CPS = "expired-cps"
    """Signed by a CPS whose certificate has expired."""
    PLAIN_EMAID = "plain-emaid"
    """The digest of the eMAID computed with the other EXI grammar, as some encoders do."""
    OVERSIZE = "oversize"
    """An answer of one megabyte."""


@dataclasses.dataclass(slots=True)
class EcosystemFaults:
    """The active fault and its scope."""

    fault: EcosystemFault = EcosystemFault.NONE
    delay: float = 5.0
    """Seconds, for `slow`."""
    path: str = ""
    """Apply the fault only to calls whose path contains this text."""
    calls: int | None = None
    """Number of calls that are affected; None: until the fault is switched off."""

    def take(self, path: str) -> EcosystemFault:
        """Return the fault for a call to this path, and count it."""
        if self.fault is EcosystemFault.NONE or self.path not in path:
            return EcosystemFault.NONE
        if self.calls is not None:
            if self.calls <= 0:
                return EcosystemFault.NONE
            self.calls -= 1
        return self.fault


def with_plain_emaid(payload: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the same bundle, signed over the other form of the eMAID."""
    message: Any = exi.ISO2.decode(payload)
    header, body = message.header, message.body
    assert isinstance(body, iso2.CertificateInstallationRes | iso2.CertificateUpdateRes)
    hasher = hashes.Hash(hashes.SHA256())
    hasher.update(plain_emaid_fragment(body.emaid))
    digest = hasher.finalize()
    references = tuple(
        msgspec.structs.replace(one, digest_value=digest) if one.uri == f"#{body.emaid.id}" else one
        for one in header.signature.signed_info.reference
    )
    info = msgspec.structs.replace(header.signature.signed_info, reference=references)
    r, s = decode_dss_signature(key.sign(signed_info_octets(info), ec.ECDSA(hashes.SHA256())))
    value = SignatureValue(value=r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    signature = msgspec.structs.replace(header.signature, signed_info=info, signature_value=value)
    header = msgspec.structs.replace(header, signature=signature)
    return exi.ISO2.encode(iso2.V2GMessage(header=header, body=body))
