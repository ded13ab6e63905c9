"""Trust anchors: accepted roots and their purposes. Immutable; a change makes a new store.

A root is trusted explicitly for a kind: the same certificate may be a V2G root and an MO root, but nothing
follows from its contents. Roles accept kinds: a contract may be under an MO root or a V2G root, the signature
of a CPS only under a V2G root.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Iterable, Iterator

from secc.pki.certificates import Certificate
from secc.pki.profiles import FIELD, Kind, Leniency, generation_of, require
from secc.pki.rules import Rule, broken

__all__ = ["ANCHOR_KINDS", "Anchor", "Role", "TrustStore", "trust"]


class Role(enum.StrEnum):
    """Role of a leaf."""

    SECC = "secc"
    """TLS server of a station."""
    CPS = "cps"
    """Signs provisioning responses."""
    CONTRACT = "contract"
    """Pays for charging."""
    OEM = "oem"
    """Identifies a car that requests a contract."""
    VEHICLE = "vehicle"
    """TLS client of a car in ISO 15118-20 [V2G20-2339]; never the same certificate as one of the others."""


ANCHOR_KINDS: dict[Role, frozenset[Kind]] = {
    Role.SECC: frozenset({Kind.V2G_ROOT, Kind.PRIVATE_ROOT}),
    Role.CPS: frozenset({Kind.V2G_ROOT}),
    Role.CONTRACT: frozenset({Kind.MO_ROOT, Kind.V2G_ROOT}),
    Role.OEM: frozenset({Kind.OEM_ROOT, Kind.V2G_ROOT}),
    Role.VEHICLE: frozenset({Kind.OEM_ROOT, Kind.V2G_ROOT}),  # [V2G20-2331]
}
"""Kinds of roots that are accepted for the leaf of a role [V2G2-925] [V2G2-927]."""

ROOT_KINDS = frozenset().union(*ANCHOR_KINDS.values())


@dataclasses.dataclass(frozen=True, slots=True)
class Anchor:
    """A trusted certificate and the kinds that it is trusted as."""

    certificate: Certificate
    kinds: frozenset[Kind]
    source: str = ""
    """Source of the trust: a file, the CSMS, a person."""


@dataclasses.dataclass(frozen=True, slots=True)
class TrustStore:
    """A set of anchors; `TrustStore()` has none."""

    anchors: tuple[Anchor, ...] = ()

    def __iter__(self) -> Iterator[Anchor]:
        return iter(self.anchors)

    def for_role(self, role: Role) -> tuple[Anchor, ...]:
        """Return the accepted anchors for a leaf of this role."""
        return tuple(anchor for anchor in self.anchors if anchor.kinds & ANCHOR_KINDS[role])

    def with_anchor(
        self,
        certificate: Certificate,
        kind: Kind,
        *,
        source: str = "",
        now: datetime.datetime | None = None,
        leniencies: frozenset[Leniency] = FIELD,
        allow_sub_ca: bool = False,
    ) -> TrustStore:
        """Return a store that also trusts this root as `kind`; a duplicate has no effect.

        Raises ChainError if it is not a root: not an authority, not self-signed (a Sub-CA passes with
        `allow_sub_ca`), a violated profile, or expired at `now`.
        """
        if kind not in ROOT_KINDS:
            raise ValueError(f"{kind} is not a kind of root")
        _check_anchor(certificate, kind, leniencies, allow_sub_ca=allow_sub_ca)
        if now is not None and now > certificate.not_after:
            raise broken(Rule.ROOT_EXPIRED, str(certificate), f"expired on {certificate.not_after:%Y-%m-%d}")
        kept = [anchor for anchor in self.anchors if anchor.certificate != certificate]
        known = [anchor for anchor in self.anchors if anchor.certificate == certificate]
        kinds = frozenset({kind}).union(*(anchor.kinds for anchor in known))
        return TrustStore((*kept, Anchor(certificate, kinds, known[0].source if known else source)))

    def without(self, fingerprint: str) -> TrustStore:
        """Return a store without the certificate with this SHA-256 fingerprint (hexadecimal)."""
        wanted = fingerprint.replace(":", "").lower()
        return TrustStore(
            tuple(anchor for anchor in self.anchors if anchor.certificate.fingerprint != wanted)
        )


def trust(roots: Iterable[tuple[Kind, Certificate]], *, source: str = "") -> TrustStore:
    """Return a store from (kind, root) pairs; raises ChainError for a certificate that is not a root."""
    store = TrustStore()
    for kind, certificate in roots:
        store = store.with_anchor(certificate, kind, source=source)
    return store


def _check_anchor(
    certificate: Certificate, kind: Kind, leniencies: frozenset[Leniency], *, allow_sub_ca: bool
) -> None:
    generation = generation_of(certificate)
    own_signature = certificate.self_issued and certificate.has_signed(certificate)
    if own_signature:
        require(certificate, kind, leniencies, generation)
    elif allow_sub_ca:
        require(certificate, Kind.MO_SUB_CA_1, leniencies, generation)
    else:
        raise broken(Rule.NOT_AN_ANCHOR, str(certificate), "not self-signed, expected a root")
