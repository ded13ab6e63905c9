"""Contracts, cars and the bundles made for them.

A contract has a generation, which counts its certificates. A worker that has made a certificate takes the
next generation in the same transaction that stores the bundle, and only if the generation is still free. If
two workers make a certificate for the same contract at the same time, one is stored and the other is
discarded before any car can receive it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, func, insert, or_, select, update

from secc.errors import CertificateError
from secc.operator.cpo.database import (
    Database,
    bundle,
    car,
    certificate,
    contract,
    foreign_bundle,
    insert_new,
)
from secc.operator.cpo.planning import BUCKETS, ContractRenewalPolicy, bucket_of, renew_at
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.identifiers import EMAID, PCID, normal_emaid
from secc.pki.profiles import Kind
from secc.pki.provisioning import Action
from secc.site.store import Status


@dataclasses.dataclass(frozen=True, slots=True)
class ContractRecord:
    """One contract in its present state."""

    key: str
    emaid: str
    status: Status
    pcid: str | None
    """The car that the contract is delivered to."""
    generation: int
    """Number of certificates issued for the contract."""
    renew_at: datetime.datetime | None
    not_after: datetime.datetime | None
    """End of the newest certificate; None: not issued yet."""


@dataclasses.dataclass(frozen=True, slots=True)
class StoredBundle:
    """A stored answer for a car."""

    payload: bytes = dataclasses.field(repr=False)
    generation: int
    not_after: datetime.datetime
    """When a car no longer accepts it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NewBundle:
    """A bundle that is not stored yet."""

    contract: ContractRecord
    """The contract as it was read before."""
    action: Action
    receiver: str
    """Fingerprint of the certificate whose key decrypts the bundle."""
    payload: bytes = dataclasses.field(repr=False)
    leaf: Certificate
    until: datetime.datetime
    """When a car no longer accepts it: the first end in the chains of the contract and of the CPS."""
    issuer: str
    """Fingerprint of the issuing authority."""


@dataclasses.dataclass(frozen=True, slots=True)
class DueContract:
    """A contract that is due for renewal, and the car that receives it."""

    contract: ContractRecord
    car: Certificate | None


