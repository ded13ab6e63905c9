"""Certificates of stations: a request (PKCS#10) in, a chain out, issued by the Sub-CA of the operator.

A car identifies a station only by the name in its certificate. Therefore the name in a request must belong to
the requesting station, and no other certificate may use the key.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Sequence

from secc.operator.cpo.register import CertificateRegister, Issued, key_hash
from secc.operator.cpo.settings import StationNames
from secc.pki.authority import IssuingPolicy
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.issuing import Holder, Order, SigningRequest, issue, serial_from
from secc.pki.names import COUNTRY, ORGANIZATION
from secc.pki.profiles import Kind, generation_of, profile_of
from secc.pki.rules import Rule, broken


class StationCertificateNames:
    """Which station may have a certificate with which common name."""

    def __init__(
        self, templates: Sequence[str] = ("{station}",), listed: Sequence[StationNames] = ()
    ) -> None:
        """`templates` contain `{station}` and apply to every station, `listed` names to one."""
        self._templates = tuple(templates)
        self._listed = {name: one.station for one in listed for name in one.names}

    def station_of(self, name: str) -> str:
        """Return the station that a listed name belongs to; any other name is the id of a station."""
        return self._listed.get(name, name)

    def check(self, name: str, station: str) -> None:
        """Raise CertificateError unless the station may have a certificate with this common name."""
        if _NAME.fullmatch(name) is None:
            raise broken(
                Rule.COMMON_NAME,
                "",
                f"common name {name[:80]!r}, expected 1 to 64 letters, digits and *+-.:_",
            )
        by_template = (one.replace("{station}", station) for one in self._templates)
        if name not in by_template and self._listed.get(name) != station:
            raise broken(Rule.COMMON_NAME, "", f"common name {name!r} is not one of station {station!r}")


_NAME = re.compile(r"[A-Za-z0-9*+.:_-]{1,64}", re.ASCII)


class LeafIssuer:
    """The CPO Sub-CA of this service."""

    def __init__(
        self,
        authority: Holder,
        above: Sequence[Certificate],
        register: CertificateRegister,
        *,
        kind: Kind = Kind.SECC_LEAF,
        policy: IssuingPolicy | None = None,
        names: StationCertificateNames | None = None,
        taken: Callable[[], Iterable[Certificate]] = tuple,
        is_contract: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        """`names` defines which station may have which common name. `taken` returns the certificates of other
        authorities and of roots, whose keys no station may have. `is_contract` returns whether a name is the
        eMAID of a contract."""
        self.authority = authority
        self._above = tuple(above)
        self._register = register
        self._kind = kind
        self._policy = policy or IssuingPolicy()
        self._names = names or StationCertificateNames()
        self._taken = taken
        self._is_contract = is_contract
        self._clock = clock

    @property
    def chain(self) -> tuple[Certificate, ...]:
        """The Sub-CA and the certificates above it, without the root."""
        return (self.authority.certificate, *self._above)

    def station_of(self, request: SigningRequest) -> str:
        """Return the station that a request is for, by its common name."""
        return self._names.station_of(request.common_name)

    def issue(self, request: SigningRequest, station: str) -> tuple[Certificate, ...]:
        """Issue a chain for a request, leaf first; the same key gets the same certificate again.

        The certificate is recorded before it is returned. Raises CertificateError when the name does not
        belong to the station, the key belongs to another station or to an authority or was revoked, the
        authority has expired, or the result would violate its profile.
        """
        self._check(request, station)
        own, now = self.authority.certificate, self._clock()
        if own.not_after <= now:
            raise broken(Rule.CA_EXPIRED, str(own), "the authority has expired")
        first = self._register.of_key(own, request.public_key)
        if first is not None:
            return (self._again(first, station), *self.chain)
        begin = max(now - self._policy.backdate, own.not_before).replace(microsecond=0)
        generation = generation_of(own)
        order = Order(
            kind=self._kind,
            generation=generation,
            common_name=request.common_name,
            organization=request.organization or "".join(own.subject.all_of(ORGANIZATION)[:1]),
            country="".join(own.subject.all_of(COUNTRY)[:1]),
            serial=serial_from(self._policy.random_bytes(16)),
            not_before=begin,
            not_after=begin + (self._policy.validity or profile_of(self._kind, generation).validity),
            ocsp_url=self._policy.ocsp_url or "".join(own.ocsp_urls[:1]),
            crl_url=self._policy.crl_url,
            server_purpose=self._policy.server_purpose,
        )
        leaf = issue(order, request.public_key, self.authority)
        counts = self._register.add(leaf, self._kind, own, station, request.public_key)
        return (read_certificate(counts), *self.chain)

    def _check(self, request: SigningRequest, station: str) -> None:
        name = request.common_name
        self._names.check(name, station)
        if self._is_contract(name):
            raise broken(Rule.COMMON_NAME, "", f"common name {name!r} is the eMAID of a contract")
        if holder := next((one for one in self._register.holders(self._kind, name) if one != station), ""):
            raise broken(Rule.COMMON_NAME, "", f"common name {name!r} is in use by station {holder!r}")
        key = key_hash(request.public_key)
        if any(key_hash(one.key) == key for one in (*self.chain, *self._taken())):
            raise broken(Rule.REQUEST, "", "the key in the request belongs to an authority")

    def _again(self, first: Issued, station: str) -> Certificate:
        if first.owner != station or first.revocation is not None:
            why = "belongs to another station" if first.owner != station else "was revoked"
            raise broken(Rule.REQUEST, "", f"the key in the request {why}")
        return first.certificate
