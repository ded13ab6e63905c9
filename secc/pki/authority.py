"""A certificate authority in a folder: issue, renew, revoke, publish.

    <kind>.pem  <kind>_key.pem  <kind>_chain.pem      the authority: certificate, key, chain to (not with)
    the root register.jsonl                                    all issued and revoked certificates

For the CPO Sub-CA 2 of an operator, with a certificate from a real V2G root, and for the test hierarchy. The
key may be encrypted; keys in hardware are not supported here.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from secc.errors import CertificateError
from secc.pki.certificates import Certificate, in_order, read_chain
from secc.pki.hierarchy import REGISTER
from secc.pki.issuing import (
    Holder,
    Order,
    Revocation,
    SigningRequest,
    issue,
    make_crl,
    serial_from,
)
from secc.pki.keys import PublicKey, read_private_key
from secc.pki.names import COUNTRY, ORGANIZATION
from secc.pki.profiles import FIELD, Kind, generation_of, profile_of, require
from secc.pki.register import Register, RegisterEntry
from secc.pki.rules import Rule, broken

__all__ = ["Authority", "IssuingPolicy", "authorities"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IssuingPolicy:
    """How an authority issues certificates."""

    ocsp_url: str = ""
    crl_url: str = ""
    validity: datetime.timedelta | None = None
    """Validity; None: that of the profile."""
    server_purpose: bool = True
    """Write serverAuth into SECC leaves: not required, but some clients expect it."""
    backdate: datetime.timedelta = datetime.timedelta(hours=1)
    """Start of the validity before the time of issue, as clocks of cars are inaccurate."""
    random_bytes: Callable[[int], bytes] = os.urandom
    """Source of serial numbers."""


class Authority:
    """An authority in a folder, with its register."""

    def __init__(self, folder: Path, kind: Kind, *, password: bytes | None = None) -> None:
        """Raises CertificateError when a file is missing or unreadable, or the key does not match."""
        self.folder = folder
        self.kind = kind
        self.register = Register(folder / REGISTER)
        certificate = _read_one(folder / f"{kind.value}.pem")
        self.generation = generation_of(certificate)
        """Generation of the authority, by the type of its key; it issues for the same generation."""
        require(certificate, kind, FIELD, self.generation)
        key = read_private_key(_read(folder / f"{kind.value}_key.pem"), password)
        if key.public_key() != certificate.key:
            raise broken(Rule.NOT_OUR_KEY, str(certificate), f"does not match the key in {folder}")
        self.identity = Holder(certificate, key)

    @property
    def certificate(self) -> Certificate:
        """The certificate of the authority."""
        return self.identity.certificate

    @property
    def chain(self) -> tuple[Certificate, ...]:
        """The certificates after a leaf in an issued chain: the authority, then those above it, without the
        root."""
        path = self.folder / f"{self.kind.value}_chain.pem"
        above = read_chain(_read(path)) if path.exists() else self._neighbours()
        return in_order(above, self.certificate)

    def issue(
        self, request: SigningRequest, kind: Kind, now: datetime.datetime, policy: IssuingPolicy
    ) -> Certificate:
        """Issue a certificate for a request; it is recorded before it is returned.

        The common name is taken from the request, organization and country from the authority, the role from
        `kind`. Raises CertificateError when the result would violate its profile.
        """
        return self._issue(request.public_key, request.common_name, request.organization, kind, now, policy)

    def renew(self, entry: RegisterEntry, now: datetime.datetime, policy: IssuingPolicy) -> Certificate:
        """Issue a certificate like one in the register, for the same key, valid from now."""
        old = entry.certificate
        organization = "".join(old.subject.all_of(ORGANIZATION)[:1])
        return self._issue(old.key, old.subject.common_name, organization, entry.kind, now, policy)

    def expiring(self, within: datetime.timedelta, now: datetime.datetime) -> tuple[RegisterEntry, ...]:
        """Return issued certificates that are in use and end within this time."""
        return self.register.expiring(self.certificate, now + within)

    def revoke(self, revocation: Revocation) -> None:
        """Record a revocation; the next CRL and OCSP answer publish it. Raises CertificateError."""
        with self.register.lock() as register:
            register.revoke(self.certificate, revocation)
            self.register = register

    def crl(self, now: datetime.datetime, validity: datetime.timedelta) -> bytes:
        """Return a CRL in DER of everything that is revoked and not expired.

        Its number is the time, so that it grows.
        """
        certificates = {entry.certificate.serial: entry.certificate for entry in self.register}
        revoked = [
            one
            for one in self.register.revoked(self.certificate)
            if certificates[one.serial].not_after >= now
        ]
        return make_crl(
            self.identity,
            revoked,
            number=int(now.timestamp()),
            this_update=now,
            next_update=now + validity,
        )

    def _issue(
        self,
        key: PublicKey,
        common_name: str,
        organization: str,
        kind: Kind,
        now: datetime.datetime,
        policy: IssuingPolicy,
    ) -> Certificate:
        own = self.certificate.subject
        begin = max(now - policy.backdate, self.certificate.not_before).replace(microsecond=0)
        validity = policy.validity or profile_of(kind, self.generation).validity
        order = Order(
            kind=kind,
            generation=self.generation,
            common_name=common_name,
            organization=organization or "".join(own.all_of(ORGANIZATION)[:1]),
            country="".join(own.all_of(COUNTRY)[:1]),
            serial=serial_from(policy.random_bytes(16)),
            not_before=begin,
            not_after=begin + validity,
            ocsp_url=policy.ocsp_url or "".join(self.certificate.ocsp_urls[:1]),
            crl_url=policy.crl_url,
            server_purpose=policy.server_purpose and "leaf" in kind.value and "secc" in kind.value,
        )
        if self.certificate.not_after <= begin:
            raise broken(Rule.CA_EXPIRED, str(own), "the authority has expired")
        certificate = issue(order, key, self.identity)
        with self.register.lock() as register:
            register.add(certificate, kind, self.certificate, now)
            self.register = register
        return certificate

    def _neighbours(self) -> Sequence[Certificate]:
        """Return the certificates of the folder, for a hierarchy that was created at once."""
        found: list[Certificate] = []
        for path in sorted(self.folder.glob("*_ca_?.pem")):
            found += read_chain(_read(path))
        return found


def authorities(folder: Path, *, password: bytes | None = None) -> list[Authority]:
    """Return every authority of a folder whose key is present, including roots."""
    kinds = (kind for kind in Kind if kind.is_authority)
    return [
        Authority(folder, kind, password=password)
        for kind in kinds
        if (folder / f"{kind.value}.pem").exists() and (folder / f"{kind.value}_key.pem").exists()
    ]


def _read_one(path: Path) -> Certificate:
    return read_chain(_read(path))[0]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}", rule=Rule.EMPTY) from error
