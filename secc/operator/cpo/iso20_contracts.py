"""Contracts of cars of ISO 15118-20 in the database: their cars, certificates, bundles and deliveries.

A contract exists once, and its certificate of ISO 15118-20 is renewed independently of its twin. Its record
here is the same `ContractRecord` with the car, the next renewal and the end of that certificate. A worker
that stores a bundle moves the next renewal on, and only if no other worker has done so since the record was
read.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, select, update

from secc.errors import CertificateError
from secc.operator.cpo.contracts import ContractRecord, DueContract, contract_of_row, is_due, key_of
from secc.operator.cpo.database import (
    Database,
    certificate,
    contract,
    insert_new,
    iso20_bundle,
    iso20_car,
    iso20_contract,
    iso20_delivery,
    iso20_renewal,
)
from secc.operator.cpo.planning import BUCKETS, ContractRenewalPolicy, bucket_of, renew_at
from secc.operator.cpo.register import contract_owner
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.identifiers import EMAID, PCID
from secc.pki.kinds import Generation, Kind
from secc.site.issuing import Bundle
from secc.site.store import Status


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NewIso20Bundle:
    """A bundle that is not stored yet."""

    contract: ContractRecord
    """The contract as it was read before."""
    receiver: str
    """Fingerprint of the provisioning certificate whose key decrypts it."""
    bundle: Bundle
    issuer: str
    """Fingerprint of the issuing authority."""


SESSION = datetime.timedelta(minutes=10)
"""How long a delivery counts as one of the same session of a car."""


class Iso20Contracts:
    """Access to the contracts in the database."""

    def __init__(self, database: Database, policy: ContractRenewalPolicy) -> None:
        self.database = database
        self._policy = policy

    # --- cars ----------------------------------------------------------------------------------------------

    def put_car(self, leaf: Certificate, emaid: str) -> ContractRecord:
        """Deliver a contract to a car, whose chain has been verified, beside the contracts it has already.

        A contract has one car. Raises IdentifierError, and CertificateError for an unknown contract.
        """
        pcid, key = PCID.parse(leaf.subject.common_name), key_of(EMAID.parse(emaid))
        with self.database.write() as connection:
            row = connection.execute(select(contract).where(contract.c.key == key)).first()
            if row is None:
                raise CertificateError(f"there is no contract {emaid}", rule="no_contract")
            _assign(connection, key, pcid)
            values = {"fingerprint": leaf.fingerprint, "der": leaf.der}
            of_car = update(iso20_car).where(iso20_car.c.pcid == pcid.normal)
            if not connection.execute(of_car.values(values)).rowcount:
                connection.execute(insert(iso20_car).values(pcid=pcid.normal, **values))
            return contract_of_row(row)

    def car(self, pcid: PCID) -> Certificate | None:
        """Return the provisioning certificate of a known car."""
        query = select(iso20_car.c.der).where(iso20_car.c.pcid == pcid.normal)
        with self.database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else read_certificate(row.der)

    def contracts_of(self, pcid: PCID) -> tuple[ContractRecord, ...]:
        """Return the contracts of a car, in the order in which they were assigned."""
        query = _twins().where(iso20_contract.c.pcid == pcid.normal).order_by(iso20_contract.c.rank)
        with self.database.read() as connection:
            return tuple(contract_of_row(row) for row in connection.execute(query))

    def get(self, key: str) -> ContractRecord | None:
        """Return a contract that a car of ISO 15118-20 receives."""
        with self.database.read() as connection:
            row = connection.execute(_twins().where(contract.c.key == key)).first()
        return None if row is None else contract_of_row(row)

    # --- bundles -------------------------------------------------------------------------------------------

    def has_bundle(self, of: ContractRecord, receiver: str, now: datetime.datetime) -> bool:
        """Return whether a bundle waits for this receiver, is usable, and is not due for renewal itself."""
        query = select(iso20_bundle.c.key).where(_waiting(of, receiver, now))
        with self.database.read() as connection:
            return not is_due(of, now) and connection.execute(query).first() is not None

    def take(self, of: ContractRecord, receiver: str, now: datetime.datetime) -> bytes | None:
        """Return and remove the bundle that waits for this receiver, see `has_bundle`."""
        with self.database.write() as connection:
            query = select(iso20_bundle.c.payload).where(_waiting(of, receiver, now))
            row = None if is_due(of, now) else connection.execute(query.with_for_update()).first()
            connection.execute(delete(iso20_bundle).where(iso20_bundle.c.key == of.key))
        return None if row is None else bytes(row.payload)

    def store(self, made: Sequence[NewIso20Bundle], now: datetime.datetime) -> frozenset[str]:
        """Store bundles in one transaction; returns the keys of the contracts for which they were stored.

        The other contracts have received a certificate from another worker meanwhile, or are not active any
        more.
        """
        keys = sorted(one.contract.key for one in made)
        locked = (
            select(contract.c.key)
            .where(contract.c.key.in_(keys), contract.c.status == Status.ACTIVE.value)
            .order_by(contract.c.key)  # all workers lock the rows in the same order
            .with_for_update()
        )
        with self.database.write() as connection:
            active = {row.key for row in connection.execute(locked)}
            won = [one for one in made if one.contract.key in active and self._moved_on(connection, one, now)]
            for one in won:
                _store(connection, one, now)
        return frozenset(one.contract.key for one in won)

    def _moved_on(self, connection: Connection, made: NewIso20Bundle, now: datetime.datetime) -> bool:
        """Plan the renewal after this bundle; returns False if another worker has done so meanwhile."""
        was, leaf = made.contract, made.bundle.leaf
        planned = renew_at(was.key, leaf.not_before, leaf.not_after, self._policy)
        values = {"renew_at": max(planned, now + _AT_LEAST), "not_after": leaf.not_after}
        if was.not_after is None:
            row = {"key": was.key, "bucket": bucket_of(was.key), **values}
            return bool(connection.execute(insert_new(connection, iso20_renewal).values(row)).rowcount)
        before: ColumnElement[bool] = iso20_renewal.c.renew_at.is_(None)
        if was.renew_at is not None:
            before = iso20_renewal.c.renew_at == was.renew_at
        unchanged = and_(iso20_renewal.c.key == was.key, iso20_renewal.c.not_after == was.not_after, before)
        return bool(connection.execute(update(iso20_renewal).where(unchanged).values(values)).rowcount)

    # --- deliveries ----------------------------------------------------------------------------------------

    def delivered(self, request: str, now: datetime.datetime) -> bytes | None:
        """Return the answer to a request with this hash, if it was given within a session."""
        query = select(iso20_delivery.c.payload).where(
            iso20_delivery.c.request == request, iso20_delivery.c.at > now - SESSION
        )
        with self.database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else bytes(row.payload)

    def given(self, pcid: PCID, now: datetime.datetime) -> frozenset[str]:
        """Return the keys of the contracts that a car has received in this session."""
        query = select(iso20_delivery.c.key).where(
            iso20_delivery.c.pcid == pcid.normal, iso20_delivery.c.at > now - SESSION
        )
        with self.database.read() as connection:
            return frozenset(row.key for row in connection.execute(query))

    def deliver(self, request: str, pcid: PCID, key: str, payload: bytes, now: datetime.datetime) -> bytes:
        """Record an answer, and return it, or the one of another worker that was faster with the same
        request."""
        row = {"request": request, "pcid": pcid.normal, "key": key, "payload": payload, "at": now}
        with self.database.write() as connection:
            connection.execute(delete(iso20_delivery).where(iso20_delivery.c.at <= now - SESSION))
            connection.execute(insert_new(connection, iso20_delivery).values(row))
            query = select(iso20_delivery.c.payload).where(iso20_delivery.c.request == request)
            return bytes(connection.execute(query).one().payload)

    # --- renewal -------------------------------------------------------------------------------------------

    def due_buckets(self, now: datetime.datetime) -> tuple[int, ...]:
        """Return the buckets with certificates to renew; one index lookup for each."""
        return tuple(bucket for bucket in range(BUCKETS) if self.due(bucket, now, limit=1))

    def due(self, bucket: int, now: datetime.datetime, *, limit: int) -> tuple[DueContract, ...]:
        """Return active contracts of one bucket whose renewal is due, longest due first."""
        query = iso20_due_query(bucket, now, limit)
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        return tuple(
            DueContract(contract_of_row(row), None if row.der is None else read_certificate(row.der))
            for row in rows
        )

    def postpone(self, keys: Iterable[str], until: datetime.datetime) -> None:
        """Try again at this time what cannot be renewed now, or renew what has ended."""
        with self.database.write() as connection:
            of = update(iso20_renewal).where(iso20_renewal.c.key.in_(list(keys)))
            connection.execute(of.values(renew_at=until))

    def discard(self, key: str, now: datetime.datetime) -> None:
        """Do not deliver the newest certificate any more; the next request gets a new one."""
        with self.database.write() as connection:
            connection.execute(delete(iso20_bundle).where(iso20_bundle.c.key == key))
            connection.execute(delete(iso20_delivery).where(iso20_delivery.c.key == key))
        self.postpone([key], now)

    def renew_everything(self, at: datetime.datetime) -> int:
        """Make every certificate due from `at`, one bucket at a time, see `Contracts.renew_everything`."""
        count = 0
        for bucket in range(BUCKETS):
            issued = and_(iso20_renewal.c.bucket == bucket, iso20_renewal.c.renew_at.is_not(None))
            with self.database.write() as connection:
                count += connection.execute(update(iso20_renewal).where(issued).values(renew_at=at)).rowcount
        return count

    def received(self, emaid: EMAID, pcid: PCID, leaf: Certificate, *, renew: bool) -> None:
        """Record car and end of a certificate that the ecosystem has issued for a contract of this service.

        With `renew` its renewal is planned. No effect for contracts of others.
        """
        key = key_of(emaid)
        planned = renew_at(key, leaf.not_before, leaf.not_after, self._policy) if renew else None
        values: dict[str, object] = {"not_after": leaf.not_after, "renew_at": planned}
        with self.database.write() as connection:
            if connection.execute(select(contract.c.key).where(contract.c.key == key)).first() is None:
                return
            current = select(iso20_contract.c.pcid).where(iso20_contract.c.key == key)
            if connection.execute(current).scalar() != pcid.normal:
                _assign(connection, key, pcid)
            connection.execute(
                insert_new(connection, iso20_renewal).values(key=key, bucket=bucket_of(key), **values)
            )
            connection.execute(update(iso20_renewal).where(iso20_renewal.c.key == key).values(values))


def iso20_due_query(bucket: int, now: datetime.datetime, limit: int) -> Any:
    """Return the query that finds due certificates of ISO 15118-20."""
    return (
        _twins()
        .add_columns(iso20_car.c.der)
        .outerjoin(iso20_car, iso20_car.c.pcid == iso20_contract.c.pcid)
        .where(contract.c.status == Status.ACTIVE.value, iso20_renewal.c.renew_at.is_not(None))
        .where(iso20_renewal.c.bucket == bucket, iso20_renewal.c.renew_at <= now)
        .order_by(iso20_renewal.c.renew_at)
        .limit(limit)
    )


_AT_LEAST = datetime.timedelta(hours=1)


def _twins() -> Select[Any]:
    """Contracts that cars of ISO 15118-20 receive, with the columns of `contract_of_row`."""
    shared = contract.c.key, contract.c.emaid, contract.c.status, contract.c.generation
    own = iso20_contract.c.pcid, iso20_renewal.c.renew_at, iso20_renewal.c.not_after
    of_car = iso20_contract.c.key == contract.c.key
    return (
        select(*shared, *own)
        .select_from(contract)
        .join(iso20_contract, of_car)
        .outerjoin(iso20_renewal, iso20_renewal.c.key == contract.c.key)
    )


def _waiting(of: ContractRecord, receiver: str, now: datetime.datetime) -> Any:
    return and_(iso20_bundle.c.key == of.key, iso20_bundle.c.receiver == receiver, iso20_bundle.c.until > now)


def _assign(connection: Connection, key: str, pcid: PCID) -> None:
    connection.execute(delete(iso20_contract).where(iso20_contract.c.key == key))
    last = select(func.max(iso20_contract.c.rank)).where(iso20_contract.c.pcid == pcid.normal)
    rank = (connection.execute(last).scalar() or 0) + 1
    connection.execute(insert(iso20_contract).values(key=key, pcid=pcid.normal, rank=rank))


def _store(connection: Connection, made: NewIso20Bundle, now: datetime.datetime) -> None:
    leaf, owner = made.bundle.leaf, contract_owner(made.contract.key, Generation.ISO20)
    row = {
        "issuer": made.issuer,
        "serial": f"{leaf.serial:x}",
        "kind": Kind.CONTRACT_LEAF.value,
        "subject": leaf.subject.common_name,
        "owner": owner,
        "public_key": None,
        "der": leaf.der,
        "not_before": leaf.not_before,
        "not_after": leaf.not_after,
        "replaced": False,
    }
    waiting = {
        "key": made.contract.key,
        "receiver": made.receiver,
        "payload": made.bundle.payload,
        "made_at": now,
        "until": made.bundle.usable_until,
    }
    older = and_(certificate.c.owner == owner, certificate.c.replaced.is_(False))
    connection.execute(update(certificate).where(older).values(replaced=True))
    connection.execute(insert(certificate).values(row))
    connection.execute(delete(iso20_bundle).where(iso20_bundle.c.key == made.contract.key))
    connection.execute(insert(iso20_bundle).values(waiting))
