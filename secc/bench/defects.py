"""Certificates with one defect each, made with the keys of a test hierarchy."""

from __future__ import annotations

import dataclasses
import datetime
import os

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ObjectIdentifier

from secc.bench.pki import CarPki
from secc.bench.reissue import EXPIRED, changed_subject, reissue
from secc.bench.verdict import Inconclusive
from secc.pki.certificates import Certificate
from secc.pki.hierarchy import Hierarchy, make_hierarchy
from secc.pki.issuing import Identity, new_key
from secc.pki.profiles import Kind

ISSUER = {
    Kind.CONTRACT_LEAF: Kind.MO_SUB_CA_2,
    Kind.MO_SUB_CA_2: Kind.MO_SUB_CA_1,
    Kind.MO_SUB_CA_1: Kind.MO_ROOT,
    Kind.OEM_LEAF: Kind.OEM_SUB_CA_2,
}
_DAY = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Forger:
    """Reissues the certificates of a hierarchy with a change; keys are kept unless they are new."""

    pki: CarPki

    def again(
        self,
        kind: Kind,
        *,
        common_name: str | None = None,
        expired: bool = False,
        more: tuple[tuple[ObjectIdentifier, str], ...] = (),
        domain: str | None = None,
    ) -> Identity:
        """Reissue the certificate of this kind from its valid issuer. `more` is added to the subject."""
        base, issuer = self._identity(kind), self._identity(ISSUER[kind])
        old = base.certificate.to_cryptography()
        subject = changed_subject(old.subject, common_name=common_name, more=more, domain=domain)
        certificate = reissue(base, issuer, subject=subject, validity=EXPIRED if expired else None)
        return Identity(certificate, base.key)

    def foreign(self) -> Hierarchy:
        """Return another hierarchy with the same names, which is not trusted."""
        now = datetime.datetime.now(datetime.UTC)
        return make_hierarchy(not_before=now - _DAY, random_bytes=os.urandom(16))

    def contract_chain(self, **changed: Certificate) -> tuple[Certificate, ...]:
        """Return leaf, sub-CA 2, sub-CA 1, some of them replaced: `leaf`, `sub_ca_2`, `sub_ca_1`."""
        usual = {
            "leaf": self.pki.certificates[Kind.CONTRACT_LEAF],
            "sub_ca_2": self.pki.certificates[Kind.MO_SUB_CA_2],
            "sub_ca_1": self.pki.certificates[Kind.MO_SUB_CA_1],
        }
        return tuple((usual | changed).values())

    def _identity(self, kind: Kind) -> Identity:
        found = self.pki.identities.get(kind)
        if found is None:
            raise Inconclusive(f"the key of {kind.value} was not given to the tester")
        return found


def other_key() -> ec.EllipticCurvePrivateKey:
    """Return a key that belongs to no certificate."""
    return new_key()
