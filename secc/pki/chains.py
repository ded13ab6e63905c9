"""Path validation for the fixed topologies of ISO 15118.

    leaf, Sub-CA 2, Sub-CA 1  ──►  root of a kind that the role accepts

The paths are short and the profile is narrow, so validation is a walk and not a search: each certificate is
issued by the next one in the list, until an anchor has issued one. General validators reject certificates in
service (an explicit FALSE, an unusual key purpose in a root) and accept what the standard forbids (P-384,
three Sub-CAs, the leaf of a station as a contract); they are the oracles of the tests. The requirements of
RFC 5280 [V2G2-885] are met: names, key identifiers, signatures, path lengths, key usage, critical extensions,
validity of every certificate.

The order of the checks decides which of several errors is reported: sizes and encoding, algorithms and
profile of the authorities, order and names, role of the leaf, anchor and signatures, path length, validity.
Revocation is checked afterwards by another module (`revocation`): addresses in a certificate are used only
when the certificate is genuine.

Time is a value. The result is a `VerifiedChain`, which only this module can make, or a ChainError.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from collections.abc import Sequence

from secc.errors import ChainError
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.identifiers import EMAID, PCID
from secc.pki.profiles import FIELD, Finding, Generation, Kind, Leniency, describe, profile_of, require
from secc.pki.rules import Rule, broken
from secc.pki.trust import Anchor, Role, TrustStore

__all__ = [
    "ChainPolicy",
    "KINDS",
    "UnanchoredChain",
    "VerifiedChain",
    "check_authority_chain",
    "verify_anchored_or_not",
    "verify_chain",
    "verify_without_anchor",
]

KINDS: dict[Role, tuple[Kind, Kind, Kind]] = {
    Role.SECC: (Kind.SECC_LEAF, Kind.CPO_SUB_CA_2, Kind.CPO_SUB_CA_1),
    Role.CPS: (Kind.CPS_LEAF, Kind.CPS_SUB_CA_2, Kind.CPS_SUB_CA_1),
    Role.CONTRACT: (Kind.CONTRACT_LEAF, Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1),
    Role.OEM: (Kind.OEM_LEAF, Kind.OEM_SUB_CA_2, Kind.OEM_SUB_CA_1),
    Role.VEHICLE: (Kind.VEHICLE_LEAF, Kind.VEHICLE_SUB_CA_2, Kind.VEHICLE_SUB_CA_1),
}
"""Kinds of certificates in the chain of a role, leaf first."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChainPolicy:
    """Decisions that an operator may change."""

    generation: Generation = Generation.ISO2
    """Which profiles apply. No tolerance allows keys of both generations in one chain."""
    leniencies: frozenset[Leniency] = FIELD
    """Tolerated deviations; `profiles.STRICT` for none."""
    skew: datetime.timedelta = datetime.timedelta(seconds=60)
    """Tolerated difference of clocks, at both ends of a validity."""
    cross_certificates: int = 0
    """How many authorities beyond two may be on the path, for a cross certificate at its top."""
    earliest: datetime.datetime = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    """A clock before this time counts as not set."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Path:
    """A verified path, with or without an anchor; only this module has the seal."""

    role: Role
    leaf: Certificate
    authorities: tuple[Certificate, ...]
    """The intermediate authorities of the path, starting with the issuer of the leaf."""
    tolerated: tuple[Finding, ...]
    """Deviations that were tolerated by a leniency."""
    checked_at: datetime.datetime
    seal: dataclasses.InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError(f"only secc.pki.chains can make a {type(self).__name__}")

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """The certificates, leaf first, without the root."""
        return (self.leaf, *self.authorities)

    @property
    def emaid(self) -> EMAID:
        """The eMAID in the certificate [V2G2-108]; raises IdentifierError for other roles."""
        return EMAID.parse(self.leaf.subject.common_name)

    @property
    def pcid(self) -> PCID:
        """The PCID in the certificate [V2G2-933]; raises IdentifierError for other roles."""
        another = any(one.leniency is Leniency.OTHER_PCID for one in self.tolerated)
        return (PCID.lenient if another else PCID.parse)(self.leaf.subject.common_name)


@dataclasses.dataclass(frozen=True, slots=True)
class VerifiedChain(_Path):
    """Proof that a chain reaches an accepted root and follows every rule; made only by `verify_chain`."""

    anchor: Anchor

    @property
    def expires(self) -> datetime.datetime:
        """The earliest end of the certificates on the path, including the root."""
        return min(one.not_after for one in (*self.certificates, self.anchor.certificate))


@dataclasses.dataclass(frozen=True, slots=True)
class UnanchoredChain(_Path):
    """A chain that is consistent but has an unknown root; it does not authorize anything.

    It is for a back end that is configured to validate chains instead of the station.
    """

    @property
    def expires(self) -> datetime.datetime:
        """The earliest end of the certificates on the path."""
        return min(one.not_after for one in self.certificates)


def verify_chain(
    chain: Sequence[bytes | Certificate],
    role: Role,
    trust: TrustStore,
    now: datetime.datetime,
    policy: ChainPolicy | None = None,
) -> VerifiedChain:
    """Verify a chain as received, leaf first, against the roots that the role accepts.

    `now` needs a time zone. Raises ChainError: `rule` is the violated rule, `certificate` the certificate,
    `response_code` the code for the car (see `rules.response_code`). A root in the chain is dropped.
    """
    anchors = trust.for_role(role)
    validation = _Validation(chain, role, now, policy or ChainPolicy(), anchors)
    validation.check_certificates()
    anchor, depth = validation.find_anchor()
    validation.check_path(depth)
    validation.check_anchor(anchor, depth)
    validation.check_validity(depth, anchor.certificate)
    leaf, *authorities = validation.certificates[:depth]
    return VerifiedChain(
        role, leaf, tuple(authorities), tuple(validation.tolerated), now, seal=_SEAL, anchor=anchor
    )


def verify_without_anchor(
    chain: Sequence[bytes | Certificate],
    role: Role,
    now: datetime.datetime,
    policy: ChainPolicy | None = None,
) -> UnanchoredChain:
    """Verify a chain except for the root: the signature of the last certificate is not checked."""
    validation = _Validation(chain, role, now, policy or ChainPolicy())
    validation.check_certificates()
    depth = len(validation.certificates)
    for issued, issuer in itertools.pairwise(validation.certificates):
        _check_issued(issued, issuer, validation.who(issued))
    if depth == 1:
        raise broken(Rule.NO_ANCHOR, validation.who(validation.certificates[0]), "no issuer of the leaf")
    validation.check_path(depth)
    validation.check_within_issuer(validation.certificates)
    validation.check_validity(depth, None)
    leaf, *authorities = validation.certificates
    return UnanchoredChain(role, leaf, tuple(authorities), tuple(validation.tolerated), now, seal=_SEAL)


def verify_anchored_or_not(
    chain: Sequence[bytes | Certificate],
    role: Role,
    trust: TrustStore,
    now: datetime.datetime,
    policy: ChainPolicy | None = None,
) -> VerifiedChain | UnanchoredChain:
    """Verify a chain; one with an unknown root is consistent at least, and others judge the root."""
    try:
        return verify_chain(chain, role, trust, now, policy)
    except ChainError as error:
        if error.rule != Rule.NO_ANCHOR:
            raise
        return verify_without_anchor(chain, role, now, policy)


def check_authority_chain(
    chain: Sequence[Certificate],
    kind: Kind,
    trust: TrustStore,
    now: datetime.datetime,
    policy: ChainPolicy | None = None,
) -> None:
    """Verify the chain of an authority that issues leaves: the authority first, without the root.

    For the answer of a root to a request of an operator. Raises ChainError.
    """
    policy = policy or ChainPolicy()
    kinds = next(kinds for kinds in KINDS.values() if kind in kinds)
    position = kinds.index(kind)
    anchors = [anchor for anchor in trust if anchor.kinds & {Kind.V2G_ROOT, Kind.MO_ROOT, Kind.OEM_ROOT}]
    role = next(role for role, members in KINDS.items() if members is kinds)
    validation = _Validation(chain, role, now, policy, anchors, first=position)
    validation.check_certificates()
    anchor, depth = validation.find_anchor()
    validation.check_path(depth)
    validation.check_anchor(anchor, depth)
    validation.check_validity(depth, anchor.certificate)


_SEAL = object()

_MAX_SENT = 5  # one leaf and four others, the maximum of a message
_MAX_AUTHORITIES = 2  # [V2G2-009]


class _Validation:
    """State of one validation: the certificates and the tolerated deviations."""

    def __init__(
        self,
        chain: Sequence[bytes | Certificate],
        role: Role,
        now: datetime.datetime,
        policy: ChainPolicy,
        anchors: Sequence[Anchor] = (),
        *,
        first: int = 0,
    ) -> None:
        if now.tzinfo is None:
            raise ValueError("now needs a time zone")
        if now < policy.earliest:
            raise broken(Rule.CLOCK, "", f"the clock is not set: {now:%Y-%m-%d}")
        self.role = role
        self.now = now
        self.policy = policy
        self.tolerated: list[Finding] = []
        self.anchors = anchors
        self.first = first  # index of the first certificate in the topology: 0 for a leaf
        self.certificates = _read(chain)

    def who(self, certificate: Certificate) -> str:
        """Return the name of a certificate for error texts."""
        return describe(certificate, self._kind(self.certificates.index(certificate)))

    def check_certificates(self) -> None:
        """Check order and names, then each certificate by its profile: authorities first, the leaf and its
        role last."""
        certificates = self.certificates
        if certificates[0].self_issued:
            raise broken(Rule.SELF_SIGNED, self.who(certificates[0]), "the leaf is self-issued")
        for issued, issuer in itertools.pairwise(certificates):
            if not issuer.subject.same_as(issued.issuer):
                text = f"the next certificate is {issuer}, expected its issuer {issued.issuer}"
                raise broken(Rule.ORDER, self.who(issued), text)
        for position in (*range(1, len(certificates)), 0):
            kind, policy = self._kind(position), self.policy
            found = require(certificates[position], kind, policy.leniencies, policy.generation)
            self.tolerated += found

    def find_anchor(self) -> tuple[Anchor, int]:
        """Return the first certificate from the leaf up that an anchor has issued, verifying the path to it.

        Every anchor with the name is tried: a root may have replaced its key and kept its name [V2G2-878].
        """
        for depth, certificate in enumerate(self.certificates, 1):
            candidates = self._candidates(certificate)
            for anchor in candidates:
                if anchor.certificate.has_signed(certificate):
                    return anchor, depth
            if depth < len(self.certificates):
                _check_issued(certificate, self.certificates[depth], self.who(certificate))
            elif candidates:
                text = f"not signed by {candidates[0].certificate}, which it names as its issuer"
                raise broken(Rule.SIGNATURE, self.who(certificate), text)
        top = self.certificates[-1]
        raise broken(Rule.NO_ANCHOR, self.who(top), f"its issuer {top.issuer} is not an accepted root")

    def check_path(self, depth: int) -> None:
        """Check the depth and the path length of each authority."""
        allowed = _MAX_AUTHORITIES + self.policy.cross_certificates
        authorities = depth if self.first else depth - 1
        if authorities > allowed:
            raise broken(Rule.TOO_DEEP, "", f"{authorities} authorities below the root, at most {allowed}")
        for position in range(1, depth):
            self._check_path_length(self.certificates[position], position)

    def check_anchor(self, anchor: Anchor, depth: int) -> None:
        """A path length of the root binds too, its key is of the generation, and a V2G root signs no leaf.

        Without the anchor's own check a root of ISO 15118-2 could carry a chain of ISO 15118-20.
        """
        root = anchor.certificate
        if root.key_type not in profile_of(Kind.V2G_ROOT, self.policy.generation).keys:
            text = f"its key {root.key_type} is none of {self.policy.generation}"
            raise broken(Rule.CURVE, f"root {root}", text)
        self.check_within_issuer((*self.certificates[:depth], root))
        self._check_path_length(root, depth)
        if depth == 1 and not self.first and Kind.PRIVATE_ROOT not in anchor.kinds:
            raise broken(Rule.ROOT_ISSUED_LEAF, self.who(self.certificates[0]), f"issued by the root {root}")

    def check_within_issuer(self, path: Sequence[Certificate]) -> None:
        """The validity of each certificate is inside that of its issuer [V2G20-3000] [V2G20-3001]."""
        for position, (issued, issuer) in enumerate(itertools.pairwise(path)):
            if not profile_of(self._kind(position), self.policy.generation).within_issuer:
                return
            if issuer.not_before <= issued.not_before and issued.not_after <= issuer.not_after:
                continue
            text = f"valid outside the validity of its issuer {issuer} [V2G20-3000]"
            if Leniency.OUTLIVES_ISSUER not in self.policy.leniencies:
                raise broken(Rule.OUTLIVES_ISSUER, self.who(issued), text)
            rule = Rule.OUTLIVES_ISSUER
            self.tolerated.append(Finding(rule, self.who(issued), text, Leniency.OUTLIVES_ISSUER))

    def check_validity(self, depth: int, root: Certificate | None) -> None:
        """Check the validity of all certificates, with the tolerated skew; the leaf first."""
        for position, certificate in enumerate(self.certificates[:depth]):
            expired, early = (
                (Rule.LEAF_EXPIRED, Rule.LEAF_NOT_YET_VALID)
                if position + self.first == 0
                else (Rule.CA_EXPIRED, Rule.CA_NOT_YET_VALID)
            )
            self._check_validity(certificate, self.who(certificate), expired, early)
        if root is not None:
            self._check_validity(root, f"root {root}", Rule.ROOT_EXPIRED, Rule.ROOT_NOT_YET_VALID)

    def _check_validity(self, certificate: Certificate, who: str, expired: Rule, early: Rule) -> None:
        # No arithmetic on the dates of the certificate: years 1 and 9999 occur.
        if self.now - self.policy.skew > certificate.not_after:
            raise broken(expired, who, f"expired on {certificate.not_after:%Y-%m-%d %H:%M}Z")
        if self.now + self.policy.skew < certificate.not_before:
            raise broken(early, who, f"not valid before {certificate.not_before:%Y-%m-%d %H:%M}Z")

    def _check_path_length(self, authority: Certificate, position: int) -> None:
        """Check the path length for the first `position` certificates.

        The leaf and self-issued ones do not count.
        """
        constraints = authority.basic_constraints
        limit = constraints.path_length if constraints else None
        below = sum(not one.self_issued for one in self.certificates[0 if self.first else 1 : position])
        if limit is not None and below > limit:
            text = f"{below} authorities below it, its path length allows {limit}"
            raise broken(Rule.PATH_LENGTH, str(authority), text)

    def _candidates(self, certificate: Certificate) -> list[Anchor]:
        """Return the anchors with the name of the issuer.

        Matching key identifiers and valid anchors first.
        """

        def rank(anchor: Anchor) -> tuple[bool, bool]:
            root = anchor.certificate
            valid = root.not_before <= self.now <= root.not_after
            return not _keys_agree(certificate, root), not valid

        named = (one for one in self.anchors if one.certificate.subject.same_as(certificate.issuer))
        return sorted(named, key=rank)

    def _kind(self, position: int) -> Kind:
        position += self.first
        if position == 0 and self.role is Role.SECC:
            issuers = self._candidates(self.certificates[0])
            if any(Kind.PRIVATE_ROOT in anchor.kinds for anchor in issuers):
                return Kind.PRIVATE_SECC_LEAF
        return KINDS[self.role][min(position, 2)]


def _read(chain: Sequence[bytes | Certificate]) -> tuple[Certificate, ...]:
    """Read the certificates, check their number, and drop a root."""
    if not chain:
        raise broken(Rule.EMPTY, "", "no certificate")
    if len(chain) > _MAX_SENT:
        raise broken(Rule.TOO_MANY, "", f"{len(chain)} certificates, at most {_MAX_SENT}")
    read: list[Certificate] = []
    for position, one in enumerate(chain):
        try:
            read.append(one if isinstance(one, Certificate) else read_certificate(one))
        except ChainError as error:
            which = "leaf" if position == 0 else f"certificate {position + 1} of the chain"
            raise broken(Rule(error.rule), which, str(error)) from error
    # A root that replaced its key may send a link certificate: self-issued, but signed with the old key.
    if len(read) > 1 and read[-1].self_issued and read[-1].has_signed(read[-1]):
        read.pop()
    if len(set(read)) != len(read):
        raise broken(Rule.DUPLICATE, "", "duplicate certificate")
    return tuple(read)


def _keys_agree(issued: Certificate, issuer: Certificate) -> bool:
    """Check key identifiers and signature.

    Identifiers are compared and never recomputed, as several methods are in use.
    """
    return None in (issued.authority_key_id, issuer.subject_key_id) or (
        issued.authority_key_id == issuer.subject_key_id
    )


def _check_issued(issued: Certificate, issuer: Certificate, who: str) -> None:
    if not _keys_agree(issued, issuer):
        raise broken(Rule.ISSUER_KEY, who, f"AuthorityKeyIdentifier differs from the key of {issuer}")
    if not issuer.has_signed(issued):
        raise broken(Rule.SIGNATURE, who, f"not signed by {issuer}")
