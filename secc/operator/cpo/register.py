"""CertificateRegister of all issued certificates and revocations, used by OCSP, CRLs and alerts."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed448
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ReasonFlags
from sqlalchemy import Row, and_, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from secc.errors import CertificateError
from secc.operator.cpo.database import Database, certificate
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.issuing import Revocation
from secc.pki.keys import PublicKey
from secc.pki.profiles import Generation, Kind
from secc.pki.rules import Rule


@dataclasses.dataclass(frozen=True, slots=True)
class Issued:
    """One certificate of the register."""

    issuer: str
    """Fingerprint of the issuing authority."""
    serial: int
    kind: Kind
    owner: str
    """A station, or the key of a contract."""
    der: bytes = dataclasses.field(repr=False)
    not_before: datetime.datetime
    not_after: datetime.datetime
    replaced: bool
    revocation: Revocation | None

    @property
    def certificate(self) -> Certificate:
        """The parsed certificate."""
        return read_certificate(self.der)


@dataclasses.dataclass(frozen=True, slots=True)
class InUse:
    """Certificates in use of one kind and issuer."""

    issuer: str
    """Fingerprint."""
    count: int
    first: datetime.datetime
    """The earliest begin."""
    first_end: datetime.datetime
    last_end: datetime.datetime


class CertificateRegister:
    """The certificates of all authorities of the service."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, leaf: Certificate, kind: Kind, issuer: Certificate, owner: str, key: PublicKey) -> bytes:
        """Record a certificate for a request before it is delivered.

        Returns the valid certificate (DER): for the same key and issuer it is the certificate of the first
        request. Older certificates of the owner are marked as replaced.
        """
        row = {
            "issuer": issuer.fingerprint,
            "serial": f"{leaf.serial:x}",
            "kind": kind.value,
            "subject": leaf.subject.common_name,
            "owner": owner,
            "public_key": key_hash(key),
            "der": leaf.der,
            "not_before": leaf.not_before,
            "not_after": leaf.not_after,
            "replaced": False,
        }
        older = and_(certificate.c.owner == owner, certificate.c.kind == kind.value)
        try:
            # Nested: when the key is in use already, a surrounding transaction continues.
            with self._db.write() as connection, connection.begin_nested():
                connection.execute(update(certificate).where(older).values(replaced=True))
                connection.execute(insert(certificate).values(row))
        except Exception as error:
            first = self.of_key(issuer, key) if _is_duplicate(error) else None
            if first is None:
                raise
            return first.der
        return leaf.der

    def of_key(self, issuer: Certificate, key: PublicKey) -> Issued | None:
        """Return the certificate that this authority has issued for a key."""
        condition = and_(
            certificate.c.issuer == issuer.fingerprint, certificate.c.public_key == key_hash(key)
        )
        return self._one(condition)

    def find(self, issuer: Certificate, serial: int) -> Issued | None:
        """Return the entry for a serial number of an issuer."""
        wanted = and_(certificate.c.issuer == issuer.fingerprint, certificate.c.serial == f"{serial:x}")
        return self._one(wanted)

    def revoke(
        self, issuers: Sequence[Certificate], serial: int, reason: ReasonFlags, at: datetime.datetime
    ) -> Issued:
        """Record a revocation; a repetition has no effect. Raises CertificateError for an unknown serial
        number."""
        text = f"{serial:x}"
        ours = and_(
            certificate.c.issuer.in_([issuer.fingerprint for issuer in issuers]), certificate.c.serial == text
        )
        values = {"revoked_at": at.replace(microsecond=0), "reason": reason.value}
        with self._db.write() as connection:
            connection.execute(
                update(certificate).where(ours, certificate.c.revoked_at.is_(None)).values(values)
            )
        found = self._one(ours)
        if found is None:
            raise CertificateError(f"unknown serial number {text}", rule=Rule.SERIAL)
        return found

    def of_owner(self, owner: str) -> tuple[Issued, ...]:
        """Return certificates of a station or a contract, newest first."""
        query = select(certificate).where(certificate.c.owner == owner)
        with self._db.read() as connection:
            return tuple(map(_issued, connection.execute(query.order_by(certificate.c.not_after.desc()))))

    def by_serial(self, serial: int) -> tuple[Issued, ...]:
        """Return the certificates with this serial number; several authorities may have used it."""
        query = select(certificate).where(certificate.c.serial == f"{serial:x}")
        with self._db.read() as connection:
            return tuple(map(_issued, connection.execute(query.limit(20))))

    def stations(self, search: str, *, limit: int = 50) -> tuple[Issued, ...]:
        """Return certificates in use of stations whose id begins with this text."""
        named = and_(certificate.c.owner >= search, certificate.c.owner < search + "\x7f")
        query = select(certificate).where(_in_use(Kind.SECC_LEAF), named)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(certificate.c.owner).limit(limit)).all()
        return tuple(map(_issued, rows))

    def in_use(self, kind: Kind) -> tuple[InUse, ...]:
        """Return the certificates in use of one kind, as one row for each issuer."""
        ends = certificate.c.not_after
        query = (
            select(
                certificate.c.issuer,
                func.count().label("count"),
                func.min(certificate.c.not_before),
                func.min(ends),
                func.max(ends),
            )
            .where(_in_use(kind))
            .group_by(certificate.c.issuer)
        )
        with self._db.read() as connection:
            return tuple(InUse(*row) for row in connection.execute(query))

    def holders(self, kind: Kind, name: str) -> tuple[str, ...]:
        """Return the owners of certificates in use with this common name."""
        query = select(certificate.c.owner).where(_in_use(kind), certificate.c.subject == name).distinct()
        with self._db.read() as connection:
            return tuple(str(row.owner) for row in connection.execute(query))

    def ending(self, kind: Kind, until: datetime.datetime, *, limit: int = 100) -> tuple[Issued, ...]:
        """Return certificates in use that end until then, earliest end first."""
        query = select(certificate).where(_in_use(kind), certificate.c.not_after <= until)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(certificate.c.not_after).limit(limit)).all()
        return tuple(_issued(row) for row in rows)

    def count_ending(self, kind: Kind, begin: datetime.datetime, end: datetime.datetime) -> int:
        """Return the number of certificates in use that end in this period."""
        within = and_(certificate.c.not_after > begin, certificate.c.not_after <= end)
        with self._db.read() as connection:
            return int(connection.execute(select(func.count()).where(_in_use(kind), within)).scalar_one())

    def revoked(self, issuer: Certificate, now: datetime.datetime) -> tuple[Revocation, ...]:
        """Return the present content of a CRL: revoked and not expired."""
        query = select(certificate).where(
            certificate.c.issuer == issuer.fingerprint,
            certificate.c.revoked_at.is_not(None),
            certificate.c.not_after >= now,
        )
        with self._db.read() as connection:
            found = [_issued(row) for row in connection.execute(query.order_by(certificate.c.revoked_at))]
        return tuple(one.revocation for one in found if one.revocation is not None)

    def _one(self, condition: Any) -> Issued | None:
        with self._db.read() as connection:
            row = connection.execute(select(certificate).where(condition)).first()
        return None if row is None else _issued(row)


