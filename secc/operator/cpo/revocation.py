"""Publication of revocations: OCSP answers and CRLs for all certificates of this service."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence

from cryptography.x509 import ReasonFlags

from secc.operator.cpo.contracts import Contracts
from secc.operator.cpo.iso20_contracts import Iso20Contracts
from secc.operator.cpo.register import CertificateRegister, Issued, contract_key, contract_owner
from secc.pki.certificates import Certificate
from secc.pki.issuing import Holder, make_crl
from secc.pki.profiles import Generation, Kind
from secc.pki.responder import OcspResponder

CRL_LIFE = datetime.timedelta(days=7)


@dataclasses.dataclass(frozen=True, slots=True)
class _Answerable:
    """An authority in the form that the OCSP responder needs."""

    identity: Holder
    register: CertificateRegister

    @property
    def certificate(self) -> Certificate:
        return self.identity.certificate


class Revocations:
    """Revocation for the authorities whose keys this service has."""

    def __init__(
        self,
        authorities: Sequence[Holder],
        register: CertificateRegister,
        contracts: Contracts,
        iso20: Iso20Contracts,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._authorities = tuple(authorities)
        self._register = register
        self._contracts = contracts
        self._iso20 = iso20
        self._clock = clock
        self._responder = OcspResponder([_Answerable(one, register) for one in authorities])

    def revoke(self, serial: int, reason: ReasonFlags) -> Issued:
        """Revoke a certificate; a revoked contract certificate is not delivered again. Raises
        CertificateError."""
        now = self._clock()
        issuers = [one.certificate for one in self._authorities]
        found = self._register.revoke(issuers, serial, reason, now)
        if found.kind is Kind.CONTRACT_LEAF and not found.replaced:
            key = contract_key(found.owner)
            newer = found.owner == contract_owner(key, Generation.ISO20)
            (self._iso20 if newer else self._contracts).discard(key, now)
        return found

    def ocsp(self, request: bytes) -> bytes:
        """Return the answer to an OCSP request in DER; never raises for invalid requests."""
        return self._responder.answer(request, self._clock())

    def crl(self, issuer: str) -> bytes | None:
        """Return the CRL of the authority with this fingerprint in DER; None for an unknown authority."""
        now = self._clock().replace(microsecond=0)
        for one in self._authorities:
            if one.certificate.fingerprint == issuer:
                revoked = self._register.revoked(one.certificate, now)
                number, until = int(now.timestamp()), now + CRL_LIFE
                return make_crl(one, revoked, number=number, this_update=now, next_update=until)
        return None

    @property
    def issuers(self) -> tuple[Certificate, ...]:
        """The authorities."""
        return tuple(one.certificate for one in self._authorities)