class Contracts:
    """Access to the contracts in the database."""

    def __init__(self, database: Database, policy: ContractRenewalPolicy) -> None:
        self._db = database
        self._policy = policy

    def changes(self) -> contextlib.AbstractContextManager[Connection]:
        """Context for a transaction: all changes inside are stored together, or none."""
        return self._db.write()

    # --- contracts and cars --------------------------------------------------------------------------------

    def put(self, emaid: str, status: Status = Status.ACTIVE) -> ContractRecord:
        """Set the status of a contract, and create it if it is missing; raises IdentifierError."""
        parsed = EMAID.parse(emaid)
        key = key_of(parsed)
        with self._db.write() as connection:
            values = {"key": key, "emaid": parsed.normal, "status": status.value, "bucket": bucket_of(key)}
            connection.execute(insert_new(connection, contract).values(generation=0, **values))
            connection.execute(update(contract).where(contract.c.key == key).values(status=status.value))
            return contract_of_row(connection.execute(select(contract).where(contract.c.key == key)).one())

    def put_car(self, leaf: Certificate, emaid: str) -> ContractRecord:
        """Deliver a contract to a car, whose chain has been verified; replaces earlier assignments.

        Raises IdentifierError, and CertificateError for an unknown contract.
        """
        pcid, key = PCID.parse(leaf.subject.common_name).normal, key_of(EMAID.parse(emaid))
        with self._db.write() as connection:
            if connection.execute(select(contract.c.key).where(contract.c.key == key)).first() is None:
                raise CertificateError(f"there is no contract {emaid}", rule="no_contract")
            other = and_(contract.c.pcid == pcid, contract.c.key != key)
            connection.execute(update(contract).where(other).values(pcid=None))
            connection.execute(update(contract).where(contract.c.key == key).values(pcid=pcid))
            values = {"fingerprint": leaf.fingerprint, "der": leaf.der}
            changed = connection.execute(update(car).where(car.c.pcid == pcid).values(values)).rowcount
            if not changed:
                connection.execute(insert(car).values(pcid=pcid, **values))
            return contract_of_row(connection.execute(select(contract).where(contract.c.key == key)).one())

    def get(self, emaid: EMAID) -> ContractRecord | None:
        """Return a contract; any spelling of the eMAID is accepted."""
        return self._one(contract.c.key == key_of(emaid))

    def of_car(self, pcid: PCID) -> tuple[ContractRecord | None, Certificate | None]:
        """Return the contract of a car and the provisioning certificate that is known for it, with one
        query."""
        query = (
            select(contract, car.c.der)
            .select_from(car.outerjoin(contract, contract.c.pcid == car.c.pcid))
            .where(car.c.pcid == pcid.normal)
        )
        with self._db.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None, None
        return (contract_of_row(row) if row.key is not None else None), read_certificate(row.der)

    def page(
        self,
        *,
        after: str = "",
        search: str = "",
        ending_by: datetime.datetime | None = None,
        limit: int = 50,
    ) -> tuple[ContractRecord, ...]:
        """Return contracts in the order of their keys from `after`, or those that end first.

        `search` is an eMAID in any spelling, a PCID, or the beginning of one.
        """
        query = select(contract).limit(limit)
        if search:
            wanted = search.replace("-", "").upper()
            query = query.where(or_(_starts(contract.c.key, wanted[:14]), _starts(contract.c.pcid, wanted)))
        if ending_by is not None:
            ends = and_(contract.c.status == Status.ACTIVE.value, contract.c.not_after <= ending_by)
            query = query.where(ends).order_by(contract.c.not_after)
        else:
            query = query.where(contract.c.key > after).order_by(contract.c.key)
        with self._db.read() as connection:
            return tuple(contract_of_row(row) for row in connection.execute(query))

    def totals(self) -> dict[str, int]:
        """Return the number of contracts by status, and of those with a car as `cars`."""
        query = select(contract.c.status, func.count(), func.count(contract.c.pcid)).group_by(
            contract.c.status
        )
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        found = {one.value: 0 for one in Status} | {row[0]: int(row[1]) for row in rows}
        return found | {"cars": sum(int(row[2]) for row in rows)}

    def count_ending(self, begin: datetime.datetime, end: datetime.datetime) -> int:
        """Return the number of active contracts that end in this period."""
        within = and_(contract.c.not_after > begin, contract.c.not_after <= end)
        query = select(func.count()).where(contract.c.status == Status.ACTIVE.value, within)
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one())

    # --- bundles -------------------------------------------------------------------------------------------

    def bundle(self, of: ContractRecord, receiver: str) -> StoredBundle | None:
        """Return the bundle of the newest certificate, if it was made for this receiver."""
        query = select(bundle).where(
            bundle.c.key == of.key, bundle.c.generation == of.generation, bundle.c.receiver == receiver
        )
        with self._db.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else StoredBundle(row.payload, row.generation, row.not_after)

    def store(self, made: Sequence[NewBundle], now: datetime.datetime) -> frozenset[str]:
        """Store bundles in one transaction; returns the keys of the contracts for which they were stored.

        The other contracts have received a certificate from another worker meanwhile, or are not active any
        more.
        """
        keys = sorted(one.contract.key for one in made)
        locked = (
            select(contract.c.key, contract.c.generation)
            .where(contract.c.key.in_(keys), contract.c.status == Status.ACTIVE.value)
            .order_by(contract.c.key)  # all workers lock the rows in the same order
            .with_for_update()
        )
        with self._db.write() as connection:
            stands = {row.key: row.generation for row in connection.execute(locked)}
            won = [one for one in made if stands.get(one.contract.key) == one.contract.generation]
            if won:
                connection.execute(_NEXT_GENERATION, [self._next_generation(one, now) for one in won])
                _replace(connection, won, now)
        return frozenset(one.contract.key for one in won)

    def _next_generation(self, made: NewBundle, now: datetime.datetime) -> dict[str, object]:
        was = made.contract
        planned = renew_at(was.key, made.leaf.not_before, made.leaf.not_after, self._policy)
        return {
            "of_key": was.key,
            "generation": was.generation + 1,
            "renew_at": max(
                planned, now + _AT_LEAST
            ),  # an authority that ends soon must not cause constant renewal
            "not_after": made.leaf.not_after,
        }

    def received(self, emaid: EMAID, pcid: PCID | None, leaf: Certificate, *, renew: bool) -> None:
        """Record car and end of a certificate that the ecosystem has issued for a contract of this service.

        With `renew` its renewal is planned. No effect for contracts of others.
        """
        key = key_of(emaid)
        planned = renew_at(key, leaf.not_before, leaf.not_after, self._policy) if renew else None
        values: dict[str, object] = {"not_after": leaf.not_after, "renew_at": planned}
        with self._db.write() as connection:
            if pcid is not None:
                taken = and_(contract.c.pcid == pcid.normal, contract.c.key != key)
                connection.execute(update(contract).where(taken).values(pcid=None))
                values["pcid"] = pcid.normal
            connection.execute(update(contract).where(contract.c.key == key).values(values))

    def renew(self, key: str, now: datetime.datetime) -> None:
        """Make a contract due now: the next job or the next request of its car makes a new certificate."""
        with self._db.write() as connection:
            connection.execute(update(contract).where(contract.c.key == key).values(renew_at=now))

    def discard(self, key: str, now: datetime.datetime) -> None:
        """Do not deliver the newest certificate any more; the next request gets a new one."""
        with self._db.write() as connection:
            connection.execute(delete(bundle).where(bundle.c.key == key))
            connection.execute(update(contract).where(contract.c.key == key).values(renew_at=now))

    # --- renewal -------------------------------------------------------------------------------------------

    def due_buckets(self, now: datetime.datetime) -> tuple[int, ...]:
        """Return the buckets with contracts to renew; one index lookup for each."""
        return tuple(bucket for bucket in range(BUCKETS) if self.due(bucket, now, limit=1, cars=False))

    def due(
        self, bucket: int, now: datetime.datetime, *, limit: int, cars: bool = True
    ) -> tuple[DueContract, ...]:
        """Return active contracts of one bucket whose renewal is due, longest due first."""
        query = due_query(bucket, now, limit, cars=cars)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return tuple(
            DueContract(
                contract_of_row(row), read_certificate(row.der) if cars and row.der is not None else None
            )
            for row in rows
        )

    def postpone(self, keys: Iterable[str], until: datetime.datetime) -> None:
        """Try again at this time what cannot be renewed now."""
        with self._db.write() as connection:
            connection.execute(update(contract).where(contract.c.key.in_(list(keys))).values(renew_at=until))

    def renew_everything(self, at: datetime.datetime) -> int:
        """Make every contract due from `at`, because a key of the CPS or of an authority has been replaced.

        Works on one bucket at a time, so that other writers do not wait long; may be repeated after an
        interruption.
        """
        issued = and_(contract.c.status == Status.ACTIVE.value, contract.c.renew_at.is_not(None))
        count = 0
        for bucket in range(BUCKETS):
            heap = update(contract).where(issued, contract.c.bucket == bucket)
            with self._db.write() as connection:
                count += connection.execute(heap.values(renew_at=at)).rowcount
        return count

    # --- bundles of the ecosystem --------------------------------------------------------------------------

    def store_foreign(
        self, request: str, payload: bytes, until: datetime.datetime, pcid: PCID | None
    ) -> None:
        """Store an answer of the ecosystem for a repetition of the same request by this car."""
        with self._db.write() as connection:
            connection.execute(delete(foreign_bundle).where(foreign_bundle.c.request == request))
            car_name = None if pcid is None else pcid.normal
            values = {"request": request, "payload": payload, "until": until, "pcid": car_name}
            connection.execute(insert(foreign_bundle).values(values))

    def forget_foreign(self, pcid: PCID) -> None:
        """Discard the stored answers for a car: the ecosystem has a newer one."""
        with self._db.write() as connection:
            connection.execute(delete(foreign_bundle).where(foreign_bundle.c.pcid == pcid.normal))

    def foreign(self, request: str, now: datetime.datetime) -> bytes | None:
        """Return the stored answer of the ecosystem to this request, if it has not expired."""
        query = select(foreign_bundle).where(foreign_bundle.c.request == request)
        with self._db.read() as connection:
            row = connection.execute(query.where(foreign_bundle.c.until > now)).first()
        return None if row is None else bytes(row.payload)

    def _one(self, condition: Any) -> ContractRecord | None:
        with self._db.read() as connection:
            row = connection.execute(select(contract).where(condition)).first()
        return None if row is None else contract_of_row(row)