def contract_owner(key: str, generation: Generation = Generation.ISO2) -> str:
    """Return the owner of the certificates of a contract: those of each generation are replaced
    independently. `contract_key` is the reverse."""
    return key if generation is Generation.ISO2 else f"{key} {generation}"


def contract_key(owner: str) -> str:
    """Return the key of the contract that owns a certificate of either generation."""
    return owner.partition(" ")[0]


def key_hash(key: PublicKey) -> str:
    """Return the SHA-256 of a public key, hexadecimal."""
    if isinstance(key, ed448.Ed448PublicKey):
        return hashlib.sha256(key.public_bytes_raw()).hexdigest()
    return hashlib.sha256(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).hexdigest()


def _in_use(kind: Kind) -> Any:
    return and_(
        certificate.c.kind == kind.value,
        certificate.c.replaced.is_(False),
        certificate.c.revoked_at.is_(None),
    )


def _is_duplicate(error: Exception) -> bool:
    return isinstance(error, IntegrityError) or isinstance(error.__cause__, IntegrityError)


def _issued(row: Row[Any]) -> Issued:
    serial = int(row.serial, 16)
    revocation = None
    if row.revoked_at is not None:
        revocation = Revocation(serial, row.revoked_at, ReasonFlags(row.reason))
    return Issued(
        row.issuer,
        serial,
        Kind(row.kind),
        row.owner,
        bytes(row.der),
        row.not_before,
        row.not_after,
        row.replaced,
        revocation,
    )
