"""Renewal of the certificate of the station, and the conditions for replacing the old one.

Pure: time is a value, the signing authority is outside. One `Renewal` monitors one certificate:

    WATCHING ──due──► WAITING for the authority ──chain verified──► WATCHING the new one
                          │ refused, late, or not valid
                          └──► back to WATCHING the old one, tried again later; each failure is reported

A new key is made for every attempt, and it leaves this object only after its chain has been verified. After
any failure the old key and certificate remain in use.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence

from secc.errors import CertificateError
from secc.pki.certificates import Certificate
from secc.pki.chains import ChainPolicy, VerifiedChain, verify_chain
from secc.pki.issuing import key_pem, make_request
from secc.pki.keys import KeyType, PrivateKey, PublicKey, new_private_key
from secc.pki.names import COUNTRY, ORGANIZATION
from secc.pki.profiles import Kind, generation_of
from secc.pki.rules import Rule, broken
from secc.pki.trust import Role, TrustStore

__all__ = [
    "Answered",
    "AskForCertificate",
    "Install",
    "RequestRefused",
    "Renewal",
    "RenewalInput",
    "RenewalOutput",
    "RenewalPolicy",
    "RenewalReport",
    "RenewalTick",
    "due",
    "verify_renewed",
]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RenewalPolicy:
    """When to request, and how long to wait."""

    life_part: float = 2 / 3
    """Renew when this fraction of the validity has passed …"""
    before_end: datetime.timedelta = datetime.timedelta(days=30)
    """… or this long before the end, whichever is later: certificates with a long validity are not renewed
    early."""
    patience: datetime.timedelta = datetime.timedelta(hours=1)
    """How long a request may wait for its answer."""
    retry: datetime.timedelta = datetime.timedelta(minutes=15)
    """From a failure to the next attempt; doubled with each failure."""
    longest_retry: datetime.timedelta = datetime.timedelta(hours=12)
    """Maximum of the doubled interval. Near the end of the validity it is reduced to a tenth of the remaining
    time."""
    jitter: float = 0.0
    """0 to 1: the fraction of the last tenth before the due time by which this station requests earlier, so
    that certificates issued on one day are not renewed on one day."""


@dataclasses.dataclass(frozen=True, slots=True)
class RenewalTick:
    """Check the time."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """The answer of the authority: the new leaf, then the authorities above it, each in DER."""

    chain: tuple[bytes, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class RequestRefused:
    """The authority has refused, or cannot be reached."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class AskForCertificate:
    """Send this request (PKCS#10, DER) to the signing authority."""

    request: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Install:
    """Replace the files with these; the chain has been verified with this key."""

    chain_pem: bytes
    key_pem: bytes = dataclasses.field(repr=False)
    chain: VerifiedChain = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class RenewalReport:
    """A message for the operator: a renewal, a failure, an approaching end."""

    renewed: bool
    text: str
    not_after: datetime.datetime
    """End of the certificate in use."""


RenewalInput = RenewalTick | Answered | RequestRefused
RenewalOutput = AskForCertificate | Install | RenewalReport