def due_query(bucket: int, now: datetime.datetime, limit: int, *, cars: bool = True) -> Any:
    """Return the query that finds due contracts.

    A test checks that both databases answer it from an index.
    """
    found = (
        select(contract)
        .where(contract.c.status == Status.ACTIVE.value, contract.c.renew_at.is_not(None))
        .where(contract.c.bucket == bucket, contract.c.renew_at <= now)
        .order_by(contract.c.renew_at)
        .limit(limit)
    )
    if not cars:
        return found
    first = found.subquery()
    return select(first, car.c.der).select_from(first.outerjoin(car, car.c.pcid == first.c.pcid))


_NEXT_GENERATION = update(contract).where(contract.c.key == bindparam("of_key"))
_AT_LEAST = datetime.timedelta(hours=1)


def _starts(column: Any, text: str) -> Any:
    """Return the condition that a column begins with this text; an index answers it."""
    return and_(column >= text, column < text + "\x7f")


def key_of(emaid: EMAID) -> str:
    """Return the first fourteen characters: spelling and check digit do not distinguish contracts."""
    return emaid.normal[:14]


def _replace(connection: Connection, won: Sequence[NewBundle], now: datetime.datetime) -> None:
    keys = [one.contract.key for one in won]
    current = and_(certificate.c.owner.in_(keys), certificate.c.replaced.is_(False))
    connection.execute(update(certificate).where(current).values(replaced=True))
    connection.execute(delete(bundle).where(bundle.c.key.in_(keys)))
    connection.execute(insert(certificate), [_certificate_row(one) for one in won])
    connection.execute(insert(bundle), [_bundle_row(one, now) for one in won])


