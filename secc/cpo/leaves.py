"""Certificates of stations: a request (PKCS#10) in, a chain out, from the operator's Sub-CA."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence

from secc.cpo.register import Issued, Register
from secc.pki.authority import IssuingPolicy
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.issuing import Identity, Order, SigningRequest, issue, serial_from
from secc.pki.names import COUNTRY, ORGANIZATION
from secc.pki.profiles import PROFILES, Kind
from secc.pki.rules import Rule, broken


class LeafIssuer:
    """The CPO Sub-CA of this service."""

    def __init__(
        self,
        authority: Identity,
        above: Sequence[Certificate],
        register: Register,
        *,
        kind: Kind = Kind.SECC_LEAF,
        policy: IssuingPolicy | None = None,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self.authority = authority
        self._above = tuple(above)
        self._register = register
        self._kind = kind
        self._policy = policy or IssuingPolicy()
        self._clock = clock

    @property
    def chain(self) -> tuple[Certificate, ...]:
        """What follows a leaf: the Sub-CA itself, and what is above it without the root."""
        return (self.authority.certificate, *self._above)

    def issue(self, request: SigningRequest, station: str) -> tuple[Certificate, ...]:
        """A chain for a request, leaf first; the same key gets the same certificate again.

        Recorded before it is returned. Raises CertificateError: the key belongs to another station or was
        revoked, the authority has expired, the result would break its profile.
        """
        own, now = self.authority.certificate, self._clock()
        if own.not_after <= now:
            raise broken(Rule.CA_EXPIRED, str(own), "the authority itself has expired")
        first = self._register.of_key(own, request.public_key)
        if first is not None:
            return (self._again(first, station), *self.chain)
        begin = max(now - self._policy.backdate, own.not_before).replace(microsecond=0)
        order = Order(
            kind=self._kind,
            common_name=request.common_name,
            organization=request.organization or "".join(own.subject.all_of(ORGANIZATION)[:1]),
            country="".join(own.subject.all_of(COUNTRY)[:1]),
            serial=serial_from(self._policy.random_bytes(16)),
            not_before=begin,
            not_after=begin + (self._policy.validity or PROFILES[self._kind].validity),
            ocsp_url=self._policy.ocsp_url or "".join(own.ocsp_urls[:1]),
            crl_url=self._policy.crl_url,
            server_purpose=self._policy.server_purpose,
        )
        leaf = issue(order, request.public_key, self.authority)
        counts = self._register.add(leaf, self._kind, own, station, request.public_key)
        return (read_certificate(counts), *self.chain)

    def _again(self, first: Issued, station: str) -> Certificate:
        if first.owner != station or first.revocation is not None:
            why = "belongs to another station" if first.owner != station else "was revoked"
            raise broken(Rule.REQUEST, "", f"the key in the request {why}")
        return first.certificate