class Renewal:
    """Monitors the certificate of one station."""

    def __init__(
        self,
        certificate: Certificate,
        trust: TrustStore,
        policy: RenewalPolicy | None = None,
        *,
        chain_policy: ChainPolicy | None = None,
        make_key: Callable[[KeyType], PrivateKey] = new_private_key,
    ) -> None:
        """`trust` has the V2G roots (or private roots) for the new chain. The new key is of the type of the
        old one, so a certificate stays in its generation.
        """
        self.certificate = certificate
        """The leaf in use."""
        self._trust = trust
        self._policy = policy or RenewalPolicy()
        self._chain_policy = chain_policy
        self._make_key = make_key
        self._key: PrivateKey | None = None
        self._failures = 0
        self._deadline = due(certificate, self._policy)

    @property
    def deadline(self) -> datetime.datetime:
        """When to call `handle` with a Tick at the latest."""
        return self._deadline

    @property
    def waiting(self) -> bool:
        """A request is waiting for the answer of the authority."""
        return self._key is not None

    def hasten(self, now: datetime.datetime) -> None:
        """Request a new certificate at the next Tick."""
        if not self.waiting:
            self._deadline = min(self._deadline, now)

    def handle(self, event: RenewalInput, now: datetime.datetime) -> tuple[RenewalOutput, ...]:
        """Process one input; returns actions in order."""
        if isinstance(event, RenewalTick):
            if now < self._deadline:
                return ()
            return self._failed("no answer in time", now) if self.waiting else self._ask(now)
        if not self.waiting:
            return ()  # an answer without a waiting request
        if isinstance(event, RequestRefused):
            return self._failed(event.reason, now)
        try:
            return self._accept(event.chain, now)
        except CertificateError as error:
            return self._failed(f"the new chain is not valid: {error}", now)

    def install_failed(self, reason: str, now: datetime.datetime) -> tuple[RenewalOutput, ...]:
        """The files could not be replaced: the old ones are still in use."""
        return self._failed(reason, now)

    def installed(self, install: Install) -> tuple[RenewalOutput, ...]:
        """The files have been replaced: monitor the new certificate from now on."""
        self.certificate = install.chain.leaf
        self._failures = 0
        self._deadline = due(self.certificate, self._policy)
        end = self.certificate.not_after
        return (RenewalReport(True, f"renewed, valid until {end:%Y-%m-%d %H:%M}Z", end),)

    def went_back(self, old: Certificate, why: str, now: datetime.datetime) -> tuple[RenewalOutput, ...]:
        """The previous certificate is in use again: start again after a pause."""
        self.certificate = old
        self._key = None
        return self._failed(f"{why}; the previous certificate is in use again", now)

    def _ask(self, now: datetime.datetime) -> tuple[RenewalOutput, ...]:
        self._key = self._make_key(self.certificate.key_type or KeyType.SECP256R1)
        self._deadline = now + self._policy.patience
        subject = self.certificate.subject
        request = make_request(
            self._key,
            Kind.SECC_LEAF,
            common_name=subject.common_name,
            organization="".join(subject.all_of(ORGANIZATION)[:1]),
            country="".join(subject.all_of(COUNTRY)[:1]),
        )
        return (AskForCertificate(request),)

    def _accept(self, chain: Sequence[bytes], now: datetime.datetime) -> tuple[RenewalOutput, ...]:
        assert self._key is not None
        verified = verify_renewed(
            chain, self._key.public_key(), self.certificate, self._trust, now, self._chain_policy
        )
        pem = b"".join(certificate.pem for certificate in verified.certificates)
        key, self._key = self._key, None
        return (Install(pem, key_pem(key), verified),)

    def _failed(self, reason: str, now: datetime.datetime) -> tuple[RenewalOutput, ...]:
        self._key = None
        pause = min(self._policy.retry * 2 ** min(self._failures, 16), self._policy.longest_retry)
        end = self.certificate.not_after
        if end > now:  # the nearer the end, the shorter the interval
            pause = min(pause, max((end - now) / 10, self._policy.retry))
        self._failures += 1
        self._deadline = now + pause
        left = f"{(end - now).days} days left" if end > now else "EXPIRED"
        text = f"attempt {self._failures} failed, the old certificate stays in use ({left}): {reason}"
        return (RenewalReport(False, text, end),)


def due(certificate: Certificate, policy: RenewalPolicy) -> datetime.datetime:
    """Return when to request the next certificate."""
    begin, end = certificate.not_before, certificate.not_after
    life = end - begin
    by_part = begin + life * policy.life_part
    late = max(by_part, end - policy.before_end if life > policy.before_end else by_part)
    return late - (late - begin) / 10 * policy.jitter


def verify_renewed(
    chain: Sequence[bytes],
    key: PublicKey,
    old: Certificate,
    trust: TrustStore,
    now: datetime.datetime,
    policy: ChainPolicy | None = None,
) -> VerifiedChain:
    """Check that a new chain is valid now, for the new key and the name, and ends later than the old one.

    Raises ChainError.
    """
    policy = policy or ChainPolicy(generation=generation_of(old))
    verified = verify_chain(chain, Role.SECC, trust, now, policy)
    if verified.leaf.key != key:
        raise broken(Rule.NOT_OUR_KEY, str(verified.leaf), "not for the key in the request")
    if verified.leaf.subject.common_name != old.subject.common_name:
        text = f"common name differs from {old.subject.common_name!r}"
        raise broken(Rule.COMMON_NAME, str(verified.leaf), text)
    if verified.leaf.not_after <= old.not_after:
        raise broken(Rule.LEAF_EXPIRED, str(verified.leaf), "ends before the certificate in use")
    return verified