def _certificate_row(made: NewBundle) -> dict[str, object]:
    leaf = made.leaf
    return {
        "issuer": made.issuer,
        "serial": f"{leaf.serial:x}",
        "kind": Kind.CONTRACT_LEAF.value,
        "subject": leaf.subject.common_name,
        "owner": made.contract.key,
        "public_key": None,
        "der": leaf.der,
        "not_before": leaf.not_before,
        "not_after": leaf.not_after,
        "replaced": False,
    }


def _bundle_row(made: NewBundle, now: datetime.datetime) -> dict[str, object]:
    return {
        "key": made.contract.key,
        "generation": made.contract.generation + 1,
        "receiver": made.receiver,
        "action": made.action.value,
        "payload": made.payload,
        "made_at": now,
        "not_after": made.until,
    }


def is_due(contract: ContractRecord, now: datetime.datetime) -> bool:
    """Return whether the newest certificate of a contract is due for renewal."""
    return contract.renew_at is not None and contract.renew_at <= now


def contract_of_row(row: Row[Any]) -> ContractRecord:
    """Return a row of the table `contract` as a record."""
    return ContractRecord(
        row.key,
        normal_emaid(row.emaid),  # rows of earlier versions have the spelling of the first request
        Status(row.status),
        row.pcid,
        row.generation,
        row.renew_at,
        row.not_after,
    )
